"""What a plan asks of Azure: a handful of reads, nothing is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure.core.exceptions import ResourceNotFoundError

from phi_azure import catalog
from phi_azure.azure.compute import find_cluster
from phi_azure.azure.failures import translated
from phi_azure.config import ManagedCompute, is_in_azure
from phi_azure.content import file_hash
from phi_azure.plan import LiveFacts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phi_azure.azure.client import Connection
    from phi_azure.catalog import PhiModel
    from phi_azure.config import FineTune


def facts(connection: Connection, job: FineTune, price_per_million: float | None = None) -> LiveFacts:
    """Returns what the registry says of the model, the job's cluster, and which of its assets are there already."""
    named = job.route.cluster if isinstance(job.route, ManagedCompute) else None
    cluster = find_cluster(connection, named) if named else None
    found = {f"cluster {cluster.name}"} if cluster is not None else set()
    files = {"training": job.training_data, "validation": job.validation_data, "test": job.test_data}
    for split, path in files.items():
        if path is not None and not is_in_azure(path) and _has_data(connection, f"{job.name}-{split}", path):
            found.add(f"data {job.name}-{split}")
    if _is_there(lambda: connection.ml.models.get(job.model_name, label="latest")):
        found.add(f"model {job.model_name}")
    return LiveFacts(
        model=_row(connection, job),
        cluster_size=str(cluster.size) if cluster is not None else None,
        existing=frozenset(found),
        price_per_million=price_per_million,
    )


def _has_data(connection: Connection, name: str, path: Path) -> bool:
    version = file_hash(path)[:16]  # as it is registered
    return _is_there(lambda: connection.ml.data.get(name, version=version))


def _row(connection: Connection, job: FineTune) -> PhiModel | None:
    """Returns the catalogue's row under the registry's tags; None leaves it to the catalogue."""
    row = catalog.model(job.base_name) if isinstance(job.model, str) and "/" not in job.model else None
    if row is None:
        return None
    try:
        with translated():
            found = connection.registry.models.get(row.name, label="latest")
    except (ResourceNotFoundError, LookupError):
        return None
    return catalog.with_live(row, found.tags, found.properties)


def _is_there(look: Callable[[], object]) -> bool:
    try:
        with translated():
            look()
    except (ResourceNotFoundError, LookupError):
        return False
    return True
