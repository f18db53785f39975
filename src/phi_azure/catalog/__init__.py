"""What is known of Phi models and GPU sizes when no service is asked: frozen rows, dated; live facts come first."""

from __future__ import annotations

from datetime import date
from difflib import get_close_matches

from phi_azure.catalog.gpus import CPU_SIZE, DEFAULT_SIZE, PEAK_TFLOPS, SIZES, GpuSize, Price, same_family
from phi_azure.catalog.lifecycle import Notice, retired, retiring, stale, stale_note, still_works
from phi_azure.catalog.live import with_live
from phi_azure.catalog.own import OwnModel, as_model, read_folder
from phi_azure.catalog.phi import Confidence, Dims, LearningRate, Lifecycle, PhiModel, State, Template, TokenPrice
from phi_azure.catalog.phis import AS_OF, DEFAULT_MODEL, MODELS

__all__ = [
    "AS_OF",
    "CPU_SIZE",
    "DEFAULT_MODEL",
    "DEFAULT_SIZE",
    "MODELS",
    "PEAK_TFLOPS",
    "SIZES",
    "Confidence",
    "Dims",
    "GpuSize",
    "LearningRate",
    "Lifecycle",
    "Notice",
    "OwnModel",
    "PhiModel",
    "Price",
    "State",
    "Template",
    "TokenPrice",
    "as_model",
    "model",
    "models",
    "nearest",
    "read_folder",
    "retired",
    "retiring",
    "same_family",
    "size",
    "sizes",
    "stale",
    "stale_note",
    "still_works",
    "with_live",
]


def model(name: str) -> PhiModel | None:
    """Returns the row of a model, by its registry name in any letter case or by its Hugging Face id."""
    wanted = name.casefold()
    return next((row for row in MODELS if wanted in (row.name.casefold(), row.hugging_face.casefold())), None)


def size(name: str) -> GpuSize | None:
    """Returns the row of a machine size; letter case does not count, as in Azure."""
    return next((row for row in SIZES if row.name.casefold() == name.casefold()), None)


def models(
    *,
    tunable: bool = False,
    route: str | None = None,
    region: str | None = None,
    retired: bool = False,
    today: date | None = None,
) -> tuple[PhiModel, ...]:
    """Returns the rows that are left.

    Args:
        tunable: only what Azure's chat fine-tuning takes.
        route: `serverless` or `managed`: only what can be trained so; what is retired still trains on managed compute.
        region: only what is trained serverlessly there.
        retired: those that left the serverless route too.
        today: decides what is retired.
    """
    found = []
    for row in MODELS:
        gone = row.state(today) == "retired"
        if gone and (route == "serverless" or not (retired or route == "managed")):
            continue
        if (tunable or route or region) and not row.tunable:
            continue
        if route == "serverless" and not row.serverless:
            continue
        if region and region.casefold() not in row.serverless_regions:
            continue
        found.append(row)
    return tuple(found)


def sizes(
    *,
    gpus: int | None = None,
    max_price: float | None = None,
    family: str | None = None,
    retired: bool = False,
    today: date | None = None,
) -> tuple[GpuSize, ...]:
    """Returns the machine sizes that are left; one without a price is never under a limit."""
    day = today or date.today()  # noqa: DTZ011  a day, not a moment
    return tuple(
        row
        for row in SIZES
        if (retired or row.retired is None or row.retired > day)
        and (gpus is None or row.gpus >= gpus)
        and (max_price is None or (row.hourly is not None and row.hourly <= max_price))
        and (family is None or any(same_family(family, known) for known in (row.family, row.family_in_ml) if known))
    )


def nearest(name: str) -> str | None:
    """Returns the model whose name is most like this one."""
    known = {row.name.casefold(): row.name for row in MODELS}
    found = get_close_matches(name.casefold(), known, n=1, cutoff=0.6)
    return known[found[0]] if found else None
