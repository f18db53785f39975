"""What is on disk of a file that is on its way: the bytes, and a journal that says which blocks of them are there."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from phi_azure.azure.transfers.wire import Range, md5_of

if TYPE_CHECKING:
    from pathlib import Path

_LINE = re.compile(r"(\d+) ([0-9a-f]{32})")


@dataclass(frozen=True)
class Source:
    """A blob that is to be downloaded."""

    name: str
    size: int
    etag: str
    """With its quotes."""
    md5: bytes | None = None
    """Of the whole blob, where somebody has told it the service."""


class Part:
    """The blocks of one blob in a file beside its place.

    The journal's first line says of which blob, state and block size they are; any other blob, state or size begins
    anew. Each further line is a block's number and MD5. A block is believed only if its bytes still have that MD5, so
    that neither a kill nor a loss of power leaves a wrong file.
    """

    def __init__(self, folder: Path, target: Path, source: Source, block: int) -> None:
        stem = hashlib.sha256(source.name.encode()).hexdigest()[:32]  # a blob's name may be too long with a suffix
        self.source = source
        self.target = target
        self.path = folder / f"{stem}.part"
        self.journal = folder / f"{stem}.journal"
        self.block = block
        self.count = -(-source.size // block)
        self._left = self.count
        self._lock = threading.Lock()
        self._known: dict[int, bytes] = {}

    def open(self) -> None:
        """Takes up what an earlier run left, or begins anew."""
        head = json.dumps([self.source.name, self.source.etag, self.source.size, self.block])
        lines = self.journal.read_text(encoding="utf-8").split("\n") if self.journal.exists() else []
        same = lines[:1] == [head]
        if same and not self.path.exists() and self.target.is_file() and not self.target.is_symlink():
            self.target.replace(self.path)  # that run was cut while it moved its files into place
        if not same or not self.path.exists():
            lines = []
            self.path.write_bytes(b"")
        found = [match for line in lines[1:-1] if (match := _LINE.fullmatch(line))]  # a torn last line has no end
        self._known = {int(match[1]): bytes.fromhex(match[2]) for match in found if int(match[1]) < self.count}
        kept = [f"{index} {md5.hex()}" for index, md5 in self._known.items()]
        self.journal.write_text("\n".join([head, *kept, ""]), encoding="utf-8")
        with self.path.open("r+b") as file:
            file.truncate(self.source.size)

    @property
    def missing(self) -> int:
        """Bytes that the journal does not claim."""
        return self.source.size - sum(self.where(index).length for index in self._known)

    def where(self, index: int) -> Range:
        """Returns the place of a block: only the last may be short."""
        first = index * self.block
        return Range(first, min(self.block, self.source.size - first))

    def holds(self, index: int, file: IO[bytes]) -> bool:
        """Tells whether a block that the journal claims still is what it was."""
        return index in self._known and md5_of(file, self.where(index)) == self._known[index]

    def note(self, index: int, md5: bytes) -> None:
        """Says in the journal that a block is there."""
        with self._lock, self.journal.open("a", encoding="utf-8") as journal:
            journal.write(f"{index} {md5.hex()}\n")

    def one_less(self) -> int:
        """Returns how many blocks are still to come, after one more has."""
        with self._lock:
            self._left -= 1
            return self._left

    def discard(self) -> None:
        """Forgets everything: what is there is wrong."""
        self.journal.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
