"""Logs of a run: which there are, and their text from where it was left off, none of it read twice."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

from phi_azure.azure import runs
from phi_azure.azure.failures import translated
from phi_azure.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.core.rest import HttpResponse

    from phi_azure.azure.client import Connection

_BLOCK = 4 << 20  # bytes of one request
_TAIL = 64 << 10  # bytes that surely hold the last lines
_USER = "user_logs/"
_BLOB_VERSION = "2023-11-03"


def addresses(connection: Connection, run_id: str) -> dict[str, str]:
    """Returns the addresses of all logs of a run by name, the first process's first; they are signed for some hours."""
    with translated():
        document = connection.get(f"{runs.address(connection, run_id)}/details", runs.PARAMS)
    files: dict[str, str] = document.get("logFiles") or {}
    return {name: files[name] for name in sorted(files, key=_rank)}


def _rank(name: str) -> tuple[bool, bool, list[int], str]:
    """Orders logs: of the user's program first, its output before what else it wrote, by number of the process."""
    numbers = [int(digits) for digits in re.findall(r"\d+", name)]
    return not name.startswith(_USER), "std_log" not in name, numbers, name


@dataclass
class LogReader:
    """Reads the logs of a run from where it stopped last time; a line is given out when it is whole.

    Args:
        connection: to the workspace.
        run_id: of the job or the step.
        file: one log by name, such as `user_logs/std_log_process_1.txt`; None takes the first process's.
        every: all logs, each line behind the name of its log.
        called: the job or the step in words, where its id says nothing to people.
    """

    connection: Connection
    run_id: str
    file: str | None = None
    every: bool = False
    called: str = ""
    offsets: dict[str, int] = field(default_factory=dict)
    rests: dict[str, bytes] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    """Addresses of the logs that are read; asked for again when they end, or more logs may come."""

    def new_lines(self, *, last: bool = False) -> Iterator[str]:
        """Yields what was written since the last call; `last` gives out an unfinished line too."""
        if last or self.every or not self.known:
            self.known = self._chosen()
        for name in list(self.known):
            mark = f"[{name.removeprefix(_USER)}] " if self.every else ""
            for line in self._lines(name, last=last):
                yield f"{mark}{line.decode('utf-8', 'replace')}".rstrip("\r")

    def _chosen(self) -> dict[str, str]:
        there = addresses(self.connection, self.run_id)
        if self.every:
            return there
        if self.file is None:
            # the others of a machine, and the other machines, repeat the first
            first = next((name for name in there if name.startswith(_USER)), None)
            return {first: there[first]} if first else {}
        named = [name for name in there if self.file in {name, name.removeprefix(_USER)}]
        if not named and there:
            called = self.called or self.run_id
            raise NotFoundError(f"{called} has no log {self.file}; it has: {', '.join(there)}.")
        return {name: there[name] for name in named}

    def _lines(self, name: str, *, last: bool) -> Iterator[bytes]:
        while fresh := self._fresh(name):
            *whole, self.rests[name] = (self.rests.get(name, b"") + fresh).split(b"\n")
            yield from whole
            if len(fresh) < _BLOCK:
                break
        if last and (rest := self.rests.pop(name, b"")):
            yield rest

    def _fresh(self, name: str) -> bytes:
        """Returns the next block of a log; an address that has ended is asked for anew, once."""
        with translated():
            try:
                return self._block(name)
            except HttpResponseError as error:
                if error.status_code not in {401, 403}:
                    raise
            self.known |= self._chosen()
            return self._block(name)

    def _block(self, name: str) -> bytes:
        """Asks from the last byte that is known: where nothing is new, that byte comes, and its absence tells more."""
        offset = self.offsets.get(name, 0)
        first = max(0, offset - 1)
        try:
            content: bytes = read_range(self.connection, self.known[name], first, offset + _BLOCK - 1).content
        except HttpResponseError as error:
            if error.status_code == 404:  # the log is announced before it is written
                return b""
            if error.status_code != 416:
                raise
            self.offsets[name], self.rests[name] = 0, b""  # empty, or begun anew, as on another machine
            return b""
        self.offsets[name] = first + len(content)
        return content[offset - first :]


def tail(connection: Connection, run_id: str, lines: int) -> list[str]:
    """Returns the last lines of a run's log, however long it is; of Azure's own logs where its program wrote none."""
    for url in addresses(connection, run_id).values():
        with translated():
            content = _end(connection, url)
        found = content.decode("utf-8", "replace").splitlines()
        if any(line.strip() for line in found):
            return found[-lines:]
    return []


def _end(connection: Connection, url: str) -> bytes:
    try:
        head = read_range(connection, url, 0, _TAIL - 1)
        size = _size(head)
        if size <= _TAIL:
            return bytes(head.content)
        return bytes(read_range(connection, url, size - _TAIL, size - 1).content).partition(b"\n")[2]
    except HttpResponseError as error:
        if error.status_code in {404, 416}:
            return b""
        raise


def read_range(connection: Connection, url: str, first: int, last: int) -> HttpResponse:
    """Asks for some bytes of a blob by its signed address."""
    headers = {"x-ms-range": f"bytes={first}-{last}", "x-ms-version": _BLOB_VERSION}
    return connection.send(HttpRequest("GET", url, headers=headers), signed=False)


def _size(response: HttpResponse) -> int:
    """Returns the size of the whole blob: `bytes 0-99/1234`."""
    size = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(size) if size.isdigit() else 0
