"""Reads what the workspace pays for by the hour: machines of deployments and clusters, serverless endpoints."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from phi_azure import leash
from phi_azure.azure import listing, runs
from phi_azure.azure.client import MANAGEMENT
from phi_azure.azure.failures import translated
from phi_azure.azure.order import CLUSTER_TAG, MACHINES_TAG, OURS
from phi_azure.azure.runs import read_time
from phi_azure.costs import Billed
from phi_azure.errors import NotFoundError
from phi_azure.status import OVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.azure.client import Connection

_ENDPOINTS_API = "2023-04-01-preview"
_SERVERLESS_API = "2024-01-01-preview"
_COMPUTES_API = "2023-08-01-preview"
_AT_ONCE = 8


def billed(connection: Connection) -> list[Billed]:
    """Returns everything in the workspace that is or can be paid by the hour, by plain reads, several at once.

    Azure's own client asks once more for each item and leaves out when a deployment was made.
    """
    with translated(), ThreadPoolExecutor(_AT_ONCE) as pool:
        clusters = pool.submit(lambda: [_cluster(found) for found in _all(connection, "computes", _COMPUTES_API)])
        served = pool.submit(
            lambda: [_serverless(found) for found in _all(connection, "serverlessEndpoints", _SERVERLESS_API)]
        )
        endpoints = list(_all(connection, "onlineEndpoints", _ENDPOINTS_API))
        deployed = pool.map(lambda endpoint: _deployments(connection, endpoint), endpoints)
        jobs = pool.map(lambda listed: _job(connection, listed), listing.going_on(connection))
        return [
            *(one for found in deployed for one in found),
            *served.result(),
            *(one for one in clusters.result() if one),
            *(one for one in jobs if one),
        ]


def _all(connection: Connection, collection: str, version: str) -> Iterator[dict[str, Any]]:
    url, params = f"{MANAGEMENT}{connection.id}/{collection}", {"api-version": version}
    while url:
        page = connection.get(url, params)
        yield from page.get("value") or []
        url, params = page.get("nextLink"), {}


def _deployments(connection: Connection, endpoint: dict[str, Any]) -> list[Billed]:
    """Returns the deployments of an endpoint; one that is deleted meanwhile has none."""
    try:
        with translated():
            found = list(_all(connection, f"onlineEndpoints/{endpoint['name']}/deployments", _ENDPOINTS_API))
    except NotFoundError:
        return []
    return [_deployment(endpoint, one) for one in found] or [_bare(endpoint)]


def _bare(endpoint: dict[str, Any]) -> Billed:
    tags = endpoint.get("tags") or {}
    ours, made = _is_ours(tags), _made(endpoint)
    return Billed(endpoint["name"], "endpoint", None, 0, made, ours, leash.read(tags), free="it has no deployment")


def _deployment(endpoint: dict[str, Any], found: dict[str, Any]) -> Billed:
    tags = endpoint.get("tags") or {}  # it is the endpoint that is removed
    return Billed(
        name=f"{endpoint['name']}/{found['name']}",
        kind="deployment",
        size=found["properties"].get("instanceType"),
        count=int((found.get("sku") or {}).get("capacity") or 1),
        since=_made(found),
        ours=_is_ours(tags),
        leash=leash.read(tags),
    )


def _serverless(found: dict[str, Any]) -> Billed:
    tags = found.get("tags") or {}
    model = str((found["properties"].get("modelSettings") or {}).get("modelId"))
    free = "a base model: paid by the token" if "/registries/" in model else ""
    return Billed(found["name"], "serverless", None, 1, _made(found), _is_ours(tags), leash.read(tags), free=free)


def _cluster(found: dict[str, Any]) -> Billed | None:
    """Returns a cluster with the machines that it has now; other kinds of compute have an owner of their own."""
    properties = found["properties"]
    if str(properties.get("computeType")).lower() != "amlcompute":
        return None
    settings, tags = properties.get("properties") or {}, found.get("tags") or {}
    count = int(settings.get("currentNodeCount") or 0)
    since = read_time(settings.get("allocationStateTransitionTime")) if count else None
    return Billed(found["name"], "cluster", settings.get("vmSize"), count, since, _is_ours(tags), leash.read(tags))


def _job(connection: Connection, listed: listing.Listed) -> Billed | None:
    """Returns a job that runs on machines by the hour, or longer than its file allows.

    The machines of a cluster are counted with the cluster.
    """
    record = runs.fetch(connection, listed.name)
    count, _, size = listed.tags.get(MACHINES_TAG, "").partition(" x ")
    overdue = leash.overdue(listed.tags, record.started, connection.time)
    if record.status in OVER or not (size or overdue):
        return None
    cluster = listed.tags.get(CLUSTER_TAG)
    return Billed(
        name=listed.name,
        kind="job",
        size=size or None,
        count=int(count or 1) if record.started else 0,
        since=record.started,
        ours=True,
        leash=leash.read(listed.tags),
        free=_free(size, cluster),
        overdue=overdue,
    )


def _free(size: str, cluster: str | None) -> str:
    """Says why a job costs nothing by the hour itself."""
    if not size:
        return "not known to be paid by the hour"
    return f"counted with cluster {cluster}" if cluster else ""


def _made(found: dict[str, Any]) -> Any:
    return read_time((found.get("systemData") or {}).get("createdAt"))


def _is_ours(tags: dict[str, str]) -> bool:
    return tags.get("phi_azure") == OURS["phi_azure"]
