"""A JSON array of rows, read a piece at a time: each row with its line, and where the array is not JSON."""

from __future__ import annotations

import json
import re
from typing import IO, TYPE_CHECKING

from phi_azure.dataset import reading
from phi_azure.dataset.finding import Finding, error
from phi_azure.dataset.record import BLOCK, LONGEST, Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLANKS = re.compile(r"[ \t\r\n]*")
_AHEAD = 3  # characters after a number that show whether it goes on, as 1 does in 1e-5
_NO_COMMA = error(
    "json", None, "there is no comma between two rows.", "Write one after each row but the last.", "fails"
)
_COMMA = error("trailing-comma", None, "a comma too many.", "Remove it; one stands between two rows.", "fails")
_MORE = error("json", None, "there is text after the array's end.", "Write one array of all rows.", "fails")
_CUT = error("truncated", None, "the array does not end.", "Write the file again.", "fails")


def elements(path: Path, size: int = BLOCK) -> Iterator[Record]:
    """Yields the elements of a JSON array, each with the line that it begins on; reads `size` characters at a time.

    What is no JSON is a record of its own, without a row. Where an element cannot be read, nothing after it can.
    """
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        text = _Text(file, size)
        if text.sign() == "[":
            text.step()
        yield from _elements(text)


def _elements(text: _Text) -> Iterator[Record]:
    doubtful: list[Finding] = []
    decoder = reading.decoder(doubtful)
    before, element = "[", 0
    while (sign := text.sign()) not in {"", "]"}:
        line = text.line
        if sign == ",":
            if before != "row":
                yield Record(line, None, _COMMA, is_row=False)
            before = ","
            text.step()
            continue
        if before == "row":
            yield Record(line, None, _NO_COMMA, is_row=False)
        before, element = "row", element + 1
        try:
            row = text.value(decoder, doubtful)
        except (ValueError, RecursionError) as problem:
            yield Record(text.line_of(problem), None, _broken(problem), element=element)
            return
        yield Record(line, row, doubtful=tuple(doubtful), element=element)
    yield from _end(text, sign, before)


def _end(text: _Text, sign: str, before: str) -> Iterator[Record]:
    if not sign:
        yield Record(text.line, None, _CUT, is_row=False)
        return
    if before == ",":
        yield Record(text.line, None, _COMMA, is_row=False)
    text.step()
    if text.sign():
        yield Record(text.line, None, _MORE, is_row=False)


def _broken(problem: Exception) -> Finding:
    if isinstance(problem, json.JSONDecodeError):
        if len(problem.doc) >= LONGEST:
            said = f"the array is broken here, or the row is longer than {LONGEST >> 20} MiB"
            return error("json", None, f"{said}; what follows cannot be read.", "Mend the JSON.", "fails")
        if problem.msg.startswith("Unterminated string") or not problem.doc[problem.pos :].strip():
            return _CUT
    said = f"the array is broken here: {reading.why(problem)}; what follows cannot be read."
    return error("json", None, said, "Mend the JSON.", "fails")


class _Text:
    """The text of a file, of which only a piece is held, and how far it was read."""

    def __init__(self, file: IO[str], size: int) -> None:
        self._file, self._size, self._text, self._place = file, size, "", 0
        self.line = 1
        """On which the next sign stands."""

    def sign(self) -> str:
        """Passes over blanks and returns the sign that follows, or nothing at the end of the file."""
        while True:
            blanks = _BLANKS.match(self._text, self._place)
            self._go(blanks.end() if blanks else self._place)
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._more():
                return ""

    def step(self) -> None:
        """Passes over the sign that was seen."""
        self._go(self._place + 1)

    def value(self, decoder: json.JSONDecoder, doubtful: list[Finding]) -> object:
        """Reads one value; `doubtful` holds afterwards what the decoder has noted of it."""
        while True:
            doubtful.clear()
            try:
                row, end = decoder.raw_decode(self._text, self._place)
            except json.JSONDecodeError:
                if not self._more():
                    raise
                continue
            if len(self._text) - end >= _AHEAD or not self._more():
                self._go(end)
                return row

    def line_of(self, problem: Exception) -> int:
        """Returns on which line the value that could not be read goes wrong; where nobody knows, on which it begins."""
        if isinstance(problem, json.JSONDecodeError):
            return self.line + self._text.count("\n", self._place, problem.pos)
        return self.line

    def _go(self, place: int) -> None:
        self.line += self._text.count("\n", self._place, place)
        self._place = place

    def _more(self) -> bool:
        """Reads on, twice as much each time while a value does not end; returns whether there was more."""
        held = len(self._text) - self._place
        more = self._file.read(max(self._size, held)) if held < LONGEST else ""
        if more:
            self._text, self._place = self._text[self._place :] + more, 0
        return bool(more)
