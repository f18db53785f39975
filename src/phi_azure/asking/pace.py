"""How fast an endpoint may be asked: waits, repeats, and how many questions at once, shared by all who ask it."""

from __future__ import annotations

import random
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phi_azure.clock import Clock
    from phi_azure.errors import PhiAzureError

T = TypeVar("T")
TRIES = 6  # mishaps of one question, such as a 503 or a cut connection, after which it is given up
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0
_LONGEST_ORDER_S = 300.0  # a Retry-After beyond that is not followed to its end
_SLICE_S = 0.5  # a wait is slept in pieces, so that a batch that was stopped ends soon


class Later(Exception):  # noqa: N818  nothing failed for good
    """A question without an answer, that may get one when it is asked again.

    Args:
        error: what is raised when nobody has patience left.
        after_s: how long the service wants to be left alone; None where it did not say.
        throttled: too many were asked (429), which all who ask have to heed; else it was this question's bad luck.
    """

    def __init__(self, error: PhiAzureError, after_s: float | None = None, *, throttled: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.after_s = after_s
        self.throttled = throttled


class Stopped(Exception):  # noqa: N818  somebody wanted it
    """The asking was called off; the question was not answered."""


class Pace:
    """Lets questions through: at most so many at once, fewer after a 429, and none for a while after several.

    As TCP does with a congested line: each 429 halves how many are asked at once, each answer lets it grow again. The
    wait that a 429 orders is that question's own; where another 429 comes before any answer, it is everybody's.
    Safe to share between threads.

    Args:
        clock: the time by which it waits.
        most: how many questions at once, at best.
        patience_s: how long one question may wait for its turn among 429s, in all.
    """

    def __init__(self, clock: Clock, most: int = 1, patience_s: float = 120.0) -> None:
        self._clock = clock
        self._most = most
        self._patience_s = patience_s
        self._allowed = float(most)
        self._asking = 0
        self._quiet_until = 0.0
        self._slowings = 0
        self._refused = 0  # 429s since the last answer
        self._stopped = False
        self._turn = threading.Condition()

    @property
    def at_once(self) -> int:
        """How many questions may be asked at once now."""
        return int(self._allowed)

    def stop(self) -> None:
        """Lets no more questions through; those that wait raise Stopped."""
        with self._turn:
            self._stopped = True
            self._turn.notify_all()

    def ask(self, question: Callable[[], T]) -> T:
        """Asks until there is an answer.

        Args:
            question: asked in this thread; raises Later where it may be asked again.

        Raises:
            PhiAzureError: the error of the last Later, when patience is over; whatever else `question` raises.
            Stopped: `stop` was called.
        """
        tries, mishaps, waited = 0, 0, 0.0
        while True:
            tries += 1
            with self._turned() as slowings:
                try:
                    got = question()
                except Later as later:
                    problem = later
                else:
                    self._grow()
                    return got
            wait = _wait(problem.after_s, tries)
            waited += wait
            mishaps += not problem.throttled
            if mishaps >= TRIES or waited > self._patience_s:
                raise problem.error from problem
            if problem.throttled:
                self._slow_down(wait, slowings)
            self._sleep(wait)

    @contextmanager
    def _turned(self) -> Iterator[int]:
        """Waits for a turn; gives how often all were slowed down before it."""
        with self._turn:
            self._turn.wait_for(lambda: self._stopped or self._asking < int(self._allowed))
            if self._stopped:
                raise Stopped
            self._asking += 1
        try:
            while (left := self._quiet_until - self._clock.now()) > 0:
                self._sleep(left)
            yield self._slowings
        finally:
            with self._turn:
                self._asking -= 1
                self._turn.notify_all()

    def _grow(self) -> None:
        with self._turn:
            self._refused = 0
            self._allowed = min(float(self._most), self._allowed + 1 / self._allowed)

    def _slow_down(self, wait: float, slowings: int) -> None:
        """Halves the pace, once for all questions that were on their way together."""
        with self._turn:
            self._refused += 1
            if self._refused > 1:
                self._quiet_until = max(self._quiet_until, self._clock.now() + wait)
            if slowings == self._slowings:
                self._slowings += 1
                self._allowed = max(1.0, self._allowed / 2)

    def _sleep(self, seconds: float) -> None:
        until = self._clock.now() + seconds
        while (left := until - self._clock.now()) > 0:
            if self._stopped:
                raise Stopped
            self._clock.sleep(min(left, _SLICE_S))


def _wait(ordered_s: float | None, tries: int) -> float:
    """Returns the seconds until the next try: as ordered, else twice as long each time, and never all at one moment."""
    if ordered_s is not None:
        return min(ordered_s, _LONGEST_ORDER_S)
    longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** (tries - 1))
    return random.uniform(longest / 2, longest)  # noqa: S311  spreads load, hides nothing
