"""The page of `phi-azure emulator` in a browser, at a desk and on a telephone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.emulator.course import Script
from phi_azure.emulator.network import ProxyServer, serve
from phi_azure.emulator.page.app import Page
from phi_azure.emulator.scripted import ScriptedRunner
from tests.browser import WIDTHS, Visit, overflow
from tests.emulator import bodies
from tests.emulator.bodies import changed
from tests.emulator.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from phi_azure.emulator.app import Emulator

pytestmark = pytest.mark.browser
MARKUP = "<script>document.title='obeyed'</script><img src=x onerror=\"document.title='obeyed'\">"
COURSE: dict[str, Any] = {
    "queued": 60,
    "runs": 1000,
    "metrics": {"loss": [4 / (step + 1) for step in range(100)], "learning_rate": [2e-3] * 100},
    "log": [f"2026-01-01 10:00:{line % 60:02d}.000 line {line} {MARKUP}" for line in range(200)],
}


@pytest.fixture
def page(emulator: Emulator) -> Page:
    """The page around an emulator."""
    return Page(emulator)


@pytest.fixture
def server(page: Page) -> Iterator[ProxyServer]:
    """Where a browser finds it."""
    with serve(page) as running:
        yield running


@pytest.fixture
def wire(emulator: Emulator, page: Page) -> Wire:
    """A client of the emulator, whose requests pass the page."""
    return Wire(emulator, page)


@pytest.fixture
def full(wire: Wire) -> Wire:
    """An emulator with something in each view: a hostile job half way, one that failed, a model, an endpoint."""
    assert isinstance(wire.emulator.runner, ScriptedRunner)
    bodies.upload(wire.emulator)
    wire("PUT", "computes/gpu", bodies.COMPUTE)
    wire.emulator.runner.by_name["hostile"] = Script(**COURSE)
    wire.emulator.runner.by_name["broken"] = Script(queued=0, runs=9, fails_in="chat_completion_finetune", error=MARKUP)
    wire("PUT", "jobs/broken", bodies.PIPELINE)
    hostile = changed(bodies.PIPELINE, "properties/displayName", MARKUP)
    wire("PUT", "jobs/hostile", changed(hostile, "properties/tags", {"note": MARKUP}))
    wire("PUT", "models/mine/versions/1", bodies.MODEL_VERSION)
    wire.finish(wire("PUT", "onlineEndpoints/heads", bodies.ENDPOINT))
    wire("PUT", "onlineEndpoints/heads/deployments/blue", bodies.DEPLOYMENT)
    wire("GET", "/subscriptions/s/providers/Microsoft.Compute/virtualMachines", version="2024-01-01")
    turn(wire, 60 + 700)
    return wire


def turn(wire: Wire, seconds: float) -> None:
    """Lets time pass, and a client look at the jobs."""
    wire.emulator.clock.turn(seconds)  # type: ignore[attr-defined]
    wire("GET", "jobs", version="2024-01-01-preview")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/", "broken"),
        ("/runs/hostile", "learning_rate"),
        ("/runs/broken", "Failed"),
        ("/models", "made by"),
        ("/endpoints", "an hour"),
        ("/clusters", "Standard_NC24ads_A100_v4"),
        ("/requests", "not served"),
    ],
)
def test_every_view_fits_its_window(
    path: str, says: str, width: int, full: Wire, server: ProxyServer, visit: Visit
) -> None:
    """What it is for is on it, nothing stands out of the window, and the console stays silent."""
    full("PUT", "models/made/versions/1", changed(bodies.MODEL_VERSION, "properties/jobName", "hostile"))

    page = visit(server.url + path, width)
    page.get_by_text(says).first.wait_for()

    assert overflow(page) == 0
    assert page.title().endswith("· phi_azure emulator")
    visit.picture(page, f"view-{width}")


def test_it_is_dark_where_everything_is(full: Wire, server: ProxyServer, visit: Visit) -> None:
    """The browser's wish for dark colours is followed."""
    page = visit(f"{server.url}/runs/hostile", dark=True)
    page.locator("figure").first.wait_for()

    colours = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")

    assert max(colours) < 64
    visit.picture(page, "dark")


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("/", "phi-azure demo"),
        ("/models", "phi-azure register"),
        ("/endpoints", "phi-azure deploy"),
        ("/clusters", "phi-azure init job.yaml --route managed"),
        ("/requests", "phi-azure emulator -- python"),
        ("/runs/none", "phi-azure emulator --state"),
    ],
)
def test_where_there_is_nothing_it_says_what_to_do(
    path: str, command: str, server: ProxyServer, browser: Browser, tmp_path: Path
) -> None:
    """A sentence and a command. The answer 404 of a job that is not there is on the console, so nobody counts it."""
    page = Visit(browser, tmp_path)(server.url + path, 390)

    page.locator(".empty pre", has_text=command).wait_for()

    assert overflow(page) == 0


def test_names_errors_and_logs_are_text(full: Wire, server: ProxyServer, visit: Visit) -> None:
    """Markup in a title, a tag, an error or a log line is seen, and never obeyed."""
    page = visit(f"{server.url}/runs/hostile")
    page.locator(".log div", has_text="line 99").wait_for()
    page.get_by_text("Tags").click()

    assert MARKUP in page.locator("h1").inner_text()
    assert MARKUP in page.locator(".log").inner_text()
    assert MARKUP in page.locator(".pairs").last.inner_text()
    page.goto(f"{server.url}/runs/broken")
    page.locator(".reason-box", has_text=MARKUP).wait_for()
    assert page.locator("main script, main img").count() == 0
    assert page.title() != "obeyed"


def test_a_job_grows_while_it_is_looked_at(full: Wire, server: ProxyServer, visit: Visit) -> None:
    """Curve, log and state follow without a reload; the log is read on, not again."""
    page = visit(f"{server.url}/runs/hostile")
    page.locator(".log div", has_text="line 99").wait_for()
    page.locator("figure", has_text="loss").locator("strong", has_text=re.compile(r"^0\.08$")).wait_for()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    turn(full, 600)
    page.locator(".state .chip.good", has_text="Completed").wait_for()

    page.locator("figure", has_text="loss").locator("strong", has_text=re.compile(r"^0\.04$")).wait_for()
    page.locator(".log div", has_text="line 199").wait_for()
    assert page.locator(".log div", has_text="line 99").count() == 1
    assert not [url for url in asked if re.search(r"/logs/.*from=(0|-1)\b", url)]


def test_the_page_is_used_with_the_keyboard_alone(full: Wire, server: ProxyServer, visit: Visit) -> None:
    """From the address to a point of a curve and the log of a step, without a pointer."""
    page = visit(server.url)
    page.locator(".card", has_text="broken").wait_for()
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("h1", has_text="script").wait_for()

    curve = page.locator("figure", has_text="loss").locator("svg")
    curve.focus()
    page.keyboard.press("Home")
    page.locator("figure", has_text="loss").locator("strong", has_text=re.compile(r"^4$")).wait_for()
    step = page.locator(".track button").first
    step.focus()
    page.keyboard.press("Enter")
    page.locator("h2", has_text="Log of validation").wait_for()

    assert step.get_attribute("aria-pressed") == "true"
    assert page.url.endswith("/runs/hostile")


def test_requests_come_are_filtered_and_held(full: Wire, server: ProxyServer, visit: Visit) -> None:
    """New ones stand on top, those that nobody knows are marked, and the list can be made to stand still."""
    page = visit(f"{server.url}/requests")
    page.locator("tr.unserved", has_text="virtualMachines").wait_for()
    page.get_by_role("searchbox").fill("put jobs")
    page.locator("tbody tr").nth(2).wait_for(state="detached")
    assert page.locator("tbody tr").count() == 2
    page.get_by_role("searchbox").fill("")

    page.get_by_role("button", name="Hold").click()
    full("GET", "computes/gpu")
    page.locator("nav .count").last.filter(has_text=str(len(full.emulator.requests))).wait_for()
    assert page.locator("tbody tr").first.locator(".path").inner_text().startswith("/jobs")
    page.get_by_role("button", name="Hold").click()

    page.locator("tbody tr").first.locator(".path", has_text="/computes/gpu").wait_for()


def test_it_says_when_the_emulator_has_ended(page: Page, browser: Browser, tmp_path: Path) -> None:
    """What is known stays on the page, with a word that nobody answers any more."""
    with serve(page) as server:
        seen = Visit(browser, tmp_path)(server.url)
        seen.locator("h1", has_text="Jobs").wait_for()

    seen.locator("#contact", has_text="does not answer").wait_for()

    assert seen.locator("h1").inner_text() == "Jobs"


def test_without_scripts_it_says_so(server: ProxyServer, visit: Visit) -> None:
    """A page that is no page would be worse than a sentence."""
    page = visit(server.url, script=False)

    assert "needs JavaScript" in page.locator("main").inner_text()
