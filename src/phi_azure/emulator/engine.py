"""The runner that does the work for real: jobs and deployments as processes that outlive the client."""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import json
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from phi_azure import starting
from phi_azure.emulator import processes, runs
from phi_azure.emulator.wire import WireError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from phi_azure.emulator.runners import State
    from phi_azure.emulator.store import Document
    from phi_azure.emulator.wire import Call

_NEEDED = ("torch", "transformers", "peft")
_PASSED_ON = ("content-type", "accept", "extra-parameters")
_RESTART_PATIENCE = 120.0  # seconds that a question waits for a container that has to start again


class EngineRunner:
    """Starts a supervisor for each job and a server for each deployment.

    Args:
        keep: leave processes running when the emulator is closed, as a cloud would; False ends them (a test's way).
    """

    name = "engine"

    def __init__(self, *, keep: bool = True) -> None:
        missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            raise ModuleNotFoundError(
                f"The engine needs {', '.join(missing)}: pip install 'phi-azure[local]'", name=missing[0]
            )
        self.keep = keep
        self._started: dict[int, tuple[processes.Identity, subprocess.Popen[bytes]]] = {}

    def _spawn(self, arguments: list[str], log: Path) -> processes.Identity:
        identity, process = processes.spawn(arguments, log)
        self._started[process.pid] = (identity, process)
        return identity

    # Jobs

    def check_job(self, name: str, plan: Document) -> None:
        """Has nothing against a job: what is wrong with it shows when it runs."""

    def start_job(self, call: Call, job: Document) -> None:
        """Starts the job's supervisor, which runs its steps one after another."""
        arguments = [
            *starting.module("phi_azure.emulator.supervise"),
            str(call.emulator.store.folder),
            "/".join(job["scope"]),
            job["name"],
        ]
        log = runs.folder(call.emulator.store, call.scope.key, job["name"]) / "supervisor.log"
        identity = self._spawn(arguments, log)
        call.emulator.store.change("job", call.scope.key + job["name"], lambda doc: doc.update(supervisor=identity))

    def settle_job(self, call: Call, job: Document) -> None:
        """Finds a job whose supervisor was killed; the supervisor itself writes everything else."""
        supervisor = job.get("supervisor")
        if supervisor is None or processes.is_alive(supervisor):
            return
        job = call.emulator.store.get("job", call.scope.key + job["name"]) or job
        own = call.emulator.store.get("run", call.scope.key + job["name"]) or {}
        if own.get("status") in runs.OVER:  # it ended between the two looks
            return
        processes.end(job.get("worker"))
        status = "Canceled" if job["cancel_requested"] else "Failed"
        message = "The machine that ran the job went away: its supervisor process was killed."
        log = runs.folder(call.emulator.store, call.scope.key, job["name"]) / "supervisor.log"
        end = (
            "".join(log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)[-5:])
            if log.exists()
            else ""
        )
        error = runs.user_error("SystemError", message + (f"\n{end}" if end else ""))
        for run in runs.of_job(call.emulator.store, call.scope.key, job["name"]):
            runs.set_status(call.emulator.store, run, status, call.now, None if status == "Canceled" else error)

    def job_due(self, call: Call, job: Document) -> None:
        """Knows no time: the supervisor takes what it needs."""

    def cancel_job(self, call: Call, job: Document) -> None:
        """Leaves it to the supervisor, which sees the wish within a fraction of a second."""

    # Deployments

    def _folder(self, call: Call, deployment: Document) -> Path:
        name: str = deployment["container"]
        return call.emulator.store.folder / "containers" / name

    def start_deployment(self, call: Call, deployment: Document) -> None:
        """Lays the model out and starts the server in front of it."""
        folder = self._folder(call, deployment)
        ready = folder / "ready.json"
        ready.unlink(missing_ok=True)
        container, prefix = deployment["place"]
        model = folder / "model"
        if not model.exists():
            call.emulator.blobs.materialise(container, prefix, model)
        arguments = [*starting.module("phi_azure.engine"), "serve", str(model), "--ready", str(ready)]
        arguments += ["--name", deployment["name"], "--shape", deployment["shape"]]
        if hasattr(socket, "AF_UNIX"):  # no port to clash, and no network needed, not even loopback
            arguments += ["--socket", str(_socket_path(deployment))]
        identity = self._spawn(arguments, folder / "container.log")
        (folder / "process.json").write_text(json.dumps(identity), encoding="utf-8")

    def deployment_state(self, call: Call, deployment: Document) -> State:
        """Returns Succeeded once the server answers, Failed once it has died."""
        if self._address(call, deployment):
            return "Succeeded", None
        if processes.is_alive(self._process(call, deployment)):
            return "Creating", None
        end = "\n".join(self.deployment_log(call, deployment).splitlines()[-10:])
        return "Failed", (
            "BadRequest",
            f"ResourceOperationFailure: the container of {deployment['name']} ended before it was ready.\n{end}",
        )

    def _process(self, call: Call, deployment: Document) -> processes.Identity | None:
        file = self._folder(call, deployment) / "process.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None

    def _address(self, call: Call, deployment: Document) -> int | str | None:
        """Returns the port or the socket's path once the server answers there."""
        ready = self._folder(call, deployment) / "ready.json"
        if not ready.exists() or not processes.is_alive(self._process(call, deployment)):
            return None
        said = json.loads(ready.read_text(encoding="utf-8"))
        address: int | str = said.get("socket") or said["port"]
        return address

    def deployment_due(self, deployment: Document) -> None:
        """Knows no time: the server takes what it needs."""

    def stop_deployment(self, call: Call, deployment: Document) -> None:
        """Ends the server and removes its files."""
        processes.end(self._process(call, deployment))
        shutil.rmtree(self._folder(call, deployment), ignore_errors=True)
        shutil.rmtree(_socket_path(deployment).parent, ignore_errors=True)

    def deployment_log(self, call: Call, deployment: Document) -> str:
        """Returns what the server wrote so far."""
        log = self._folder(call, deployment) / "container.log"
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    def score(self, call: Call, deployment: Document, path: str) -> Response:
        """Passes the request on to the server; one that is gone (a restarted laptop) is started again first."""
        connection = _Connection(self._address(call, deployment) or self._restarted(call, deployment))
        headers = {k: v for k, v in call.request.headers if k.lower() in _PASSED_ON}
        connection.request(call.request.method, path, body=call.request.get_data(), headers=headers)
        reply = connection.getresponse()
        content_type = reply.headers.get("Content-Type", "application/json")
        return Response(_stream(connection, reply), status=reply.status, content_type=content_type)

    def _restarted(self, call: Call, deployment: Document) -> int | str:
        self.start_deployment(call, deployment)
        deadline = time.monotonic() + _RESTART_PATIENCE
        while time.monotonic() < deadline:
            if address := self._address(call, deployment):
                return address
            if not processes.is_alive(self._process(call, deployment)):
                break
            time.sleep(0.05)
        raise WireError(502, "ModelError", f"The container of {deployment['name']} does not come up; read its logs.")

    def close(self) -> None:
        """Ends the processes that this emulator started, unless they are to be kept."""
        for identity, process in self._started.values():
            if not self.keep:
                processes.end(identity)
                process.wait()
            else:
                process.poll()
                process.returncode = process.returncode or 0  # it lives on, and is not ours to wait for
        self._started.clear()


class _Connection(http.client.HTTPConnection):
    """A connection to a server on this machine, at a port or on a Unix socket."""

    def __init__(self, address: int | str) -> None:
        super().__init__("127.0.0.1", address if isinstance(address, int) else None, timeout=180)
        self._address = address

    def connect(self) -> None:
        """Connects."""
        if isinstance(self._address, int):
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._address)


def _socket_path(deployment: Document) -> Path:
    """Returns a short path in a folder of the user's own: the system allows a socket's path about 100 bytes."""
    folder = Path(tempfile.gettempdir()) / f"phi-azure-{deployment['container'][:13]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / "s"


def _stream(connection: http.client.HTTPConnection, reply: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yields the answer as it comes, so that a streamed one is streamed."""
    try:
        while piece := reply.read1(1 << 16):
            yield piece
    finally:
        connection.close()


def folder_of(store_folder: Path, key: str) -> Path:
    """Returns the working folder of a job, from its key in the store."""
    return store_folder / "jobs" / hashlib.sha256(key.lower().encode()).hexdigest()[:24]
