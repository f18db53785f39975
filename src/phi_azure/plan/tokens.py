"""The length of the training files in tokens, with the bounds between which it lies."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Protocol

from phi_azure.plan.values import Range, Tokens

if TYPE_CHECKING:
    from phi_azure.dataset import Report

SPARSE = 5.0
DENSE = 3.0
"""Characters of a token: English prose has more, code and other languages fewer."""
AROUND = 12
"""Tokens that a template puts around the messages of a row."""
LONGEST = 8
"""How many times the average the longest row is taken to have, where rows were not counted one by one."""


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
    if count is None:
        low, high = characters / SPARSE, characters / DENSE + AROUND * kept
        longest = ceil(LONGEST * high / kept)
        return Tokens(Range(low, high), kept, longest, exact=False, how="estimated from characters")
    share = characters / report.characters if report.characters else 1.0
    how = "counted with the model's tokenizer" if count.exact else "estimated from characters"
    return Tokens(Range(count.low, count.high).times(share), kept, count.max, count.exact, how)
