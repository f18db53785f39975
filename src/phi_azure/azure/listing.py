"""Jobs of the workspace, in a list."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phi_azure.azure.client import MANAGEMENT
from phi_azure.azure.failures import translated
from phi_azure.azure.order import ROUTE_TAG
from phi_azure.azure.runs import OVER, read_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from phi_azure.azure.client import Connection

_API = "2024-01-01-preview"
_RECENT = 200


@dataclass(frozen=True)
class Listed:
    """One job."""

    name: str
    status: str
    route: str
    created: datetime | None
    experiment: str | None
    tags: dict[str, str] = field(default_factory=dict)


def jobs(connection: Connection, limit: int) -> list[Listed]:
    """Returns the newest jobs that fine-tune: all fine-tuning jobs, and the pipelines that phi_azure sent.

    Azure's own client turns each job into an object, pipelines with one more request each; a list needs none of it.
    """
    found: list[Listed] = []
    with translated():
        for document in _pages(connection):
            if _fine_tunes(document["properties"]):
                found.append(_listed(document))
            if len(found) == limit:
                break
    return found


def going_on(connection: Connection) -> list[Listed]:
    """Returns the jobs that phi_azure sent and that are not over, of the newest 200."""
    return [one for one in jobs(connection, _RECENT) if one.status not in OVER and "phi_azure" in one.tags]


def _pages(connection: Connection) -> Iterator[dict[str, Any]]:
    url, params = f"{MANAGEMENT}{connection.id}/jobs", {"api-version": _API}
    while url:
        page = connection.get(url, params)
        yield from page.get("value") or []
        url, params = page.get("nextLink"), {}


def _fine_tunes(properties: dict[str, Any]) -> bool:
    return properties.get("jobType") == "FineTuning" or "phi_azure" in (properties.get("tags") or {})


def _listed(document: dict[str, Any]) -> Listed:
    properties = document["properties"]
    own = properties.get("properties") or {}
    route = "serverless" if own.get("_fineTuningJobType") == "MaaS" else "managed"
    return Listed(
        name=document["name"],
        status=properties.get("status") or "",
        route=(properties.get("tags") or {}).get(ROUTE_TAG, route),
        created=read_time((document.get("systemData") or {}).get("createdAt")),
        experiment=properties.get("experimentName"),
        tags=properties.get("tags") or {},
    )
