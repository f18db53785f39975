"""The time by which the library waits: the machine's, or one that a test turns."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time, and lets it pass."""

    def now(self) -> float:
        """Returns the seconds since 1970."""

    def sleep(self, seconds: float) -> None:
        """Returns when so much time has passed."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Returns the seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Returns when so much time has passed."""
        time.sleep(seconds)
