"""Makes the pictures of the documentation, by `make pictures`: a job is trained here, and what is seen is taken.

Terminals become SVG, by rich; pages become PNG, by the machine's Chromium. It takes minutes.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from phi_azure import FineTune, Workspace
from phi_azure.display.live import RunView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from playwright.sync_api import Page
    from rich.console import RenderableType

    from phi_azure.progress import Update

PICTURES = Path(__file__).with_name("pictures")
WIDTH = 92  # characters of a terminal
JOB = "job.yaml"
SHOWN_FROM = 12  # points of the loss, before which a run is no sight
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Trains, compares, asks, and takes a picture of each; what is made lies in a temporary folder and goes with it."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        terminal("demo", ["demo"], table=True)
        command(["init", JOB, "--route", "managed", "--example", "headlines"])
        terminal("plan", ["plan", JOB], first=30)
        run_name = watched("watch")
        command(["register", run_name])
        command(["report", run_name, "--out", "report.html"])
        command(["preview", JOB, "--html", "preview.html"])
        command(["deploy", "Phi-4-mini-instruct", "--base", "--endpoint", "headlines", "--yes"])
        command(["deploy", "headline-sentiment", "--endpoint", "headlines", "--yes"])
        judged = ["--data", "test.jsonl", "--metric", "label", "--max-tokens", "48", "--limit", "100"]
        command(["compare", "headlines/green", "--against", "headlines/blue", *judged, "--out", "compare.html"])
        terminal("costs", ["costs"])
        with browser() as open_page:
            for name, page in {"receipt": "report", "preview": "preview", "compare": "compare"}.items():
                take(open_page((Path.cwd() / f"{page}.html").as_uri()), name)
            with serving(["emulator", "--state", ".phi-azure/azure"], "stderr") as url:
                page = open_page(url)
                page.wait_for_load_state("networkidle")
                take(page, "emulator")
            with serving(["playground", "headlines/green", "--against", "headlines/blue"], "stdout") as url:
                page = open_page(url)
                asked(page)
                take(page, "playground")
        command(["down", "--yes"])
    for path in sorted(PICTURES.iterdir()):
        print(f"{path.stat().st_size / 1e3:7.1f} kB  {path.name}")


def command(words: Sequence[str]) -> str:
    """Runs a command of phi-azure on this machine, and returns what it shows, in its colours."""
    shown = {"COLUMNS": str(WIDTH), "FORCE_COLOR": "1", "TTY_INTERACTIVE": "0", "PHI_AZURE_LOCAL": "1"}
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    words = [sys.executable, "-m", "phi_azure", *words]
    done = subprocess.run(words, env={**kept, **shown}, stdout=-1, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def terminal(name: str, words: Sequence[str], *, first: int | None = None, table: bool = False) -> None:
    """Takes a picture of what a command shows: all of it, its first lines, or its last table."""
    lines = command(words).rstrip().splitlines()
    if table:
        begins = max(number for number, line in enumerate(lines) if "╭" in line)
        ends = max(number for number, line in enumerate(lines) if "╰" in line)
        lines = lines[begins : ends + 1]
    cut = [*lines[:first], "..."] if first and len(lines) > first else lines
    draw(name, f"phi-azure {' '.join(words)}", Text.from_ansi("\n".join(["", *cut])))


def watched(name: str) -> str:
    """Trains the job, takes a picture of it on the way, and returns the run's name."""
    with Workspace.local() as workspace:
        run = workspace.submit(FineTune.from_yaml(JOB))
        view = RunView(run.name, log_lines=4)
        taken: list[str] = []

        def look(update: Update) -> None:
            view.apply(update)
            if len(view.values("loss")) >= SHOWN_FROM and not taken and not view.is_over:
                draw(name, f"phi-azure watch {run.name}", view)
                taken.append(name)

        run.wait(on_update=look)
        if not taken:
            raise SystemExit("the run was over before its loss made a curve: take more rows")
        return run.name


def draw(name: str, title: str, what: RenderableType) -> None:
    """Writes an SVG of a terminal that fetches no font from elsewhere."""
    out = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    out.print(what)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", out.export_svg(title=title, theme=MONOKAI), flags=re.DOTALL)
    (PICTURES / f"{name}.svg").write_text(svg, encoding="utf-8")


@contextmanager
def browser() -> Iterator[Callable[[str], Page]]:
    """Yields what opens an address in the machine's Chromium."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        raise SystemExit("there is no Chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        context = started.new_context(viewport={"width": 1100, "height": 900})

        def open_page(url: str) -> Page:
            page = context.new_page()
            page.goto(url)
            return page

        yield open_page
        started.close()


@contextmanager
def serving(words: Sequence[str], told_on: str) -> Iterator[str]:
    """Yields the address of a page that a command serves, until it is left."""
    words = [sys.executable, "-m", "phi_azure", *words]
    kept = {**os.environ, "PHI_AZURE_LOCAL": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(words, env=kept, stdout=-1, stderr=-1, text=True) as process:
        stream = process.stdout if told_on == "stdout" else process.stderr
        assert stream is not None
        url = next(found[0] for line in stream if (found := re.search(r"http://127\.0\.0\.1:\d+\S*", line)))
        try:
            yield url.rstrip(".")
        finally:
            process.terminate()


def take(page: Page, name: str) -> None:
    """Takes a picture of the upper part of a page, as it fits a window."""
    page.screenshot(path=PICTURES / f"{name}.png")


def asked(page: Page) -> None:
    """Asks both sides of the playground its first example, and waits for the answers."""
    page.locator("#examples button").last.click()
    page.wait_for_timeout(500)
    if page.locator(".answer").count() == 0:
        page.locator("#send").click()
    page.wait_for_function("document.querySelector('#stop').hidden", timeout=60_000)
    page.wait_for_timeout(1000)


if __name__ == "__main__":
    main()
