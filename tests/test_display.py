"""What people look at: numbers, curves, tables, a run's progress."""

from __future__ import annotations

import io
import re
from datetime import datetime, timedelta, timezone

import pytest
from rich.console import Console

from phi_azure import display
from phi_azure.events import Progress
from phi_azure.run import Point, Step, Update

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)


def _console(*, terminal: bool = False, width: int = 80) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=terminal, width=width, color_system=None, highlight=False), out


def _update(status: str, losses: dict[int, float] | None = None, steps: tuple[tuple[str, str], ...] = ()) -> Update:
    points = [Point(step, value, NOW) for step, value in (losses or {}).items()]
    made = tuple(Step(name, state, NOW, NOW, name) for name, state in steps)
    return Update(status, made, {"loss": points} if points else {}, time=NOW, since=NOW)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (8, "8 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
    ids=str,
)
def test_seconds_read_as_people_say_them(value: float, text: str) -> None:
    """A length of time has the unit that fits it."""
    assert display.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(6.1834, "6.18"), (0.01236, "0.0124"), (2e-5, "2.0e-05"), (0.0, "0"), (41203.4, "41,203"), (188.0, "188"),
     (282_996.0, "282,996"), (282_996.5, "2.8e+05"), (3e12, "3.0e+12")],
    ids=str,
)  # fmt: skip
def test_numbers_are_short(value: float, text: str) -> None:
    """A metric's value is readable and keeps three digits; what is counted, such as tokens, keeps all."""
    assert display.number(value) == text


def test_age_counts_from_a_time_without_a_zone_as_utc() -> None:
    """Azure's times without a zone are UTC."""
    then = (NOW - timedelta(seconds=90)).replace(tzinfo=None)

    assert display.age(then, NOW) == "1 min 30 s ago"


@pytest.mark.parametrize("count", [1, 7, 32, 33, 500])
def test_sparkline_falls_with_the_loss_and_fits(count: int) -> None:
    """A curve has at most the width asked for, its highest bar first and its lowest last."""
    line = display.sparkline([1 / (index + 1) for index in range(count)], width=32)

    assert len(line) == min(count, 32)
    assert line[-1] == display.BARS[0]
    assert count == 1 or line[0] == display.BARS[-1]


def test_curve_shows_its_scale_and_fits_its_width() -> None:
    """The largest value stands at the top of the scale and the smallest at the bottom."""
    lines = display.curve([6.18, 0.71, 0.18, 0.07, 0.005], width=40, height=6)

    assert len(lines) == 6
    assert lines[0].startswith("    6.18 ┤█")
    assert lines[-1].startswith("   0.005 ┤")
    assert max(map(len, lines)) <= 50


def test_a_curve_stands_over_its_steps() -> None:
    """Points that are close together at first do not stretch the beginning of the curve."""
    points = {step: 10.0 - step / 10 for step in (0, 1, 2, 3, 4, 50, 100)}

    values = display.evenly(points)

    assert len(values) == 101
    assert values == pytest.approx([10.0 - step / 10 for step in range(101)])
    assert display.evenly({0: 3.0, 10: 2.0, 20: 1.0}) == [3.0, 2.0, 1.0]


@pytest.mark.parametrize("values", [[], [float("nan")], [0.0, 0.0], [-1.0, 1.0]], ids=str)
def test_curves_of_odd_values_do_not_break(values: list[float]) -> None:
    """Nothing, no number, zeros and negative values are drawn or left out."""
    assert isinstance(display.sparkline(values), str)
    assert isinstance(display.curve(values), list)


@pytest.mark.parametrize(
    "text",
    [
        "https://x.blob.core.windows.net/c/b?sv=2021&sig=TOPSECRET&se=1",
        "Authorization: Bearer TOPSECRET",
        '{"primaryKey": "TOPSECRET"}',
        "AccountKey=TOPSECRET;EndpointSuffix=core.windows.net",
        "client_secret=TOPSECRET",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    """Signatures, tokens and keys never reach a screen."""
    assert "TOPSECRET" not in display.redact(text)
    assert "***" in display.redact(text)


def test_table_in_a_pipe_is_whole() -> None:
    """Where a program reads it, no cell is cut or wrapped."""
    out, text = _console(width=20)

    display.show_table(out, ["name", "address"], [["a" * 30, "b" * 30]])

    assert text.getvalue().splitlines()[1] == f"{'a' * 30}  {'b' * 30}"


def test_run_on_a_terminal_shows_status_steps_and_loss() -> None:
    """One picture holds what a person wants to know."""
    view = display.RunView("headlines-1", clock=lambda: 12.0)
    view.apply(_update("Running", {5: 6.18, 10: 0.71, 15: 0.18}, (("import", "Completed"), ("finetune", "Running"))))
    out, text = _console(terminal=True)

    out.print(view)

    shown = text.getvalue()
    assert "Running" in shown
    assert "✓ import" in shown
    assert "└─ ● finetune" in shown
    assert "loss 6.18 █" in shown
    assert "step 15" in shown


@pytest.mark.parametrize("width", [80, 120])
def test_run_fits_the_terminal(width: int) -> None:
    """No line is longer than the terminal is wide."""
    view = display.RunView("headlines-on-managed-compute-0a1b2c")
    view.apply(
        _update("Running", {step: 1 / (step + 1) for step in range(500)}, (("chat_completion_finetune", "Running"),))
    )
    out, text = _console(terminal=True, width=width)

    out.print(view)

    assert max(len(line) for line in text.getvalue().splitlines()) <= width


def test_run_in_a_pipe_is_told_in_plain_lines_at_a_bounded_rate() -> None:
    """Without a terminal there are no control codes, and a hundred updates in a second are not a hundred lines."""
    times = iter(index / 100 for index in range(10_000))
    view = display.RunView("headlines-1", clock=lambda: next(times))
    out, text = _console()

    with display.watching(out, view) as update:
        for step in range(100):
            update(_update("Running", {step: 1.0}))
        update(_update("Completed"))

    lines = text.getvalue().splitlines()
    assert "\x1b" not in text.getvalue()
    assert lines[0].startswith("headlines-1: Running ")
    assert "headlines-1: Completed" in lines
    assert len(lines) < 10


def test_answers_stand_side_by_side_in_80_columns() -> None:
    """The base model's many words and the tuned models' one word fit beside each other."""
    out, text = _console(terminal=True)
    wordy = "The sentiment of this headline is positive because the company has recovered and can work again."

    display.side_by_side(
        out, "answers", ["headline", "base", "serverless", "managed"],
        [["Contoso recovers from a ransomware attack.", wordy, "negative", "negative"]],
    )  # fmt: skip

    shown = text.getvalue()
    assert shown.count("negative") == 2
    assert max(len(line) for line in shown.splitlines()) <= 80


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (3400, "3.4 kB"), (2_147_483_648, "2.15 GB"), (5e12, "5 TB"), (999_600, "1 MB")],
    ids=str,
)
def test_sizes_read_as_people_say_them(value: float, text: str) -> None:
    """Three digits and a unit."""
    assert display.size(value) == text


def test_a_copy_is_told_now_and_then_without_a_terminal() -> None:
    """A line each ten seconds and one at the end, without control codes."""
    out, text = _console()
    now = [0.0]

    with display.copying(out, lambda: now[0]) as tell:
        for second in range(26):
            now[0] = second
            tell(Progress("8 files", second * 80_000_000, 2_000_000_000, 8e7, 25 - second))

    assert text.getvalue().splitlines() == [
        "  8 files: 40%, 800 MB of 2 GB · 80 MB/s · 15 s left",
        "  8 files: 80%, 1.6 GB of 2 GB · 80 MB/s · 5 s left",
        "✓ 8 files, 2 GB  25 s",
    ]


def test_a_copy_is_a_bar_on_a_terminal() -> None:
    """One line of at most 80 columns, redrawn in its place."""
    out, text = _console(terminal=True)

    with display.copying(out) as tell:
        tell(Progress("8 files", 1_234_567_890, 2_147_483_648, 365e6, 12.0))

    drawn = [line for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.getvalue()).splitlines() if "8 files" in line]
    assert drawn
    assert all("1.23 GB of 2.15 GB · 365 MB/s · 12 s left" in line for line in drawn)
    assert max(len(line.rpartition("\r")[2].rstrip()) for line in drawn) <= 80
