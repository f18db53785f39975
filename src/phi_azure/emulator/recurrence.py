"""When a schedule's trigger comes: pure reckoning in UTC, by Azure's rules for recurrences and cron expressions.

Of a cron expression the fields for days and months are not heeded: Azure takes any value for `*` (its page on
scheduling pipeline jobs, read 2026-11-26). Times are seconds since 1970.
"""

from __future__ import annotations

import datetime as dt
import re
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.emulator.store import Document

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FREQUENCIES = ("minute", "hour", "day", "week", "month")
_HORIZON = 366 * 20  # days within which a pattern must come: a 30th of February never does
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_FIELDS = (("minutes", 0, 59), ("hours", 0, 23), ("days", 1, 31), ("months", 1, 12), ("days of the week", 0, 6))
_PART = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?")


def moment(text: str) -> float:
    """Returns a time as triggers write it, `2026-11-30T03:00:00`, with or without an offset.

    Raises:
        ValueError: it is no time.
    """
    read = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (read if read.tzinfo else read.replace(tzinfo=dt.timezone.utc)).timestamp()


def following(trigger: Document, start: float, after: float) -> float | None:
    """Returns the first time of a trigger later than `after`; None where its end comes before.

    Args:
        trigger: as the service takes it.
        start: from which intervals are counted.
        after: seconds since 1970.
    """
    found = next((time for time in _times(trigger, start, after) if time > after and time >= start), None)
    end = moment(trigger["endTime"]) if trigger.get("endTime") else None
    return None if found is None or (end is not None and found > end) else found


def problems(trigger: Document) -> Iterator[str]:
    """Yields what is wrong with a trigger, beyond its members and their types."""
    for name in ("startTime", "endTime"):
        if trigger.get(name):
            try:
                moment(trigger[name])
            except ValueError:
                yield f"trigger.{name}: '{trigger[name]}' is no time; write 2026-11-30T03:00:00."
    if str(trigger.get("timeZone") or "UTC") != "UTC":
        yield f"trigger.timeZone: the emulator's schedules go by UTC, not by '{trigger['timeZone']}'."
    if trigger["triggerType"].lower() == "cron":
        yield from _cron_problems(trigger["expression"])
    else:
        yield from _recurrence_problems(trigger)


def _times(trigger: Document, start: float, after: float) -> Iterator[float]:
    if trigger["triggerType"].lower() == "cron":
        return _cron_times(trigger["expression"], after)
    pattern = trigger.get("schedule") or {}
    if any(pattern.get(part) for part in ("hours", "minutes", "weekDays", "monthDays")):
        return _pattern_times(trigger, pattern, start, after)
    return _interval_times(trigger["frequency"].lower(), trigger["interval"], start, after)


def _interval_times(frequency: str, interval: int, start: float, after: float) -> Iterator[float]:
    """Yields the start and what follows it by equal steps, from shortly before `after` on."""
    if frequency == "month":
        first = _utc(start)
        month = 0
        while True:
            if found := _same_day(first, month):
                yield found.timestamp()
            month += interval
    step = _SECONDS[frequency] * interval
    number = max(0, int((after - start) // step))
    while True:
        yield start + number * step
        number += 1


def _same_day(first: dt.datetime, months: int) -> dt.datetime | None:
    """Returns the same day so many months later; None where that month is too short."""
    years, month = divmod(first.month - 1 + months, 12)
    try:
        return first.replace(year=first.year + years, month=month + 1)
    except ValueError:
        return None


def _pattern_times(trigger: Document, pattern: Document, start: float, after: float) -> Iterator[float]:
    """Yields the pattern's hours and minutes on each of its days, of every so many days, weeks or months."""
    first, frequency, interval = _utc(start), trigger["frequency"].lower(), trigger["interval"]
    hours = sorted(pattern.get("hours") or [first.hour])
    minutes = sorted(pattern.get("minutes") or [0])
    day = after_day = max(first, _utc(after)).date()
    while True:
        if _counts(first.date(), day, frequency, interval) and _is_day_of(first.date(), day, frequency, pattern):
            for hour in hours:
                for minute in minutes:
                    yield dt.datetime.combine(day, dt.time(hour, minute), dt.timezone.utc).timestamp()
        day += dt.timedelta(days=1)
        if (day - after_day).days > _HORIZON:
            return


def _counts(first: dt.date, day: dt.date, frequency: str, interval: int) -> bool:
    """Tells whether a day lies in one of every `interval` days, weeks or months, counted from the first."""
    if frequency == "day":
        return (day - first).days % interval == 0
    if frequency == "week":
        weeks = (day - dt.timedelta(days=day.weekday())) - (first - dt.timedelta(days=first.weekday()))
        return weeks.days // 7 % interval == 0
    return ((day.year - first.year) * 12 + day.month - first.month) % interval == 0


def _is_day_of(first: dt.date, day: dt.date, frequency: str, pattern: Document) -> bool:
    week_days = {name.lower() for name in pattern.get("weekDays") or ()}
    month_days = set(pattern.get("monthDays") or ())
    if frequency == "day":
        return True
    if week_days or month_days:
        return DAYS[day.weekday()] in week_days or day.day in month_days
    return day.weekday() == first.weekday() if frequency == "week" else day.day == first.day


def _recurrence_problems(trigger: Document) -> Iterator[str]:
    if trigger["interval"] < 1:
        yield f"trigger.interval: {trigger['interval']} is none; the least is 1."
    pattern, frequency = trigger.get("schedule") or {}, trigger["frequency"].lower()
    allowed = {"day": {"hours", "minutes"}, "week": {"hours", "minutes", "weekDays"}}
    allowed["month"] = allowed["week"] | {"monthDays"}
    for part, values in pattern.items():
        if values and part not in allowed.get(frequency, set()):
            yield f"trigger.schedule.{part}: a recurrence by the {frequency} has no such part."
    for part, least, most in (("hours", 0, 23), ("minutes", 0, 59), ("monthDays", 1, 31)):
        for value in pattern.get(part) or ():
            if not least <= value <= most:
                yield f"trigger.schedule.{part}: {value} is not between {least} and {most}."


def _cron_times(expression: str, after: float) -> Iterator[float]:
    minutes, hours, _, _, week_days = (
        _values(text, *field) for text, field in zip(expression.split(), _FIELDS, strict=True)
    )
    day = _utc(after).date()
    while True:
        if day.isoweekday() % 7 in week_days:
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    yield dt.datetime.combine(day, dt.time(hour, minute), dt.timezone.utc).timestamp()
        day += dt.timedelta(days=1)


def _cron_problems(expression: str) -> Iterator[str]:
    texts = expression.split()
    if len(texts) != len(_FIELDS):
        yield f"trigger.expression: '{expression}' has {len(texts)} fields; there are {len(_FIELDS)}."
        return
    for text, field in zip(texts, _FIELDS, strict=True):
        yield from _field_problems(text, *field)


def _field_problems(text: str, name: str, least: int, most: int) -> Iterator[str]:
    try:
        _values(text, name, least, most)
    except ValueError:
        yield f"trigger.expression: '{text}' is not a value for {name} ({least}-{most})."


def _values(text: str, name: str, least: int, most: int) -> set[int]:
    """Returns what a field of a cron expression allows: `*`, `5`, `1-5`, `*/15`, names of days, and lists of them."""
    return set(chain.from_iterable(_part(part, name, least, most) for part in text.split(",")))


def _part(text: str, name: str, least: int, most: int) -> range:
    match = _PART.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is none of {name}")
    if match[1] == "*":
        first, last = least, most
    else:
        first = _number(match[1], name)
        last = _number(match[2], name) if match[2] else (most if match[3] else first)
    if not least <= first <= last <= most:
        raise ValueError(f"{text!r} is none of {name}")
    step = int(match[3] or 1)
    if step < 1:
        raise ValueError(f"{text!r} has no step")
    return range(first, last + 1, step)


def _number(text: str, name: str) -> int:
    if name == "days of the week" and not text.isdecimal():
        short: dict[str, Any] = {day[:3]: number for number, day in enumerate((DAYS[-1], *DAYS[:-1]))}
        if text.lower()[:3] not in short:
            raise ValueError(f"{text!r} is no day of the week")
        return int(short[text.lower()[:3]])
    return int(text)


def _utc(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, tz=dt.timezone.utc)
