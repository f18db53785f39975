"""Jobs of the workspace, in a list."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from phi_azure.azure.client import MANAGEMENT
from phi_azure.azure.failures import translated
from phi_azure.azure.order import JOB_TAG, ROUTE_TAG
from phi_azure.azure.runs import read_time
from phi_azure.status import OVER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from phi_azure.azure.client import Connection

PAGES = 50
"""Requests of one list at most: a workspace may have had a hundred thousand jobs."""
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
    job: str | None = None
    """The name in the job file, of one that phi_azure sent."""
    tags: dict[str, str] = field(default_factory=dict)


def jobs(
    connection: Connection, limit: int, *, everybodys: bool = False, status: str | None = None, pages: int = PAGES
) -> list[Listed]:
    """Returns the newest jobs that phi_azure sent, from any machine: those with its tag.

    Azure's own client turns each job into an object, pipelines with one more request each; a list needs none of it.

    Args:
        connection: to the workspace.
        limit: how many at most.
        everybodys: every job of the workspace, whoever sent it.
        status: only those in this state, by Azure's word in any case of letters.
        pages: requests at most.
    """
    found = (_listed(document) for document in _pages(connection, {} if everybodys else {"tag": "phi_azure"}, pages))
    with translated():
        return list(islice((one for one in found if status is None or one.status.lower() == status.lower()), limit))


def going_on(connection: Connection) -> list[Listed]:
    """Returns the jobs that phi_azure sent and that are not over, of the newest 200."""
    return [one for one in jobs(connection, _RECENT) if one.status not in OVER]


def _pages(connection: Connection, wanted: dict[str, str], pages: int) -> Iterator[dict[str, Any]]:
    url, params = f"{MANAGEMENT}{connection.id}/jobs", {"api-version": _API, **wanted}
    for _ in range(pages):
        page = connection.get(url, params)
        yield from page.get("value") or []
        url, params = page.get("nextLink"), {}
        if not url:
            return


def _listed(document: dict[str, Any]) -> Listed:
    properties = document["properties"]
    tags = properties.get("tags") or {}
    return Listed(
        name=document["name"],
        status=properties.get("status") or "",
        route=tags.get(ROUTE_TAG) or _route(properties),
        created=read_time((document.get("systemData") or {}).get("createdAt")),
        experiment=properties.get("experimentName"),
        job=tags.get(JOB_TAG),
        tags=tags,
    )


def _route(properties: dict[str, Any]) -> str:
    """Returns where a job trains, or, of one that does not fine-tune, what kind of job it is."""
    kind = str(properties.get("jobType") or "")
    if kind != "FineTuning":
        return kind.lower()
    return "serverless" if (properties.get("properties") or {}).get("_fineTuningJobType") == "MaaS" else "managed"
