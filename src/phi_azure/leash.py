"""The leash on what costs money: who made it, what for and until when, kept as tags on the thing itself in Azure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from phi_azure.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

OWNER_TAG = "phi_azure.owner"
PURPOSE_TAG = "phi_azure.purpose"
EXPIRES_TAG = "phi_azure.expires"
MAX_HOURS_TAG = "phi_azure.max_hours"
KEEP = "8h"
"""How long an endpoint is meant to stay when nobody says."""
FOREVER = "forever"
_UNITS = {"m": 1 / 60, "h": 1.0, "d": 24.0, "w": 168.0}
_LONGEST = 24 * 365 * 10  # hours; more is a slip of the finger


@dataclass(frozen=True)
class Leash:
    """Who made something, what for, and until when it is meant to stay."""

    owner: str | None = None
    purpose: str | None = None
    expires: datetime | None = None
    """None where it is meant to stay until somebody removes it."""

    def expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= now


def made(owner: str, purpose: str, keep: str, now: datetime) -> Leash:
    """Returns the leash of what is made now. Raises ConfigError where `keep` is no length of time; see `hours`."""
    length = hours(keep)
    return Leash(owner, purpose, None if length is None else now + timedelta(hours=length))


def hours(keep: str) -> float | None:
    """Reads a length of time: 90m, 8h, 2d, 1w; None for `forever`.

    Raises:
        ConfigError: it is neither.
    """
    if keep.strip().lower() == FOREVER:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([mhdw])", keep.strip().lower())
    length = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 0 < length <= _LONGEST:
        raise ConfigError(
            f"{keep!r} is no length of time to keep something.", remedy="Write 90m, 8h, 2d or 1w; or forever."
        )
    return length


def tags(leash: Leash) -> dict[str, str]:
    """Returns the tags that keep a leash; Azure takes 256 characters in each."""
    expires = leash.expires.astimezone(timezone.utc).isoformat(timespec="seconds") if leash.expires else FOREVER
    values = {OWNER_TAG: leash.owner, PURPOSE_TAG: leash.purpose, EXPIRES_TAG: expires}
    return {name: value[:256] for name, value in values.items() if value}


def read(of: Mapping[str, str]) -> Leash:
    """Reads a leash from tags; what is not there, or no time, is None."""
    return Leash(of.get(OWNER_TAG), of.get(PURPOSE_TAG), _time(of.get(EXPIRES_TAG, "")))


def most_hours(max_hours: float | None, max_price: float | None, usd_per_hour: float | None) -> float | None:
    """Returns for how many hours a job may run by its budget; None where none is set or the price is not known."""
    limits = [max_hours, max_price / usd_per_hour if max_price and usd_per_hour else None]
    return min((limit for limit in limits if limit), default=None)


def overdue(of: Mapping[str, str], started: datetime | None, now: datetime) -> bool:
    """Whether a job has run longer than its budget allows, by the tags that it was sent with."""
    try:
        most = float(of.get(MAX_HOURS_TAG, ""))
    except ValueError:
        return False
    return started is not None and now - started > timedelta(hours=most)


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
