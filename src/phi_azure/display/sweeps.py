"""The table of a sweep, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure.display.console import done, failed
from phi_azure.display.numbers import number
from phi_azure.display.tables import show_table

if TYPE_CHECKING:
    from rich.console import Console

    from phi_azure.sweep import Swept, Tried


def show_sweep(out: Console, found: Swept) -> None:
    """Prints a line for each point of the grid, and which one was kept."""
    fields = list(dict.fromkeys(field for one in found.tried for field in one.settings))
    judged = any(one.score is not None for one in found.tried)
    columns = [*fields, *([found.by] if judged else []), "eval_loss", "planned USD", "status", "run"]
    rows = [
        [
            *(str(one.settings.get(field, "")) for field in fields),
            *([_score(one)] if judged else []),
            "" if one.loss is None else number(one.loss),
            f"{one.price[0]:,.2f} to {one.price[1]:,.2f}" if one.price else "not known",
            one.status,
            one.run,
        ]
        for one in found.tried
    ]
    show_table(out, columns, rows)
    if found.best:
        done(out, f"Kept: {found.best.model}, from {found.best.run}.")
    for one in found.tried:
        if one.error:
            failed(out, f"{one.run or one.settings}: {one.error.splitlines()[0]}")


def _score(one: Tried) -> str:
    if one.score is None or one.interval is None:
        return ""
    low, high = one.interval
    return f"{100 * one.score:.1f} % ({100 * low:.0f} to {100 * high:.0f})"
