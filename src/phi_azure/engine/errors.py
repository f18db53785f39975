"""What stops a step or a server: the user's fault, or a wish to stop."""

from __future__ import annotations

_SHOWN = 5  # names in a message


class UserError(ValueError):
    """Something the user gave cannot work; the message says what, where and what to do."""


class ProblemsError(UserError):
    """Several things the user gave cannot work, all said at once."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def listed(names: list[str]) -> str:
    """Returns names for a message, the first few of many."""
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
