"""A run in a notebook: HTML that needs nothing from outside, replaced at a bounded rate."""

from __future__ import annotations

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
        self.pictures: list[str] = []

    def update(self, picture: str) -> None:
        """Takes the next picture."""
        self.pictures.append(picture)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Handle:
    """Stands in for IPython, which is no dependency: keeps what is displayed."""
    handle = Handle()
    module: Any = ModuleType("IPython.display")

    def first(picture: str, *, display_id: bool) -> Handle:
        assert display_id
        handle.pictures.append(picture)
        return handle

    module.HTML, module.display = str, first
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
    assert "Completed" in shown.pictures[-1]


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
    assert not in_notebook()
    assert "IPython" not in sys.modules
