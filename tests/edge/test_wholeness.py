"""An export appears whole or not at all."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import phi_azure
from phi_azure import edge
from phi_azure.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.engine
NEEDED = {"ollama": ["gguf"], "onnx": ["onnxruntime_genai"], "foundry-local": ["onnxruntime_genai"]}


def start(words: Sequence[str]) -> subprocess.Popen[bytes]:
    """Starts the command line in a process of its own."""
    source = str(Path(phi_azure.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-m", "phi_azure", *words],
        env=os.environ | {"PYTHONPATH": source},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def content(folder: Path) -> dict[str, str]:
    """Returns the digest of each file."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def drafts(folder: Path) -> list[Path]:
    """Returns the files in the hidden folders where something is being made, or has been left."""
    return [path for draft in folder.glob(".*.tmp") for path in draft.rglob("*") if path.is_file()]


def first_file(process: subprocess.Popen[bytes], folder: Path) -> float:
    """Waits until something is written; returns when that was."""
    while process.poll() is None and not drafts(folder):
        time.sleep(0.002)
    return time.monotonic()


@pytest.mark.parametrize(
    ("to", "cuts"), [("merged", 6), ("adapter", 4), ("ollama", 4), ("onnx", 3), ("foundry-local", 2)]
)
def test_kill_9_at_random_points_leaves_all_or_nothing(azure_folder: Path, tmp_path: Path, to: str, cuts: int) -> None:
    """Whenever the command dies while it writes, the target is absent or complete, and the next one clears up."""
    for package in NEEDED.get(to, ()):
        pytest.importorskip(package, reason=f"needs {package}, of the extra edge")
    words = ["export", str(azure_folder), "--to", to, "--no-proof", "--name", "phi", "--out"]
    process = start([*words, str(tmp_path / "whole")])
    began = first_file(process, tmp_path)
    assert process.wait() == 0
    took, whole = time.monotonic() - began, content(tmp_path / "whole")
    chance, left = random.Random(0), 0

    for cut in range(cuts):
        process = start([*words, str(tmp_path / "out")])
        first_file(process, tmp_path)
        time.sleep(chance.uniform(0, 1) * took * (cut > 0))  # the first dies with its first file
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = tmp_path / "out"
        left += bool(drafts(tmp_path))
        assert not found.exists() or content(found) == whole, f"cut {cut}"
        if found.exists():
            found.rename(tmp_path / f"done-{cut}")

    assert left > 0  # at least one died in the midst of its files
    assert start([*words, str(tmp_path / "out")]).wait() == 0
    assert content(tmp_path / "out") == whole
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_lies_at_the_target_stays_unless_it_is_forced(azure_folder: Path, tmp_path: Path) -> None:
    """A folder with something in it is refused before anything is made; with force it is replaced as a whole."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")

    with pytest.raises(ConfigError, match="holds something"):
        edge.export(azure_folder, tmp_path / "out", edge.Order(to="adapter"))
    kept = (tmp_path / "out" / "mine.txt").read_text()
    edge.export(azure_folder, tmp_path / "out", edge.Order(to="adapter"), force=True)

    assert kept == "mine"
    assert not (tmp_path / "out" / "mine.txt").exists()
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_export_was_about_to_replace_comes_back(azure_folder: Path, tmp_path: Path) -> None:
    """Between taking the old export away and putting the new one there, a kill loses neither for good."""
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    left = tmp_path / f".out.{dead.pid}.tmp"
    (left / "replaced" / "out").mkdir(parents=True)
    (left / "replaced" / "out" / "mine.txt").write_text("mine")

    with pytest.raises(ConfigError, match="holds something"):
        edge.export(azure_folder, tmp_path / "out", edge.Order(to="adapter"))

    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"
