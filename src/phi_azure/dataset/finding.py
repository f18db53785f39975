"""What a rule says of a row, before anybody knows in which file and line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from phi_azure.dataset.report import Effect, Level

_SHOWN = 40


class Finding(NamedTuple):
    """A problem without its place."""

    code: str
    level: Level
    field: str | None
    message: str
    fix: str | None
    effect: Effect = "none"


def error(code: str, field: str | None, message: str, fix: str, effect: Effect = "none") -> Finding:
    """Makes a finding that stops a job."""
    return Finding(code, "error", field, message, fix, effect)


def warning(code: str, field: str | None, message: str, fix: str, effect: Effect = "none") -> Finding:
    """Makes a finding that a person should look at."""
    return Finding(code, "warning", field, message, fix, effect)


def info(code: str, field: str | None, message: str, fix: str | None = None) -> Finding:
    """Makes a remark."""
    return Finding(code, "info", field, message, fix)


def shown(value: object) -> str:
    """Returns a name from a file as it may be printed: short, quoted, nothing hidden in it."""
    text = value if isinstance(value, str) else repr(value)
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return '"' + "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in cut) + '"'
