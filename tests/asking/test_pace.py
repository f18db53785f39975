"""How fast an endpoint is asked: by a clock that the test turns."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from phi_azure import AzureError, QuotaError
from phi_azure.asking.pace import TRIES, Later, Pace, Stopped
from phi_azure.emulator.clock import TurnedClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _failing(*problems: Later) -> Callable[[], str]:
    left: Iterator[Later] = iter(problems)

    def question() -> str:
        for problem in left:
            raise problem
        return "answer"

    return question


def _cut() -> Later:
    return Later(AzureError("the connection was cut"))


def _busy(after_s: float | None = None) -> Later:
    return Later(QuotaError("429"), after_s, throttled=True)


def test_a_passing_failure_is_asked_again() -> None:
    """One question, one answer, and a wait between the tries."""
    clock = TurnedClock(0.0)

    answer = Pace(clock).ask(_failing(_cut(), _cut()))

    assert answer == "answer"
    assert 0.5 <= clock.now() <= 1.5


def test_the_wait_that_is_ordered_is_kept() -> None:
    """Retry-After counts more than our own guess."""
    clock = TurnedClock(0.0)

    Pace(clock).ask(_failing(_busy(17.0), Later(AzureError("503"), 4.0)))

    assert clock.now() == pytest.approx(21.0)


def test_a_failure_that_does_not_pass_is_raised() -> None:
    """After the last try the error is the service's own."""
    with pytest.raises(AzureError, match="cut"):
        Pace(TurnedClock()).ask(_failing(*(_cut() for _ in range(TRIES))))


def test_patience_with_a_busy_service_ends() -> None:
    """A 429 is waited for by time, not by tries."""
    clock = TurnedClock(0.0)

    with pytest.raises(QuotaError):
        Pace(clock, patience_s=60.0).ask(_failing(*(_busy(10.0) for _ in range(100))))

    assert clock.now() == pytest.approx(60.0)


def test_a_429_slows_all_down_and_answers_speed_up() -> None:
    """Half as many at once after it, and one more with each round of answers."""
    pace = Pace(TurnedClock(), most=8)

    pace.ask(_failing(_busy()))
    slow = pace.at_once
    for _ in range(60):
        pace.ask(lambda: "answer")

    assert slow == 4
    assert pace.at_once == 8


def test_nobody_asks_while_several_waits_are_ordered() -> None:
    """One 429 is its own question's; the second before any answer holds for whoever asks next."""
    clock = TurnedClock(0.0)
    pace = Pace(clock, most=8)
    moments: list[float] = []

    for _ in range(2):
        pace._slow_down(5.0, pace._slowings)
        pace.ask(lambda: moments.append(clock.now()))
    for _ in range(2):
        pace._slow_down(5.0, pace._slowings)
    pace.ask(lambda: moments.append(clock.now()))

    assert moments == [0.0, 0.0, 5.0]


def test_no_more_at_once_than_allowed() -> None:
    """Threads share the pace."""
    pace, asking, most, lock = Pace(TurnedClock(), most=3), 0, 0, threading.Lock()

    def question() -> None:
        nonlocal asking, most
        with lock:
            asking += 1
            most = max(most, asking)
        threading.Event().wait(0.002)
        with lock:
            asking -= 1

    threads = [threading.Thread(target=lambda: pace.ask(question)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 3


def test_stopped_means_stopped() -> None:
    """No question goes out any more."""
    pace = Pace(TurnedClock())
    pace.stop()

    with pytest.raises(Stopped):
        pace.ask(lambda: "answer")
