"""What a preflight found, a line each: the sign, what was looked at, what was found, and what to do."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich.text import Text

from phi_azure.secrecy import redact

if TYPE_CHECKING:
    from rich.console import Console

    from phi_azure.preflight import Finding, Preflight

_SIGNS = {"ok": ("✓", "green"), "failed": ("✗", "red"), "warning": ("!", "yellow"), "unknown": ("?", "dim")}
_NARROWEST = 40


def show_preflight(out: Console, found: Preflight, *, only_trouble: bool = False) -> None:
    """Prints the findings; `only_trouble` leaves out what is well."""
    findings = [one for one in found.findings if not only_trouble or one.state != "ok"]
    indent = max((len(one.check) for one in findings), default=0) + 4
    for one in findings:
        _show(out, one, indent)
    if not only_trouble:
        count = len(found.failures)
        out.print()
        out.print("Nothing stands in the way." if not count else f"{count} of {len(findings)} stand in the way.")


def _show(out: Console, one: Finding, indent: int) -> None:
    sign, style = _SIGNS[one.state]
    width = max(out.width - indent, _NARROWEST)
    wide = out.is_terminal  # what a program reads is not folded
    head = Text.assemble((sign, style), " ", (one.check.ljust(indent - 2), "bold"))
    for number, line in enumerate(_folded(one.message, width, fold=wide)):
        out.print(Text.assemble(head if number == 0 else " " * indent, line), soft_wrap=True)
    for number, line in enumerate(_folded(one.remedy or "", width - 3, fold=wide)):
        out.print(Text.assemble(" " * indent, ("-> " if number == 0 else "   ", "cyan"), line), soft_wrap=True)


def _folded(text: str, width: int, *, fold: bool) -> list[str]:
    """Returns the lines of a text; a command in it stays in one piece where it can."""
    lines = [line.strip() for line in redact(text).splitlines() if line.strip()]
    if not fold:
        return [" ".join(lines)] if lines else []
    return [
        part for line in lines for part in textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False)
    ]
