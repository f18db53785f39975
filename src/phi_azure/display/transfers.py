"""A copy while it goes on: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from phi_azure.display.console import done, print_plain
from phi_azure.display.numbers import seconds, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from phi_azure.events import OnProgress, Progress

PLAIN_EVERY_S = 10.0  # between two lines where there is no terminal
_BAR = 24  # columns


@contextmanager
def copying(out: Console, clock: Callable[[], float] = time.monotonic) -> Iterator[OnProgress]:
    """Shows copies while they go on; the caller gives the function that this yields to whoever copies.

    On a terminal a bar is redrawn four times a second at most, and goes when the copy is over. Elsewhere a line is
    printed every ten seconds. In both a line stays that says what was copied.
    """
    view = _View(out, clock)
    if out.is_terminal:
        with Live(console=out, refresh_per_second=4, transient=True) as live:
            view.draw = lambda progress: live.update(_bar(progress))
            yield view.apply
    else:
        yield view.apply


@dataclass
class _View:
    out: Console
    clock: Callable[[], float]
    began: float | None = None
    told: float = -math.inf
    draw: Callable[[Progress], None] | None = None

    def apply(self, progress: Progress) -> None:
        now = self.clock()
        if self.began is None:
            self.began = self.told = now
        if progress.done >= progress.total:
            took, self.began = now - self.began, None
            done(self.out, f"{progress.what}, {size(progress.total)}", took)
        elif self.draw is not None:
            self.draw(progress)
        elif now - self.told >= PLAIN_EVERY_S:
            self.told = now
            print_plain(self.out, f"  {progress.what}: {progress.done / progress.total:.0%}, {numbers(progress)}")


def numbers(progress: Progress) -> str:
    """Returns how far a copy is, how fast, and how long it still takes."""
    left = "" if progress.seconds_left is None else f" · {seconds(progress.seconds_left)} left"
    return f"{size(progress.done)} of {size(progress.total)} · {size(progress.rate)}/s{left}"


def _bar(progress: Progress) -> Table:
    row = Table.grid(padding=(0, 1))
    row.add_row(
        Text(progress.what, style="cyan", no_wrap=True),
        ProgressBar(total=progress.total, completed=progress.done, width=_BAR),
        Text(numbers(progress), style="dim", no_wrap=True),
    )
    return row
