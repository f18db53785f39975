"""The page's own requests, at the server's address, which no request to Azure has; all others pass, and are noted."""

from __future__ import annotations

import json
import mimetypes
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from phi_azure.emulator.page import sights
from phi_azure.emulator.page.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from phi_azure.emulator.app import Emulator

FILES = Path(__file__).with_name("files")
_OWN = frozenset({"127.0.0.1", "localhost"})  # any other name that leads here is not ours: a foreign site's trick
_VIEWS = ("/", "/runs/<name>", "/models", "/endpoints", "/clusters", "/requests")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_MOST_LOG = 256 << 10  # bytes of a log in one answer


class Page:
    """A WSGI application around an emulator: a page at 127.0.0.1, the emulator at every other host.

    Keys, tokens, bodies and headers stay out of the page; of a request it keeps what `traffic.Seen` names.
    """

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.traffic = Traffic(emulator)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request, or has it answered."""
        if environ.get("HTTP_HOST", "").partition(":")[0] not in _OWN:
            return self.traffic(environ, start_response)
        response = self._answer(Request(environ))
        response.headers.update(_HEADERS)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.method not in {"GET", "HEAD"}:
            return _said(405, "This page only shows.")
        try:
            what, arguments = _places().bind_to_environ(request.environ).match()
        except HTTPException:
            return _said(404, "There is no such page; / shows everything.")
        if what == "view":
            return _file("index.html")
        if what == "file":
            return _file(arguments["name"])
        found = self._data(what, arguments.get("name", ""), request)
        return _said(404, "It is not here (any more).") if found is None else _json(found)

    def _data(self, what: str, name: str, request: Request) -> object:
        """Returns what a request for data asks for; None where there is no such thing."""
        start = request.args.get("from", 0, type=int)
        workspace = request.args.get("wsid")
        if what == "overview":
            return sights.overview(self.emulator) | self.traffic.counts()
        if what == "requests":
            return self.traffic.after(start)
        if what == "run":
            return sights.job(self.emulator, name, workspace, points=request.args.get("points", -1, type=int))
        return sights.log(self.emulator, name, request.args.get("step", ""), workspace, start, _MOST_LOG)


@cache
def _places() -> Map:
    data = [
        Rule("/page/data/overview", endpoint="overview"),
        Rule("/page/data/requests", endpoint="requests"),
        Rule("/page/data/runs/<name>", endpoint="run"),
        Rule("/page/data/logs/<name>", endpoint="log"),
    ]
    files = Rule(f"/page/<any({', '.join(repr(file.name) for file in sorted(FILES.iterdir()))}):name>", endpoint="file")
    return Map([*(Rule(path, endpoint="view") for path in _VIEWS), files, *data], redirect_defaults=False)


@cache
def _bytes(name: str) -> bytes:
    return (FILES / name).read_bytes()


def _file(name: str) -> Response:
    kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
    return Response(_bytes(name), content_type=f"{kind}; charset=utf-8")


def _json(found: object) -> Response:
    return Response(json.dumps(found), content_type="application/json; charset=utf-8")


def _said(status: int, text: str) -> Response:
    return Response(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
