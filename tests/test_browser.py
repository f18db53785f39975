"""The tests' own browser notices what a page must not do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser import Visit, overflow

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param("<script>console.error('oh')</script>", "console error: oh", id="console"),
        pytest.param("<script>throw new Error('oh')</script>", "script: oh", id="script"),
        pytest.param(
            "<img src='http://other.example/a.png' alt=''>",
            "request to another host: http://other.example/a.png",
            id="host",
        ),
        pytest.param(
            "<meta http-equiv='Content-Security-Policy' content=\"style-src 'none'\"><style>p{}</style>",
            "violates the following Content Security Policy",
            id="policy",
        ),
    ],
)
def test_trouble_on_a_page_is_noted(body: str, said: str, browser: Browser, tmp_path: Path) -> None:
    """What would fail a test is in the list that the fixture looks at."""
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><title>t</title>{body}", encoding="utf-8")
    visit = Visit(browser, tmp_path)

    visit(path).wait_for_load_state("networkidle")

    assert any(said in line for line in visit.trouble)


def test_a_picture_shows_the_page_at_its_width(visit: Visit, tmp_path: Path) -> None:
    """The window is as wide as was asked, a page that is wider is found out, and the picture is a PNG."""
    path = tmp_path / "page.html"
    path.write_text("<!doctype html><title>t</title><body style='margin:0'><p style='width:500px'>x", encoding="utf-8")

    page = visit(path, width=390)

    assert overflow(page) == 110
    assert visit.picture(page, "wide").read_bytes()[:4] == b"\x89PNG"
