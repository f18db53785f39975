"""Uploads files: in blocks, several at once; the service itself knows which blocks of an earlier try are there."""

from __future__ import annotations

import base64
import hashlib
import threading
from typing import TYPE_CHECKING, NamedTuple

from phi_azure.azure.transfers.wire import MOST_BLOCKS, Container
from phi_azure.azure.transfers.working import Meter, counted, run
from phi_azure.errors import AzureError, ConflictError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from phi_azure.events import OnProgress

_MIB = 1 << 20


class Outgoing:
    """One file on its way to one blob.

    A block's id is its number and its MD5. So what the service lists as put is what would be put again, byte for byte,
    and blocks of a file that was changed meanwhile are never mixed with those of the new one.
    """

    def __init__(self, path: Path, name: str, block: int) -> None:
        stat = path.stat()
        self.path = path
        self.name = name
        self.size = stat.st_size
        self.changed = stat.st_mtime_ns
        self.block = max(block, _MIB * -(-self.size // (MOST_BLOCKS * _MIB)))
        self.count = max(1, -(-self.size // self.block))
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.ids = [""] * self.count
        self._left = self.count
        self._lock = threading.Lock()

    def pieces(self) -> Iterator[bytes]:
        """Reads the file, a block at a time. Raises ConflictError if it is changed meanwhile."""
        read = 0
        with self.path.open("rb") as file:
            for _ in range(self.count):
                data = file.read(self.block)
                read += len(data)
                self.md5.update(data)
                if read == self.size:
                    self._refuse_changed()
                yield data
        if read != self.size:
            self._refuse_changed()

    def _refuse_changed(self) -> None:
        stat = self.path.stat()
        if (stat.st_size, stat.st_mtime_ns) != (self.size, self.changed):
            raise ConflictError(f"{self.path} was changed while it was uploaded.", remedy="Run the same command again.")

    def one_less(self) -> int:
        """Returns how many blocks are still to go, after one more has gone."""
        with self._lock:
            self._left -= 1
            return self._left


class _Block(NamedTuple):
    file: Outgoing
    number: int
    data: bytes
    there: Mapping[str, int]
    """The blocks that the service has, with their sizes."""


def upload_files(
    container: Container,
    files: Sequence[tuple[Path, str]],
    present: Mapping[str, tuple[int, bytes | None]],
    on_progress: OnProgress | None = None,
) -> None:
    """Copies files to blobs, in blocks, several at once; what is there already, or in part, is not sent again.

    Each block carries its MD5, which the service checks; the MD5 of the whole file is kept with the blob.

    Args:
        container: where to.
        files: each with the name of its blob.
        present: size and MD5 of the blobs that are there.
        on_progress: is told five times a second how far it is.

    Raises:
        NotFoundError: there are no files.
        ConflictError: a file was changed on the way.
        AzureError: the service refuses, or did not answer for a minute.
    """
    if not files:
        raise NotFoundError("there is no file to upload.")
    outgoing = [Outgoing(path, name, container.settings.block) for path, name in files]
    meter = Meter(counted(len(files)), sum(file.size for file in outgoing), on_progress)

    def work(block: _Block) -> None:
        if block.file.count == 1:
            _put(container, block)
            meter.came(len(block.data))
            return
        _put_block(container, block, meter)
        if block.file.one_less() == 0:
            _commit(container, block.file)

    run(_blocks(container, outgoing, present, meter), work, container.settings.workers, container.stop, meter.tick)
    meter.tick(last=True)


def _blocks(
    container: Container,
    files: Sequence[Outgoing],
    present: Mapping[str, tuple[int, bytes | None]],
    meter: Meter,
) -> Iterator[_Block]:
    """Yields what may have to be sent. Runs in one thread at a time, so that files are read in order."""
    for file in files:
        size, md5 = present.get(file.name, (-1, None))
        if size == file.size and md5 is not None and md5 == _digest(file.path):
            meter.was_there(file.size)
            continue
        there = container.blocks(file.name) if file.count > 1 else {}
        for index, data in enumerate(file.pieces()):
            yield _Block(file, index, data, there)


def _put(container: Container, block: _Block) -> None:
    md5 = _base64(hashlib.md5(block.data, usedforsecurity=False).digest())
    headers = {"x-ms-blob-type": "BlockBlob", "Content-MD5": md5, "Content-Type": "application/octet-stream"}
    container.send("PUT", block.file.name, headers=headers, body=block.data)


def _put_block(container: Container, block: _Block, meter: Meter) -> None:
    md5 = hashlib.md5(block.data, usedforsecurity=False).digest()
    name = block.file.ids[block.number] = _base64(block.number.to_bytes(4, "big") + md5)
    if block.there.get(name) == len(block.data):
        meter.was_there(len(block.data))
        return
    quoted = name.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    headers = {"Content-MD5": _base64(md5), "Content-Type": "application/octet-stream"}
    container.send("PUT", block.file.name, f"comp=block&blockid={quoted}", headers, block.data)
    meter.came(len(block.data))


def _commit(container: Container, file: Outgoing) -> None:
    """Makes the blocks one blob."""
    rows = "".join(f"<Latest>{name}</Latest>" for name in file.ids)
    body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{rows}</BlockList>'.encode()
    headers = {
        "Content-Type": "application/xml",
        "x-ms-blob-content-type": "application/octet-stream",
        "x-ms-blob-content-md5": _base64(file.md5.digest()),
    }
    container.send("PUT", file.name, "comp=blocklist", headers, body)
    said = container.head(file.name)
    length = int(said["Content-Length"]) if said else -1
    if length != file.size:
        raise AzureError(f"{file.name} has {length:,} bytes after the upload; {file.path} has {file.size:,}.")


def _digest(path: Path) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_MIB):
            digest.update(piece)
    return digest.digest()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
