"""Azure's machine sizes with GPUs, a row each.

Collected on AS_OF. Sources: Azure's size pages (2026) for cores, memory and GPUs; the compute service's own list of
sizes (2026-06-23) and Azure ML's list for online endpoints (2025-10-18), which spell some families differently; Azure's
list of retirements (2025-12-18). Prices: list, pay as you go, Linux, eastus, of about 2024-12 (SkyPilot).
They are two years old: read them live before you quote them (phi-azure plan --live).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phi_azure.catalog.phi import Confidence

DEFAULT_SIZE = "Standard_NC24ads_A100_v4"
CPU_SIZE = "Standard_DS3_v2"


@dataclass(frozen=True)
class Price:
    """What one hour of a machine costs, and how far that can be trusted."""

    amount: float
    currency: str = "USD"
    region: str = "eastus"
    as_of: date = date(2024, 12, 1)
    source: str = "SkyPilot catalogue"
    confidence: Confidence = "medium"


@dataclass(frozen=True)
class GpuSize:
    """One machine size with GPUs."""

    name: str
    gpu: str
    """The model of its GPUs, as in PEAK_TFLOPS."""
    gpus: int
    gpu_memory_gib: int
    """Of all GPUs together."""
    vcpus: int
    """What quota counts."""
    ram_gib: int
    family: str
    """The quota's name, as the compute service spells it."""
    family_in_ml: str | None
    """The same, as Azure ML's list of sizes spells it; None where that list lacks the size."""
    hourly: float | None
    """US dollars, list price in eastus; None where no price was found."""
    rdma: bool = False
    """Machines of this size reach one another fast enough to train together."""
    reserve: bool = True
    """An online endpoint needs a fifth more quota than its machines, for upgrades."""
    retired: date | None = None

    @property
    def each_gib(self) -> float:
        """Memory of one GPU."""
        return self.gpu_memory_gib / self.gpus

    @property
    def bf16(self) -> bool:
        """Whether its GPUs calculate in bfloat16; those that do not take float16 for 16 bits."""
        return self.gpu not in {"T4", "V100"}

    @property
    def price(self) -> Price | None:
        """The list price of an hour."""
        return None if self.hourly is None else Price(self.hourly)

    def vcpus_for(self, instances: int, *, endpoint: bool = False) -> int:
        """Returns the quota, in cores, that so many machines take; of an endpoint with Azure's reserve of 20 %."""
        counted = -(-instances * 6 // 5) if endpoint and self.reserve else instances
        return counted * self.vcpus


PEAK_TFLOPS = {
    "T4": 65.0,
    "V100": 125.0,
    "A10": 125.0,
    "A100 40GB": 312.0,
    "A100 80GB": 312.0,
    "H100 NVL": 835.0,
    "H100": 989.0,
    "H200": 989.0,
    "MI300X": 1307.0,
}
"""Trillions of 16-bit operations a second, dense, by the makers' data sheets; training reaches a part of it."""

_NCV3 = ("standardNCSv3Family", "standardNCSv3Family")
_NDV2 = ("standardNDSv2Family", "standardNDSv2Family")
_ND_A100_40 = ("Standard NDASv4_A100 Family", "standard NDASv4_A100 Family")
_ND_A100 = ("standard NDAMSv4_A100Family", "standard NDAMSv4_A100Family")
_ND_H100 = ("standardNDSH100v5Family", "standardNDv5H100Family")
_T4 = ("Standard NCASv3_T4 Family", "standard NCASv3_T4 Family")
_A100 = ("StandardNCADSA100v4Family", "standardNCADSA100v4Family")
_H100 = ("StandardNCadsH100v5Family", "standardNCADSH100v5Family")
_A10 = ("StandardNVADSA10v5Family", "standardNVADSA10v5Family")
_NCV3_END = date(2025, 9, 30)

# fmt: off
SIZES = (
    # name, gpu, gpus, their GiB, vcpus, RAM GiB, family, family in Azure ML, USD an hour, rdma, reserve, retired
    GpuSize("Standard_NC4as_T4_v3", "T4", 1, 16, 4, 28, *_T4, 0.526),
    GpuSize("Standard_NC8as_T4_v3", "T4", 1, 16, 8, 56, *_T4, 0.752),
    GpuSize("Standard_NC16as_T4_v3", "T4", 1, 16, 16, 110, *_T4, 1.204),
    GpuSize("Standard_NC64as_T4_v3", "T4", 4, 64, 64, 440, *_T4, 4.352),
    GpuSize("Standard_NC6s_v3", "V100", 1, 16, 6, 112, *_NCV3, 3.06, retired=_NCV3_END),
    GpuSize("Standard_NC12s_v3", "V100", 2, 32, 12, 224, *_NCV3, 6.12, retired=_NCV3_END),
    GpuSize("Standard_NC24s_v3", "V100", 4, 64, 24, 448, *_NCV3, 12.24, retired=_NCV3_END),
    GpuSize("Standard_NC24rs_v3", "V100", 4, 64, 24, 448, *_NCV3, 13.46, rdma=True, retired=date(2025, 3, 31)),
    GpuSize("Standard_ND40rs_v2", "V100", 8, 256, 40, 672, *_NDV2, 22.032, True, False),
    GpuSize(DEFAULT_SIZE, "A100 80GB", 1, 80, 24, 220, *_A100, 3.673, reserve=False),
    GpuSize("Standard_NC48ads_A100_v4", "A100 80GB", 2, 160, 48, 440, *_A100, 7.346, reserve=False),
    GpuSize("Standard_NC96ads_A100_v4", "A100 80GB", 4, 320, 96, 880, *_A100, 14.692, reserve=False),
    GpuSize("Standard_ND96asr_v4", "A100 40GB", 8, 320, 96, 900, *_ND_A100_40, 27.197, True, False),
    GpuSize("Standard_ND96amsr_A100_v4", "A100 80GB", 8, 640, 96, 1900, *_ND_A100, 32.77, True, False),
    GpuSize("Standard_NC40ads_H100_v5", "H100 NVL", 1, 94, 40, 320, *_H100, 6.98, reserve=False),
    GpuSize("Standard_NC80adis_H100_v5", "H100 NVL", 2, 188, 80, 640, *_H100, 13.96, reserve=False),
    GpuSize("Standard_ND96isr_H100_v5", "H100", 8, 640, 96, 1900, *_ND_H100, 98.32, True, False),
    GpuSize("Standard_ND96isr_H200_v5", "H200", 8, 1128, 96, 1850, "standardNDISRH200V5Family", None, None, True),
    GpuSize("Standard_ND96isr_MI300X_v5", "MI300X", 8, 1536, 96, 1850, "standardNDISv5MI300XFamily", None, None, True),
    GpuSize("Standard_NV6ads_A10_v5", "A10", 1, 4, 6, 55, *_A10, None),
    GpuSize("Standard_NV12ads_A10_v5", "A10", 1, 8, 12, 110, *_A10, None),
    GpuSize("Standard_NV18ads_A10_v5", "A10", 1, 12, 18, 220, *_A10, None),
    GpuSize("Standard_NV36ads_A10_v5", "A10", 1, 24, 36, 440, *_A10, 3.2),
    GpuSize("Standard_NV36adms_A10_v5", "A10", 1, 24, 36, 880, *_A10, 4.52),
    GpuSize("Standard_NV72ads_A10_v5", "A10", 2, 48, 72, 880, *_A10, 6.52),
)
# fmt: on


def same_family(one: str, other: str) -> bool:
    """Tells whether two quota families are one: Azure's lists differ in letter case and spaces."""
    return _bare(one) == _bare(other)


def _bare(name: str) -> str:
    return "".join(name.split()).casefold()
