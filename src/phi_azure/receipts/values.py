"""A receipt as values: they can be written, read back, shown; nothing in them is a secret. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from phi_azure.secrecy import redact, redact_named

Point = tuple[int, float, datetime]
"""Step, value, moment."""


@dataclass(frozen=True)
class Setting:
    """One value that the job ran with."""

    field: str
    value: str
    origin: str
    """Who set it: `you`, `model`, `component`, `service`, `phi_azure`; `azure` where only Azure's copy was read."""
    azure_input: str | None = None
    """The name under which Azure has it."""


@dataclass(frozen=True)
class Data:
    """One file of rows."""

    split: str
    name: str
    """The file's name, or the address in Azure."""
    sha256: str | None = None
    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Example:
    """The first rows of the training data, as role and text."""

    messages: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Planned:
    """What was expected before the job was sent."""

    hours: tuple[float, float] | None
    usd: tuple[float, float] | None
    """None where no price is known."""
    how: tuple[str, ...] = ()
    """The arithmetic, with the source and the day of each price."""


@dataclass(frozen=True)
class Actual:
    """What it took."""

    waited_s: float | None
    """Seconds between sending and start."""
    ran_s: float | None
    """Seconds between start and end."""
    usd: float | None
    """Of its machines while it ran; None where no price is known."""
    how: str
    """The arithmetic, or why there is none."""


@dataclass(frozen=True)
class StepTime:
    """One step of the job."""

    name: str
    status: str
    started: datetime | None
    ended: datetime | None


@dataclass(frozen=True)
class Link:
    """Something that the job came from, or that came of it."""

    kind: str
    """`data`, `base model`, `component`, `job`, `model`, `endpoint`."""
    name: str
    id: str | None = None
    """Azure's id."""


@dataclass(frozen=True)
class Sent:
    """What is known of a job when it is sent, most of it on the sending machine alone."""

    job_file: str = ""
    """The job as YAML, with nothing left open; empty where only Azure's copy was read."""
    settings: tuple[Setting, ...] = ()
    data: tuple[Data, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    planned: Planned | None = None
    examples: tuple[Example, ...] = ()
    here: bool = False
    """Whether it was kept by the machine that sent the job."""


@dataclass(frozen=True)
class Receipt:
    """What is known of a run."""

    run: str
    status: str
    route: str
    url: str | None
    """Its page; None on a machine where none has been served."""
    workspace: str
    made: datetime
    sent: Sent
    sent_by: str | None = None
    created: datetime | None = None
    error: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    steps: tuple[StepTime, ...] = ()
    actual: Actual | None = None
    metrics: dict[str, tuple[Point, ...]] = field(default_factory=dict)
    lineage: tuple[Link, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values, as they go into a JSON file, without secrets."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        clean: dict[str, Any] = without_secrets(plain)
        return clean


def sent_to_dict(sent: Sent) -> dict[str, Any]:
    """Returns plain values, without secrets."""
    clean: dict[str, Any] = without_secrets(msgspec.to_builtins(sent))
    return clean


def without_secrets(value: Any, name: str = "") -> Any:
    """Returns plain values in which each text is free of secrets, and so is each value that is called one."""
    if isinstance(value, str):
        return redact_named(name, value)
    if isinstance(value, dict):
        whose = str(value.get("field", "")) if "value" in value else ""
        return {key: without_secrets(inner, whose if key == "value" else key) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(inner, name) for inner in value]
    return value


def text_of(value: object) -> str:
    """Returns a setting's value as people read it."""
    return redact(
        "the service decides" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )
