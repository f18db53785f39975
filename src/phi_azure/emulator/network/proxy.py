"""The way in for other processes: a forward proxy, and the environment variables that lead clients to it."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from phi_azure.emulator.network.certificates import Authority
from phi_azure.emulator.network.loopback import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed.wsgi import WSGIApplication


class ProxyServer:
    """A running proxy: where it is, and what to tell a process that shall use it."""

    def __init__(self, listener: Listener, certificate: Path, refused: list[str]) -> None:
        self._listener = listener
        self._interrupted = threading.Event()
        self.certificate = certificate
        """The file with the certificate that clients must trust."""
        self.refused = refused
        """The hosts outside Azure that clients asked for, in order; they were answered with 403."""

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._listener.port

    @property
    def url(self) -> str:
        """The address of the server itself; a request to it reaches the application with this host."""
        return f"http://{self._listener.host}:{self.port}"

    def environment(self) -> dict[str, str]:
        """Return the variables that lead a child process's clients here."""
        return proxy_environment(self.port, self.certificate)

    def serve_until_interrupted(self) -> None:
        """Wait until Ctrl-C, or until `interrupt` is called."""
        with contextlib.suppress(KeyboardInterrupt):
            while not self._interrupted.wait(1):  # on Windows a wait without an end would not hear Ctrl-C
                pass

    def interrupt(self) -> None:
        """End `serve_until_interrupted`, from another thread or a signal handler."""
        self._interrupted.set()


@contextlib.contextmanager
def serve(
    app: WSGIApplication,
    port: int = 0,
    host: str = "127.0.0.1",
    *,
    ca_dir: Path | None = None,
) -> Iterator[ProxyServer]:
    """Serve the application as a forward proxy for Azure's hosts, until the block ends.

    Port 0 takes a free one. With `ca_dir` the certificate authority is kept there (its key readable by the owner only),
    so that a server started again is still trusted; without, it lives in a temporary folder.
    """
    with contextlib.ExitStack() as stack:
        folder = ca_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="phi-azure-")))
        authority = Authority.stored(folder)
        refused: list[str] = []
        listener = Listener(app, authority, refused=refused.append, host=host, port=port)
        stack.callback(listener.stop)
        yield ProxyServer(listener, authority.write_certificate(folder), refused)


def proxy_environment(port: int, certificate: Path) -> dict[str, str]:
    """Return the variables that lead a process's HTTP clients to a proxy on this machine and make them trust it.

    The bundle holds our authority alone: through this proxy there is nobody else to trust.
    """
    proxy = f"http://127.0.0.1:{port}"
    names = {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "NO_PROXY": "localhost,127.0.0.1,::1"}
    bundles = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
    # Clients prefer the lower-case spelling where both are set, and curl knows no other for HTTP.
    lower = {name.lower(): value for name, value in names.items()}
    return names | lower | dict.fromkeys(bundles, str(certificate))
