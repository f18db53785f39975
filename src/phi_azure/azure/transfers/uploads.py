"""Uploads files: in blocks, several at once; the service itself knows which blocks of an earlier try are there."""

from __future__ import annotations

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from phi_azure.azure.transfers.wire import MOST_BLOCKS, Blocks, Range, Slice, md5_of
from phi_azure.azure.transfers.working import Meter, counted, run
from phi_azure.errors import AzureError, ConflictError, NotFoundError, PhiAzureError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from phi_azure.azure.transfers.wire import Container
    from phi_azure.events import OnProgress

_PLAIN = "application/octet-stream"


class Outgoing:
    """One file on its way to one blob.

    A block's id is its number and its MD5. So what the service lists is what would be put again, byte for byte, and
    blocks of a file that was changed meanwhile are never mixed with those of the new one.
    """

    def __init__(self, path: Path, name: str, block: int) -> None:
        stat = path.stat()
        self.path = path
        self.name = name
        self.size = stat.st_size
        self.changed = stat.st_mtime_ns
        self.block = max(block, -(-self.size // MOST_BLOCKS))
        self.count = max(1, -(-self.size // self.block))
        self.ids = [""] * self.count
        self._left = self.count
        self._lock = threading.Lock()

    def where(self, index: int) -> Range:
        """Returns the place of a block: only the last may be short."""
        first = index * self.block
        return Range(first, min(self.block, self.size - first))

    def refuse_changed(self) -> None:
        """Raises ConflictError if the file is no longer what it was at the beginning."""
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
    there: Blocks


def upload_files(
    container: Container,
    files: Sequence[tuple[Path, str]],
    present: Mapping[str, tuple[int, bytes | None]],
    on_progress: OnProgress | None = None,
) -> None:
    """Copies files to blobs, in blocks, several at once; what is there already, or in part, is not sent again.

    Each block carries its MD5, which the service checks; the length of each blob is asked for at its end.

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
        try:
            if block.file.count == 1:
                _put(container, block.file, present.get(block.file.name), meter)
                return
            _put_block(container, block, meter)
            if block.file.one_less() == 0:
                _commit(container, block.file, block.there)
        except PhiAzureError:  # such as a wrong MD5 of a block that was changed between its reading and its sending
            block.file.refuse_changed()
            raise

    run(_blocks(container, outgoing), work, container.settings.workers, container.stop, meter.tick)
    meter.tick(last=True)


def _blocks(container: Container, files: Sequence[Outgoing]) -> Iterator[_Block]:
    large = [file for file in files if file.count > 1]
    with ThreadPoolExecutor(container.settings.workers) as pool:  # one round trip for all, not one for each
        asked = zip(large, pool.map(container.blocks, [file.name for file in large]), strict=True)
        there = {file.name: blocks for file, blocks in asked}
    for file in files:
        for number in range(file.count):
            yield _Block(file, number, there.get(file.name, Blocks({}, {})))


def _put(container: Container, file: Outgoing, present: tuple[int, bytes | None] | None, meter: Meter) -> None:
    """Sends a small file whole, unless it is there."""
    where = file.where(0)
    with file.path.open("rb", buffering=0) as content:
        md5 = md5_of(content, where)
        if present == (file.size, md5):
            meter.was_there(file.size)
            return
        headers = {"x-ms-blob-type": "BlockBlob", "Content-MD5": _base64(md5), "Content-Type": _PLAIN}
        container.send("PUT", file.name, headers=headers, body=lambda: Slice(content, where) if where.length else b"")
    file.refuse_changed()
    meter.came(file.size)


def _put_block(container: Container, block: _Block, meter: Meter) -> None:
    file, where = block.file, block.file.where(block.number)
    with file.path.open("rb", buffering=0) as content:
        md5 = md5_of(content, where)
        name = file.ids[block.number] = _base64(block.number.to_bytes(4, "big") + md5)
        if where.length in {block.there.waiting.get(name), block.there.committed.get(name)}:
            meter.was_there(where.length)
            return
        quoted = name.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
        headers = {"Content-MD5": _base64(md5), "Content-Type": _PLAIN}
        query = f"comp=block&blockid={quoted}"
        container.send("PUT", file.name, query, headers, lambda: Slice(content, where))
    meter.came(where.length)


def _commit(container: Container, file: Outgoing, there: Blocks) -> None:
    """Makes the blocks one blob, unless they are."""
    file.refuse_changed()
    if list(there.committed) == file.ids:
        return
    rows = "".join(f"<Latest>{name}</Latest>" for name in file.ids)
    body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{rows}</BlockList>'.encode()
    headers = {"Content-Type": "application/xml", "x-ms-blob-content-type": _PLAIN}
    container.send("PUT", file.name, "comp=blocklist", headers, lambda: body)
    said = container.head(file.name)
    length = int(said["Content-Length"]) if said else -1
    if length != file.size:
        raise AzureError(f"{file.name} has {length:,} bytes after the upload; {file.path} has {file.size:,}.")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
