"""What people look at: tables, live progress, curves, answers side by side. The only module that imports rich."""

from __future__ import annotations

import math
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import pairwise
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.box import ROUNDED
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from phi_azure.dataset import Report
    from phi_azure.endpoint import EndpointInfo
    from phi_azure.model import ModelInfo
    from phi_azure.run import Run, RunInfo, Step, Update
    from phi_azure.workspace import WorkspaceInfo

BARS = "▁▂▃▄▅▆▇█"
LOG_SCALE_FROM = 20.0  # a curve that falls by more than this is drawn on a logarithmic scale
_WIDEST = 4  # columns that a curve gives to one value when there are few
_WIDEST = 4  # columns that a curve gives to one value when there are few
PLAIN_EVERY_S = 2.0  # between two lines of numbers where there is no terminal
_SIGNS = {
    "Completed": ("✓", "green"),
    "Failed": ("✗", "red"),
    "Canceled": ("⊘", "yellow"),
    "CancelRequested": ("⊘", "yellow"),
    "NotStarted": ("·", "dim"),
    "Queued": ("·", "dim"),
}
_RUNNING = ("●", "cyan")
_SECRETS = re.compile(
    r"""((?:[?&;\s"'](?:sig|sv_sig|code|access_token)=)|Bearer\s+|(?:primaryKey|secondaryKey|AccountKey|client_secret)["']?\s*[:=]\s*["']?)[^&\s"',;]+"""
)


def redact(text: str) -> str:
    """Takes signatures, tokens and keys out of a text that is not ours, such as a log line or a service's message."""
    return _SECRETS.sub(r"\1***", text)


def console(*, stderr: bool = False) -> Console:
    """Returns a console on stdout or stderr; rich obeys NO_COLOR, TERM and COLUMNS."""
    return Console(stderr=stderr, highlight=False, soft_wrap=False)


# Tables


def show_table(out: Console, columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str = "none") -> None:
    """Prints a table: fitted to a terminal, or whole and aligned where a program reads it."""
    rows = [[redact(cell) for cell in row] for row in rows]
    if not rows:
        console(stderr=True).print(empty, style="dim")
    elif out.is_terminal:
        out.print(_table(columns, rows))
    else:
        widths = [max(len(row[index]) for row in [list(columns), *rows]) for index in range(len(columns))]
        for row in [[column.upper() for column in columns], *rows]:
            print_plain(out, "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show_facts(out: Console, facts: Mapping[str, str | None]) -> None:
    """Prints names and values, a line each; a value that is None is left out."""
    known = {name: redact(value) for name, value in facts.items() if value is not None}
    width = max((len(name) for name in known), default=0)
    for name, value in known.items():
        out.print(f"[bold]{name.ljust(width)}[/]  {escape(value)}", soft_wrap=True)


def show_reports(out: Console, reports: Iterable[Report]) -> None:
    """Prints what the checks of data files found."""
    for report in reports:
        show_report(out, report)


def show_report(out: Console, report: Report) -> None:
    """Prints what a check of a data file found, every problem with its place and what to do."""
    sign, style = _SIGNS["Completed" if report.ok else "Failed"]
    out.print(f"[{style}]{sign}[/] {escape(report.file)}: {report.rows:,} rows", soft_wrap=True)
    for problem in report.problems:
        place = f"{problem.file}:{problem.line}" if problem.line else str(problem.file)
        colour = "red" if problem.level == "error" else "yellow"
        fix = f" {problem.fix}" if problem.fix else ""
        out.print(f"  [{colour}]{problem.level}[/] {escape(place)}: {escape(problem.message + fix)}", soft_wrap=True)


def show_runs(out: Console, runs: Sequence[RunInfo]) -> None:
    """Prints runs, a line each."""
    rows = [[run.name, run.status, run.route, age(run.created)] for run in runs]
    show_table(
        out, ["run", "status", "route", "started"], rows, empty="No runs yet. Start one: phi-azure submit job.yaml"
    )


def show_models(out: Console, models: Sequence[ModelInfo]) -> None:
    """Prints registered models, a line each."""
    rows = [[model.name, model.version, model.kind or "", model.run_name or ""] for model in models]
    show_table(out, ["model", "version", "kind", "from run"], rows, empty="No models yet.")


def show_endpoints(out: Console, endpoints: Sequence[EndpointInfo]) -> None:
    """Prints endpoints, a line each."""
    rows = [[endpoint.name, endpoint.kind, endpoint.status, endpoint.scoring_uri or ""] for endpoint in endpoints]
    show_table(out, ["endpoint", "kind", "status", "address"], rows, empty="No endpoint is up.")


def show_run(out: Console, run: Run, url: str | None) -> None:
    """Prints a run with its steps, its curve and its last numbers; `url` is its page, where it has one."""
    show_facts(out, {"run": run.name, "route": run.route, "status": run.status, "reason": run.error, "see": url})
    for step in run.steps():
        print_plain(out, f"  {step_line(step, datetime.now(timezone.utc)).plain}")
    metrics = run.metrics()
    losses = [point.value for point in metrics.get("loss", [])]
    for line in curve(losses, width=min(64, out.width - 12)) if len(losses) > 1 else []:
        print_plain(out, line)
    show_facts(out, {key: number(points[-1].value) for key, points in metrics.items() if points})


def show_workspace(
    out: Console, info: WorkspaceInfo, endpoints: Sequence[EndpointInfo], runs: Sequence[RunInfo]
) -> None:
    """Prints which workspace it is, what is up in it, and its last runs."""
    where = "this machine" if info.local else info.region
    show_facts(
        out,
        {"workspace": info.name, "where": where, "group": info.resource_group, "subscription": info.subscription_id},
    )
    out.print()
    show_endpoints(out, endpoints)
    out.print()
    show_runs(out, runs)


def show_removals(out: Console, names: Sequence[str]) -> None:
    """Prints what would be removed."""
    if not names:
        out.print("Nothing that phi_azure made is up.", style="dim")
    for name in names:
        print_plain(out, f"  {name}")


def print_plain(out: Console, line: str) -> None:
    """Prints one line as it is: no markup, no wrapping, no secrets."""
    out.print(redact(line), markup=False, highlight=False, soft_wrap=True)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*[_status(cell) if cell in _SIGNS else Text(cell) for cell in row])
    return table


def _status(status: str) -> Text:
    sign, style = _SIGNS.get(status, _RUNNING)
    return Text(f"{sign} {status}", style=style)


# Numbers as people read them


def seconds(value: float) -> str:
    """Returns a length of time: 8 s, 3 min 20 s, 2 h 05 min."""
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def age(then: datetime | None, now: datetime | None = None) -> str:
    """Returns how long ago something was."""
    if then is None:
        return ""
    now = now or datetime.now(timezone.utc)
    if then.tzinfo is None:
        then = then.replace(tzinfo=timezone.utc)
    return f"{seconds(max(0.0, (now - then).total_seconds()))} ago"


def number(value: float) -> str:
    """Returns a metric's value in at most five characters or so: 6.18, 0.0124, 2.0e-05."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:.1e}"


# Curves


def sparkline(values: Sequence[float], width: int = 32) -> str:
    """Returns a curve one line high, on a logarithmic scale where it spans more than a factor of twenty."""
    if not values:
        return ""
    heights = _heights(_resampled(values, width), len(BARS) - 1)
    return "".join(BARS[round(height)] for height in heights)


def curve(values: Sequence[float], width: int = 60, height: int = 6) -> list[str]:
    """Returns a curve as lines of text, its scale at the left; the scale is logarithmic as in `sparkline`."""
    if not values:
        return []
    wide = max(1, min(_WIDEST, width // len(values)))
    columns = [value for value in _resampled(values, width) for _ in range(wide)]
    levels = height * len(BARS)
    heights = [max(1, round(1 + value)) for value in _heights(columns, levels - 1)]
    lines = []
    for row in range(height - 1, -1, -1):
        cells = "".join(_cell(level - row * len(BARS)) for level in heights)
        lines.append(f"{_scale(columns, row, height):>8} ┤{cells}")
    return lines


def _cell(level: int) -> str:
    return " " if level <= 0 else BARS[min(level, len(BARS)) - 1]


def _scale(columns: Sequence[float], row: int, height: int) -> str:
    """Returns the value at a row of a curve."""
    low, high = min(columns), max(columns)
    part = row / (height - 1) if height > 1 else 1.0
    if _logarithmic(columns):
        return number(math.exp(math.log(low) + part * (math.log(high) - math.log(low))))
    return number(low + part * (high - low))


def _logarithmic(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) > LOG_SCALE_FROM


def _heights(values: Sequence[float], top: int) -> list[float]:
    """Puts values between 0 and `top`."""
    scaled = [math.log(value) for value in values] if _logarithmic(values) else list(values)
    low, high = min(scaled), max(scaled)
    return [top * (value - low) / (high - low) if high > low else 0.0 for value in scaled]


def _resampled(values: Sequence[float], width: int) -> list[float]:
    """Returns at most `width` values, each the mean of its neighbours."""
    known = [value for value in values if math.isfinite(value)] or [0.0]
    if len(known) <= width:
        return known
    edges = [round(index * len(known) / width) for index in range(width + 1)]
    return [sum(known[a:b]) / (b - a) for a, b in pairwise(edges)]


# A run, live


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
        elif self.last_line and self.status not in _SIGNS:
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
        if self.training_since is None or self.progress is None or self.status in _SIGNS:
            return None
        since, then = self.training_since
        done = self.progress - then
        return (1 - self.progress) * (self.clock() - since) / done if done > 0 and self.progress < 1 else None

    def _headline(self) -> RenderableType:
        rest = f" {seconds(self.age)}  ", (self.name, "bold")
        if self.status in _SIGNS:
            return Text.assemble(_status(self.status), *rest)
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
    sign, style = _SIGNS.get(step.status, _RUNNING)
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


# Answers side by side


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


# A story told in chapters


def chapter(out: Console, heading: str, text: str) -> None:
    """Opens a chapter: its heading, and a few words on what happens."""
    out.print()
    out.print(Text(heading, style="bold cyan"))
    if text:
        out.print(Text(text, style="dim"))


def done(out: Console, text: str, took: float | None = None) -> None:
    """Prints one thing that is done, with the time that it took."""
    sign, style = _SIGNS["Completed"]
    took_text = "" if took is None else f"  {seconds(took)}"
    out.print(Text.assemble((sign, style), " ", redact(text), (took_text, "dim")))


def quote(out: Console, question: str, answer: str) -> None:
    """Prints a question and its answer."""
    out.print(Text.assemble("  ", (f"“{question}”", "italic")))
    for line in wrap(redact(answer), width=max(20, out.width - 4)):
        out.print(Text(f"    {line}", style="bold"))


def print_curve(out: Console, view: RunView) -> None:
    """Prints the loss of a run, step by step, with its scale."""
    losses = view.values("loss")
    if not losses:
        return
    for line in curve(losses, width=min(64, out.width - 14)):
        print_plain(out, f"  {line}")
    print_plain(out, f"  {'loss':>8}  {len(losses)} points, {number(losses[0])} to {number(losses[-1])}")


@contextmanager
def busy(out: Console, text: str) -> Iterator[None]:
    """Shows that something goes on: a spinner on a terminal, else a line."""
    if out.is_terminal:
        with out.status(text):
            yield
    else:
        print_plain(out, f"{text} ...")
        yield


def show_times(out: Console, took: Mapping[str, float]) -> None:
    """Prints how long each thing took."""
    width = max((len(name) for name in took), default=0)
    for name, value in took.items():
        print_plain(out, f"  {name.ljust(width)}  {value:6.1f} s")


def failed(out: Console, text: str) -> None:
    """Prints one thing that went wrong."""
    sign, style = _SIGNS["Failed"]
    out.print(Text.assemble((sign, style), " ", (redact(text), style)))
