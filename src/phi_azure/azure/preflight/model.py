"""Whether the model is offered: in the registry, not archived, not retired, and trained in the region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phi_azure import catalog
from phi_azure.azure.client import REGISTRY
from phi_azure.azure.preflight.reading import registry_name
from phi_azure.errors import ConfigError, NotFoundError, RegionError
from phi_azure.preflight import Finding, failed, ok, unknown, warning

if TYPE_CHECKING:
    from phi_azure.azure.preflight.asking import Answer
    from phi_azure.catalog import PhiModel
    from phi_azure.config import FineTune

_CHECK = "model"


def live_row(job: FineTune, versions: Answer | None) -> PhiModel | None:
    """Returns the catalogue's row of the job's model under what the registry says today."""
    row = catalog.model(job.base_name)
    newest = _active(versions)
    if row is None or not newest:
        return row
    return catalog.with_live(row, newest[0].get("tags"), newest[0].get("properties"))


def judge(job: FineTune, versions: Answer | None, row: PhiModel | None, region: str) -> list[Finding]:
    """Says whether the job's model can be had there."""
    if job.route.kind == "serverless" and row is not None:
        gone = catalog.retired(row)
        if gone:
            return [failed(_CHECK, ConfigError, gone.message, gone.remedy)]
    found = [_in_registry(job, versions), *([_in_region(row, region)] if job.route.kind == "serverless" else [])]
    going = catalog.retiring(row) if row is not None and job.route.kind == "serverless" else None
    if going:
        found.append(warning("model's age", going.message, going.remedy))
    return found


def offered(region: str) -> Finding:
    """Says what the region trains, where no job names a model."""
    names = [row.name for row in catalog.models(route="serverless", region=region)]
    if names:
        return ok(_CHECK, f"{region} trains serverlessly, by our table of {catalog.AS_OF}: {', '.join(names)}")
    return warning(_CHECK, f"{region} trains no Phi serverlessly, by our table of {catalog.AS_OF}.", _MANAGED)


_MANAGED = "Train on managed compute there, or take a workspace in another region."


def _in_registry(job: FineTune, versions: Answer | None) -> Finding:
    """Says whether the registry has the version that is asked for."""
    name = registry_name(job)
    if name is None or versions is None:
        return ok(_CHECK, f"{job.model}: not from Azure's registry, so that it is looked at when it is imported")
    if versions.missing or versions.document == []:
        near = catalog.nearest(name)
        remedy = f"Did you mean {near}?" if near else "phi-azure models lists those of Phi."
        return failed(_CHECK, NotFoundError, f"the registry {REGISTRY} has no model {name}.", remedy)
    if versions.error:
        return unknown(_CHECK, f"the registry cannot be read: {versions.reason}")
    wanted = str(job.model).partition(":")[2]
    active = [one["version"] for one in _active(versions)]
    archived = [one["version"] for one in _plain(versions) if one["archived"]]
    newest = f"Take {name}:{active[0]}, or {name} for the newest." if active else "Take another model."
    if wanted in archived or (not wanted and not active):
        which = f"{name}:{wanted}" if wanted else f"every version of {name}"
        return failed(_CHECK, NotFoundError, f"{which} is archived: Azure starts no job with it.", newest)
    if wanted and wanted not in active:
        there = ", ".join(active)
        return failed(_CHECK, NotFoundError, f"{name} has no version {wanted}; there is {there}.", newest)
    return ok(_CHECK, f"{name}:{wanted or active[0]} of the registry {REGISTRY}")


def _in_region(row: PhiModel | None, region: str) -> Finding:
    check = "model in region"
    if row is None or not row.serverless_regions:
        return unknown(check, f"where it is trained serverlessly is not known; the workspace is in {region}")
    if region.lower() in {one.lower() for one in row.serverless_regions}:
        return ok(check, f"{region} trains {row.name} serverlessly")
    regions = ", ".join(row.serverless_regions)
    message = f"{region} does not train {row.name} serverlessly."
    remedy = f"Take a workspace in {regions}; or managed compute, which trains it wherever there are GPUs."
    return failed(check, RegionError, message, remedy)


def _active(versions: Answer | None) -> list[dict[str, Any]]:
    """Returns the versions that are not archived, newest first."""
    return [one for one in _plain(versions) if not one["archived"]]


def _plain(versions: Answer | None) -> list[dict[str, Any]]:
    """Returns all versions, newest first."""
    if versions is None or versions.error or not versions.document:
        return []
    found = [
        {
            "version": str(one["name"]),
            "archived": bool(one["properties"].get("isArchived")),
            "tags": one["properties"].get("tags"),
            "properties": one["properties"].get("properties"),
        }
        for one in versions.document
    ]
    return sorted(
        found, key=lambda one: (one["version"].isdecimal(), len(one["version"]), one["version"]), reverse=True
    )
