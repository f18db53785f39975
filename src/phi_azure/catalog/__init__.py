"""What is known of Phi models and GPU sizes when no service is asked: frozen rows, dated; live facts come first."""

from __future__ import annotations

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
    "nearest",
    "read_folder",
    "retired",
    "retiring",
    "same_family",
    "size",
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


def nearest(name: str) -> str | None:
    """Returns the model whose name is most like this one."""
    known = {row.name.casefold(): row.name for row in MODELS}
    found = get_close_matches(name.casefold(), known, n=1, cutoff=0.6)
    return known[found[0]] if found else None
