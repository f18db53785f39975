"""Whether the machines can be had: offered in the region, within quota, in a cluster that fits; and for serving too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phi_azure import catalog
from phi_azure.azure.compute import unfit
from phi_azure.catalog import same_family
from phi_azure.errors import QuotaError, RegionError, SizeError
from phi_azure.plan import memory
from phi_azure.plan.settings import settings
from phi_azure.preflight import Finding, failed, ok, unknown, warning

if TYPE_CHECKING:
    from phi_azure.azure.preflight.reading import Told
    from phi_azure.catalog import GpuSize, PhiModel
    from phi_azure.config import FineTune, ManagedCompute

_NONE_FITS = "Ask for quota in the Azure portal (Quotas, Machine learning), or take a workspace in another region."


@dataclass(frozen=True)
class Region:
    """What a region offers this subscription."""

    name: str
    usages: list[dict[str, Any]]
    sizes: frozenset[str]
    """Sizes that are offered, in lower case; empty where that could not be read."""

    def free(self, size: GpuSize) -> tuple[int, int] | None:
        """Returns the cores of a size's family that are free, and the limit; None where none are listed."""
        for row in self.usages:
            family = str(row["name"]["value"])
            spellings = (size.family, size.family_in_ml or size.family)
            if _dedicated(row) and any(same_family(family, one) for one in spellings):
                return int(row["limit"]) - int(row["currentValue"]), int(row["limit"])
        return None

    def offers(self, size: GpuSize) -> bool:
        """Whether the region has the size, as far as is known."""
        return not self.sizes or size.name.lower() in self.sizes


def _dedicated(row: dict[str, Any]) -> bool:
    """Whether a row of usage is of dedicated cores of a family; low-priority ones are another quota."""
    kind = str(row.get("type") or "dedicatedCores")
    return "dedicatedcores" in kind.lower()


def region_of(name: str, told: Told) -> Region:
    """Returns what was told of a region."""
    sizes = frozenset(str(one["name"]).lower() for one in told.sizes.document or [])
    return Region(name, told.usages.document or [], sizes)


def judge(job: FineTune, route: ManagedCompute, row: PhiModel | None, told: Told, region: Region) -> list[Finding]:
    """Says whether the job's machines can be had, and then those of an endpoint for its model."""
    there = told.cluster.document["properties"] if told.cluster and told.cluster.document else None
    found: list[Finding] = []
    if route.cluster:
        found.append(_cluster(route, there, told))
    wanted = _sizes(route, row, there)
    known = [size for size in map(catalog.size, wanted) if size is not None]
    if not known:
        found.append(unknown("quota to train", f"our table does not know {', '.join(wanted)}"))
    else:
        held = _held(there)
        tries = [_quota("quota to train", size, max(route.nodes - held, 0), told, region, job, row) for size in known]
        found.append(next((one for one in tries if one.state != "failed"), tries[0]))
    return [*found, _serving(row, told, region)]


def survey(told: Told, region: Region) -> Finding:
    """Says which GPUs there is quota for, where no job asks for any."""
    if told.usages.error:
        return unknown("quota", f"quota cannot be read: {told.usages.reason}")
    have: dict[str, str] = {}
    for size in catalog.SIZES:
        free = region.free(size)
        if size.retired is None and free and free[0] >= size.vcpus and region.offers(size):
            have.setdefault(size.family, f"{size.name} ({free[0]} of {free[1]} vCPUs free)")
    if have:
        return ok("quota", f"in {region.name}, among others: {', '.join(have.values())}")
    return warning("quota", f"{region.name} has no quota for any GPU; serverless needs none.", _NONE_FITS)


def _cluster(route: ManagedCompute, there: dict[str, Any] | None, told: Told) -> Finding:
    """Says whether the cluster fits, or will be made."""
    if there is None:
        if told.cluster is not None and not told.cluster.missing:
            return unknown("cluster", f"{route.cluster} cannot be read: {told.cluster.reason}")
        return ok("cluster", f"{route.cluster} will be made; it costs nothing while it is idle")
    inner = there.get("properties") or {}
    most = (inner.get("scaleSettings") or {}).get("maxNodeCount")
    why = unfit(str(route.cluster), str(there.get("computeType")), inner.get("vmSize"), most, route)
    if why:
        return failed("cluster", SizeError, why[0], why[1])
    return ok("cluster", f"{route.cluster} is there: {inner.get('vmSize')}, {most} machines at most")


def _sizes(route: ManagedCompute, row: PhiModel | None, there: dict[str, Any] | None) -> tuple[str, ...]:
    """Returns the sizes that the job may run on."""
    if there:
        return (str((there.get("properties") or {}).get("vmSize")),)
    if route.instance_types:
        return route.instance_types
    listed = row.finetune_sizes if row else ()
    return (route.size or (listed[0] if listed else catalog.DEFAULT_SIZE),)


def _held(there: dict[str, Any] | None) -> int:
    """Returns the machines that a cluster has already, whose cores are counted as used."""
    return int(((there or {}).get("properties") or {}).get("currentNodeCount") or 0)


def _quota(
    check: str, size: GpuSize, nodes: int, told: Told, region: Region, job: FineTune, row: PhiModel | None
) -> Finding:
    """Says whether so many machines of a size can be had."""

    def fits(other: GpuSize) -> bool:
        return row is None or memory.fits(memory.needed(row, settings(job, row), other.gpus), other)

    if not region.offers(size):
        message = f"{region.name} does not offer {size.name}."
        return failed(check, RegionError, message, _instead(size, region, fits, nodes, endpoint=False))
    if told.usages.error:
        return unknown(check, f"quota cannot be read: {told.usages.reason}")
    need, free = size.vcpus_for(nodes), region.free(size)
    if free is None:
        return unknown(check, f"{region.name} lists no quota of the family {size.family}")
    said = (
        f"{size.name} x {nodes} takes {need} vCPUs of {size.family} in {region.name}; {free[0]} of {free[1]} are free"
    )
    if free[0] >= need:
        return ok(check, said)
    return failed(check, QuotaError, f"{said}.", _instead(size, region, fits, nodes, endpoint=False))


def _serving(row: PhiModel | None, told: Told, region: Region) -> Finding:
    """Says whether one machine can be had to serve the tuned model, with the fifth that Azure keeps for upgrades."""
    check = "quota to deploy"
    names = row.inference_sizes if row else ()
    known = [size for size in map(catalog.size, names or (catalog.DEFAULT_SIZE,)) if size is not None]
    if told.usages.error or not known:
        return unknown(
            check, f"quota cannot be read: {told.usages.reason}" if told.usages.error else "no size is known"
        )
    for size in known:
        free, need = region.free(size), size.vcpus_for(1, endpoint=True)
        if region.offers(size) and free and free[0] >= need:
            return ok(check, f"{size.name} takes {need} vCPUs; {free[0]} of {free[1]} are free")
    first = known[0]
    free, need = region.free(first) or (0, 0), first.vcpus_for(1, endpoint=True)
    reserve = ", a fifth for upgrades among them" if first.reserve else ""
    message = f"{first.name}, to deploy, takes {need} vCPUs{reserve}; {free[0]} of {free[1]} are free in {region.name}."
    return failed(check, QuotaError, message, _instead(first, region, lambda _: True, 1, endpoint=True), blocks=False)


def _instead(size: GpuSize, region: Region, fits: Any, nodes: int, *, endpoint: bool) -> str:
    """Returns what could be taken in a size's place: the two cheapest that fit and can be had."""
    found = []
    for other in catalog.SIZES:
        free = region.free(other)
        if other.retired or other.name == size.name or not region.offers(other) or free is None:
            continue
        if free[0] >= other.vcpus_for(nodes, endpoint=endpoint) and fits(other):
            found.append(other)
    found.sort(key=lambda one: one.hourly if one.hourly is not None else 1e9)
    if not found:
        return _NONE_FITS
    names = " or ".join(one.name for one in found[:2])
    return f"Take {names}, for which there is quota; or ask for more in the Azure portal (Quotas, Machine learning)."
