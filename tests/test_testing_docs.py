"""What docs/testing.md shows works: its examples are a project of their own that pytest runs as it stands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "testing.md"


def _files(folder: Path) -> list[str]:
    """Writes each Python block into the file that its first line names; returns the names of the tests."""
    text = PAGE.read_text(encoding="utf-8")
    files = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", text, re.DOTALL)
    for name, code in files:
        (folder / name).write_text(code, encoding="utf-8")
    return [name for name, _ in files if name.startswith("test_")]


def _run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "PYTEST_"))}
    return subprocess.run(words, cwd=folder, env=kept, capture_output=True, text=True, timeout=300, check=False)


def test_ten_examples_pass(tmp_path: Path) -> None:
    """Each example passes in a project that has nothing but the fixtures."""
    names = _files(tmp_path)

    done = _run(
        [sys.executable, "-m", "pytest", "-q", "-W", "ignore", "-p", "phi_azure.testing.plugin", *names], tmp_path
    )

    assert len(names) == 10
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 passed" in done.stdout


def test_command_for_other_processes_runs(tmp_path: Path) -> None:
    """The command of the page leads another process to an emulator."""
    _files(tmp_path)
    (line,) = re.findall(r"```bash\nphi-azure (.*)\n```", PAGE.read_text(encoding="utf-8"))
    words = [sys.executable if word == "python" else word for word in shlex.split(line)]

    done = _run([sys.executable, "-m", "phi_azure", *words], tmp_path)

    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
