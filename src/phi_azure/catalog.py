"""What is known of Phi models and GPU sizes when no service is asked: frozen rows, dated; live facts come first.

Collected 2026-11-23 from Azure/azureml-assets (specs of 2026-07), the Foundry catalogue of 2026-08-21 and Microsoft's
size tables. Retirement of the Phi-4 family (2027-01-17) comes from one secondary source and is unconfirmed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

DEFAULT_MODEL = "Phi-4-mini-instruct"
DEFAULT_SIZE = "Standard_NC24ads_A100_v4"
CPU_SIZE = "Standard_DS3_v2"
_A100 = (
    "Standard_NC24ads_A100_v4",
    "Standard_NC48ads_A100_v4",
    "Standard_NC96ads_A100_v4",
    "Standard_ND96amsr_A100_v4",
)
_LARGE = ("Standard_NC96ads_A100_v4", "Standard_ND96amsr_A100_v4")
_PHI3_END = date(2025, 8, 30)
_PHI4_END = date(2027, 1, 17)


@dataclass(frozen=True)
class PhiModel:
    """One Phi of the azureml registry."""

    name: str
    hugging_face: str
    context: int
    """Tokens that it reads and writes at most."""
    retires: date | None
    """The day from which Azure no longer takes serverless jobs for it."""
    successor: str | None = None
    tunable: bool = True
    """Azure's chat fine-tuning takes it."""
    finetune_sizes: tuple[str, ...] = _A100
    inference_sizes: tuple[str, ...] = _A100


@dataclass(frozen=True)
class GpuSize:
    """One machine size with GPUs."""

    name: str
    gpus: int
    gpu_memory_gib: int
    """Of all GPUs together."""
    retired: date | None = None


MODELS = (
    PhiModel(DEFAULT_MODEL, "microsoft/Phi-4-mini-instruct", 131072, _PHI4_END),
    PhiModel("Phi-4", "microsoft/phi-4", 16384, _PHI4_END),
    PhiModel("Phi-4-multimodal-instruct", "microsoft/Phi-4-multimodal-instruct", 131072, _PHI4_END),
    PhiModel("Phi-4-reasoning", "microsoft/Phi-4-reasoning", 32768, _PHI4_END, tunable=False),
    PhiModel("Phi-4-mini-reasoning", "microsoft/Phi-4-mini-reasoning", 131072, _PHI4_END, tunable=False),
    PhiModel("Phi-3.5-mini-instruct", "microsoft/Phi-3.5-mini-instruct", 131072, _PHI3_END, DEFAULT_MODEL),
    PhiModel(
        "Phi-3.5-MoE-instruct",
        "microsoft/Phi-3.5-MoE-instruct",
        131072,
        _PHI3_END,
        DEFAULT_MODEL,
        True,
        _LARGE,
        _A100[1:],
    ),
    PhiModel("Phi-3-mini-4k-instruct", "microsoft/Phi-3-mini-4k-instruct", 4096, _PHI3_END, DEFAULT_MODEL),
    PhiModel("Phi-3-mini-128k-instruct", "microsoft/Phi-3-mini-128k-instruct", 131072, _PHI3_END, DEFAULT_MODEL),
    PhiModel(
        "Phi-3-small-8k-instruct", "microsoft/Phi-3-small-8k-instruct", 8192, _PHI3_END, DEFAULT_MODEL, True, _LARGE
    ),
    PhiModel(
        "Phi-3-small-128k-instruct",
        "microsoft/Phi-3-small-128k-instruct",
        131072,
        _PHI3_END,
        DEFAULT_MODEL,
        True,
        _LARGE,
    ),
    PhiModel("Phi-3-medium-4k-instruct", "microsoft/Phi-3-medium-4k-instruct", 4096, _PHI3_END, "Phi-4", True, _LARGE),
    PhiModel(
        "Phi-3-medium-128k-instruct",
        "microsoft/Phi-3-medium-128k-instruct",
        131072,
        _PHI3_END,
        "Phi-4",
        True,
        _LARGE,
        _A100[1:],
    ),
)

SIZES = (
    GpuSize("Standard_NC4as_T4_v3", 1, 16),
    GpuSize("Standard_NC8as_T4_v3", 1, 16),
    GpuSize("Standard_NC16as_T4_v3", 1, 16),
    GpuSize("Standard_NC64as_T4_v3", 4, 64),
    GpuSize("Standard_NC6s_v3", 1, 16, date(2025, 9, 30)),
    GpuSize("Standard_NC12s_v3", 2, 32, date(2025, 9, 30)),
    GpuSize("Standard_NC24s_v3", 4, 64, date(2025, 9, 30)),
    GpuSize("Standard_NC24rs_v3", 4, 64, date(2025, 3, 31)),
    GpuSize("Standard_ND40rs_v2", 8, 256),
    GpuSize(DEFAULT_SIZE, 1, 80),
    GpuSize("Standard_NC48ads_A100_v4", 2, 160),
    GpuSize("Standard_NC96ads_A100_v4", 4, 320),
    GpuSize("Standard_ND96asr_v4", 8, 320),
    GpuSize("Standard_ND96amsr_A100_v4", 8, 640),
    GpuSize("Standard_NC40ads_H100_v5", 1, 94),
    GpuSize("Standard_NC80adis_H100_v5", 2, 188),
    GpuSize("Standard_ND96isr_H100_v5", 8, 640),
    GpuSize("Standard_ND96isr_H200_v5", 8, 1128),
    GpuSize("Standard_ND96isr_MI300X_v5", 8, 1536),
    GpuSize("Standard_NV36ads_A10_v5", 1, 24),
    GpuSize("Standard_NV36adms_A10_v5", 1, 24),
    GpuSize("Standard_NV72ads_A10_v5", 2, 48),
)


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
