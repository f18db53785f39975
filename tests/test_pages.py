"""Files that people open in a browser: at a desk and on a telephone, without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phi_azure.cli import run
from phi_azure.engine import phi_tiny
from tests.browser import WIDTHS, Visit, overflow
from tests.dataset.broken import good, turns

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.browser
MARKUP = "<script>document.title = 'obeyed'</script><img src=http://other.example/x.png>"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that `preview` writes of good, cut, broken and hostile rows."""
    folder = tmp_path_factory.mktemp("preview")
    long = turns(("user", "word " * 300), ("assistant", "unbroken" * 90))
    lines = [good(1), long, "oops", turns(("user", MARKUP), ("assistant", "neutral"))]
    (folder / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    page = folder / "rows.html"
    data = [str(folder / "train.jsonl"), "--rows", "9", "--html", str(page)]
    assert run(["preview", *data, "--tokenizer", str(phi_tiny.path()), "--max-seq-length", "128"]) == 0
    return page


@pytest.mark.parametrize("width", WIDTHS)
def test_rows_are_a_page_that_fits_its_window(width: int, rows: Path, visit: Visit) -> None:
    """All rows are there, markup in them is text, nothing stands out of the window, nobody is asked for anything."""
    page = visit(rows, width)

    assert page.locator("article").count() == 4
    assert page.get_by_text(MARKUP).is_visible()
    assert page.title() == "Rows as Phi-4-mini-instruct reads them"
    assert overflow(page) == 0
    visit.picture(page, f"rows-{width}")
