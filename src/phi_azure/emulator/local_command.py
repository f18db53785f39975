"""A command component's line as a process of this machine: its code, a Python of its own, Azure's variables around it.

What the line installs stays in the job's folder: it gets a virtual environment that sees what this Python sees.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import site
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

from phi_azure.emulator import commands

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from phi_azure.emulator.store import Document
    from phi_azure.emulator.wire import Scope

_OF_THE_USER = ("AZURE_", "AZUREML_", "PHI_AZURE_", "IDENTITY_", "MSI_", "PYTHON", "VIRTUAL_ENV")
_FOLDERS = frozenset({"uri_folder", "mlflow_model", "custom_model", "triton_model", "mltable"})


def line(step: Document, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> list[str]:
    """Returns the words that run a step's command; paths of this machine are quoted, literals are as they were sent."""
    literal = {name for name, value in step["inputs"].items() if isinstance(value, str)}
    given = {name: value if name in literal else shlex.quote(value) for name, value in inputs.items()}
    text = commands.line(step["command"], given, {name: shlex.quote(path) for name, path in outputs.items()})
    return [shutil.which("bash") or "sh", "-c", text]


def make_room(outputs: Mapping[str, str], kinds: Mapping[str, str]) -> None:
    """Makes the folders that a command may write to, or those in which it writes a file."""
    for name, path in outputs.items():
        (Path(path) if kinds[name] in _FOLDERS else Path(path).parent).mkdir(parents=True, exist_ok=True)


def environment(scope: Scope, job: Document, run: str, step: Document, python: Path) -> dict[str, str]:
    """Returns the variables of a command's process: this machine's without what is the user's own, then Azure's."""
    own = {name: value for name, value in os.environ.items() if not name.upper().startswith(_OF_THE_USER)}
    azure = {
        "AZUREML_RUN_ID": run,
        "AZUREML_ROOT_RUN_ID": job["name"],
        "AZUREML_ARM_SUBSCRIPTION": scope.subscription,
        "AZUREML_ARM_RESOURCEGROUP": scope.group,
        "AZUREML_ARM_WORKSPACE_NAME": scope.workspace,
        "AZUREML_ARM_PROJECT_NAME": job["experiment"],
    }
    pythons = {
        "VIRTUAL_ENV": str(python),
        "PATH": os.pathsep.join([str(python / "bin"), os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return own | pythons | azure | {str(name): str(value) for name, value in step["variables"].items()}


def make_python(folder: Path) -> Path:
    """Makes a virtual environment that sees what this Python sees, below what is installed into it; returns it."""
    has_pip = importlib.util.find_spec("pip") is not None
    venv.EnvBuilder(symlinks=True, with_pip=not has_pip).create(folder)
    packages = next((folder / "lib").glob("python3*")) / "site-packages"
    (packages / "_of_the_emulator.pth").write_text("\n".join(_seen_here()) + "\n", encoding="utf-8")
    if has_pip:
        for name in ("pip", "pip3"):
            script = folder / "bin" / name
            script.write_text(f'#!/bin/sh\nexec {shlex.quote(str(folder / "bin" / "python"))} -m pip "$@"\n')
            script.chmod(0o755)
    return folder


def _seen_here() -> Iterable[str]:
    """Yields the lines of a .pth file that leads to this package and to what is installed beside it."""
    asked = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    yield from dict.fromkeys([str(Path(__file__).parents[2]), *asked])
    for folder in [*site.getsitepackages(), site.getusersitepackages()]:
        if Path(folder).is_dir() and folder in sys.path:
            yield f"import site; site.addsitedir({folder!r})"  # with the .pth files in it
