"""Parts a file of rows for training, validation and test, so that equal prompts stay together."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi_azure.dataset import sources
from phi_azure.dataset.writing import new_files
from phi_azure.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.dataset.record import Record

_NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
class Part:
    """One of the files that a split wrote."""

    path: Path
    rows: int


def split(
    path: Path | str, out: Path | str, *, validation: float = 0.1, test: float = 0.0, seed: int = 0
) -> list[Part]:
    """Writes train.jsonl, validation.jsonl and, if asked for, test.jsonl; lines go over as they are, in their order.

    Rows of other formats become lines. Rows with the same prompt (all but the last content) go to one side, so no
    answer is known before it is asked for. The same seed parts the same rows alike, in any process. The file is read
    twice; some hundred bytes of memory are needed for each prompt.

    Args:
        path: a file that passes `check`, in any format that managed compute takes.
        out: folder for the files; made if it is not there.
        validation: share of the rows, from 0 to less than 1.
        test: likewise.
        seed: another one parts otherwise.

    Raises:
        DataError: where a line is no row, a file is there already, or nothing would be left to train on.
    """
    path, shares = Path(path), (validation, test)
    if not (min(shares) >= 0 and sum(shares) < 1):  # so that NaN does not pass
        raise DataError(f"the shares {validation} and {test} leave nothing to train on.", remedy="Take 0.1, say.")
    digests = array("Q", (_digest(path, number, line, seed) for number, line in _lines(path)))
    sides = _sides(digests, shares)
    names = [name for name, share in zip(_NAMES, (1, *shares), strict=True) if share]
    targets = [Path(out) / f"{name}.jsonl" for name in names]
    counts: Counter[str] = Counter()
    with new_files(targets) as files:
        by_name = dict(zip(names, files, strict=True))
        for digest, (_, line) in zip(digests, _lines(path), strict=True):
            by_name[sides.get(digest, "train")].write(line + b"\n")
            counts[sides.get(digest, "train")] += 1
        if empty := [name for name in names if not counts[name]]:
            raise DataError(
                f"{path}: {len(digests)} rows are too few, or share too few prompts: no row for {empty[0]}.",
                remedy="Take another share, or more rows.",
            )
    return [Part(target, counts[name]) for name, target in zip(names, targets, strict=True)]


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yields each row as a line of JSONL, with its number."""
    with sources.reads(path):
        records = sources.records(path)
        if records is not None:
            yield from ((record.number, _line(path, record)) for record in records)
            return
        for block in sources.blocks(path):
            for index, line in enumerate(block.lines):
                if line.strip():
                    yield block.first + index, line.rstrip(b"\r")


def _line(path: Path, record: Record) -> bytes:
    if record.finding:
        raise _no_row(path, record.number)
    try:
        return json.dumps(record.row, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError) as error:
        raise _no_row(path, record.number) from error


def _no_row(path: Path, number: int) -> DataError:
    return DataError(f"{path}:{number}: this is no row.", remedy=f"phi-azure check {path} says why.")


def _digest(path: Path, number: int, line: bytes, seed: int) -> int:
    """Returns 64 bits of the prompt and the seed, the same in every process."""
    try:
        messages: list[dict[str, Any]] = json.loads(line)["messages"]
        prompt = [(message["role"], message.get("content")) for message in messages[:-1]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _no_row(path, number) from error
    return int.from_bytes(hashlib.blake2b(json.dumps([seed, prompt]).encode(), digest_size=8).digest(), "big")


def _sides(digests: array[int], shares: tuple[float, float]) -> dict[int, str]:
    """Returns the side of each prompt that is not for training: the lowest digests, until a side is full."""
    rows = Counter(digests)
    order = iter(sorted(rows))
    sides: dict[int, str] = {}
    for name, share in zip(_NAMES[1:], shares, strict=True):
        wanted, taken = round(len(digests) * share), 0
        if share:
            wanted = max(wanted, 1)
        while taken < wanted and (digest := next(order, None)) is not None:
            sides[digest] = name
            taken += rows[digest]
    return sides
