"""A run in a notebook: HTML that needs nothing from outside, replaced at a bounded rate."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timezone
from html.parser import HTMLParser
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from phi_azure import display
from phi_azure.display.notebook import NotebookView, in_notebook, run_html
from phi_azure.display.plots import plot
from phi_azure.progress import Point, Step, Update

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)


class Tags(HTMLParser):
    """Collects the elements of a page, and what they point at."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: dict[str, str | None] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Takes an element in."""
        self.names.add(tag)
        self.attributes.update(attrs)


class Handle:
    """What IPython gives to replace an output by."""

    def __init__(self) -> None:
        self.pictures: list[dict[str, str]] = []
        self.kept: list[dict[str, str]] = []

    def update(self, picture: dict[str, str], *, raw: bool) -> None:
        """Takes the next picture."""
        assert raw
        self.pictures.append(picture)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Handle:
    """Stands in for IPython, which is no dependency: keeps what is displayed."""
    handle = Handle()
    module: Any = ModuleType("IPython.display")

    def show(picture: dict[str, str], *, raw: bool, display_id: bool = False, metadata: object = None) -> Handle:
        assert raw
        (handle.pictures if display_id else handle.kept).append(picture)
        return handle

    module.display = show
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return handle


def view(note: str | None = None, line: str = "a line") -> display.RunView:
    """Returns a run in the midst of its training."""
    made = display.RunView("tone-1", clock=lambda: 0.0)
    steps = (Step("outer", "Running", NOW, None, "1"), Step("finetune", "Running", NOW, None, "2", depth=1))
    losses = [Point(step, 3 / (step + 1), NOW) for step in range(30)]
    made.apply(Update("Running", steps, {"loss": losses}, (line,), 0.4, NOW, NOW, 60.0, note))
    return made


def test_html_shows_state_steps_numbers_and_curves() -> None:
    """The same as on a terminal."""
    page = run_html(view("no log line and no number for 12 min"))

    assert all(text in page for text in ("Running", "tone-1", "finetune", "40%", "1 min 00 s left", "<svg"))
    assert "! no log line and no number for 12 min" in page
    assert "<pre>a line</pre>" in page


@pytest.mark.parametrize(
    "line", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</pre><iframe src='//x'>"], ids=str
)
def test_text_that_is_not_ours_stays_text(line: str) -> None:
    """A log line or a message of Azure's cannot become a part of the page."""
    found = Tags(run_html(view(line, line)))

    assert found.names <= {"div", "style", "span", "b", "table", "tr", "td", "pre"} | {
        "svg", "path", "polyline", "circle", "text",
    }  # fmt: skip
    assert not [name for name in found.attributes if name.startswith("on") or name in {"src", "href"}]


def test_secrets_and_controls_do_not_reach_the_page() -> None:
    """As on a terminal."""
    page = run_html(view(line="https://x/b?sv=1&sig=TOPSECRET \x1b[31mred"))

    assert "TOPSECRET" not in page
    assert "\x1b" not in page


def test_the_output_is_replaced_four_times_a_second_at_most(shown: Handle) -> None:
    """A hundred updates in a second are five pictures, and the last one is the end."""
    times = iter(index / 100 for index in range(1000))
    live = NotebookView(display.RunView("tone-1", clock=lambda: 0.0), clock=lambda: next(times))

    for _ in range(100):
        live.apply(Update("Running", time=NOW))
    live.apply(Update("Completed", time=NOW))
    live.finish()
    live.finish()

    assert len(shown.pictures) <= 10
    assert "Completed" in shown.pictures[-1]["text/html"]


def test_what_is_kept_reads_without_styles(shown: Handle) -> None:
    """At the end curves stand as a picture of their own, and the text says all the rest."""
    live = NotebookView(view())

    live.apply(Update("Completed", (Step("finetune", "Completed", NOW, NOW, "2"),), time=NOW))
    live.close()

    last, (curves,) = shown.pictures[-1], shown.kept
    assert "<svg" not in last["text/html"]
    assert last["text/plain"].splitlines()[:2] == ["Completed  tone-1", "  finetune  Completed"]
    assert ET.fromstring(curves["image/svg+xml"]).find("{http://www.w3.org/2000/svg}rect") is not None


def test_nothing_is_kept_of_a_run_that_was_not_seen(shown: Handle) -> None:
    """A cell that is left before the first look has no output."""
    NotebookView(view()).close()

    assert (shown.pictures, shown.kept) == ([], [])


def test_tables_are_html_in_a_notebook_and_text_elsewhere() -> None:
    """What is not ours stays text in both."""
    table = display.Table(["headline", "answer"], [("<b>Contoso</b>\x1b[31m", "negative\npositive")])

    assert set(Tags(table._repr_html_()).names) == {"table", "thead", "tbody", "tr", "th", "td", "br"}
    assert "\x1b" not in repr(table) + table._repr_html_()
    assert repr(table).splitlines()[0].split() == ["headline", "answer"]


def test_a_plot_is_well_formed_and_stands_within_its_frame() -> None:
    """Whatever is measured: few points, equal ones, none, no numbers."""
    pictures = [
        plot("loss", {"a<b": [(0, 1.0), (10, 0.001)], "c": [(5, float("nan"))]}, by_ratio=True),
        plot("loss", {"a": [(1, 2.0), (2, 2.0)]}),
        plot("loss", {"a": [(step, step % 7) for step in range(5000)]}),
    ]

    roots = [ET.fromstring(picture) for picture in pictures]
    places = [
        tuple(map(float, pair.split(",")))
        for root in roots
        for line in root.iter("{http://www.w3.org/2000/svg}polyline")
        for pair in line.attrib["points"].split()
    ]
    assert all(0 <= x <= 300 and 0 <= y <= 130 for x, y in places)
    assert len(places) < 1000
    assert plot("loss", {"a": []}) == ""


def test_a_program_is_no_notebook() -> None:
    """Nothing of IPython is loaded to find out."""
    code = "import sys; from phi_azure.display import notebook as n; print(n.in_notebook(), 'IPython' in sys.modules)"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert not in_notebook()
    assert said.split() == ["False", "False"]
