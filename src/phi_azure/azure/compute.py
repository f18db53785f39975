"""The GPU cluster of a job: made if there is none of its name, reused if it fits, refused if it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError

from phi_azure.azure.failures import translated
from phi_azure.azure.order import OURS
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
    _check(existing, route)
    say("cluster", f"{name} is there: {existing.size}, {existing.max_instances} machines at most")
    return str(existing.size)


def find_cluster(connection: Connection, name: str) -> Any:
    """Returns Azure's compute of that name, or None."""
    with translated():
        try:
            return connection.ml.compute.get(name)
        except ResourceNotFoundError:
            return None


def our_clusters(connection: Connection) -> list[str]:
    """Returns the names of the clusters that phi_azure made."""
    with translated():
        return [
            found.name
            for found in connection.ml.compute.list()
            if (found.tags or {}).get("phi_azure") == OURS["phi_azure"]
        ]


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


def _check(existing: Any, route: ManagedCompute) -> None:
    if str(existing.type).lower() != "amlcompute":
        raise SizeError(f"{existing.name} is a {existing.type}, not a cluster.", remedy="Name another cluster.")
    if route.size and route.size.casefold() != str(existing.size).casefold():
        raise SizeError(
            f"cluster {existing.name} has machines of {existing.size}; the job wants {route.size}.",
            remedy="Name another cluster, which is then made, or leave the size out.",
        )
    if existing.max_instances is not None and existing.max_instances < route.nodes:
        raise SizeError(
            f"cluster {existing.name} grows to {existing.max_instances} machines; the job wants {route.nodes}.",
            remedy="Lower `nodes`, or raise the cluster's maximum in the studio.",
        )
