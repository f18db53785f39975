"""A run while it goes on: redrawn on a terminal, told line by line elsewhere."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from phi_azure.display.console import RUNNING, SIGNS, print_plain, signed
from phi_azure.display.curves import curve, sparkline
from phi_azure.display.numbers import number, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, RenderableType

    from phi_azure.run import Step, Update

PLAIN_EVERY_S = 2.0  # between two lines of numbers where there is no terminal


@dataclass
class RunView:
    """What is known of a run so far, folded from its updates; renders itself at any moment."""

    name: str
    clock: Callable[[], float] = time.monotonic
    status: str = "Starting"
    since: float | None = None
    steps: list[Step] = field(default_factory=list)
    metrics: dict[str, dict[int, float]] = field(default_factory=dict)
    last_line: str = ""
    progress: float | None = None
    training_since: tuple[float, float] | None = None
    """When progress was first seen, and how much it was: what the time left is reckoned from."""

    def apply(self, update: Update) -> None:
        """Takes in what is new."""
        if update.status != self.status or self.since is None:
            self.status, self.since = update.status, self.clock()
        self.progress = update.progress if update.progress is not None else self.progress
        if self.progress and self.training_since is None:
            self.training_since = self.clock(), self.progress
        self.steps = list(update.steps)
        self.last_line = update.new_log_lines[-1] if update.new_log_lines else self.last_line
        for key, points in update.new_metrics.items():
            self.metrics.setdefault(key, {}).update({point.step: point.value for point in points})

    def values(self, key: str) -> list[float]:
        """Returns a metric's values in the order of its steps."""
        return [value for _, value in sorted(self.metrics.get(key, {}).items())]

    @property
    def age(self) -> float:
        """Seconds in the present status, as far as we saw it."""
        return 0.0 if self.since is None else self.clock() - self.since

    def __rich__(self) -> Group:
        """Renders the run for a terminal."""
        parts: list[RenderableType] = [self._headline(), *self._step_lines()]
        if losses := self.values("loss"):
            ends = (number(losses[0]), "dim"), (number(losses[-1]), "bold")
            parts.append(Text.assemble("  loss ", ends[0], " ", (sparkline(losses), "cyan"), " ", ends[1]))
            parts.append(Text(f"  {self.numbers()}", style="dim"))
        elif self.last_line and self.status not in SIGNS:
            parts.append(Text(f"  {self.last_line}", style="dim", no_wrap=True, overflow="ellipsis"))
        return Group(*parts)

    def numbers(self) -> str:
        """Returns the numbers of the moment on one line."""
        named = {"eval_loss": "validation {}", "learning_rate": "rate {}", "tokens": "{} tokens"}
        known = [text.format(number(values[-1])) for key, text in named.items() if (values := self.values(key))]
        left = self.seconds_left()
        share = [] if self.progress is None else [f"{self.progress:.0%}"]
        rest = [] if left is None else [f"{seconds(left)} left"]
        return " · ".join([f"step {max(self.metrics.get('loss', {0: 0.0}))}", *share, *rest, *known])

    def seconds_left(self) -> float | None:
        """Reckons how long the training still takes, from its pace so far; None before it is known."""
        if self.training_since is None or self.progress is None or self.status in SIGNS:
            return None
        since, then = self.training_since
        done = self.progress - then
        return (1 - self.progress) * (self.clock() - since) / done if done > 0 and self.progress < 1 else None

    def _headline(self) -> RenderableType:
        rest = f" {seconds(self.age)}  ", (self.name, "bold")
        if self.status in SIGNS:
            return Text.assemble(signed(self.status), *rest)
        spinner = Table.grid(padding=(0, 1))
        spinner.add_row(Spinner("dots", style="cyan"), Text.assemble((self.status, "cyan"), *rest))
        return spinner

    def _step_lines(self) -> list[Text]:
        now = datetime.now(timezone.utc)
        return [
            Text.assemble("  ", "└─ " if index == len(self.steps) - 1 else "├─ ", step_line(step, now))
            for index, step in enumerate(self.steps)
        ]


def step_line(step: Step, now: datetime) -> Text:
    """Returns a step of a pipeline with its sign and its time so far."""
    sign, style = SIGNS.get(step.status, RUNNING)
    line = Text.assemble((sign, style), " ", step.name)
    if step.started is not None:
        line.append(f"  {seconds(((step.ended or now) - step.started).total_seconds())}", style="dim")
    return line


@contextmanager
def watching(out: Console, view: RunView) -> Iterator[Callable[[Update], None]]:
    """Shows a run while it goes on; the caller gives each update to the function that this yields.

    On a terminal the picture is redrawn four times a second. Elsewhere a line is printed when the status or a step
    changes, and numbers at most every two seconds.
    """
    if out.is_terminal:
        with Live(view, console=out, refresh_per_second=4, transient=False):
            yield view.apply
    else:
        plain = _PlainWatch(out, view)
        yield plain.apply
        plain.finish()


@dataclass
class _PlainWatch:
    out: Console
    view: RunView
    told: dict[str, str] = field(default_factory=dict)
    last_numbers: str = ""
    last_time: float = -math.inf

    def apply(self, update: Update) -> None:
        self.view.apply(update)
        self._tell(self.view.name, self.view.status)
        for step in self.view.steps:
            if step.status != "NotStarted":
                self._tell(step.name, step_line(step, datetime.now(timezone.utc)).plain, key=step.status)
        if self.view.clock() - self.last_time >= PLAIN_EVERY_S:
            self.finish()

    def finish(self) -> None:
        if self.view.values("loss") and self.view.numbers() != self.last_numbers:
            self.last_numbers, self.last_time = self.view.numbers(), self.view.clock()
            print_plain(self.out, f"    loss {number(self.view.values('loss')[-1])} · {self.last_numbers}")

    def _tell(self, name: str, text: str, key: str | None = None) -> None:
        if self.told.get(name) != (key or text):
            self.told[name] = key or text
            print_plain(self.out, f"  {text}" if key else f"{name}: {text}")


def print_curve(out: Console, view: RunView) -> None:
    """Prints the loss of a run, step by step, with its scale."""
    losses = view.values("loss")
    if not losses:
        return
    for line in curve(losses, width=min(64, out.width - 14)):
        print_plain(out, f"  {line}")
    print_plain(out, f"  {'loss':>8}  {len(losses)} points, {number(losses[0])} to {number(losses[-1])}")
