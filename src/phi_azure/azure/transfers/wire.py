"""Requests to one container of blob storage: signed, over kept connections, tried again where that may help.

Plain `requests`, which azure-core sends with too: azure-storage-blob joins a body from pieces of 64 KiB and holds it
whole, which costs more time than the network and as much memory as the blob has bytes.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import random
import ssl
import threading
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import IO, TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import quote
from xml.etree import ElementTree as ET

import requests
import urllib3
from requests.adapters import HTTPAdapter

from phi_azure.azure.client import USER_AGENT
from phi_azure.azure.failures import by_status
from phi_azure.errors import AzureError, ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

BLOCK = 4 << 20  # the service gives the MD5 of a range of at most 4 MiB (Get Blob, x-ms-range-get-content-md5)
MOST_BLOCKS = 50_000  # in one blob (Put Block List)
_VERSION = "2023-11-03"  # of the service's interface
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, ConnectionError, TimeoutError, ssl.SSLError)  # fmt: skip # noqa: E501
_TIMEOUT_S = (20, 60)  # to connect; between two pieces
_LONGEST_PAUSE_S = 30.0
_PIECE = 1 << 20  # bytes between two looks at the time; threads get in each other's way at less

Result = TypeVar("Result")


@dataclass(frozen=True)
class Settings:
    """How much is done at once, and how patiently; memory is about `workers` times 1 MiB."""

    workers: int = 12
    """With 50 ms added to a request, 2 GiB come on two cores in 5.5 s with 12 threads, 6.0 s with 8, 6.2 s with 16."""
    block: int = BLOCK
    """Bytes of a range or a block; more than 4 MiB cannot be checked when it comes down."""
    tries: int = 8
    """Of one request, before it is given up: a minute or so without an answer."""
    pause_s: float = 0.5
    """Before the second try; doubled each time, 30 s at most, unless the service names a time."""


@dataclass(frozen=True)
class Signature:
    """What makes a request allowed: a query (SAS), or headers (a token)."""

    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Range(NamedTuple):
    """Some bytes of a blob or a file."""

    first: int
    length: int


class Blocks(NamedTuple):
    """Blocks of one blob by id, with their sizes."""

    committed: Mapping[str, int]
    waiting: Mapping[str, int]


class Slice:
    """A part of a file as the body of a request: read piece by piece, of a length that is known.

    Raises ConflictError where the file has become shorter: the service would wait a minute for what cannot come.
    """

    def __init__(self, file: IO[bytes], where: Range) -> None:
        file.seek(where.first)
        self._file = file
        self._left = where.length

    def __len__(self) -> int:
        """Returns the bytes that are left."""
        return self._left

    def __iter__(self) -> Iterator[bytes]:
        """Yields the pieces; by this `requests` knows a stream."""
        return iter(lambda: self.read(_PIECE), b"")

    def read(self, count: int = -1) -> bytes:
        """Reads the next bytes."""
        data = self._file.read(self._left if count < 0 else min(count, self._left))
        if count and self._left and not data:
            raise ConflictError(f"{self._file.name} became {self._left:,} bytes shorter while it was read.")
        self._left -= len(data)
        return data


def md5_of(file: IO[bytes], where: Range) -> bytes:
    """Returns the MD5 of a part of a file."""
    digest, part = hashlib.md5(usedforsecurity=False), Slice(file, where)
    for piece in part:
        digest.update(piece)
    return digest.digest()


class Stopped(Exception):  # noqa: N818  not an error: somebody else's error, or Ctrl-C, ended the work
    """The transfer was ended from elsewhere."""


class _PassingError(Exception):
    """What may be gone at the next try."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class Container:
    """One container; safe to use from several threads.

    Args:
        url: https://ACCOUNT.blob.core.windows.net/CONTAINER.
        sign: gives a signature; its argument is the one that the service has just refused, or None.
        settings: patience, and how many connections are kept.
    """

    def __init__(self, url: str, sign: Callable[[Signature | None], Signature], settings: Settings) -> None:
        self.url = url
        self.settings = settings
        self.stop = threading.Event()
        self._sign = sign
        self._signing = threading.Lock()
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=settings.workers)
        adapter.poolmanager.connection_pool_kw["blocksize"] = 1 << 18  # of a body that is sent; 16 KiB is the default
        self._session.mount("https://", adapter)

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()

    def read_block(self, name: str, etag: str, where: Range, into: IO[bytes], seen: Callable[[int], None]) -> bytes:
        """Writes a range of a blob into a file, in pieces; returns its MD5, which is also the service's.

        Args:
            name: the blob's.
            etag: the blob must still have; ConflictError if it was changed.
            where: the range; it goes to the same place in the file.
            into: the file; what it holds there counts only when this returns.
            seen: is told the bytes that came, and takes them back (less than 0) where they came in vain.
        """
        headers = {
            "x-ms-range": f"bytes={where.first}-{where.first + where.length - 1}",
            "x-ms-range-get-content-md5": "true",
            "If-Match": etag,
        }

        def once() -> bytes:
            into.seek(where.first)
            with self._answer("GET", name, headers=headers, stream=True) as response:
                if response.status_code != 206:
                    raise self._refused(response, name)
                return self._receive(response, where, into, seen)

        return self._patiently(once, name)

    def _receive(
        self, response: requests.Response, where: Range, into: IO[bytes], seen: Callable[[int], None]
    ) -> bytes:
        came, found, is_right = 0, hashlib.md5(usedforsecurity=False), False
        try:
            while came < where.length and not self.stop.is_set():
                piece = response.raw.read(min(_PIECE, where.length - came), decode_content=False)
                if not piece:
                    raise _PassingError(f"the answer ended after {came:,} of {where.length:,} bytes")
                found.update(piece)
                into.write(piece)
                came += len(piece)
                seen(len(piece))
            if came < where.length:
                raise Stopped
            is_right = response.headers.get("Content-MD5") == base64.b64encode(found.digest()).decode()
        finally:
            if not is_right:
                seen(-came)
        if not is_right:
            raise _PassingError(f"{where.length:,} bytes from {where.first:,} on came with a wrong MD5")
        return found.digest()

    def send(
        self,
        method: str,
        name: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: Callable[[], bytes | Slice] = bytes,
    ) -> requests.Response:
        """Sends a small request, or a block; returns the answer, read whole. Raises what the service refuses.

        The body is made anew for each try.
        """

        def once() -> requests.Response:
            response = self._answer(method, name, query, headers, body)
            if response.status_code >= 400:
                raise self._refused(response, name)
            return response

        return self._patiently(once, name)

    def head(self, name: str) -> Mapping[str, str] | None:
        """Returns the headers of a blob; None where there is none."""

        def once() -> Mapping[str, str] | None:
            response = self._answer("HEAD", name)
            if response.status_code == 404:
                return None
            if response.status_code >= 400:
                raise self._refused(response, name)
            return response.headers

        return self._patiently(once, name)

    def blocks(self, name: str) -> Blocks:
        """Returns the blocks that a blob is made of, and those that were put and belong to none yet."""

        def once() -> Blocks:
            response = self._answer("GET", name, "comp=blocklist&blocklisttype=all")
            if response.status_code == 404:
                return Blocks({}, {})
            if response.status_code >= 400:
                raise self._refused(response, name)
            lists = ET.fromstring(response.content)  # noqa: S314 (the service's own)
            return Blocks(*(_sizes(lists.iterfind(f"{kind}Blocks/Block")) for kind in ("Committed", "Uncommitted")))

        return self._patiently(once, name)

    def _answer(
        self,
        method: str,
        name: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: Callable[[], bytes | Slice] = bytes,
        *,
        stream: bool = False,
    ) -> requests.Response:
        """Sends one request; where the signature is refused, once more with a fresh one."""
        refused = None
        while True:
            with self._signing:
                signature = self._sign(refused)
            url = f"{self.url}/{quote(name, safe='/~')}?" + "&".join(filter(None, (query, signature.query)))
            common = {
                "x-ms-version": _VERSION,
                "x-ms-date": email.utils.formatdate(usegmt=True),
                "User-Agent": USER_AGENT,
                "Accept-Encoding": "identity",
            }
            everything = common | dict(headers or {}) | dict(signature.headers)
            response = self._session.request(
                method, url, headers=everything, data=body(), stream=stream, timeout=_TIMEOUT_S, allow_redirects=False
            )
            if refused is not None or response.status_code not in {401, 403}:
                return response
            refused = signature
            response.close()

    def _refused(self, response: requests.Response, name: str) -> Exception:
        """Returns the error for an answer that was not wished for."""
        status, code = response.status_code, response.headers.get("x-ms-error-code", "")
        if status in _PASSING:
            return _PassingError(f"the service answered {status} {code}".rstrip(), _seconds(response))
        if status in {412, 416}:
            return ConflictError(f"{name} was changed while it was copied.", remedy="Run the same command again.")
        return by_status(status, f"{name}: {status} {code} {_message(response)}".rstrip(), code)

    def _patiently(self, once: Callable[[], Result], name: str) -> Result:
        """Does something until it succeeds, or fails for good, or has failed too often."""
        tries = self.settings.tries
        for count in range(tries):
            if self.stop.is_set():
                raise Stopped
            try:
                return once()
            except (*_BROKEN, _PassingError) as error:
                if count == tries - 1:
                    raise _given_up(name, tries, error) from error
                asked = error.after_s if isinstance(error, _PassingError) else None
                if self.stop.wait(self._pause(count, asked)):
                    raise Stopped from error
        raise Stopped  # no tries at all

    def _pause(self, count: int, asked: float | None) -> float:
        """Returns seconds to wait: what the service asked for, else twice as long each time, spread a little."""
        longest = min(self.settings.pause_s * 2**count, _LONGEST_PAUSE_S)
        return longest * random.uniform(0.5, 1.0) if asked is None else asked  # noqa: S311 (no secret)


def _sizes(rows: Iterable[ET.Element]) -> dict[str, int]:
    return {row.findtext("Name", ""): int(row.findtext("Size", "0")) for row in rows}


def _given_up(name: str, tries: int, error: Exception) -> AzureError:
    said = " ".join(str(error).split())[:300]
    return AzureError(
        f"{name}: given up after {tries} tries: {said}",
        remedy="Run the same command again: it goes on where it stopped.",
    )


def _seconds(response: requests.Response) -> float | None:
    asked = response.headers.get("Retry-After", "")
    return min(float(asked), _LONGEST_PAUSE_S) if asked.isdecimal() else None


def _message(response: requests.Response) -> str:
    """Returns the first line of what the service says in XML; empty where it says nothing."""
    try:
        said = ET.fromstring(response.content).findtext("Message")  # noqa: S314 (the service's own)
    except (ET.ParseError, *_BROKEN):
        return ""
    return (said or "").strip().partition("\n")[0]
