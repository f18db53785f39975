"""Requests as they come: which, with what answer, how fast; nothing of what stands in them."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from werkzeug.wsgi import ClosingIterator

from phi_azure.emulator.wire import UNSERVED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_KEPT = 2000
_MOST = 500  # in one answer
_LONGEST = 2000  # signs of a path that are kept


@dataclass(frozen=True)
class Seen:
    """One request that was answered."""

    number: int
    at: float
    """Seconds since 1970, when its answer ended."""
    method: str
    host: str
    path: str
    version: str
    """The api-version that it asked for; empty where it named none."""
    status: int
    """0 where the connection broke before there was an answer."""
    ms: float
    """Up to the last byte of the answer."""
    unserved: bool


class Traffic:
    """A WSGI application that passes requests on and keeps the last of them in mind."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._seen: deque[Seen] = deque(maxlen=_KEPT)
        self._total = 0
        self._unserved = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request, and notes it when its answer has gone."""
        begun = time.perf_counter()
        said: list[str] = []

        def heard(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            said.append(status)
            return start_response(status, headers, exc_info)

        def note() -> None:
            self._note(environ, int(said[-1][:3]) if said else 0, (time.perf_counter() - begun) * 1000)

        try:
            body = self._app(environ, heard)
        except BaseException:
            note()
            raise
        return ClosingIterator(body, note)

    def counts(self) -> dict[str, int]:
        """Returns how many requests there were, and how many of them nobody knew."""
        return {"requests": self._total, "unserved": self._unserved}

    def after(self, number: int) -> dict[str, Any]:
        """Returns the newest requests behind the one of this number, oldest first."""
        with self._lock:
            new = [seen for seen in self._seen if seen.number > number][-_MOST:]
            return {**self.counts(), "seen": [asdict(seen) for seen in new]}

    def _note(self, environ: WSGIEnvironment, status: int, ms: float) -> None:
        host = environ.get("HTTP_HOST", "").removesuffix(":443").lower()
        version = parse_qs(environ.get("QUERY_STRING", "")).get("api-version", [""])[0]
        path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")[:_LONGEST]
        unserved = bool(environ.get(UNSERVED))
        with self._lock:
            self._total += 1
            self._unserved += unserved
            method = environ["REQUEST_METHOD"]
            self._seen.append(
                Seen(self._total, time.time(), method, host, path, version[:40], status, round(ms, 1), unserved)
            )
