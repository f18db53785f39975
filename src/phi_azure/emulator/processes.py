"""Processes that outlive the one that started them: known again by id and start time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Identity = dict[str, Any]  # {"pid": 123, "born": "<start time as the kernel counts it>"}


def spawn(arguments: Sequence[str], log: Path) -> tuple[Identity, subprocess.Popen[bytes]]:
    """Starts a Python process in a session of its own, so that the end of ours does not end it."""
    source = str(Path(__file__).parents[2])
    path = os.pathsep.join(p for p in (source, os.environ.get("PYTHONPATH", "")) if p)
    environment = os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    return identity(process.pid), process


def identity(pid: int) -> Identity:
    """Returns what tells a process from a later one of the same number."""
    return {"pid": pid, "born": _born(pid)}


def is_alive(process: Identity | None) -> bool:
    """Says whether a process still runs; one that ended and was never waited for does not."""
    if not process:
        return False
    with contextlib.suppress(ChildProcessError):  # not a child of ours: then the kernel's table tells
        os.waitpid(process["pid"], os.WNOHANG)
    try:
        os.kill(process["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return process["born"] is None
    return _born(process["pid"]) == process["born"] and not _is_zombie(process["pid"])


def end(process: Identity | None, patience: float = 5.0) -> None:
    """Ends a process and what it started: asked first, and killed when it has not gone by then (seconds)."""
    if not process or not is_alive(process):
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process["pid"], number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not is_alive(process):
                return
            time.sleep(0.02)


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:  # no such process, or a system without /proc
        return []
    return text.rpartition(")")[2].split()  # the name in brackets may hold spaces


def _born(pid: int) -> str | None:
    fields = _stat(pid)
    return fields[19] if fields else None


def _is_zombie(pid: int) -> bool:
    return _stat(pid)[:1] == ["Z"]
