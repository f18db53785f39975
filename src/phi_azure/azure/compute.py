"""The GPU cluster of a job: made if there is none of its name, reused if it fits, refused if it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError

from phi_azure.azure.client import MANAGEMENT
from phi_azure.azure.failures import translated
from phi_azure.errors import NotFoundError, SizeError

if TYPE_CHECKING:
    from phi_azure.azure.client import Connection
    from phi_azure.config import ManagedCompute

Say = Callable[[str, str], None]
_NOT_MADE = frozenset({"Creating", "Failed"})  # a command that was cut, or failed: asking again makes the same cluster
_API = "2023-08-01-preview"


@dataclass(frozen=True)
class Machines:
    """The machines of a job, before anything is made for it."""

    size: str
    made: bool
    """Whether the cluster is there, if the job wants one."""


def look(connection: Connection, route: ManagedCompute, default_size: str) -> Machines:
    """Returns the size that the job would run on: that of its cluster, which need not be there yet.

    Raises:
        SizeError: the cluster exists with another size, or with fewer machines than the job wants.
    """
    if route.cluster is None:
        return Machines(route.size or default_size, made=True)
    existing = find_cluster(connection, route.cluster)
    if existing is None or existing.provisioning_state in _NOT_MADE:
        return Machines(route.size or default_size, made=False)
    why = unfit(existing.name, str(existing.type), existing.size, existing.max_instances, route)
    if why:
        raise SizeError(why[0], remedy=why[1])
    return Machines(str(existing.size), made=True)


def ensure_cluster(
    connection: Connection, route: ManagedCompute, machines: Machines, tags: dict[str, str], say: Say
) -> None:
    """Makes the cluster of a job if need be; idle, it costs nothing."""
    if not machines.made:
        _make(connection, route, machines.size, tags, say)
    elif route.cluster:
        say("cluster", f"{route.cluster} is there: {machines.size}")


def find_cluster(connection: Connection, name: str) -> Any:
    """Returns Azure's compute of that name, or None."""
    with translated():
        try:
            return connection.ml.compute.get(name)
        except ResourceNotFoundError:
            return None


def complaint(connection: Connection, name: str) -> str | None:
    """Returns what a cluster says of why it has no machine for a job, such as used-up quota; one request."""
    name = name.rpartition("/")[2]
    try:
        with translated():
            document = connection.get(f"{MANAGEMENT}{connection.id}/computes/{name}", {"api-version": _API})
    except NotFoundError:
        return f"there is no cluster {name} any more"
    outer = document["properties"]
    inner = outer.get("properties") or {}
    errors = [*(inner.get("errors") or []), *(outer.get("provisioningErrors") or [])]
    said = [str((error.get("error") or error).get("message") or "") for error in errors]
    return f"cluster {name}: {said[0]}" if any(said) else _growth(name, inner)


def _growth(name: str, state: dict[str, Any]) -> str | None:
    """Returns how far a cluster is with getting machines, and whether some were taken back."""
    lost = (state.get("nodeStateCounts") or {}).get("preemptedNodeCount") or 0
    if lost:
        return f"cluster {name}: Azure took {lost} low-priority machine{'s' if lost > 1 else ''} back"
    if state.get("allocationState") != "Resizing":
        return None
    there, wanted = state.get("currentNodeCount"), state.get("targetNodeCount")
    return f"cluster {name} has {there} of {wanted} machines, and asks for more"


def delete_cluster(connection: Connection, name: str) -> None:
    """Deletes a cluster and waits until it is gone."""
    with translated():
        connection.ml.compute.begin_delete(name).result()


def _make(connection: Connection, route: ManagedCompute, size: str, tags: dict[str, str], say: Say) -> None:
    from azure.ai.ml.entities import AmlCompute

    most = max(route.max_nodes or route.nodes, route.nodes)
    say("cluster", f"making {route.cluster}: {size}, 0 to {most} machines")
    cluster = AmlCompute(
        name=route.cluster,
        size=size,
        min_instances=0,
        max_instances=most,
        idle_time_before_scale_down=route.idle_minutes * 60,
        tags=tags,
    )
    with translated():
        connection.ml.compute.begin_create_or_update(cluster).result()
    say("cluster", f"{route.cluster} is ready; it has no machine until a job comes")


def unfit(name: str, kind: str, size: str | None, most: int | None, route: ManagedCompute) -> tuple[str, str] | None:
    """Returns why a cluster that is there cannot take the job, and what to do; None where it can."""
    if kind.lower() != "amlcompute":
        return f"{name} is a {kind}, not a cluster.", "Name another cluster."
    if route.size and route.size.casefold() != str(size).casefold():
        return (
            f"cluster {name} has machines of {size}; the job wants {route.size}.",
            "Name another cluster, which is then made, or leave the size out.",
        )
    if most is not None and most < route.nodes:
        return (
            f"cluster {name} grows to {most} machines; the job wants {route.nodes}.",
            "Lower `nodes`, or raise the cluster's maximum in the studio.",
        )
    return None
