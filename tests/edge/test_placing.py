"""Where an export goes, and what is refused before anything is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure import edge
from phi_azure.cli import run
from phi_azure.edge import placing
from phi_azure.errors import ConfigError, GateNotPassed

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder of a model, as far as its place goes."""
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    return folder


@pytest.mark.parametrize("place", [".", "edge", "data", ".."])
@pytest.mark.parametrize("force", [True, False], ids=["forced", "not forced"])
def test_target_that_overlaps_the_model_is_refused(place: str, force: bool, model: Path) -> None:
    """In the model it would be taken for a part of it; around the model it would take the model with it."""
    with pytest.raises(ConfigError, match=r"lie in one another|holds something"):
        edge.export(model, model / place, edge.Order("adapter"), force=force)

    assert (model / "data").is_dir()


def test_base_may_not_be_replaced_by_what_is_made_of_it(model: Path, tmp_path: Path) -> None:
    """The weights under an adapter are read too."""
    base = tmp_path / "base"
    base.mkdir()

    with pytest.raises(ConfigError, match="base, of which it is made"):
        edge.export(model, base, edge.Order("merged", base=base), force=True)


def test_folder_of_a_failed_gate_is_replaced_only_if_it_is_an_export(tmp_path: Path) -> None:
    """What somebody else keeps under that name stays."""
    mine = tmp_path / "out.not-passed"
    mine.mkdir()
    (mine / "mine.txt").write_text("mine")

    with pytest.raises(ConfigError, match="not-passed holds something that is no export"):
        placing.refuse_target(tmp_path / "out", force=False)
    (mine / "export.json").write_text("{}")

    placing.refuse_target(tmp_path / "out", force=False)


def test_link_means_its_target(tmp_path: Path) -> None:
    """Whoever leads to a large disk by a link wants the export there."""
    (tmp_path / "large").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "large")
    (tmp_path / "new").symlink_to(tmp_path / "large" / "new")

    assert placing.target_of(tmp_path / "out") == tmp_path / "large"
    assert placing.target_of(tmp_path / "new") == tmp_path / "large" / "new"


def test_root_is_no_target() -> None:
    """Nothing can be put beside it."""
    with pytest.raises(ConfigError, match="no folder that can be made"):
        placing.target_of(Path("/"))


def test_draft_of_a_name_with_brackets_is_cleared(tmp_path: Path) -> None:
    """The name is a name, no pattern."""
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    left = tmp_path / f".g[1].{dead.pid}.tmp"
    left.mkdir()

    placing.clear_after_killed(tmp_path / "g[1]")

    assert not left.exists()


WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: edge.Order("gguf"), "no format 'gguf'; there are onnx, merged"),  # type: ignore[arg-type]
    (lambda: edge.Order("onnx", provider="xx"), "no provider 'xx'"),
    (lambda: edge.Order("onnx", precision="int3"), "no precision 'int3'"),
    (lambda: edge.Order("merged", precision="int4"), "merged keeps the precision of the model"),
    (lambda: edge.Trial(limit=0), "limit is 0"),
    (lambda: edge.Trial(max_tokens=0), "max_tokens is 0"),
    (lambda: edge.Trial(require=2.0), "require is 2.0; it takes a share from 0 to 1"),
]


@pytest.mark.parametrize(("make", "said"), WRONG, ids=[said[:20] for _, said in WRONG])
def test_order_that_cannot_be_is_refused(make: Callable[[], Any], said: str) -> None:
    """Before anything is downloaded, read or asked."""
    with pytest.raises(ConfigError, match=said):
        make()


def test_gate_that_nothing_here_can_open_is_refused_first(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without llama.cpp nobody can ask a GGUF file; none is made."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(GateNotPassed, match="needs llama-cpp-python"):
        edge.export(model, model.parent / "out", edge.Order("ollama"), edge.Trial(require=0.5))

    assert [one.name for one in model.parent.iterdir()] == ["model"]


def test_nothing_is_no_model(capsys: pytest.CaptureFixture[str]) -> None:
    """A variable that is not set is not the current folder."""
    code = run(["export", "", "--out", "x"])

    assert code == 2
    assert "RUN|MODEL|DIR is empty" in capsys.readouterr().err


def test_version_is_of_a_registered_model(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the model's name does not stand in for it."""
    monkeypatch.chdir(model.parent)

    code = run(["export", "model", "--version", "9", "--out", "x", "--local", "--no-proof"])

    assert code == 6


def test_downloads_of_two_models_are_kept_apart(tmp_path: Path) -> None:
    """What is left of one whose export failed is not taken for the other; the error says where it is."""
    places: list[Path] = []
    said: list[str] = []

    def download(folder: Path, _: object) -> Path:
        folder.mkdir()
        places.append(folder)
        return folder

    for model in ("one", "two"):
        with pytest.raises(ConfigError) as failed:
            edge.export_downloaded(download, model, tmp_path / "out", order=edge.Order("adapter"))
        said.append(failed.value.remedy or "")

    assert places[0] != places[1]
    assert [str(place) in words for place, words in zip(places, said, strict=True)] == [True, True]
