"""Picks a few rows out of a file, however large: the first ones, those of some lines, or some by lot."""

from __future__ import annotations

import json
import math
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from phi_azure.dataset import sources
from phi_azure.dataset.lines import Verdict, judge_line, judge_row
from phi_azure.dataset.record import Record
from phi_azure.dataset.rows import Row, as_row
from phi_azure.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from phi_azure.dataset.rules import Rules


class _Raw(NamedTuple):
    number: int
    found: bytes | Record
    is_last: bool = False


class Picked(NamedTuple):
    """One row of a file, as it was found."""

    number: int
    """Its line, from 1; of parquet its row, of a JSON array the line that it begins on."""
    text: str
    """The line, or the record written as JSON."""
    verdict: Verdict
    row: Row | None
    """None where it cannot be read as a chat."""


def first(path: Path, count: int, rules: Rules) -> list[Picked]:
    """Returns the first rows; no more of the file is read than they need."""
    return [_looked_at(raw, rules) for raw in islice(_raw(path), count)]


def at_lines(path: Path, lines: Sequence[int], rules: Rules) -> list[Picked]:
    """Returns the rows of these lines; the file is read up to the last of them.

    Raises:
        DataError: where no row begins on one of them.
    """
    wanted, last, found = set(lines), max(lines), []
    for raw in _raw(path):
        if raw.number > last:
            break
        if raw.number in wanted:
            found.append(_looked_at(raw, rules))
    if missing := sorted(wanted - {one.number for one in found}):
        numbers = ", ".join(map(str, missing))
        raise DataError(f"{path}: no row begins on line {numbers}.", remedy="Blank lines count; the first line is 1.")
    return found


def by_lot(path: Path, count: int, seed: int, rules: Rules) -> list[Picked]:
    """Returns so many rows by lot, in their order; the file is read once, and the same seed draws the same rows."""
    return [_looked_at(raw, rules) for raw in sorted(_drawn(_raw(path), count, seed), key=lambda raw: raw.number)]


def _drawn(rows: Iterable[_Raw], count: int, seed: int) -> list[_Raw]:
    """Draws with Li's algorithm L (1994): only few rows need a random number."""
    dice, weight, following = Random(seed), 1.0, count - 1  # noqa: S311  lots, not secrets
    drawn: list[_Raw] = []
    for index, raw in enumerate(rows):
        if index < count:
            drawn.append(raw)
        elif index == following:
            drawn[dice.randrange(count)] = raw
        if index == following:
            weight *= math.exp(math.log(1 - dice.random()) / count)
            following += 1 + int(math.log(1 - dice.random()) / math.log1p(-weight))
    return drawn


def _raw(path: Path) -> Iterator[_Raw]:
    """Yields all that stands in a file and is not blank, unread as far as the format allows.

    Raises:
        DataError: where the file cannot be read at all.
    """
    with sources.reads(path):
        records = sources.records(path)
        if records is not None:
            yield from (_Raw(record.number, record) for record in records)
            return
        for block in sources.blocks(path):
            if block.too_long:
                yield _Raw(block.first, Record(block.first, None, sources.TOO_LONG))
                continue
            end = block.first + len(block.lines) - 1 if block.is_end else 0
            for number, line in enumerate(block.lines, block.first):
                if line.strip():
                    yield _Raw(number, line, number == end)


def _looked_at(raw: _Raw, rules: Rules) -> Picked:
    number, found, is_last = raw
    if isinstance(found, bytes):
        text = found.decode("utf-8", "backslashreplace").rstrip("\r")
        return Picked(number, text, judge_line(found, rules, last=is_last), _read(found))
    if found.finding:
        return Picked(number, "", Verdict((found.finding,)), None)
    text = json.dumps(found.row, ensure_ascii=False, default=str)
    return Picked(number, text, judge_row(found.row, rules, found.doubtful), as_row(found.row))


def _read(line: bytes) -> Row | None:
    """Reads as Python's json does, which is what Azure reads with."""
    try:
        return as_row(json.loads(line))
    except (ValueError, RecursionError):
        return None
