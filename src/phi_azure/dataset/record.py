"""One row of a file that is no JSONL, and how much of a file is held at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from phi_azure.dataset.finding import Finding

BLOCK = 1 << 18  # small enough for what is made of it to stay in the processor's cache
LONGEST = 64 << 20  # bytes of a line that are still looked at


class Record(NamedTuple):
    """A row of another format, or why there is none."""

    number: int
    """The line that it begins on, from 1; of parquet its row."""
    row: object
    finding: Finding | None = None
    is_row: bool = True
    """False where something is wrong beside the rows."""
    doubtful: tuple[Finding, ...] = ()
    """What is wrong with how a row is written that could be read."""
    element: int = 0
    """Which of a JSON array's elements it is, from 1: several may stand in one line; else 0."""
