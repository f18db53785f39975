"""A browser for tests of what people look at: the machine's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

WIDTHS = (1280, 390)  # a desk, a telephone
_HEIGHT = 900
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = [
    "--no-sandbox",  # in a container we are root, whom Chromium's sandbox refuses
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",  # what a page asks of others fails
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, once a module: while Playwright drives it, this thread's event loop counts as running to asyncio."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")
    driver = pytest.importorskip("playwright.sync_api", reason="the extra `dev` is not installed")
    with driver.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=_OPTIONS, env=_environment())
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Iterator[Visit]:
    """Pages in contexts of their own; at the end no page may have complained or asked another host for anything."""
    visit = Visit(browser, tmp_path)
    yield visit
    for context in visit.contexts:
        context.close()
    assert visit.trouble == []


@dataclass
class Visit:
    """Opens pages and notes what goes wrong on them."""

    browser: Browser
    folder: Path
    """Where pictures go."""
    trouble: list[str] = field(default_factory=list)
    """Errors and warnings on the console, errors in scripts, requests to other hosts, answers of 400 and above."""
    contexts: list[BrowserContext] = field(default_factory=list)

    def __call__(self, address: str | Path, width: int = 1280, *, dark: bool = False, script: bool = True) -> Page:
        """Opens an address, or a file, in a window of this width in CSS pixels."""
        url = address.absolute().as_uri() if isinstance(address, Path) else address
        context = self.browser.new_context(
            viewport={"width": width, "height": _HEIGHT},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
        )
        context.set_default_timeout(15_000)
        self.contexts.append(context)
        self._listen(context, urlsplit(url).netloc)
        page = context.new_page()
        page.goto(url)
        return page

    def picture(self, page: Page, name: str) -> Path:
        """Takes a picture of the whole page, for people; it lies in the test's own folder."""
        path = self.folder / f"{name}.png"
        page.screenshot(path=path, full_page=True)
        return path

    def _listen(self, context: BrowserContext, host: str) -> None:
        context.on("request", lambda request: self._note_host(request.url, host))
        context.on("console", lambda said: self._note(f"console {said.type}: {said.text}", said.type in _COMPLAINTS))
        context.on("weberror", lambda said: self._note(f"script: {said.error}", True))
        context.on("response", lambda reply: self._note(f"{reply.status} from {reply.url}", reply.status >= 400))

    def _note_host(self, url: str, host: str) -> None:
        parts = urlsplit(url)
        self._note(f"request to another host: {url}", parts.scheme not in {"data", "blob"} and parts.netloc != host)

    def _note(self, what: str, is_trouble: bool) -> None:
        if is_trouble:
            self.trouble.append(what)


_COMPLAINTS = frozenset({"error", "warning", "assert"})


def overflow(page: Page) -> int:
    """Returns by how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def _environment() -> dict[str, str | float | bool]:
    """Returns this process's variables without those that would lead the browser to a proxy."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
