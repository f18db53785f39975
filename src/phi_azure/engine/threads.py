"""How many cores training takes, decided again and again while it runs.

Two threads train a tiny model 1.5 times as fast as one on a quiet machine (13,500 and 9,000 tokens/s on 2 cores). But
beside a busy process they wait for each other at every matrix product: 1,000 tokens/s, where one does 8,200. The result
is the same to the last bit either way.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

TINY = 50_000_000  # parameters; larger models always take all cores
_WINDOW = 3  # steps that make one measurement
_PATIENCE = 40  # windows until the other number of threads is tried again


@dataclass
class Pace:
    """Picks one thread or `most`, whichever trains faster at the moment."""

    most: int
    now: int = 0
    _rates: dict[int, float] = field(default_factory=dict)
    _steps: int = 0
    _tokens: int = 0
    _seconds: float = 0.0
    _windows: int = 0

    def __post_init__(self) -> None:
        """Starts with all threads."""
        self.now = self.most

    def step(self, tokens: int, seconds: float) -> int:
        """Takes in one step's figures, and returns the number of threads for the next."""
        self._steps, self._tokens, self._seconds = self._steps + 1, self._tokens + tokens, self._seconds + seconds
        if self.most == 1 or self._steps < _WINDOW:
            return self.now
        self._rates[self.now] = self._tokens / max(self._seconds, 1e-9)
        self._steps, self._tokens, self._seconds = 0, 0, 0.0
        self._windows += 1
        self.now = self._better()
        return self.now

    def _better(self) -> int:
        other = self.most if self.now == 1 else 1
        if other not in self._rates or self._windows >= _PATIENCE:
            self._windows = 0
            return other
        return other if self._rates[other] > self._rates[self.now] else self.now


def most_threads(parameters: int) -> int:
    """Returns how many threads a model of this size can use here."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 2) if parameters < TINY else cores
