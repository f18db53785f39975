"""The emulator as a server for other processes, with a page to look at: `phi-azure emulator`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from phi_azure.emulator.app import Emulator
from phi_azure.emulator.engine import EngineRunner
from phi_azure.emulator.network import serve
from phi_azure.emulator.page.address import remember_port, remembered_port
from phi_azure.emulator.page.app import Page
from phi_azure.emulator.scripted import ScriptedRunner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


_NO_SUCH_COMMAND = 127  # what shells say


def run_server(
    state: Path,
    port: int = 0,
    weights: Mapping[str, Path] | None = None,
    runner: str = "engine",
    command: Sequence[str] = (),
) -> int:
    """Serves the emulator while a command runs in front of it, or until Ctrl-C; returns the exit code.

    Without a command the environment that leads other processes here is printed, in the form that a shell reads.
    Port 0 takes the one of the last time, so that links to the page still lead there, or else any that is free.
    """
    work = EngineRunner() if runner == "engine" else ScriptedRunner()
    emulator = Emulator(state, work, weights=weights, pause_ms=100)
    try:
        with serve(Page(emulator), port or _port_of_last_time(emulator), ca_dir=state) as server:
            remember_port(emulator.store, server.port)
            if command:
                return _run(command, server.environment())
            for name, value in server.environment().items():
                sys.stdout.write(f"export {name}='{value}'\n")
            sys.stdout.flush()
            sys.stderr.write(f"Azure ML is emulated behind {server.url} (state in {state}); Ctrl-C ends it.\n")
            sys.stderr.write(f"Look at it in a browser: {server.url}\n")
            server.serve_until_interrupted()
            return 0
    finally:
        emulator.close()


def _port_of_last_time(emulator: Emulator) -> int:
    """Returns the port that the page had before, if nobody else has it now; 0 otherwise."""
    port = remembered_port(emulator.store)
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return 0
    return port


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    try:
        return subprocess.run(list(command), env=os.environ | environment, check=False).returncode
    except FileNotFoundError:
        sys.stderr.write(f"error: there is no command {command[0]}\n")
        return _NO_SUCH_COMMAND
