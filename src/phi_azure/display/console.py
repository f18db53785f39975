"""Where text goes, and what never goes there: consoles, plain lines, the signs of a state, secrets taken out."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from phi_azure.display.numbers import seconds
from phi_azure.secrecy import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SIGNS = {
    "Completed": ("✓", "green"),
    "Failed": ("✗", "red"),
    "Canceled": ("⊘", "yellow"),
    "CancelRequested": ("⊘", "yellow"),
    "NotResponding": ("?", "yellow"),
    "Paused": ("=", "yellow"),
    "NotStarted": ("·", "dim"),
    "Queued": ("·", "dim"),
}
RUNNING = ("●", "cyan")


def console(*, stderr: bool = False) -> Console:
    """Returns a console on stdout or stderr; rich obeys NO_COLOR, TERM and COLUMNS."""
    return Console(stderr=stderr, highlight=False, soft_wrap=False)


def print_plain(out: Console, line: str) -> None:
    """Prints one line as it is: no markup, no wrapping, no secrets."""
    out.print(redact(line), markup=False, highlight=False, soft_wrap=True)


def show_facts(out: Console, facts: Mapping[str, str | None]) -> None:
    """Prints names and values, a line each; a value that is None is left out."""
    known = {name: redact(value) for name, value in facts.items() if value is not None}
    width = max((len(name) for name in known), default=0)
    for name, value in known.items():
        out.print(f"[bold]{name.ljust(width)}[/]  {escape(value)}", soft_wrap=True)


def signed(status: str) -> Text:
    """Returns a status behind its sign, in its colour."""
    sign, style = SIGNS.get(status, RUNNING)
    return Text(f"{sign} {status}", style=style)


def done(out: Console, text: str, took: float | None = None) -> None:
    """Prints one thing that is done, with the time that it took."""
    sign, style = SIGNS["Completed"]
    took_text = "" if took is None else f"  {seconds(took)}"
    out.print(Text.assemble((sign, style), " ", redact(text), (took_text, "dim")))


def failed(out: Console, text: str) -> None:
    """Prints one thing that went wrong."""
    sign, style = SIGNS["Failed"]
    out.print(Text.assemble((sign, style), " ", (redact(text), style)))


@contextmanager
def busy(out: Console, text: str) -> Iterator[None]:
    """Shows that something goes on: a spinner on a terminal, else a line."""
    if out.is_terminal:
        with out.status(text):
            yield
    else:
        print_plain(out, f"{text} ...")
        yield
