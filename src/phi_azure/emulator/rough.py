"""A network that is not at its best, around the emulator: slow answers, refusals, broken connections, flipped bits."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@dataclass(frozen=True)
class Fault:
    """What happens to one request.

    Attributes:
        status: answered in place of the application, such as 503; 0 lets it answer.
        headers: of that answer, such as Retry-After.
        body: of that answer.
        after: bytes that pass before the connection breaks: of the answer, or of the request where it has a body.
        flip: the byte of the answer that arrives with one bit wrong.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    after: int | None = None
    flip: int | None = None


class Rough:
    """A WSGI application around another: adds time to each request, and a fault where one is wanted.

    Args:
        app: who answers.
        latency_s: seconds that each request waits.
        trouble: is asked before each request; None leaves it alone. Called in the threads of the connections.
    """

    def __init__(
        self,
        app: WSGIApplication,
        latency_s: float = 0.0,
        trouble: Callable[[WSGIEnvironment], Fault | None] = lambda _: None,
    ) -> None:
        self.app = app
        self.latency_s = latency_s
        self.trouble = trouble

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request, or spoils it; a ConnectionError is how a connection breaks here."""
        if self.latency_s:
            time.sleep(self.latency_s)
        fault = self.trouble(environ)
        if fault is None:
            return self.app(environ, start_response)
        if fault.status:
            start_response(_line(fault.status), [*fault.headers.items(), ("Content-Length", str(len(fault.body)))])
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [fault.body]
        if fault.after is not None and int(environ.get("CONTENT_LENGTH") or 0):
            environ["wsgi.input"].read(fault.after)
            raise ConnectionResetError("the network broke inside a request")
        return _spoilt(self.app(environ, start_response), fault)


def _line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"


def _spoilt(answer: Iterable[bytes], fault: Fault) -> Iterator[bytes]:
    """Yields an answer up to where it breaks, with the bit turned that shall be wrong."""
    try:
        passed = 0
        for piece in answer:
            sent = piece
            if fault.flip is not None and passed <= fault.flip < passed + len(piece):
                at = fault.flip - passed
                sent = piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1 :]
            if fault.after is not None and passed + len(piece) > fault.after:
                yield sent[: fault.after - passed]
                raise ConnectionResetError("the network broke inside an answer")
            passed += len(piece)
            yield sent
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()
