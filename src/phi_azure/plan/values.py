"""What a plan is made of: frozen values that can be saved, read back and compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date  # noqa: TC003  msgspec reads the annotations
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from phi_azure.catalog import PhiModel, Price  # noqa: TC001  likewise

if TYPE_CHECKING:
    from collections.abc import Mapping

RouteName = Literal["serverless", "managed"]
ChosenBy = Literal["you", "cluster", "model", "default"]
Existence = Literal["new", "exists", "not looked up"]
_NAMES = ("what", "kind", "name")  # fields that tell one part of a list from the others


@dataclass(frozen=True)
class Range:
    """A figure that is known only between two bounds; both are the same where it is known."""

    low: float
    high: float

    def __add__(self, other: Range) -> Range:
        """Adds bound to bound."""
        return Range(self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> Range:
        """Returns both bounds, so many times."""
        return Range(self.low * factor, self.high * factor)


@dataclass(frozen=True)
class LiveFacts:
    """What was asked of Azure before planning; everything that was not asked stays None."""

    model: PhiModel | None = None
    """The catalogue's row under what the registry says today."""
    cluster_size: str | None = None
    """Machine size of the cluster that the job names; None where there is no such cluster."""
    existing: frozenset[str] | None = None
    """What is there already, as `cluster NAME`, `data NAME` and `model NAME`."""
    hourly: Mapping[str, Price] = field(default_factory=dict)
    """Machine prices read today, by size."""
    price_per_million: float | None = None
    """US dollars for a million trained tokens on the serverless route, as the user knows it."""


@dataclass(frozen=True)
class Rows:
    """What becomes of the rows of the files."""

    given: int
    dropped: int
    training: int
    validation: int
    test: int
    """Rows set aside, which nothing learns from."""


@dataclass(frozen=True)
class Tokens:
    """Length of the training file, in tokens."""

    total: Range
    """All rows that are kept, without what is cut."""
    rows: int
    """Those that are kept."""
    longest: int | None
    """Tokens of the longest row, which decides the memory; None takes the longest that the job allows."""
    exact: bool
    how: str
    """By what it was counted or estimated."""
    cut: Range = Range(0, 0)
    """What lies behind the tokens of a row that count: nobody learns it."""

    def of(self, rows: int) -> Range:
        """Returns the tokens of so many rows of average length."""
        return self.total.times(rows / self.rows)


@dataclass(frozen=True)
class MemoryLine:
    """One part of a GPU's memory."""

    what: str
    gib: float
    how: str
    """The multiplication that gives it."""


@dataclass(frozen=True)
class Memory:
    """What each GPU has to hold, line by line."""

    lines: tuple[MemoryLine, ...]
    ram_gib: float = 0.0
    """Main memory of each machine that holds what DeepSpeed takes off the GPUs."""
    guessed: bool = False
    """The model's dimensions are a guess from its number of weights."""

    @property
    def total_gib(self) -> float:
        """The sum of the lines."""
        return sum(line.gib for line in self.lines)


@dataclass(frozen=True)
class Machine:
    """The machines of the managed route."""

    size: str
    chosen_by: ChosenBy
    """Who named the size: the file, the cluster that exists, the model's list, or our default."""
    nodes: int
    gpus: int
    """Of each machine, that train."""
    hourly: float | None
    """US dollars for one machine."""
    price_note: str
    vcpus: int
    """Cores of quota that all machines take."""
    family: str | None
    memory: Memory | None
    memory_gib: float | None
    """What one GPU has."""
    fits: bool | None
    """None where the memory is not known."""
    cheapest: str | None = None
    """The cheapest single machine that the job fits on; None where none does, or the memory is not known."""


@dataclass(frozen=True)
class Side:
    """One route of the two."""

    route: RouteName
    open: bool
    """Azure takes the job on this route, by what is known."""
    why: str | None
    """Why not, or what is doubtful."""
    hours: Range | None
    price: Range | None
    """US dollars for the training; None where nobody published what is needed."""
    arithmetic: tuple[str, ...]
    """How hours and price come about, a line each."""
    hosting: Range | None
    """US dollars a month for an endpoint that is always up."""
    hosting_arithmetic: tuple[str, ...]
    steps: int
    """Times that the weights are changed."""
    machine: Machine | None
    rows: Rows
    fixed: tuple[str, ...] = ()
    """What the route decides by itself."""
    ignored: tuple[str, ...] = ()
    """Knobs of the file that this route does not have."""


@dataclass(frozen=True)
class Item:
    """One thing that the job would leave in the workspace."""

    kind: str
    name: str
    state: Existence


@dataclass(frozen=True)
class Change:
    """One figure that differs between two plans."""

    field: str
    before: object
    after: object


@dataclass(frozen=True)
class Plan:
    """What a job would make, take and cost, on both routes; nothing was made for it."""

    job: str
    model: str
    route: RouteName
    """The route that the file, or the caller, asks for."""
    made: date
    tables: date
    """The day of the catalogue."""
    epochs: int
    tokens: Tokens | None
    serverless: Side
    managed: Side
    creates: tuple[Item, ...]
    break_even: Range | None
    """Price of a million trained tokens at which both routes cost the same."""
    max_price: float | None = None
    max_hours: float | None = None
    over_budget: tuple[str, ...] = ()
    """Why the plan is above `max_price` or `max_hours`."""
    notes: tuple[str, ...] = ()

    @property
    def chosen(self) -> Side:
        """The side that the job asks for."""
        return self.serverless if self.route == "serverless" else self.managed

    def raise_for_budget(self) -> None:
        """Raises OverBudget where the plan is above what the job file allows."""
        from phi_azure.errors import OverBudget

        if self.over_budget:
            raise OverBudget(
                "\n".join(self.over_budget), remedy="Raise the limit in the job file, or plan less: fewer epochs, rows."
            )

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values, as they go into a JSON file."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Plan:
        """Reads what `to_dict` gave. Raises ConfigError where it is not a plan."""
        from phi_azure.errors import ConfigError

        try:
            return msgspec.convert(values, cls)
        except msgspec.ValidationError as error:
            raise ConfigError(
                f"this is no saved plan: {error}", remedy="Save one: phi-azure plan --out FILE."
            ) from error

    def compare(self, other: Plan) -> tuple[Change, ...]:
        """Returns what is different in another plan, field by field; the day of planning does not count."""
        before, after = _flat(self.to_dict()), _flat(other.to_dict())
        return tuple(
            Change(name, before.get(name), after.get(name))
            for name in dict.fromkeys([*before, *after])
            if name != "made" and before.get(name) != after.get(name)
        )


def _flat(value: object, name: str = "") -> dict[str, object]:
    """Returns nested values under dotted names; texts stay one list, other parts of a list go by their own names."""
    if isinstance(value, (list, tuple)) and value and all(isinstance(one, dict) for one in value):
        value = dict(_named(one) for one in value)
    if not isinstance(value, dict):
        return {name: list(value) if isinstance(value, tuple) else value}
    return {
        key: found for part, inner in value.items() for key, found in _flat(inner, f"{name}.{part}".strip(".")).items()
    }


def _named(item: dict[str, object]) -> tuple[str, dict[str, object]]:
    """Returns the name of a MemoryLine or an Item, and the rest of it."""
    names = [str(item[part]) for part in _NAMES if part in item]
    return " ".join(names), {part: value for part, value in item.items() if part not in _NAMES}
