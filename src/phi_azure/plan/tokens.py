"""The length of the training files in tokens, with the bounds between which it lies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from phi_azure.plan.values import Range, Tokens
from phi_azure.tokens import estimate

if TYPE_CHECKING:
    from phi_azure.dataset import Report


class Count(Protocol):
    """What is used of a TokenCount."""

    @property
    def low(self) -> int: ...  # noqa: D102
    @property
    def high(self) -> int: ...  # noqa: D102
    @property
    def max(self) -> int: ...  # noqa: D102
    @property
    def exact(self) -> bool: ...  # noqa: D102
    def after_cut(self, limit: int | None) -> tuple[int, int]: ...  # noqa: D102


def of_training(report: Report, count: Count | None, limit: int | None = None) -> Tokens | None:
    """Returns the tokens of the training files, cut at a limit.

    Args:
        report: the check of a job's files.
        count: what their rows come to; None estimates it.
        limit: tokens of a row that count; None cuts nothing.
    """
    files = tuple(file for file in report.files if file.split == "training")
    kept = sum(file.kept for file in files)
    if not kept:
        return None
    count = count or estimate(replace(report, files=files))
    low, high = count.after_cut(limit)
    how = "counted with the model's tokenizer" if count.exact else "estimated from characters"
    return Tokens(
        total=Range(low, high),
        rows=kept,
        longest=count.max if limit is None else min(count.max, limit),
        exact=count.exact,
        how=how,
        cut=Range(count.low - low, count.high - high),
    )
