"""What is known of a run at one moment, and what can be reckoned from it: share, time left, a standstill."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from phi_azure import status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SILENT_S = 600.0
"""Without a log line and without a number, a run that runs is said to be silent."""
QUEUED_S = 300.0
"""After this the reason of a wait for machines is looked for."""


@dataclass(frozen=True)
class Step:
    """One step of a job."""

    name: str
    status: str
    started: datetime | None
    ended: datetime | None
    run_id: str
    depth: int = 0
    """How many steps it lies below one that is shown."""


@dataclass(frozen=True)
class Point:
    """One value of a metric."""

    step: int
    value: float
    time: datetime


@dataclass(frozen=True)
class Update:
    """What came since the last one."""

    status: str
    steps: tuple[Step, ...] = ()
    new_metrics: dict[str, list[Point]] = field(default_factory=dict)
    new_log_lines: tuple[str, ...] = ()
    progress: float | None = None
    """Share of the training that is done, 0 to 1; None before it is known."""
    time: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    """When Azure was looked at."""
    since: datetime | None = None
    """Since when it is in this state, as far as is known."""
    seconds_left: float | None = None
    """Until the training is done, at its pace so far."""
    note: str | None = None
    """What does not go as it should, in words: a standstill and its reason, or that Azure cannot be reached."""


def share(epochs: float, points: Sequence[Point]) -> float | None:
    """Returns how much of the epochs is done, by the points of the metric `epoch`."""
    done = max((point.value for point in points), default=0.0)
    return min(1.0, done / epochs) if epochs and done else None


def seconds_left(epochs: float, points: Sequence[Point], now: datetime) -> float | None:
    """Returns how long the training still takes, by the times of the metric `epoch`; None before two of them."""
    if len(points) < 2:
        return None
    first, last = (pick(points, key=lambda point: point.value) for pick in (min, max))
    took, done = (last.time - first.time).total_seconds(), last.value - first.value
    if took <= 0 or done <= 0 or last.value >= epochs:
        return None
    return max(0.0, (epochs - last.value) * took / done - (now - last.time).total_seconds())


def standstill(word: str, waited: float, silent: float, reasons: Mapping[str, str | None]) -> str | None:
    """Returns what to tell of a run that does not move on, or None where all is as it should be.

    Args:
        word: Azure's word for its state.
        waited: seconds in this state.
        silent: seconds without a log line and without a number.
        reasons: what Azure says, by who says it: `run` for its queue, `cluster` for its machines.
    """
    if not status.is_known(word):
        return f"Azure says {word!r}, a word that its own client does not know; taken for a run that goes on"
    said = ". ".join(text.rstrip(".") for text in reasons.values() if text)
    if word in status.WAITING and (said or waited >= QUEUED_S):
        meaning = f"{word} for {minutes(waited)} ({status.GOING[word]})"
        return f"{meaning}: {said}" if said else f"{meaning}; Azure gives no reason"
    if word == "Running" and silent >= SILENT_S:
        return f"no log line and no number for {minutes(silent)}" + (f"; {said}" if said else "")
    return None


def length(seconds: float) -> str:
    """Returns a length of time in seconds, or in minutes."""
    return minutes(seconds) if seconds >= 60 else f"{seconds:.0f} s"


def minutes(seconds: float) -> str:
    """Returns a length of time in whole minutes, or hours and minutes."""
    whole = int(seconds) // 60
    return f"{whole} min" if whole < 60 else f"{whole // 60} h {whole % 60:02} min"
