"""The length of the training files in tokens, with the bounds between which it lies."""

from __future__ import annotations

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
    def max(self) -> int | None: ...  # noqa: D102
    @property
    def exact(self) -> bool: ...  # noqa: D102


def of_training(report: Report, count: Count | None) -> Tokens | None:
    """Returns the tokens of the training files; a count over several files is shared out by characters."""
    files = [file for file in report.files if file.split == "training"]
    kept = sum(file.kept for file in files)
    if not kept:
        return None
    characters = sum(file.characters for file in files)
    count = count or estimate(report)
    share = characters / report.characters if report.characters else 1.0
    how = "counted with the model's tokenizer" if count.exact else "estimated from characters"
    return Tokens(Range(count.low, count.high).times(share), kept, count.max, count.exact, how)
