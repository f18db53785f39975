"""The way in for a whole process: while it is on, Azure's names lead to the emulator and nothing else leaves."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from phi_azure.emulator.network.certificates import Authority
from phi_azure.emulator.network.guard import Guard
from phi_azure.emulator.network.loopback import Listener
from phi_azure.emulator.network.proxy import proxy_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed.wsgi import WSGIApplication

_one_at_a_time = threading.Lock()
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "WS_PROXY", "WSS_PROXY")


class Interception:
    """What a caller holds while this process is cut off from the network."""

    def __init__(self, certificate: Path, port: int, refused: list[str]) -> None:
        self._certificate = certificate
        self.port = port
        """The port of the loopback address on which the emulator listens."""
        self.refused = refused
        """The hosts outside Azure, with their ports, that somebody tried to reach, in order."""

    def environment(self) -> dict[str, str]:
        """Return the variables that lead a child process to the same emulator: `env={**os.environ, **these}`."""
        return proxy_environment(self.port, self._certificate)


@contextlib.contextmanager
def intercept(app: WSGIApplication, *, allow_loopback: bool = True) -> Iterator[Interception]:
    """Lead every request of this process for one of Azure's hosts to the application, and refuse every other host.

    It holds for all threads and for clients that open a connection inside; a connection that a client opened before and
    kept stays what it is. A second interception inside the first is a RuntimeError.

    Args:
        app: The WSGI application that answers.
        allow_loopback: Whether connections to this machine's own loopback address may pass.
    """
    if not _one_at_a_time.acquire(blocking=False):
        raise RuntimeError(
            "the emulator is already on in this process; leave the first `with` block, or share its handle"
        )
    with contextlib.ExitStack() as stack:
        stack.callback(_one_at_a_time.release)
        authority = Authority.fresh()
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="phi-azure-"))
        certificate = authority.write_certificate(Path(folder))
        refused: list[str] = []
        listener = Listener(app, authority, refused=refused.append)
        stack.callback(listener.stop)
        guard = Guard(listener.port, authority.client_context(), refused.append, allow_loopback=allow_loopback)
        stack.enter_context(guard.installed())
        stack.enter_context(_variables(certificate))
        yield Interception(certificate, listener.port, refused)


@contextlib.contextmanager
def _variables(certificate: Path) -> Iterator[None]:
    """Keep proxies out of the way, those of the operating system too, and MLflow from reporting its use.

    Requests reads certifi's bundle anew for each connection, 25 ms of 140 authorities that nobody asks here: half of
    what a submission costs. It reads the file of ours instead.
    """
    removed = [spelling for name in _PROXY_VARIABLES for spelling in (name, name.lower())]
    replaced = {"NO_PROXY": "*", "no_proxy": "*", "MLFLOW_DISABLE_TELEMETRY": "true"}
    replaced["REQUESTS_CA_BUNDLE"] = str(certificate)
    before = {name: os.environ.get(name) for name in (*removed, *replaced)}
    for name in removed:
        os.environ.pop(name, None)
    os.environ.update(replaced)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
