"""Where rows come from: lines of JSONL in blocks, and records of the other formats that managed compute reads."""

from __future__ import annotations

import codecs
import csv
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from phi_azure.dataset import reading
from phi_azure.dataset.arrays import elements
from phi_azure.dataset.finding import error
from phi_azure.dataset.record import BLOCK, LONGEST, Record
from phi_azure.errors import DataError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

_CELL = 16 << 20  # characters of a cell that are still read
TOO_LONG = error(
    "json", None, f"the line is longer than {LONGEST >> 20} MiB.", "Write one JSON object a line.", "fails"
)


class Lines(NamedTuple):
    """Whole lines that follow each other."""

    first: int
    lines: list[bytes]
    is_end: bool
    too_long: bool = False
    """There is one line, cut, since nobody could hold it."""


def blocks(path: Path, size: int = BLOCK) -> Iterator[Lines]:
    """Yields the lines of a file in blocks of about `size` bytes, without their ends and the byte-order mark."""
    number, rest = 1, b""
    with path.open("rb") as file:
        rest = file.read(3).removeprefix(codecs.BOM_UTF8)
        while data := file.read(max(size, len(rest))):  # twice as much each time while a line does not end
            head, newline, tail = data.rpartition(b"\n")
            if not newline:
                rest += tail
                if len(rest) > LONGEST:
                    yield Lines(number, [rest[:80]], is_end=False, too_long=True)
                    number, rest = number + 1, _after_line(file)
                continue
            lines = (rest + head).split(b"\n")
            rest = tail
            yield Lines(number, lines, is_end=False)
            number += len(lines)
    if rest:
        *lines, last = rest.split(b"\n")
        yield Lines(number, [*lines, last] if last else lines, is_end=True)


@contextmanager
def reads(path: Path) -> Iterator[None]:
    """Turns what keeps a file from being read into words.

    Raises:
        DataError: where there is no such file, it may not be read, or it is parquet and pyarrow is missing.
    """
    try:
        yield
    except OSError as error:
        remedy = "Correct the path." if isinstance(error, FileNotFoundError) else "Check what it is, and its rights."
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.", remedy=remedy) from error
    except ImportError as error:
        raise DataError(f"{path}: parquet needs pyarrow.", remedy="pip install pyarrow, or write JSONL.") from error


def _after_line(file: io.BufferedReader) -> bytes:
    """Reads on to the end of a line that is too long, and returns what was read of the next."""
    while data := file.read(BLOCK):
        _, newline, tail = data.partition(b"\n")
        if newline:
            return tail
    return b""


def begins_with_bracket(path: Path) -> bool:
    """Whether a file is a JSON array rather than lines."""
    with path.open("rb") as file:
        return file.read(4096).removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"["


def records(path: Path) -> Iterator[Record] | None:
    """Returns the records of a file in another format, told by its suffix; None where rows are lines of JSONL."""
    suffix = path.suffix.lower()
    if suffix in {".csv", ".tsv"}:
        return cells(path, "\t" if suffix == ".tsv" else ",")
    if suffix == ".parquet":
        return parquet(path)
    return elements(path) if suffix == ".json" and begins_with_bracket(path) else None


def cells(path: Path, delimiter: str) -> Iterator[Record]:
    """Yields the rows of a csv or tsv file with the line that each begins on; a cell holds its value as JSON text."""
    csv.field_size_limit(_CELL)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        header: list[str] | None = None
        while True:
            number = reader.line_num + 1
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as problem:
                message = f"the row cannot be read: {problem}."
                yield Record(number, None, error("csv", None, message, "Quote the cell.", "fails"))
                continue
            if header is None:
                header = record
            elif record:
                yield _cell_row(number, dict(zip(header, record, strict=False)))


def _cell_row(number: int, row: dict[str, Any]) -> Record:
    for name in ("messages", "tools"):
        cell = row.get(name)
        if not isinstance(cell, str):
            continue
        try:
            row[name] = json.loads(cell) if cell.strip() else None
        except (ValueError, RecursionError) as problem:
            message = f"the cell {name} is not JSON: {reading.why(problem)}."
            return Record(number, None, error("json", name, message, "Write the cell with json.dumps.", "fails"))
    return Record(number, row)


def parquet(path: Path) -> Iterator[Record]:
    """Yields the rows of a parquet file, numbered from 1. Raises ImportError without pyarrow."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        for batch in ParquetFile(path).iter_batches(batch_size=1000):
            for record in batch.to_pylist():
                number += 1
                yield _cell_row(number, record)
    except (pa.ArrowException, OSError) as problem:
        message = f"the file cannot be read: {problem}."
        yield Record(number + 1, None, error("parquet", None, message, "Write it again.", "fails"))
