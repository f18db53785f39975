"""The emulator's time: the world's, or one that a test turns."""

from __future__ import annotations

import datetime as dt
import threading
import time
from typing import Protocol

from phi_azure.emulator.durations import Duration, seconds_of


class Clock(Protocol):
    """Tells the time in seconds since 1970."""

    def now(self) -> float:
        """Returns the seconds since 1970."""

    def sleep(self, seconds: float) -> None:
        """Returns when so much time has passed."""

    def look(self, what: str, moment: float, looks: int) -> None:
        """Is told of a look at what comes to pass at a moment; a clock that stands still may go there then."""


class WorldClock:
    """The machine's own time."""

    def now(self) -> float:
        """Returns the seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Returns when so much time has passed."""
        time.sleep(seconds)

    def look(self, what: str, moment: float, looks: int) -> None:
        """Goes on by itself."""


class TurnedClock:
    """Starts at the machine's time, stands still, and moves when it is turned.

    Where a client waits in the thread that would turn it, it goes on by itself to what is waited for: see `look`.
    """

    def __init__(self, start: float | None = None) -> None:
        self._now = time.time() if start is None else start
        self._lock = threading.Lock()
        self._looks: dict[str, int] = {}  # at what is waited for, since the clock has moved

    def now(self) -> float:
        """Returns the seconds since 1970, as turned so far."""
        return self._now

    def turn(self, by: Duration) -> None:
        """Moves the time on, by seconds or by "90s", "5m", "1h30m"; it never runs backwards.

        Raises:
            ValueError: it is negative, or no duration.
        """
        seconds = seconds_of(by)
        with self._lock:
            self._now += seconds
            if seconds:
                self._looks.clear()

    def look(self, what: str, moment: float, looks: int) -> None:
        """Counts a look at what comes to pass at a moment; goes there at the last of so many that find the clock still.

        Then nobody turns it any more: whoever would is taken to wait.
        """
        with self._lock:
            self._looks[what] = self._looks.get(what, 0) + 1
            if self._looks[what] >= looks and moment > self._now:
                self._now = moment
                self._looks.clear()

    def sleep(self, seconds: float) -> None:
        """Turns the time on and returns at once, so that whoever waits by this clock waits no real time."""
        self.turn(seconds)


def stamp(seconds: float) -> str:
    """Returns a time as Azure writes it: 2026-11-23T19:39:10.111727+00:00."""
    return dt.datetime.fromtimestamp(seconds, tz=dt.timezone.utc).isoformat()
