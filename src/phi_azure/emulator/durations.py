"""Lengths of time as tests write them."""

from __future__ import annotations

import re

_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[dhms]))+")
_REMEDY = "write seconds as a number, or '90s', '5m', '1h30m'"
Duration = float | str  # seconds, or "90s", "5m", "1h30m"


def seconds_of(duration: Duration) -> float:
    """Returns a duration in seconds.

    Raises:
        ValueError: it is negative, or no duration.
    """
    if isinstance(duration, str):
        if not _DURATION.fullmatch(duration):
            raise ValueError(f"{duration!r} is no duration; {_REMEDY}")
        return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|[dhms])", duration))
    if isinstance(duration, bool) or not isinstance(duration, (int, float)):
        raise ValueError(f"{duration!r} is no duration; {_REMEDY}")  # noqa: TRY004 (what the caller wrote is wrong)
    if not duration >= 0:
        raise ValueError(f"a duration cannot be negative: {duration}")
    return float(duration)
