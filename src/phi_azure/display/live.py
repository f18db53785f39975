"""A run while it goes on: redrawn on a terminal and in a notebook, told line by line elsewhere."""

from __future__ import annotations

import math
import re
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from phi_azure.display.console import RUNNING, SIGNS, print_plain, signed
from phi_azure.display.curves import curve, evenly, sparkline
from phi_azure.display.harmless import harmless
from phi_azure.display.notebook import NotebookView, in_notebook
from phi_azure.display.numbers import number, seconds
from phi_azure.secrecy import redact
from phi_azure.status import OVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console, RenderableType

    from phi_azure.progress import Step, Update
    from phi_azure.usual import Usual

PLAIN_EVERY_S = 2.0  # between two lines of numbers where there is no terminal, at first
_PLAIN_SHARE = 1 / 30  # of the time watched so far, later: some 200 lines in three hours
REDRAWN_PER_S = 4  # pictures a second at most
_PLOTTED_FROM = 4  # points that make a plot of several lines worth its place
_NAMED: dict[str, Callable[[float], str]] = {
    "learning_rate": lambda value: f"rate {number(value)}",
    "grad_norm": lambda value: f"grad norm {number(value)}",
    "tokens": lambda value: f"{value:,.0f} tokens",
}
"""Metrics of the moment, in the order in which they are shown."""


@dataclass
class RunView:
    """What is known of a run so far, folded from its updates; renders itself at any moment."""

    name: str
    usual: Usual | None = None
    """What such runs usually take."""
    log_lines: int = 0
    """How many of the last lines of the log are shown, and whether the loss is plotted on several lines."""
    clock: Callable[[], float] = time.monotonic
    """By which the times go on between two updates."""
    status: str = "Starting"
    steps: Sequence[Step] = ()
    metrics: dict[str, dict[int, float]] = field(default_factory=dict)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=50))
    progress: float | None = None
    note: str | None = None
    last: tuple[Update, float] | None = None
    """The last update, and when it came."""

    def apply(self, update: Update) -> None:
        """Takes in what is new."""
        self.last = update, self.clock()
        self.status, self.steps, self.note = update.status, update.steps, update.note
        self.progress = update.progress if update.progress is not None else self.progress
        self.tail.extend(update.new_log_lines)
        for key, points in update.new_metrics.items():
            self.metrics.setdefault(key, {}).update({point.step: point.value for point in points})

    def values(self, key: str) -> list[float]:
        """Returns a metric's values in the order of its steps."""
        return [value for _, value in sorted(self.metrics.get(key, {}).items())]

    @property
    def now(self) -> datetime:
        """The time of the run's own clock."""
        if self.last is None:
            return datetime.now(timezone.utc)
        update, came = self.last
        return update.time + timedelta(seconds=self.clock() - came)

    @property
    def age(self) -> float:
        """Seconds in the present status."""
        if self.last is None:
            return 0.0
        since = self.last[0].since or self.last[0].time
        return max(0.0, (self.now - since).total_seconds())

    def state(self) -> str:
        """Returns the status, its age, and what it usually takes where that is known."""
        return self.status if self.is_over else f"{self.status} {seconds(self.age)}{self._usually()}"

    @property
    def is_over(self) -> bool:
        """Whether the status is one after which nothing is waited for."""
        return self.status in OVER

    def numbers(self) -> str:
        """Returns the numbers of the moment on one line."""
        known = [told(values[-1]) for key, told in _NAMED.items() if (values := self.values(key))]
        left = self.seconds_left()
        share = [] if self.progress is None else [f"{self.progress:.0%}"]
        rest = [] if left is None else [f"{seconds(left)} left"]
        return " · ".join([f"step {max(self.metrics.get('loss', {0: 0.0}))}", *share, *rest, *known])

    def seconds_left(self) -> float | None:
        """Returns how long the training still takes at its pace so far; None where it is not known, or over."""
        if self.last is None or self.last[0].seconds_left is None or self.is_over:
            return None
        update, came = self.last
        return max(0.0, (update.seconds_left or 0.0) - (self.clock() - came))

    def _usually(self) -> str:
        usual = self.usual.of_state(self.status) if self.usual else None
        if usual is None or self.usual is None:
            return ""
        runs = f"{self.usual.of} run{'s' if self.usual.of > 1 else ''} of {self.usual.alike}"
        return f" (usually {seconds(usual)}: {runs})"

    def __rich__(self) -> Group:
        """Renders the run for a terminal."""
        parts: list[RenderableType] = [self._headline(), *self._step_lines(), *self._curves()]
        if self.note:
            parts.append(Text(f"  ! {redact(self.note)}", style="yellow"))
        parts += [_one_line(f"  {line}") for line in self._log_tail()]
        return Group(*parts)

    def _headline(self) -> RenderableType:
        if self.is_over:
            return Text.assemble(signed(self.status), "  ", (self.name, "bold"))
        spinner = Table.grid(padding=(0, 1))
        spinner.add_row(Spinner("dots", style="cyan"), Text.assemble((self.state(), "cyan"), "  ", (self.name, "bold")))
        return spinner

    def _step_lines(self) -> list[Text]:
        return [Text.assemble("  ", branch, step_line(step, self.now)) for branch, step in branches(self.steps)]

    def _curves(self) -> list[Text]:
        losses, lines = self.values("loss"), []
        if not losses:
            return []
        if self.log_lines and len(losses) >= _PLOTTED_FROM:
            drawn = curve(evenly(self.metrics["loss"]), width=48, height=5)
            lines = [Text(f"  {line}", style="cyan") for line in drawn]
        for key, name in (("loss", "loss"), ("eval_loss", "validation loss")):
            if values := self.values(key):
                ends = (number(values[0]), "dim"), (number(values[-1]), "bold")
                lines.append(
                    Text.assemble(
                        f"  {name} ", ends[0], " ", (sparkline(evenly(self.metrics[key])), "cyan"), " ", ends[1]
                    )
                )
        return [*lines, _one_line(f"  {self.numbers()}")]

    def _log_tail(self) -> list[str]:
        """Returns the last lines of the log: as many as are wanted, or the last one while there is no number yet."""
        wanted = self.log_lines or (0 if self.values("loss") or self.is_over else 1)
        return [redact(harmless(line)) for line in list(self.tail)[-wanted:]] if wanted else []


def _one_line(text: str) -> Text:
    return Text(text, style="dim", no_wrap=True, overflow="ellipsis")


def branches(steps: Sequence[Step]) -> list[tuple[str, Step]]:
    """Returns each step with the lines of a tree before it."""
    found = []
    for index, step in enumerate(steps):
        last = _is_last(steps, index)
        above = ["   " if _is_last_above(steps, index, depth) else "│  " for depth in range(step.depth)]
        found.append(("".join(above) + ("└─ " if last else "├─ "), step))
    return found


def _is_last(steps: Sequence[Step], index: int) -> bool:
    """Whether no step of the same parent follows."""
    after = next((step for step in steps[index + 1 :] if step.depth <= steps[index].depth), None)
    return after is None or after.depth < steps[index].depth


def _is_last_above(steps: Sequence[Step], index: int, depth: int) -> bool:
    """Whether the step that a step lies below, at some depth, is the last of its parent."""
    above = next(place for place in range(index, -1, -1) if steps[place].depth == depth)
    return _is_last(steps, above)


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

    In a notebook and on a terminal the picture is redrawn four times a second at most. Elsewhere a line is printed when
    the status, a step or a trouble changes, and numbers at most every two seconds.
    """
    if in_notebook():
        live = NotebookView(view)
        yield live.apply
        live.close()
    elif out.is_terminal:
        with Live(view, console=out, refresh_per_second=REDRAWN_PER_S, transient=False):
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
    began: float | None = None

    def apply(self, update: Update) -> None:
        self.view.apply(update)
        now = self.view.clock()
        self.began = now if self.began is None else self.began
        self._tell("", f"{self.view.name}: {self.view.state()}", key=self.view.status)
        for branch, step in branches(self.view.steps):
            if step.status != "NotStarted":
                indent = "  " * (len(branch) // 3)
                self._tell(step.run_id, f"{indent}{step_line(step, self.view.now).plain}", key=step.status)
        if self.view.note:
            self._tell("note", f"  ! {self.view.note}", key=_without_numbers(self.view.note))
        else:
            self.told.pop("note", None)
        if now - self.last_time >= max(PLAIN_EVERY_S, (now - self.began) * _PLAIN_SHARE):
            self.finish()

    def finish(self) -> None:
        if self.view.values("loss") and self.view.numbers() != self.last_numbers:
            self.last_numbers, self.last_time = self.view.numbers(), self.view.clock()
            print_plain(self.out, f"    loss {number(self.view.values('loss')[-1])} · {self.last_numbers}")

    def _tell(self, name: str, text: str, key: str) -> None:
        if self.told.get(name) != key:
            self.told[name] = key
            print_plain(self.out, harmless(text))


def _without_numbers(text: str) -> str:
    """Returns what stays the same in a trouble while it lasts."""
    return re.sub(r"\d+", "", text)


def print_curve(out: Console, view: RunView) -> None:
    """Prints the loss of a run, step by step, with its scale."""
    losses = view.values("loss")
    if not losses:
        return
    for line in curve(losses, width=min(64, out.width - 14)):
        print_plain(out, f"  {line}")
    print_plain(out, f"  {'loss':>8}  {len(losses)} points, {number(losses[0])} to {number(losses[-1])}")
