"""Rows that are there twice, prompts with two answers, and rows that training shares with the files that judge it.

Only two hashes and a place are kept for each row, 24 bytes; beyond a million rows they go to temporary files, parted
by the prompt's hash, so that memory stays the same however many rows there are.
"""

from __future__ import annotations

import tempfile
from array import array
from heapq import heappush, heappushpop
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_MEMORY = 1_000_000
PARTS = 32
_ROW_BITS, _LINE_BITS = 27, 34
_ROW_MASK, _LINE_MASK = (1 << _ROW_BITS) - 1, (1 << _LINE_BITS) - 1
_FILE = _ROW_BITS + _LINE_BITS


class Place(NamedTuple):
    """Where a row stands."""

    file: int
    """From 0."""
    line: int
    """From 1."""
    row: int = 0
    """From 1, of a file that may hold several rows in one line; else 0. Beyond 134 million they have one number."""


class Repeat(NamedTuple):
    """A row that says again what an earlier one said."""

    code: str
    place: Place
    earlier: Place


class Repeats:
    """Collects rows, and in the end names those that repeat another."""

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._prompts, self._rows, self._places = array("q"), array("q"), array("Q")
        self._spilled: list[IO[bytes]] = []

    def add(self, first: Place, prompts: list[int], wholes: list[int]) -> None:
        """Takes the hashes of rows of a file that stand on consecutive lines from `first` on."""
        start = _packed(first)
        self._prompts.extend(prompts)
        self._rows.extend(wholes)
        self._places.extend(range(start, start + (len(prompts) << _ROW_BITS), 1 << _ROW_BITS))
        if len(self._prompts) >= self._in_memory:
            self._spill()

    def found(self, limit: int) -> tuple[list[Repeat], dict[str, int]]:
        """Returns the first `limit` repeats of each kind in the order of files and lines, and how many there are."""
        first: dict[str, list[tuple[int, int]]] = {}
        counts: dict[str, int] = {}
        for code, place, earlier in _repeats(self._parts()):
            counts[code] = counts.get(code, 0) + 1
            heap = first.setdefault(code, [])  # its smallest item is the latest place
            if len(heap) < limit:
                heappush(heap, (-place, earlier))
            elif heap and -place > heap[0][0]:
                heappushpop(heap, (-place, earlier))
        named = [
            Repeat(code, _unpacked(-at), _unpacked(earlier)) for code, heap in first.items() for at, earlier in heap
        ]
        return sorted(named, key=lambda repeat: (repeat.place, repeat.code)), counts

    def close(self) -> None:
        """Removes the temporary files."""
        for file in self._spilled:
            file.close()

    def _spill(self) -> None:
        if not self._spilled:
            self._spilled = [tempfile.TemporaryFile() for _ in range(PARTS)]  # noqa: SIM115  closed by close()
        parts = [array("q") for _ in range(PARTS)]
        for prompt, row, place in zip(self._prompts, self._rows, self._places, strict=True):
            parts[prompt % PARTS].extend((prompt, row, place))
        for file, part in zip(self._spilled, parts, strict=True):
            part.tofile(file)
        self._prompts, self._rows, self._places = array("q"), array("q"), array("Q")

    def _parts(self) -> Iterator[tuple[array[int], array[int], array[int]]]:
        if not self._spilled:
            yield self._prompts, self._rows, self._places
            return
        self._spill()
        for file in self._spilled:
            file.seek(0)
            values = array("q", file.read())
            yield values[0::3], values[1::3], values[2::3]


def _repeats(parts: Iterator[tuple[array[int], array[int], array[int]]]) -> Iterator[tuple[str, int, int]]:
    """Yields code, place and earlier place of each repeat; rows of one prompt stand in one part, in order."""
    for prompts, rows, places in parts:
        if len(set(prompts)) < len(prompts):  # cheap, and mostly all there is to do
            yield from _repeats_in(prompts, rows, places)


def _repeats_in(prompts: array[int], rows: array[int], places: array[int]) -> Iterator[tuple[str, int, int]]:
    asked: dict[int, int] = {}
    told: dict[int, int] = {}
    for prompt, row, place in zip(prompts, rows, places, strict=True):
        before = told.setdefault(row, place)
        same = asked.setdefault(prompt, place)
        if before != place:
            across = before >> _FILE != place >> _FILE
            yield ("leak" if across else "duplicate"), place, before
        elif same != place:
            across = same >> _FILE != place >> _FILE
            yield ("leaked-prompt" if across else "contradiction"), place, same


def _packed(place: Place) -> int:
    return place.file << _FILE | place.line << _ROW_BITS | min(place.row, _ROW_MASK)


def _unpacked(packed: int) -> Place:
    return Place(packed >> _FILE, packed >> _ROW_BITS & _LINE_MASK, packed & _ROW_MASK)
