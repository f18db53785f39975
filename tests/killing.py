"""Kills the command line (kill -9) at each of its requests, lets the same command run again, and leaves what is there.

    with Stage(tmp_path) as stage:
        for case in stage.each_request(["submit", "job.yaml", "--yes"], prepare):
            with subtests.test(case.name):
                assert len(case.emulator.store.find("job")) == 1

The command is a process of its own and reaches the emulator as it reaches Azure, over sockets and TLS. A request that
only reads is one case: the client dies before it hears the answer. One that writes is two: the client dies before the
service has done anything, and after it has done all.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from phi_azure.emulator.app import Emulator
from phi_azure.emulator.clock import TurnedClock
from phi_azure.emulator.course import Script
from phi_azure.emulator.local import GROUP, SUBSCRIPTION, WORKSPACE
from phi_azure.emulator.network import serve
from phi_azure.emulator.scripted import ScriptedRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from typing_extensions import Self

Moment = Literal["undone", "unheard"]
"""Killed before the service has done what was asked, or after it, before the client hears of it."""
KILLED = -signal.SIGKILL
PATIENCE = 120.0  # seconds; the machine may be busy
_READS = re.compile(r"(?:GET|HEAD) |POST .*/(?:listSecrets|token|listKeys|search)$")
_SIGNED_IN = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"}


@dataclass(frozen=True)
class Ended:
    """What a command left."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Case:
    """A command that was killed at one request, and run again to its end."""

    number: int
    moment: Moment
    request: str
    killed: Ended
    again: Ended
    emulator: Emulator
    folder: Path
    """Where the command ran."""

    @property
    def name(self) -> str:
        """Says where it was killed."""
        return f"{self.number} {self.request} {self.moment}"


@dataclass
class Cut:
    """Where a command dies."""

    number: int
    moment: Moment
    request: str = "none"


class Stage:
    """A served emulator, and a command in front of it.

    Args:
        folder: for all that a case leaves; each begins with a copy of what was prepared.
        script: how jobs go; see `Script`. Time stands still unless the test turns it.
    """

    def __init__(self, folder: Path, script: Script | None = None) -> None:
        self.folder = folder
        self.script = script or Script(queued=0, runs=3600)
        self.requests: list[str] = []
        """Of the command that ran last, in the order in which they came."""
        self._cut: Cut | None = None
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._working = 0
        self._client = threading.Event()
        self._pid = 0
        self._emulator: Emulator | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Opens the port, and the process that commands are forked from."""
        self.folder.mkdir(parents=True, exist_ok=True)
        server = self._stack.enter_context(serve(self, ca_dir=self.folder))
        self._environment = {**_plain_environment(), **_SIGNED_IN, **server.environment()}
        command = [sys.executable, str(Path(__file__).with_name("launcher.py"))]
        self._launcher = self._stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends both, and the emulator."""
        if self._launcher.stdin:
            self._launcher.stdin.close()
        self._stack.close()
        if self._emulator:
            self._emulator.close()

    def each_request(
        self, words: Sequence[str], prepare: Callable[[Stage, Path], None], moments: Iterable[Moment] | None = None
    ) -> Iterator[Case]:
        """Yields a case for every request of a command; the emulator of a case is open until the next is asked for.

        Args:
            words: of the command line.
            prepare: is given this stage, with an emulator, and the folder where the command runs: puts files there, and
                brings the emulator to where the command begins, such as by `run`. It is called once.
            moments: of death; None takes all that can differ.
        """
        prepared = self._prepared(prepare)
        self._begin(prepared, "whole")
        whole = self.run(words)
        if whole.code:
            raise AssertionError(f"the command fails unharmed: {whole.err}")
        for number, request in enumerate(list(self.requests), 1):
            told: tuple[Moment, ...] = ("unheard",) if _READS.match(request) else ("undone", "unheard")
            for moment in told if moments is None else moments:
                folder = self._begin(prepared, f"{number}-{moment}")
                cut = Cut(number, moment)
                killed = self.run(words, cut)
                again = self.run(words)
                yield Case(number, moment, cut.request, killed, again, self.emulator, folder)
                shutil.rmtree(folder.parent)

    @property
    def emulator(self) -> Emulator:
        """The emulator that answers now."""
        if self._emulator is None:
            raise RuntimeError("no emulator is open; a case opens one")
        return self._emulator

    def run(self, words: Sequence[str], cut: Cut | None = None) -> Ended:
        """Runs a command to its end, or to the request at which it is killed."""
        self.requests, self._cut = [], cut
        self._client.clear()
        place = self._place
        out, err = place.parent / "out", place.parent / "err"
        order = {
            "words": list(words),
            "folder": str(place),
            "environment": self._environment,
            "out": str(out),
            "err": str(err),
            "modules": str(self.folder / "modules.json"),
        }
        self._tell(json.dumps(order))
        self._pid = int(self._heard())
        self._client.set()
        code = int(self._heard())
        with self._idle:
            self._idle.wait_for(lambda: self._working == 0, PATIENCE)  # what was sent before death is done
        return Ended(code, out.read_text("utf-8", "replace"), err.read_text("utf-8", "replace"))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Passes a request to the emulator, unless its client is to die of it."""
        with self._lock:
            self.requests.append(_spelt(environ))
            number, cut = len(self.requests), self._cut
            self._working += 1
        try:
            return self._answer(environ, start_response, number, cut)
        finally:
            with self._idle:
                self._working -= 1
                self._idle.notify_all()

    def _answer(
        self, environ: WSGIEnvironment, start_response: StartResponse, number: int, cut: Cut | None
    ) -> Iterable[bytes]:
        if cut is None or number < cut.number:
            return self.emulator(environ, start_response)
        if number == cut.number:
            cut.request = _spelt(environ)
            if cut.moment == "unheard":
                list(self.emulator(environ, start_response))
            self._client.wait(PATIENCE)
            os.kill(self._pid, signal.SIGKILL)
        raise ConnectionResetError("the client is dead")

    def _prepared(self, prepare: Callable[[Stage, Path], None]) -> Path:
        home = self.folder / "prepared"
        self._open(home)
        prepare(self, self._place)
        self.emulator.close()
        return home

    def begin(self, name: str, clock: TurnedClock | None = None) -> Path:
        """Opens an emulator that nothing has happened to, and returns the folder where commands run."""
        self._open(self.folder / name, clock)
        return self._place

    def _begin(self, prepared: Path, name: str) -> Path:
        """Opens a copy of what was prepared, and returns the folder where the command runs."""
        home = self.folder / name
        shutil.copytree(prepared, home)
        self._open(home)
        return self._place

    def _open(self, home: Path, clock: TurnedClock | None = None) -> None:
        if self._emulator:
            self._emulator.close()
        self._place = home / "work"
        self._place.mkdir(parents=True, exist_ok=True)
        runner = ScriptedRunner()
        runner.script = self.script
        clock = clock or TurnedClock(1_800_000_000.0)  # the same in every case: ages and names do not differ
        self._emulator = Emulator(home / "azure", runner, clock=clock, pause_ms=5)
        ids = {"subscription_id": SUBSCRIPTION, "resource_group": GROUP, "workspace_name": WORKSPACE}
        (self._place / "config.json").write_text(json.dumps(ids), encoding="utf-8")

    def _tell(self, line: str) -> None:
        if self._launcher.stdin is None:
            raise RuntimeError("the launcher has no stdin")
        self._launcher.stdin.write(f"{line}\n")
        self._launcher.stdin.flush()

    def _heard(self) -> str:
        if self._launcher.stdout is None:
            raise RuntimeError("the launcher has no stdout")
        line = self._launcher.stdout.readline()
        if not line:
            raise RuntimeError(f"the launcher has ended: {self._launcher.poll()}")
        return line


def _spelt(environ: WSGIEnvironment) -> str:
    """Returns a request as `PUT /the/end/of/its/path`."""
    path = str(environ["PATH_INFO"])
    host = str(environ.get("HTTP_HOST", "")).partition(".")[0]
    return f"{environ['REQUEST_METHOD']} {host} .../{'/'.join(path.split('/')[-2:])}"


def _plain_environment() -> dict[str, str]:
    """Returns what a process needs to run, and nothing that steers the library or its clients."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ}
