"""What costs money now: by the hour and so far, ours and not ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from phi_azure.leash import Leash
from phi_azure.plan import money

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from phi_azure.catalog import Price

Kind = Literal["endpoint", "deployment", "serverless", "cluster", "job"]


@dataclass(frozen=True)
class Billed:
    """Something in the workspace that is paid by the hour, as Azure tells of it."""

    name: str
    """endpoint/deployment, endpoint, cluster or job."""
    kind: Kind
    """`endpoint` is a managed one without a deployment: it costs nothing yet."""
    size: str | None
    """The machines' size; None for endpoints without machines."""
    count: int
    """Machines that are there now."""
    since: datetime | None
    """When they came; of a cluster, when it last grew or shrank."""
    ours: bool
    leash: Leash = field(default_factory=Leash)
    free: str = ""
    """Why it costs nothing by the hour, where that is so."""
    overdue: bool = False
    """A job that runs longer than its file allows."""

    @property
    def whole(self) -> str:
        """What it goes with: of a deployment the endpoint, as `endpoint NAME`; else itself."""
        kind = self.kind if self.kind in {"cluster", "job"} else "endpoint"
        return f"{kind} {self.name.partition('/')[0]}"

    def removable(self, now: datetime, *, clusters: bool, expired: bool) -> bool:
        """Whether `down` takes it: a job only when it is over its budget, a cluster only when asked for."""
        if not self.ours:
            return False
        if self.kind == "job":
            return expired and self.overdue
        if self.kind == "cluster" and not clusters:
            return False
        return self.leash.expired(now) if expired and self.kind != "cluster" else True


@dataclass(frozen=True)
class Cost:
    """What one of them costs."""

    of: Billed
    usd_per_hour: float | None
    """Of all its machines; None where no price is known."""
    usd_so_far: float | None
    """Since `of.since`, at today's price; earlier machines of a cluster are not counted."""
    note: str = ""
    """Where the price comes from."""


@dataclass(frozen=True)
class Costs:
    """What a workspace costs at one moment."""

    lines: tuple[Cost, ...]
    at: datetime

    @property
    def usd_per_hour(self) -> float:
        """Of all of it that has a known price."""
        return sum(line.usd_per_hour or 0.0 for line in self.lines)

    @property
    def usd_so_far(self) -> float:
        """Likewise."""
        return sum(line.usd_so_far or 0.0 for line in self.lines)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of what costs something that is not known."""
        return tuple(line.of.name for line in self.lines if line.usd_per_hour is None)


def costs(found: Iterable[Billed], now: datetime, live: Mapping[str, Price] | None = None) -> Costs:
    """Prices what was found, the dearest first.

    Args:
        found: what the workspace holds.
        now: the moment.
        live: prices of today by size; the catalogue's list price stands in for others.
    """
    lines = [_priced(one, now, live or {}) for one in found]
    return Costs(tuple(sorted(lines, key=lambda line: (-(line.usd_per_hour or 0.0), line.of.name))), now)


def _priced(one: Billed, now: datetime, live: Mapping[str, Price]) -> Cost:
    each, note = _each(one, live)
    rate = None if each is None else each * one.count
    hours = max(0.0, (now - one.since).total_seconds() / 3600) if one.since else None
    return Cost(one, rate, None if rate is None or hours is None else rate * hours, note)


def _each(one: Billed, live: Mapping[str, Price]) -> tuple[float | None, str]:
    """Returns what one machine of it costs an hour, and where that comes from."""
    if one.free:
        return 0.0, one.free
    if one.kind == "serverless":
        return money.SERVERLESS_HOSTING, "hosting of a tuned model: a talk of 2024; unconfirmed"
    return money.hourly(str(one.size), live)
