"""When triggers come, by Azure's rules."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from phi_azure.emulator.recurrence import following, moment, problems

START = "2026-11-26T13:30:00"  # a Thursday


def recurrence(frequency: str, interval: int = 1, **schedule: Any) -> dict[str, Any]:
    """Returns a trigger that recurs."""
    return {"triggerType": "Recurrence", "frequency": frequency, "interval": interval, "schedule": schedule}


def cron(expression: str) -> dict[str, Any]:
    """Returns a trigger of a cron expression."""
    return {"triggerType": "Cron", "expression": expression}


def times(trigger: dict[str, Any], count: int = 3, start: str = START) -> list[str]:
    """Returns the times after the start, as `month-day hour:minute`."""
    found: list[str] = []
    at: float | None = moment(start)
    for _ in range(count):
        assert at is not None
        at = following(trigger, moment(start), at)
        found.append("never" if at is None else dt.datetime.fromtimestamp(at, dt.timezone.utc).strftime("%m-%d %H:%M"))
    return found


TRIGGERS: list[tuple[dict[str, Any], list[str]]] = [
    (recurrence("minute", 20), ["11-26 13:50", "11-26 14:10", "11-26 14:30"]),
    (recurrence("hour", 5), ["11-26 18:30", "11-26 23:30", "11-27 04:30"]),
    (recurrence("day"), ["11-27 13:30", "11-28 13:30", "11-29 13:30"]),
    (recurrence("month", 2), ["01-26 13:30", "03-26 13:30", "05-26 13:30"]),
    (recurrence("day", 2, hours=[3, 15], minutes=[0]), ["11-26 15:00", "11-28 03:00", "11-28 15:00"]),
    (recurrence("week", 1, hours=[3], minutes=[0], weekDays=["monday"]), ["11-30 03:00", "12-07 03:00", "12-14 03:00"]),
    (recurrence("week", 2, hours=[3], minutes=[0], weekDays=["Monday"]), ["12-07 03:00", "12-21 03:00", "01-04 03:00"]),
    (recurrence("week", 1, hours=[9], minutes=[5, 0]), ["12-03 09:00", "12-03 09:05", "12-10 09:00"]),
    (recurrence("month", 1, hours=[0], minutes=[0], monthDays=[1, 31]), ["12-01 00:00", "12-31 00:00", "01-01 00:00"]),
    (cron("0 3 * * 1"), ["11-30 03:00", "12-07 03:00", "12-14 03:00"]),
    (cron("*/20 13-14 * * *"), ["11-26 13:40", "11-26 14:00", "11-26 14:20"]),
    (cron("15 8,18 * * MON-FRI"), ["11-26 18:15", "11-27 08:15", "11-27 18:15"]),
    (cron("0 0 1 1 *"), ["11-27 00:00", "11-28 00:00", "11-29 00:00"]),  # days and months are not heeded
]


@pytest.mark.parametrize(("trigger", "expected"), TRIGGERS, ids=[" ".join(expected[:2]) for _, expected in TRIGGERS])
def test_trigger_comes(trigger: dict[str, Any], expected: list[str]) -> None:
    """By equal steps from the start, at a pattern's times, or as a cron expression says."""
    assert times(trigger) == expected


def test_month_that_is_too_short_is_passed_over() -> None:
    """What began on a 31st comes on 31sts."""
    assert times(recurrence("month"), 2, start="2026-12-31T08:00:00") == ["01-31 08:00", "03-31 08:00"]


@pytest.mark.parametrize(
    "trigger",
    [
        recurrence("day", 1) | {"endTime": "2026-11-27T13:29:59"},
        recurrence("month", 12, hours=[0], minutes=[0], monthDays=[31]),
    ],
    ids=["end", "day"],
)
def test_trigger_that_comes_no_more(trigger: dict[str, Any]) -> None:
    """Its end is past, or no month has such a day."""
    assert times(trigger, 1) == ["never"]


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        (recurrence("hour", 1, hours=[3]), "a recurrence by the hour has no such part"),
        (recurrence("day", 1, weekDays=["monday"]), "a recurrence by the day has no such part"),
        (recurrence("day", 0), "trigger.interval: 0"),
        (recurrence("day", 1, hours=[24], minutes=[60]), "24 is not between 0 and 23"),
        (recurrence("day") | {"startTime": "monday"}, "'monday' is no time"),
        (recurrence("day") | {"timeZone": "W. Europe Standard Time"}, "not by 'W. Europe Standard Time'"),
        (cron("* * *"), "has 3 fields"),
        (cron("60 * * * *"), "'60' is not a value for minutes"),
        (cron("0 0 * * 7"), "days of the week (0-6)"),
        (cron("*/0 * * * *"), "'*/0'"),
        (cron("0 0 * * xyz"), "'xyz'"),
    ],
)
def test_wrong_trigger_is_named(trigger: dict[str, Any], said: str) -> None:
    """Values out of range, parts that a frequency does not have, time zones that are not known here."""
    assert said in "\n".join(problems(trigger))


def test_right_triggers_have_no_problems() -> None:
    """None of those above is refused."""
    assert [problem for trigger, _ in TRIGGERS for problem in problems(trigger)] == []
