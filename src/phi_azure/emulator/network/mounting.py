"""The way in for some requests: those that a caller claims are answered in the process, without a socket."""

from __future__ import annotations

import http.client
import io
import threading
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import urlsplit

from phi_azure.emulator.network.http1 import Pieces, Reply, Request, environment

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from types import TracebackType

    import requests
    import urllib3
    from _typeshed.wsgi import WSGIApplication
    from requests.adapters import HTTPAdapter
    from typing_extensions import Self

_BLOCK = 65536
_lock = threading.Lock()
_mounts: tuple[Mount, ...] = ()  # replaced, never changed: senders read it without the lock
_is_patched = False


class Mount:
    """An application that answers some of this process's requests, until it is closed."""

    def __init__(self, app: WSGIApplication, belongs: Callable[[requests.PreparedRequest], bool]) -> None:
        self.app = app
        self.belongs = belongs

    def close(self) -> None:
        """Let go of the requests; closing twice does no harm."""
        global _mounts  # noqa: PLW0603 (the one place that knows what is mounted)
        with _lock:
            _mounts = tuple(other for other in _mounts if other is not self)
            if not _mounts:
                _remove_patch()

    def __enter__(self) -> Self:
        """Return the mount itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the mount."""
        self.close()


def mount(app: WSGIApplication, belongs: Callable[[requests.PreparedRequest], bool]) -> Mount:
    """Answer those requests of the `requests` library that belong here; all others go where they always went.

    It is in force from this call until the mount is closed. Of several mounts the first that claims a request answers
    it. The application runs in the caller's thread: what it raises reaches the caller; a body that it yields streams.
    """
    global _mounts  # noqa: PLW0603
    mounted = Mount(app, belongs)
    with _lock:
        _mounts = (*_mounts, mounted)
        _add_patch()
    return mounted


def _add_patch() -> None:
    """Stand in front of `HTTPAdapter.send`: azure-core, msal, azure-storage-blob and mlflow all send there."""
    global _is_patched  # noqa: PLW0603
    if _is_patched:
        return
    from requests.adapters import HTTPAdapter

    send = HTTPAdapter.send

    def send_or_answer(
        self: HTTPAdapter,
        request: requests.PreparedRequest,
        *args: Any,
        **kwargs: Any,
    ) -> requests.Response:
        for mounted in _mounts:
            if mounted.belongs(request):
                return _answer(mounted.app, self, request)
        return send(self, request, *args, **kwargs)

    send_or_answer.replaces = send  # type: ignore[attr-defined] # found again by `_remove_patch`
    HTTPAdapter.send = send_or_answer  # type: ignore[method-assign]
    _is_patched = True


def _remove_patch() -> None:
    global _is_patched  # noqa: PLW0603
    from requests.adapters import HTTPAdapter

    replaced = getattr(HTTPAdapter.send, "replaces", None)
    if replaced is None:
        return  # somebody has patched over ours, which now passes everything on; it serves again at the next mount
    HTTPAdapter.send = replaced  # type: ignore[method-assign]
    _is_patched = False


def _answer(app: WSGIApplication, adapter: HTTPAdapter, request: requests.PreparedRequest) -> requests.Response:
    """Run the application and read its answer with the same code that reads a server's."""
    import requests
    import urllib3

    environ = _environ(request)
    wire = http.client.HTTPResponse(
        cast("socket.socket", _Wire(Reply(app, environ))),
        method=environ["REQUEST_METHOD"],
    )
    try:
        wire.begin()
    except ConnectionError as error:  # an application may break the connection: it plays a fault of the network
        broken = urllib3.exceptions.ProtocolError("Connection aborted.", error)  # as urllib3 itself says it
        raise requests.ConnectionError(broken, request=request) from error
    return adapter.build_response(request, _urllib3_response(wire, request))


class _Wire:
    """As much of a socket as http.client needs to read an answer."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(Pieces(self._reply), _BLOCK)


def _urllib3_response(wire: http.client.HTTPResponse, request: requests.PreparedRequest) -> urllib3.HTTPResponse:
    import urllib3

    return urllib3.HTTPResponse(
        body=wire,
        headers=urllib3.HTTPHeaderDict(wire.msg.items()),
        status=wire.status,
        version=wire.version,
        reason=wire.reason,
        preload_content=False,  # the body stays a stream: blob downloads read it raw
        decode_content=False,
        original_response=wire,
        request_method=request.method,
        request_url=request.url,
    )


def _environ(request: requests.PreparedRequest) -> dict[str, Any]:
    url = urlsplit(str(request.url))
    target = url._replace(scheme="", netloc="", fragment="").geturl() or "/"
    headers = [(_text(name), _text(value)) for name, value in request.headers.items()]
    head = Request(request.method or "GET", target, "HTTP/1.1", headers)
    return environment(head, url.scheme, head.header("host") or url.netloc.rpartition("@")[2], _body(request.body))


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _body(body: Any) -> BinaryIO:
    """Make a stream of any of the bodies that requests takes: bytes, text, a file, an iterator."""
    if body is None or isinstance(body, (str, bytes, bytearray)):
        return io.BytesIO(_bytes(body or b""))
    if hasattr(body, "read"):
        return io.BufferedReader(Pieces(_blocks(body)), _BLOCK)
    return io.BufferedReader(Pieces(map(_bytes, body)), _BLOCK)


def _blocks(file: Any) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield _bytes(block)


def _bytes(text: str | bytes | bytearray) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)
