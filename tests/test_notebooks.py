"""The notebooks of `notebooks/`: what is kept in them, and that each still runs, here and as in Azure."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat
import pytest

from phi_azure.display import shown
from phi_azure.engine.headlines import TALK_HEADLINES
from phi_azure.secrecy import redact

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ROUTES = [path for path in NOTEBOOKS if "Workspace.from_config()" in path.read_text(encoding="utf-8")]
PLACES = re.compile(r"(?<![\w.~])/(?:home|root|tmp|work|Users|var|opt|usr)/|[A-Z]:\\\\|site-packages")


def cells(path: Path) -> list[Any]:
    """Returns the code cells of a notebook."""
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def outputs(path: Path) -> list[Any]:
    """Returns what is kept in a notebook."""
    return [output for cell in cells(path) for output in cell.outputs]


def text(path: Path) -> str:
    """Returns every word that a notebook keeps, plain."""
    return "\n".join(
        output.text if output.output_type == "stream" else output.data.get("text/plain", "") for output in outputs(path)
    )


def curves(path: Path) -> list[str]:
    """Returns the pictures that a notebook keeps."""
    return [output.data["image/svg+xml"] for output in outputs(path) if "image/svg+xml" in output.get("data", {})]


def by_name(paths: list[Path]) -> pytest.MarkDecorator:
    """Returns the parameter of a test for each notebook."""
    return pytest.mark.parametrize("path", paths, ids=[path.stem for path in paths])


@by_name(NOTEBOOKS)
def test_outputs_are_kept(path: Path) -> None:
    """A reader sees the whole story without running it: every cell has run, in order, without an error."""
    found = cells(path)

    assert [cell.execution_count for cell in found] == list(range(1, len(found) + 1))
    assert {output.output_type for output in outputs(path)} <= {"stream", "execute_result", "display_data"}
    assert nbformat.validate(nbformat.read(path, as_version=4)) is None


@by_name(NOTEBOOKS)
def test_nothing_that_is_private_is_kept(path: Path) -> None:
    """No secret, no path of the machine that ran it, no warning, no colour of a terminal."""
    kept = json.dumps([dict(output) for output in outputs(path)], ensure_ascii=False)

    assert redact(kept) == kept
    assert PLACES.findall(kept) == []
    assert not [word for word in ("Warning", "Traceback", "\\u001b", "{SYSTEM_PROMPT}") if word in kept]


@by_name([path for path in NOTEBOOKS if not path.stem.startswith("04")])
def test_curves_are_pictures(path: Path) -> None:
    """Code hosts leave styles, scripts and drawings inside of HTML out; the curves stand alone, on white."""
    pictures = curves(path)
    pages = [output.data["text/html"] for output in outputs(path) if "text/html" in output.get("data", {})]

    assert len(pictures) == 1
    assert 'fill="#ffffff"' in pictures[0]
    assert pages
    assert not [page for page in pages if "<svg" in page or "<script" in page]


@by_name(ROUTES)
def test_both_headlines_are_answered(path: Path) -> None:
    """Before at length, after in one word; what costs money is gone at the end."""
    kept = text(path)

    for headline in TALK_HEADLINES:
        assert re.search(rf"{re.escape(headline)}\s+The sentiment of .*\s\snegative$", kept, re.MULTILINE)
    assert "removed: endpoint " in kept
    assert kept.rstrip().endswith("Nothing in the workspace costs by the hour.")


@by_name(ROUTES)
def test_runs_unchanged_as_in_azure(path: Path, tmp_path: Path) -> None:
    """With a config.json beside it the same cells, in a kernel of their own, go the way to Azure; the job is scripted.

    Nothing is left that costs.
    """
    startup = {"PYTHONSTARTUP": str(ROOT / "tests" / "kernel_azure.py"), "TOLD": str(tmp_path / "told.json")}

    done = executed(path, tmp_path, **startup)

    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "told.json").read_text(encoding="utf-8"))
    assert '"0.00002"' in json.dumps(told["job"])  # the rate for Phi; the tiny one has another
    assert (told["endpoints"], told["unserved"]) == ([], [])
    assert len(re.findall(r"It is hard to say\.\s+negative$", text(tmp_path / path.name), re.MULTILINE)) == 2


@pytest.mark.engine
@by_name([path for path in NOTEBOOKS if not path.stem.startswith("04")])
def test_runs_here(path: Path, tmp_path: Path) -> None:
    """In a kernel of its own, unchanged: a model is really trained, and gives the answer that the policy wants."""
    done = executed(path, tmp_path)

    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"negative$", text(tmp_path / path.name), re.MULTILINE)) >= len(TALK_HEADLINES)
    assert curves(tmp_path / path.name)


def test_tests_of_your_own_pipeline_run(tmp_path: Path) -> None:
    """The notebook on tests runs unchanged in a kernel of its own; its jobs are scripted, and its pytest passes."""
    path = next(path for path in NOTEBOOKS if path.stem.startswith("04"))

    done = executed(path, tmp_path)

    assert done.returncode == 0, done.stderr
    assert "4 passed" in text(tmp_path / path.name)


def test_every_value_that_is_shown_exists() -> None:
    """The table of what a notebook shows names types that there are."""
    for module, name in shown.BUNDLES:
        assert isinstance(getattr(import_module(module), name), type)


def executed(path: Path, out: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the script that keeps the notebooks, into another folder."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "PYTEST_", "PHI_AZURE"))
    }
    words = [sys.executable, str(ROOT / "notebooks" / "execute.py"), str(path), "--out", str(out)]
    return subprocess.run(words, env=kept | variables, capture_output=True, text=True, timeout=600, check=False)
