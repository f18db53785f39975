"""A process that starts the command line by forking itself, with all imports done: a start costs 0.1 s instead of 4.

It is run by `tests.killing`, and does one command at a time: it reads a line of JSON that says what to run, writes the
new process's id, and, when that has ended, its exit code (below zero: the signal that killed it).
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn


def serve() -> None:
    """Runs one command after another until stdin ends; what the first ones import, later ones find imported."""
    sys.path.pop(0)  # the folder of this file, whose `azure` is not Azure's
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(order)
        _tell(pid)
        _, status = os.waitpid(pid, 0)
        _import_what_it_had(Path(order["modules"]))
        _tell(os.waitstatus_to_exitcode(status))


def _tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _become(order: dict[str, Any]) -> NoReturn:
    """Turns this process into one that runs the command, with its words going to files, and never returns."""
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, file in ((1, order["out"]), (2, order["err"])):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    from phi_azure.cli import run

    code = run(order["words"])
    Path(order["modules"]).write_text(json.dumps(list(sys.modules)), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _import_what_it_had(file: Path) -> None:
    """Imports what a command that went to its end has imported on its way."""
    if not file.exists():
        return
    for name in json.loads(file.read_text(encoding="utf-8")):
        if name not in sys.modules:
            with contextlib.suppress(ImportError, AttributeError):
                importlib.import_module(name)
    file.unlink()
    gc.freeze()  # what is shared with the children is not touched, and so not copied


if __name__ == "__main__":
    serve()
