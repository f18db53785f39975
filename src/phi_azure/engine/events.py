"""What a step tells the outside: a log for people on stdout, events for the emulator in a JSONL file."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from pathlib import Path


def log(message: str) -> None:
    """Prints one line of the job's log, with the time in UTC."""
    now = datetime.now(timezone.utc).isoformat(sep=" ", timespec="milliseconds")[:23]
    print(f"{now} {message}", flush=True)


class Events:
    """Appends events to a JSONL file; each line is on disk before the call returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("a", encoding="utf-8")

    def metric(self, key: str, value: float, step: int) -> None:
        """Reports one value of a metric."""
        self._write(type="metric", key=key, value=value, step=step, t=time.time())

    def param(self, key: str, value: str) -> None:
        """Reports one setting of the run."""
        self._write(type="param", key=key, value=value)

    def tag(self, key: str, value: str) -> None:
        """Reports one fact about the run, known when it is over."""
        self._write(type="tag", key=key, value=value)

    def progress(self, step: int, total_steps: int, epoch: float) -> None:
        """Reports how far training is."""
        self._write(type="progress", step=step, total_steps=total_steps, epoch=epoch)

    def error(self, code: str, message: str) -> None:
        """Reports why the step failed; `code` is "UserError" or "SystemError"."""
        self._write(type="error", code=code, message=message)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _write(self, **event: str | float) -> None:
        self._file.write(json.dumps(event) + "\n")
        self._file.flush()
