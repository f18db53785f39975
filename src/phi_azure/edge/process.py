"""The engine's processes: JSON lines in and out; one ends when its standard input is closed, however we end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from phi_azure import starting
from phi_azure.errors import ConfigError, PhiAzureError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_SHOWN = 2_000  # characters of what it said before it died


class EngineProcess:
    """One command of `python -m phi_azure.engine`, offline, with its standard input held open."""

    def __init__(self, *arguments: str) -> None:
        source = str(Path(__file__).parents[2])
        path = os.pathsep.join(part for part in (source, os.environ.get("PYTHONPATH", "")) if part)
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`
        self._process = subprocess.Popen(
            [sys.executable, *starting.module("phi_azure.engine"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
            env=os.environ | {"PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1"},
        )

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the process."""
        self.close()

    def tell(self, question: dict[str, Any]) -> None:
        """Sends a line."""
        if self._process.stdin is None or self._process.poll() is not None:
            raise self._died()
        try:
            self._process.stdin.write(json.dumps(question, ensure_ascii=False) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._died() from error

    def hear(self) -> dict[str, Any]:
        """Returns the next line.

        Raises:
            ConfigError: it refuses what was asked, with what is missing and how to get it.
            PhiAzureError: it has ended.
        """
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise self._died()
        event: dict[str, Any] = json.loads(line)
        if refused := event.get("refused"):
            raise ConfigError(refused["message"], remedy=refused["remedy"])
        return event

    def finish(self) -> None:
        """Says that nothing more comes."""
        if self._process.stdin:
            self._process.stdin.close()

    def close(self) -> None:
        """Ends the process, whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe:
                pipe.close()

    def _died(self) -> PhiAzureError:
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()[-_SHOWN:]
        return PhiAzureError(f"the engine ended with code {code}: {said or 'it said nothing'}")
