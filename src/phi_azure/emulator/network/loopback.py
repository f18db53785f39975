"""The listener on the loopback address: TLS, plain HTTP and proxy on one port, a thread for each connection."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import threading
import time
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from phi_azure.emulator.network.http1 import BadRequestError, Body, Reply, Request, environment, read_request
from phi_azure.emulator.network.names import is_azure

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication

    from phi_azure.emulator.network.certificates import Authority

_log = logging.getLogger(__name__)
_TLS_HANDSHAKE = b"\x16"  # the first byte of every TLS connection, and of no HTTP request
_BUFFER = 65536
_PATIENCE = 2.0  # seconds that `stop` grants to applications still at work


def refusal(host: str) -> str:
    """Say why a host was not reached."""
    return f"phi_azure's emulator is on: it answers for Azure and nothing leaves this process, so {host} was refused"


class Line:
    """One accepted connection: its socket, what is known about the other end, and the buffer that reads from it."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # an answer must not wait for the client's ACK
        self.sock = sock
        self.stream = _reader(sock)
        self.scheme = "http"
        self.authority = ""
        self.is_cut = False

    def starts_with_tls(self) -> bool:
        """Wait for the first byte and look at it without taking it."""
        return self.sock.recv(1, socket.MSG_PEEK) == _TLS_HANDSHAKE

    def secure(self, context: ssl.SSLContext) -> None:
        """Go over to TLS; the name that the client asks for stands in for a missing Host header."""
        self.stream.close()
        sock = context.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
        self.sock = sock
        if self.is_cut:  # `cut` came between and shut the socket that was replaced
            raise ConnectionAbortedError
        sock.do_handshake()
        self.stream = _reader(sock)
        self.scheme = "https"

    def cut(self) -> None:
        """Wake whoever reads or writes here, from any thread; the connection's own thread closes it."""
        self.is_cut = True
        with contextlib.suppress(OSError):
            # SSLSocket.shutdown would take the TLS state away from under the thread that reads.
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back."""
        with contextlib.suppress(OSError):
            self.stream.close()
        self.sock.close()


def _reader(sock: socket.socket) -> io.BufferedReader:
    return cast("io.BufferedReader", sock.makefile("rb", _BUFFER))


class Listener:
    """Serves an application on one port of the loopback address, to clients and to child processes alike.

    What a connection brings decides how it is served: a TLS handshake (with the certificate of the name asked for), an
    ordinary request, or a request to a proxy. As a proxy it leads to Azure's names only, and says so about others.
    """

    def __init__(
        self,
        app: WSGIApplication,
        authority: Authority,
        *,
        refused: Callable[[str], None],
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._app = app
        self._tls = authority.server_context("localhost")  # for clients that name nobody
        self._refused = refused
        self._stopping = False
        self._lock = threading.Lock()
        self._lines: dict[Line, threading.Thread] = {}
        self._socket = socket.create_server((host, port), backlog=128)
        self.host: str = self._socket.getsockname()[0]
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="phi-azure-listener", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port and every connection, and wait for their threads."""
        self._stopping = True
        self._wake()
        self._thread.join()
        self._socket.close()
        with self._lock:
            lines = dict(self._lines)
        for line in lines:
            line.cut()
        deadline = time.monotonic() + _PATIENCE
        for thread in lines.values():
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _wake(self) -> None:
        """End the `accept` in the listener's thread, which no other call ends on every system."""
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host  # noqa: S104 (compared, not bound)
        with contextlib.suppress(OSError):
            socket.create_connection((host, self.port), timeout=_PATIENCE).close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:  # a client that left at once, or no file descriptor free: neither ends the server
                time.sleep(0.01)
                continue
            if self._stopping:
                sock.close()
                return
            self._begin(Line(sock))

    def _begin(self, line: Line) -> None:
        thread = threading.Thread(target=self._serve, args=(line,), name="phi-azure-connection", daemon=True)
        with self._lock:
            self._lines[line] = thread
        thread.start()

    def _serve(self, line: Line) -> None:
        try:
            self._converse(line)
        except OSError:
            pass  # the client went away, or does not trust us: it knows, and there is nobody else to tell
        finally:
            line.close()
            with self._lock:
                del self._lines[line]

    def _converse(self, line: Line) -> None:
        """Answer one request after another until either side has had enough."""
        if line.starts_with_tls():
            line.secure(self._tls)
        try:
            while (request := read_request(line.stream)) is not None:
                if not self._answer(line, request):
                    return
        except BadRequestError as error:
            _send_text(line, "400 Bad Request", str(error))

    def _answer(self, line: Line, request: Request) -> bool:
        """Answer one request; True when the connection can carry another."""
        if request.method == "CONNECT":
            return self._open_tunnel(line, request.target)
        if "://" in request.target[:8]:
            return self._answer_as_proxy(line, request)
        return self._run(line, request, request.header("host") or line.authority)

    def _open_tunnel(self, line: Line, target: str) -> bool:
        """Become the host that a proxy's client wants to reach, on this very connection."""
        host = urlsplit(f"//{target}").hostname or ""
        if not self._admits(line, host, target):
            return False  # clients read the first line only, so that names the host as well
        line.authority = target.removesuffix(":443")
        line.sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if line.starts_with_tls():
            line.secure(self._tls)
        return True

    def _answer_as_proxy(self, line: Line, request: Request) -> bool:
        url = urlsplit(request.target)
        itself = url.hostname in {self.host, "localhost"} and url.port == self.port
        if not itself and not self._admits(line, url.hostname or "", url.netloc):
            return False
        target = url._replace(scheme="", netloc="").geturl() or "/"
        return self._run(line, request._replace(target=target), url.netloc)

    def _admits(self, line: Line, host: str, target: str) -> bool:
        if is_azure(host):
            return True
        self._refused(target)
        _send_text(line, f"403 {host} is not Azure's", refusal(host))
        return False

    def _run(self, line: Line, request: Request, authority: str) -> bool:
        body = Body(line.stream, request, lambda: line.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n"))
        environ = environment(request, line.scheme, authority, io.BufferedReader(body, _BUFFER))
        reply = Reply(self._app, environ)
        return _send(line, reply) and body.skip() and reply.persistent


def _send(line: Line, reply: Reply) -> bool:
    """Send an answer; False when the application broke off, by intent (a ConnectionError) or by mistake."""
    pieces = iter(reply)
    while True:
        try:
            piece = next(pieces, None)
        except ConnectionError:
            return False  # an application may break the connection: that is how it plays a fault of the network
        except Exception as error:  # noqa: BLE001 (without an answer, whatever the mistake, the client would try again)
            _log.exception("the emulator's application failed")
            if not reply.begun:
                _send_text(line, "500 Internal Server Error", f"the emulator failed: {error!r}")
            return False
        if piece is None:
            return True
        line.sock.sendall(piece)


def _send_text(line: Line, status: str, text: str) -> None:
    body = f"{text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
    line.sock.sendall(f"{head}Connection: close\r\n\r\n".encode("latin-1") + body)
