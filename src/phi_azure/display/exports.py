"""An export in the terminal: where it lies, what agrees, what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure.display.console import done, failed, print_plain
from phi_azure.display.harmless import harmless
from phi_azure.display.tables import show_table
from phi_azure.edge.proof import rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from phi_azure.edge import Export, Figures


def show_export(out: Console, made: Export) -> None:
    """Prints the proof of an export, then where it lies."""
    if made.proof:
        for line in made.proof.findings():
            print_plain(out, harmless(line))
        out.print()
        show_table(out, ["", "reference", "export"], made.proof.table())
        out.print()
    if made.unproven:
        failed(out, f"not asked: {made.unproven}")
    if made.passed:
        done(out, f"{made.folder}")
    else:
        failed(out, f"The gate is not passed; the export lies in {made.folder}.")


def show_figures(out: Console, found: Sequence[Figures]) -> None:
    """Prints what was measured of folders, side by side."""
    columns = [rows_of(one) for one in found]
    names = [name for name in columns[0] if name != "what" and any(column[name] for column in columns)]
    rows = [[name, *(column[name] for column in columns)] for name in names]
    show_table(out, ["", *(column["what"] for column in columns)], rows)
