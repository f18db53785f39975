"""What is told on the way while something is made, reused or uploaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """Something that was done: `kind` is a short word, such as `data`, `cluster`, `job` or `endpoint`."""

    kind: str
    message: str


OnEvent = Callable[[Event], None]


@dataclass(frozen=True)
class Progress:
    """How far an upload or a download is."""

    what: str
    """What is copied, in words."""
    done: int
    """Bytes that are there, those of an earlier try included."""
    total: int
    """Bytes in all."""
    rate: float
    """Bytes a second over the network, in the last ten seconds."""
    seconds_left: float | None
    """At that rate; None before anything has come."""


OnProgress = Callable[[Progress], None]
