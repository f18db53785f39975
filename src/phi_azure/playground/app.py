"""What the page asks of this process: its own files, the kept prompts, and answers as they come."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from phi_azure.errors import PhiAzureError
from phi_azure.playground.kept import Kept, as_kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from phi_azure.asking.streams import Stream
    from phi_azure.playground.kept import PromptFile

_PAGE = {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_LARGEST = 1 << 20  # bytes of a request
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_ROUTES = Map(
    [
        Rule("/<token>/", endpoint="page", defaults={"name": "index.html"}, methods=["GET"]),
        Rule("/<token>/about", endpoint="about", methods=["GET"]),
        Rule("/<token>/ask", endpoint="ask", methods=["POST"]),
        Rule("/<token>/prompts", endpoint="prompts", methods=["GET"]),
        Rule("/<token>/prompts", endpoint="keep", methods=["POST"]),
        Rule("/<token>/prompts/<name>", endpoint="drop", methods=["DELETE"]),
        Rule("/<token>/<name>", endpoint="page", methods=["GET"]),
    ],
    redirect_defaults=False,
)


@dataclass(frozen=True)
class Side:
    """One of the two that are asked."""

    name: str
    about: str
    """A few words beside the name, such as `managed`."""
    ask: Callable[[Kept], Stream]


class Playground:
    """The page and what it asks for, as a WSGI application for one person on this machine.

    Whoever reads the page has its address, which holds a random token; and a request has to come from the page itself:
    other hosts' names (DNS rebinding) and other pages' requests (cross-site posts) are refused.

    Args:
        sides: one or two.
        prompts: where prompts are kept.
        where: the workspace, in words.
        redact: takes secrets out of an error's text.
    """

    def __init__(
        self, sides: Sequence[Side], prompts: PromptFile, where: str = "", redact: Callable[[str], str] = str
    ) -> None:
        self.token = secrets.token_urlsafe(16)
        self._sides = sides
        self._file = prompts
        self._where = where
        self._redact = redact

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        request = Request(environ)
        request.max_content_length = _LARGEST
        try:
            response = self._answer(request)
        except HTTPException as error:
            response = Response(error.description, status=error.code, mimetype="text/plain")
        response.headers.update(_HEADERS)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        _refuse_strangers(request)
        endpoint, found = _ROUTES.bind_to_environ(request.environ).match()
        arguments = dict(found)
        if not secrets.compare_digest(arguments.pop("token").encode(), self.token.encode()):
            raise NotFound("Open the address that phi-azure playground printed.")
        response: Response = getattr(self, f"_{endpoint}")(request, **arguments)
        return response

    def _page(self, _: Request, name: str) -> Response:
        if name not in _PAGE:
            raise NotFound(f"There is no {name}.")
        file = resources.files("phi_azure.playground") / "page" / name
        return Response(file.read_bytes(), content_type=_PAGE[name])

    def _about(self, _: Request) -> Response:
        sides = [{"name": side.name, "about": side.about} for side in self._sides]
        return _json({"sides": sides, "where": self._where, "file": str(self._file.path)})

    def _prompts(self, _: Request) -> Response:
        return self._shown()

    def _keep(self, request: Request) -> Response:
        return self._shown(lambda: self._file.add(_sent(request)))

    def _drop(self, _: Request, name: str) -> Response:
        return self._shown(lambda: self._file.remove(name))

    def _shown(self, change: Callable[[], None] = lambda: None) -> Response:
        try:
            change()
            prompts, problem = self._file.read()
        except OSError as error:
            prompts, problem = [], f"{self._file.path} cannot be used: {error.strerror or error}."
        return _json({"prompts": [{"id": kept.id, **asdict(kept)} for kept in prompts], "problem": problem})

    def _ask(self, request: Request) -> Response:
        side = (request.get_json() or {}).get("side")
        if not isinstance(side, int) or not 0 <= side < len(self._sides):
            raise BadRequest("side must be the number of an endpoint on the page.")
        return Response(self._told(self._sides[side], _sent(request)), mimetype="application/x-ndjson")

    def _told(self, side: Side, kept: Kept) -> Iterator[bytes]:
        """Yields what becomes of a question, an event a line; closed when the page goes away, as the answer then is."""
        try:
            with side.ask(kept) as stream:
                for text in stream:
                    yield _event({"text": text})
                yield _event({"done": asdict(stream.answer)})
        except PhiAzureError as error:
            yield _event({"error": self._redact("\n".join(filter(None, (str(error), error.remedy))))})


def _refuse_strangers(request: Request) -> None:
    """Lets through what the page itself sends, or a person who types its address."""
    port = request.environ["SERVER_PORT"]
    if request.host not in {f"127.0.0.1:{port}", f"localhost:{port}"}:
        raise Forbidden("This page answers at 127.0.0.1 alone.")
    if request.method == "GET":
        return
    if request.headers.get("Origin") != f"http://{request.host}":
        raise Forbidden("Only the playground's own page may ask.")
    if request.method == "POST" and request.mimetype != "application/json":
        raise BadRequest("A question is JSON.")


def _sent(request: Request) -> Kept:
    kept = as_kept(request.get_json())
    if kept is None:
        raise BadRequest("A question has a prompt, a temperature from 0 to 2, and at least one token to answer with.")
    return kept


def _json(value: Any) -> Response:
    return Response(json.dumps(value, ensure_ascii=False), mimetype="application/json")


def _event(value: dict[str, Any]) -> bytes:
    return f"{json.dumps(value, ensure_ascii=False)}\n".encode("utf-8", "replace")
