"""HTTP/1.1 as bytes: requests read from a stream, an application's answer written as one."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit
from wsgiref.util import FileWrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import TypeAlias

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    _ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

_LINE_LIMIT = 65536
_HEADER_LIMIT = 200
_JOINED = 65536  # up to this size head and body go out as one piece, and so as one packet train
_PORTS = {"http": "80", "https": "443"}


class BadRequestError(ValueError):
    """What arrived is not HTTP/1.x."""


class Request(NamedTuple):
    """The head of a request, as it was sent."""

    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]

    def header(self, name: str) -> str:
        """Return a header's first value, or an empty string."""
        return next((value for key, value in self.headers if key.lower() == name), "")


def read_request(stream: BinaryIO) -> Request | None:
    """Read the head of the next request; None when the client has closed the connection instead."""
    line = _line(stream)
    while line == "\r\n":  # a few clients send an empty line after a body
        line = _line(stream)
    if not line:
        return None
    words = line.split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequestError(f"not a request line of HTTP/1.1: {line!r}")
    return Request(words[0], words[1], words[2], list(_headers(stream)))


def _headers(stream: BinaryIO) -> Iterator[tuple[str, str]]:
    for _ in range(_HEADER_LIMIT):
        line = _line(stream).rstrip("\r\n")
        if not line:
            return
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequestError(f"not a header: {line!r}")
        yield name, value.strip()
    raise BadRequestError(f"more than {_HEADER_LIMIT} headers")


def _line(stream: BinaryIO) -> str:
    line = stream.readline(_LINE_LIMIT + 1)
    if len(line) > _LINE_LIMIT:
        raise BadRequestError("a line longer than 64 KiB")
    return line.decode("latin-1")


class Body(io.RawIOBase):
    """The body of a request, read from the connection only as far as it goes and only when it is asked for."""

    def __init__(self, stream: io.BufferedReader, request: Request, invite: Callable[[], None]) -> None:
        super().__init__()
        self._stream = stream
        self._chunked = "chunked" in request.header("transfer-encoding").lower()
        self._left = 0 if self._chunked else _length(request)
        self._ended = not self._chunked and not self._left
        self._waited_for = request.header("expect").lower() == "100-continue"
        self._invite = invite

    def readable(self) -> bool:
        """Say that this is a stream to read from."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # typeshed's own Buffer is newer than 3.10
        """Read what has arrived, up to the size of the buffer; 0 at the end of the body."""
        if self._waited_for and not self._ended:
            self._waited_for = False
            self._invite()
        if self._chunked and not self._left and not self._ended:
            self._next_chunk()
        if self._ended:
            return 0
        count = self._stream.readinto1(memoryview(buffer)[: self._left])
        if not count:
            raise ConnectionResetError("the client closed the connection inside the body of its request")
        self._left -= count
        if not self._left:
            self._end_of_run()
        return count

    def skip(self) -> bool:
        """Read what the application has left unread; False when the connection cannot serve another request."""
        if self._waited_for and not self._ended:
            return False  # the client was never told to send its body: it may, or may not
        scratch = memoryview(bytearray(_JOINED))
        while self.readinto(scratch):
            pass
        return True

    def _end_of_run(self) -> None:
        if self._chunked:
            _line(self._stream)
        else:
            self._ended = True

    def _next_chunk(self) -> None:
        size = _line(self._stream).partition(";")[0].strip()
        try:
            self._left = int(size, 16)
        except ValueError:
            raise BadRequestError(f"not the size of a chunk: {size!r}") from None
        if not self._left:
            self._ended = True
            while _line(self._stream).strip():  # trailers
                pass


def _length(request: Request) -> int:
    text = request.header("content-length") or "0"
    if not text.isdecimal():
        raise BadRequestError(f"not a length: {text!r}")
    return int(text)


def environment(request: Request, scheme: str, authority: str, body: BinaryIO) -> WSGIEnvironment:
    """Put a request into the words of WSGI; `authority` is the host it is for, with the port if there is one."""
    address = urlsplit(f"//{authority}")
    path, _, query = request.target.partition("?")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "REQUEST_URI": request.target,
        "SERVER_NAME": address.hostname or "",
        "SERVER_PORT": str(address.port or _PORTS[scheme]),
        "SERVER_PROTOCOL": request.version,
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": _file_wrapper,
    }
    for name, value in request.headers:
        _add_header(environ, name, value)
    environ["HTTP_HOST"] = authority
    return environ


def _file_wrapper(file: BinaryIO, size: int = 0) -> FileWrapper:
    return FileWrapper(file, max(size, 4 * _JOINED))


def _add_header(environ: WSGIEnvironment, name: str, value: str) -> None:
    key = name.upper().replace("-", "_")
    if key in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
        environ[key] = value
        return
    key = f"HTTP_{key}"
    glue = "; " if key == "HTTP_COOKIE" else ","
    environ[key] = f"{environ[key]}{glue}{value}" if key in environ else value


class Reply:
    """One answer of an application: iterate over it for the bytes to send.

    The application runs while the bytes are asked for, so a body that it yields piece by piece streams.
    """

    def __init__(self, app: WSGIApplication, environ: WSGIEnvironment) -> None:
        self._app = app
        self._environ = environ
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._written: list[bytes] = []
        self._modern = environ["SERVER_PROTOCOL"] != "HTTP/1.0"
        asked = environ.get("HTTP_CONNECTION", "" if self._modern else "close").lower()
        self.persistent = "close" not in asked
        self.begun = False

    def __iter__(self) -> Iterator[bytes]:
        """Run the application and yield its answer as HTTP/1.1."""
        body = self._app(self._environ, self._start_response)
        try:
            pieces = self._pieces(body)
            first = next(pieces, b"")
            framing = self._frame(body)
            self.begun = True
            yield from _joined(self._head(), self._framed(framing, first, pieces))
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    def _start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: _ExcInfo | None = None,
        /,
    ) -> Callable[[bytes], object]:
        if exc_info is not None and exc_info[1] is not None and self.begun:
            raise exc_info[1]
        self._status, self._headers = status, list(headers)
        return self._written.append

    def _pieces(self, body: Iterable[bytes]) -> Iterator[bytes]:
        for piece in body:
            yield from self._taken()
            if piece:
                yield piece
        yield from self._taken()

    def _taken(self) -> Iterator[bytes]:
        """Yield what the application gave to the `write` of old instead of returning it."""
        while self._written:
            yield self._written.pop(0)

    def _frame(self, body: Iterable[bytes]) -> str:
        """Decide how the client will know where the body ends, and say so in the headers."""
        names = {name.lower(): value for name, value in self._headers}
        if names.get("connection", "").lower() == "close":
            self.persistent = False
        if self._environ["REQUEST_METHOD"] == "HEAD" or self._status[:3] in {"204", "304"}:
            return "none"
        if "content-length" in names:
            return "length"
        if isinstance(body, (list, tuple)):
            self._headers.append(("Content-Length", str(sum(map(len, body)))))
            return "length"
        if self._modern:
            self._headers.append(("Transfer-Encoding", "chunked"))
            return "chunked"
        self.persistent = False
        return "close"

    def _head(self) -> bytes:
        lines = [f"HTTP/1.1 {self._status}", *(f"{name}: {value}" for name, value in self._headers)]
        if not self.persistent and not any(name.lower() == "connection" for name, _ in self._headers):
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _framed(self, framing: str, first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
        if framing == "none":
            return
        if framing == "chunked":
            yield from _chunks(first, rest)
            return
        sent = len(first)
        yield first
        for piece in rest:
            sent += len(piece)
            yield piece
        stated = next((int(value) for name, value in self._headers if name.lower() == "content-length"), sent)
        if stated != sent:
            self.persistent = False  # closing tells the client; keeping the connection would mix up two answers


def _chunks(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    piece: bytes | None = first or next(rest, None)
    while piece is not None:
        size = b"%x\r\n" % len(piece)
        yield from (size + piece + b"\r\n",) if len(piece) <= _JOINED else (size, piece, b"\r\n")
        piece = next(rest, None)
    yield b"0\r\n\r\n"


def _joined(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Glue small pieces to the head, as far as that needs no waiting, and leave large ones uncopied."""
    first = next(rest, b"")
    if len(first) > _JOINED:
        yield head
        yield first
    else:
        yield head + first
    yield from rest


class Pieces(io.RawIOBase):
    """A stream to read, over an iterator of bytes."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__()
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Say that this is a stream to read from."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # typeshed's own Buffer is newer than 3.10
        """Read from the piece at hand, or fetch the next; 0 at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        """Let go of the iterator, so that whoever yields learns that nobody reads on."""
        close = getattr(self._pieces, "close", None)
        if close is not None and not self.closed:
            close()
        super().close()
