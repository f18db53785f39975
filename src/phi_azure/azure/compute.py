"""The GPU cluster of a job: made if there is none of its name, reused if it fits, refused if it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError

from phi_azure.azure.failures import translated
from phi_azure.errors import SizeError

if TYPE_CHECKING:
    from phi_azure.azure.client import Connection
    from phi_azure.config import ManagedCompute

Say = Callable[[str, str], None]


def ensure_cluster(
    connection: Connection, route: ManagedCompute, default_size: str, tags: dict[str, str], say: Say
) -> str:
    """Returns the size of the cluster that the job runs on, after making it if need be; idle, it costs nothing.

    Raises:
        SizeError: the cluster exists with another size, or with fewer machines than the job wants.
    """
    name = str(route.cluster)
    existing = find_cluster(connection, name)
    if existing is None:
        return _make(connection, route, route.size or default_size, tags, say)
    why = unfit(existing.name, str(existing.type), existing.size, existing.max_instances, route)
    if why:
        raise SizeError(why[0], remedy=why[1])
    say("cluster", f"{name} is there: {existing.size}, {existing.max_instances} machines at most")
    return str(existing.size)


def find_cluster(connection: Connection, name: str) -> Any:
    """Returns Azure's compute of that name, or None."""
    with translated():
        try:
            return connection.ml.compute.get(name)
        except ResourceNotFoundError:
            return None


def delete_cluster(connection: Connection, name: str) -> None:
    """Deletes a cluster and waits until it is gone."""
    with translated():
        connection.ml.compute.begin_delete(name).result()


def _make(connection: Connection, route: ManagedCompute, size: str, tags: dict[str, str], say: Say) -> str:
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
        made = connection.ml.compute.begin_create_or_update(cluster).result()
    say("cluster", f"{route.cluster} is ready; it has no machine until a job comes")
    return str(made.size or size)


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
