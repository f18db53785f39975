"""A batch of questions while it goes on: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from phi_azure.display.console import print_plain
from phi_azure.display.numbers import number, seconds
from phi_azure.display.transfers import PLAIN_EVERY_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from phi_azure.asking.batch import BatchProgress, OnBatchProgress

_BAR = 24  # columns


@contextmanager
def asking(out: Console, clock: Callable[[], float] = time.monotonic) -> Iterator[OnBatchProgress]:
    """Shows a batch while it goes on; the caller gives the function that this yields to whoever asks.

    On a terminal a bar is redrawn, and goes when the batch is over; elsewhere a line is printed every ten seconds.
    """
    if out.is_terminal:
        with Live(console=out, refresh_per_second=5, transient=True) as live:
            yield lambda progress: live.update(_bar(progress))
        return
    told = clock()

    def tell(progress: BatchProgress) -> None:
        nonlocal told
        if progress.done < progress.total and clock() - told >= PLAIN_EVERY_S:
            told = clock()
            print_plain(out, f"  {batch_numbers(progress)}")

    yield tell


def batch_numbers(progress: BatchProgress) -> str:
    """Returns how far a batch is, how fast, and how long it still takes."""
    parts = [f"{progress.done:,} of {progress.total:,}", f"{number(progress.rate)}/s", f"{progress.at_once} at once"]
    if progress.failed:
        parts.append(f"{progress.failed:,} without an answer")
    left = (progress.total - progress.done) / progress.rate if progress.rate else math.inf
    return " · ".join([*parts, f"{seconds(left)} left"] if math.isfinite(left) else parts)


def _bar(progress: BatchProgress) -> Table:
    row = Table.grid(padding=(0, 1))
    row.add_row(
        ProgressBar(total=progress.total, completed=progress.done, width=_BAR),
        Text(batch_numbers(progress), style="dim", no_wrap=True),
    )
    return row
