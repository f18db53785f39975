"""What a comparison found, as values that can be kept and shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003  msgspec reads it
from typing import Any

import msgspec

from phi_azure.errors import GateNotPassed


@dataclass(frozen=True)
class Said:
    """One answer, scored."""

    text: str | None
    """None where the endpoint gave none; see `error`."""
    score: float = 0.0
    """From 0 to 1, by the comparison's metric."""
    label: str | None = None
    """Which label was read from it; None where none, or several, were named."""
    latency_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error: str | None = None

    @property
    def right(self) -> bool:
        """Whether it counts as right: a score of a half or more."""
        return self.error is None and self.score >= 0.5


@dataclass(frozen=True)
class Judged:
    """One row that was kept apart, with what each side answered, in the order of the sides."""

    line: int
    """In the file, from 1."""
    prompt: str
    """The last message of the user."""
    expected: str
    said: tuple[Said, ...]
    leaked: bool = False
    """The training file has the same prompt."""

    @property
    def answered(self) -> bool:
        """Whether every side gave an answer; only then it counts."""
        return all(one.error is None for one in self.said)


@dataclass(frozen=True)
class Side:
    """One way to get answers, summed up over all rows that every side has answered."""

    name: str
    """`tuned`, `base`, `base + prompt`, `base + 4 examples`."""
    what: str
    """The endpoint, with its deployment."""
    scores: dict[str, float]
    """Mean score by metric, from 0 to 1: the chosen one, and those that need no settings."""
    interval: tuple[float, float]
    """95 %, of the chosen metric."""
    unanswered: int
    latency_s: tuple[float, float]
    """Median and 95th percentile, in seconds."""
    prompt_tokens: float | None
    """Mean; None where the endpoint does not count."""
    completion_tokens: float | None
    characters: float
    """Mean length of an answer."""
    confusion: dict[str, dict[str, int]] = field(default_factory=dict)
    """By expected label, then by the one that was read; `none` where none was named. Empty without labels."""


@dataclass(frozen=True)
class Pair:
    """The tuned model against one other side, row by row."""

    against: str
    gained: tuple[int, ...]
    """Lines that are right now and were not."""
    lost: tuple[int, ...]
    """Lines that were right and are not now."""
    difference: float
    """Of the mean scores; above zero the tuned model is better."""
    interval: tuple[float, float]
    """95 %, by a paired bootstrap."""
    p: float
    """Of McNemar's exact test: how likely so uneven a number of flips is if neither side is better."""


@dataclass(frozen=True)
class Verdict:
    """What the gate says."""

    gate: str
    """What it asks for, in words."""
    passed: bool
    reasons: tuple[str, ...] = ()
    """Why not; empty where it passed."""


@dataclass(frozen=True)
class Comparison:
    """A tuned model beside others on the same rows."""

    metric: str
    data: str
    """The file's name."""
    data_sha256: str
    made: datetime
    sides: tuple[Side, ...]
    """The tuned model first."""
    pairs: tuple[Pair, ...]
    """The tuned model against each of the others."""
    rows: tuple[Judged, ...]
    leaks: int | None
    """Rows whose prompt stands in the training file; None where there was none to look at."""
    verdict: Verdict | None = None
    """None without a gate."""
    model: str = ""
    """The tuned model's name and version, where it is known."""
    run: str | None = None
    """The job that it came from."""

    @property
    def counted(self) -> int:
        """How many rows every side has answered."""
        return sum(row.answered for row in self.rows)

    def rows_of(self, lines: tuple[int, ...]) -> list[Judged]:
        """Returns the rows with these lines."""
        wanted = set(lines)
        return [row for row in self.rows if row.line in wanted]

    def raise_for_gate(self) -> None:
        """Raises GateNotPassed with every reason, where there is a gate and it says no."""
        if self.verdict and not self.verdict.passed:
            what = self.model or self.sides[0].what
            raise GateNotPassed(
                "\n".join([f"{what} does not pass its gate ({self.verdict.gate}):", *self.verdict.reasons])
            )

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values, as they go into a JSON file."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain
