"""Waiting inside Azure's client: by the workspace's clock, and no longer than one has patience."""

from __future__ import annotations

import pytest

from phi_azure.azure.transport import ClockTransport, OutOfPatienceError
from phi_azure.emulator.clock import TurnedClock

HOUR = 3600.0


def test_pauses_are_the_clocks() -> None:
    """An hour's pause of a poller turns the clock by an hour, and takes no time."""
    clock = TurnedClock(start=0)

    ClockTransport(clock).sleep(HOUR)

    assert clock.now() == HOUR


def test_patience_ends_before_the_pause_that_would_be_too_long() -> None:
    """Looks go on while there is time; the one after the end is not waited for."""
    clock = TurnedClock(start=0)
    transport = ClockTransport(clock)

    with transport.patience(HOUR), pytest.raises(OutOfPatienceError):
        look_for_ever(transport)

    assert clock.now() == 3500
    transport.sleep(HOUR)
    assert clock.now() == 3500 + HOUR


def look_for_ever(transport: ClockTransport) -> None:
    """Waits as a poller does whose operation never ends."""
    while True:
        transport.sleep(700)


def test_inner_patience_cannot_outlast_the_outer() -> None:
    """Of two the tighter one counts."""
    transport = ClockTransport(TurnedClock(start=0))

    with transport.patience(10), transport.patience(HOUR), pytest.raises(OutOfPatienceError):
        transport.sleep(11)
