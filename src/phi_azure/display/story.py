"""A story told in chapters, and answers side by side."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from rich.box import ROUNDED
from rich.table import Table
from rich.text import Text

from phi_azure.display.console import print_plain
from phi_azure.secrecy import redact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console


def chapter(out: Console, heading: str, text: str) -> None:
    """Opens a chapter: its heading, and a few words on what happens."""
    out.print()
    out.print(Text(heading, style="bold cyan"))
    if text:
        out.print(Text(text, style="dim"))


def quote(out: Console, question: str, answer: str) -> None:
    """Prints a question and its answer."""
    out.print(Text.assemble("  ", (f"“{question}”", "italic")))
    for line in wrap(redact(answer), width=max(20, out.width - 4)):
        out.print(Text(f"    {line}", style="bold"))


def side_by_side(out: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints questions and the answers of several models beside each other; fits 80 columns."""
    table = Table(title=title, box=ROUNDED, show_lines=True, header_style="bold", border_style="dim", expand=True)
    table.add_column(columns[0], ratio=4)
    table.add_column(columns[1], ratio=5)
    for column in columns[2:]:
        table.add_column(column.replace(" ", "\n"), style="bold green")
    for row in rows:
        table.add_row(*[Text(redact(cell)) for cell in row])
    out.print(table)


def show_times(out: Console, took: Mapping[str, float]) -> None:
    """Prints how long each thing took."""
    width = max((len(name) for name in took), default=0)
    for name, value in took.items():
        print_plain(out, f"  {name.ljust(width)}  {value:6.1f} s")
