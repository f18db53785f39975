"""How long GPUs train: operations over what the GPUs really manage, as a range.

Operations for a token and weight: 2 forward, 4 backward; with LoRA the backward pass skips the gradients of the frozen
weights (2 less), and checkpointing repeats the forward pass (2 more). Attention's own operations are left out: for rows
under 2,000 tokens they are a few per cent. The shares of the peak that training reaches are our judgement, wide on
purpose; nothing here was measured on Azure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phi_azure.catalog import PEAK_TFLOPS
from phi_azure.plan.values import Range

if TYPE_CHECKING:
    from phi_azure.catalog import GpuSize, PhiModel
    from phi_azure.plan.settings import Settings

USUAL = Range(0.20, 0.45)
"""Share of the peak that a plain training loop reaches."""
SMALL_PASS = 1024
"""Tokens in a pass under which a GPU waits for its work."""
START_MINUTES = Range(10, 30)
"""Until a machine is up and holds the image; billed."""
COPIES = 4
"""Times that the weights are written or read: import, to the training step, conversion, registration."""
COPY_GB_PER_SECOND = Range(0.1, 0.5)


@dataclass(frozen=True)
class Speed:
    """The share of its peak that a GPU reaches, and what lowers it."""

    share: Range
    why: tuple[str, ...]


def speed(model: PhiModel, settings: Settings, size: GpuSize, nodes: int, mean_tokens: float) -> Speed:
    """Returns the share of the GPUs' peak that training reaches."""
    low, high, why = USUAL.low, USUAL.high, []
    if settings.offload:
        low, high = low * 0.25, high * 0.6
        why.append("weights and optimizer travel between main memory and GPU")
    if model.mixture:
        low, high = low * 0.4, high * 0.6
        why.append("experts take turns")
    filled = settings.batch * min(mean_tokens, settings.length)
    if filled < SMALL_PASS:
        low *= max(0.25, filled / SMALL_PASS)
        why.append(f"a pass holds only {filled:,.0f} tokens")
    if nodes > 1 and not size.rdma:
        low *= 0.5
        why.append("machines without a fast network between them")
    return Speed(Range(low, high), tuple(why))


def operations_per_token(model: PhiModel, settings: Settings) -> float:
    """Returns the floating-point operations that training spends on one token."""
    for_each_weight = (4 if settings.rank else 6) + (2 if settings.checkpointing else 0)
    return for_each_weight * model.active_parameters


def evaluation_per_token(model: PhiModel) -> float:
    """Returns the operations of a forward pass for one token."""
    return 2.0 * model.active_parameters


def hours(operations: Range, size: GpuSize, gpus: int, share: Range) -> Range:
    """Returns the hours that so many GPUs take; the low bound is the quick one."""
    peak = PEAK_TFLOPS[size.gpu] * 1e12 * gpus * 3600
    return Range(operations.low / (peak * share.high), operations.high / (peak * share.low))


def overhead_hours(model: PhiModel) -> Range:
    """Returns the billed time in which nothing trains: machines start, weights are copied."""
    gigabytes = 2 * model.parameters / 1e9 * COPIES
    copying = Range(gigabytes / COPY_GB_PER_SECOND.high / 3600, gigabytes / COPY_GB_PER_SECOND.low / 3600)
    return START_MINUTES.times(1 / 60) + copying
