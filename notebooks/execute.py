"""Executes notebooks, each in an empty folder, and keeps their outputs.

python notebooks/execute.py [--out DIR] [NOTEBOOK...]        all of them, in place, unless told otherwise
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbformat import NotebookNode

HERE = Path(__file__).parent
LIMIT_S = 600  # for one cell
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colours of a terminal, which not every page that shows notebooks knows


def main(arguments: Sequence[str] | None = None) -> int:
    """Executes what the command line names and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, help="files; all of this folder if none is named")
    parser.add_argument("--out", type=Path, help="folder for the executed ones; as it comes, in place")
    args = parser.parse_args(arguments)
    for source in args.notebooks or sorted(HERE.glob("*.ipynb")):
        target = (args.out or source.parent) / source.name
        print(f"{source.name} ...", flush=True)
        try:
            execute(source, target)
        except CellExecutionError as error:
            print(f"{source.name} failed:\n{error}", file=sys.stderr)
            return 1
    return 0


def execute(source: Path, target: Path) -> None:
    """Runs a notebook in a folder of its own and writes it, with its outputs, where it is wanted.

    Raises:
        CellExecutionError: a cell failed; nothing was written.
    """
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # no warning of a debugger that nobody asked for
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # `!phi-azure`, `!pytest`
    notebook = nbformat.read(source, as_version=4)
    with tempfile.TemporaryDirectory(prefix="phi-azure-notebook-") as folder:
        work = Path(folder, "work")
        work.mkdir()
        # sockets that are files: no ports that others could reach
        kernel = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=str(Path(folder, "kernel")))
        client = NotebookClient(
            notebook, km=kernel, timeout=LIMIT_S, resources={"metadata": {"path": str(work)}}, coalesce_streams=True
        )
        client.execute(cleanup_kc=True)
    for cell in notebook.cells:
        _tidy(cell)
    notebook.metadata["language_info"] = {"name": "python"}
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)


def _tidy(cell: NotebookNode) -> None:
    """Takes out times of execution, a terminal's colours and line ends, and output that is empty."""
    cell.metadata.pop("execution", None)
    kept = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            output.text = _ANSI.sub("", output.text).replace("\r\n", "\n")
            if not output.text.strip():
                continue
        kept.append(output)
    if cell.cell_type == "code":
        cell.outputs = kept


if __name__ == "__main__":
    raise SystemExit(main())
