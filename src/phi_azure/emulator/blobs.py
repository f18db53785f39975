"""Where blobs lie: an index in the store, the bytes in plain files beside it."""

from __future__ import annotations

import base64
import contextlib
import email.utils
import hashlib
import json
import os
import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.emulator.store import Store

DEFAULT_CONTAINER = "azureml-blobstore-00000000-0000-4000-8000-000000000033"
_COPIED = 64 << 20  # bytes up to which a copy is cheap, and keeps the weights that ship with the package out of reach
ARTIFACT_CONTAINER = "azureml"  # datastore workspaceartifactstore: logs and artifacts of runs
DEFAULT_DATASTORE = "workspaceblobstore"
DATASTORES = {DEFAULT_DATASTORE: DEFAULT_CONTAINER, "workspaceartifactstore": ARTIFACT_CONTAINER}


def artifacts_of(run: str) -> str:
    """Returns where in the container of artifacts those of a run lie, its logs among them."""
    return f"ExperimentRun/dcid.{run}"


@dataclass
class Blob:
    """One blob: its name, the file that holds its bytes, and what was said of it."""

    container: str
    name: str
    path: Path
    content_type: str = "application/octet-stream"
    md5: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    blocks: list[tuple[str, int, str]] = field(default_factory=list)
    """The blocks that it was made of, in order: id, bytes, MD5; none for a blob that was put whole."""

    @property
    def size(self) -> int:
        """The bytes at this moment; the log of a running job grows."""
        return self.path.stat().st_size

    @property
    def etag(self) -> str:
        """Changes with every write."""
        stat = self.path.stat()
        return f'"0x{(stat.st_mtime_ns ^ stat.st_size) & 0xFFFFFFFFFFFFFFF:015X}"'

    @property
    def modified(self) -> str:
        """The last write, as HTTP writes times."""
        return email.utils.formatdate(self.path.stat().st_mtime, usegmt=True)


class Blobs:
    """The containers of the one storage account that the emulator has."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.folder = store.folder / "blobs"

    def new_file(self) -> Path:
        """Returns a path for bytes that are still to be written; `put` makes them a blob."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / uuid.uuid4().hex

    def put(self, blob: Blob) -> Blob:
        """Makes a file a blob, in place of one of the same name."""
        body = {name: getattr(blob, name) for name in ("content_type", "md5", "metadata", "blocks")}
        with self.store.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?)",
                (blob.container, blob.name, self._kept(blob.path), json.dumps(body)),
            )
        return blob

    def _kept(self, path: Path) -> str:
        """Returns a path as it is remembered: within the state's folder, so that the folder can be copied and moved."""
        return str(path.relative_to(self.store.folder) if path.is_relative_to(self.store.folder) else path)

    def put_bytes(self, container: str, name: str, content: bytes) -> Blob:
        """Makes a blob of a few bytes."""
        path = self.new_file()
        path.write_bytes(content)
        return self.put(Blob(container, name, path, md5=digest(path)))

    def put_folder(self, container: str, prefix: str, folder: Path) -> None:
        """Makes every file under a folder a blob, in place: nothing is copied."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(Blob(container, f"{prefix.strip('/')}/{path.relative_to(folder).as_posix()}", path))

    def get(self, container: str, name: str) -> Blob | None:
        """Returns a blob, or None."""
        row = (
            self.store.connection()
            .execute(
                "SELECT container, name, path, body FROM blobs WHERE container = ? AND name = ?", (container, name)
            )
            .fetchone()
        )
        return self._blob(row) if row else None

    def find(self, container: str, prefix: str = "") -> list[Blob]:
        """Returns the blobs whose name begins so, by name."""
        rows = self.store.connection().execute(
            "SELECT container, name, path, body FROM blobs"
            " WHERE container = ? AND substr(name, 1, ?) = ? ORDER BY name",
            (container, len(prefix), prefix),
        )
        return [self._blob(row) for row in rows]

    def all(self) -> list[Blob]:
        """Returns every blob, by container and name."""
        rows = self.store.connection().execute("SELECT container, name, path, body FROM blobs ORDER BY container, name")
        return [self._blob(row) for row in rows]

    def _blob(self, row: tuple[str, str, str, str]) -> Blob:
        container, name, path, body = row
        return Blob(container, name, self.store.folder / path, **json.loads(body))

    def delete(self, blob: Blob) -> None:
        """Removes a blob; bytes that the emulator wrote for it go too."""
        with self.store.transaction() as connection:
            connection.execute("DELETE FROM blobs WHERE container = ? AND name = ?", (blob.container, blob.name))
        if blob.path.parent == self.folder:
            blob.path.unlink(missing_ok=True)

    def under(self, container: str, prefix: str) -> Iterator[Blob]:
        """Yields the blob of this very name, or those below it as a folder."""
        prefix = prefix.strip("/")
        alone = self.get(container, prefix)
        if alone is not None:
            yield alone
        yield from self.find(container, prefix + "/")

    def materialise(self, container: str, prefix: str, target: Path) -> Path:
        """Lays a blob or a folder of blobs out as files, linked where the disk allows; returns the file or folder."""
        prefix = prefix.strip("/")
        alone = self.get(container, prefix)
        if alone is not None:
            return link(alone.path, target / Path(prefix).name)
        for blob in self.find(container, prefix + "/"):
            link(blob.path, target / blob.name[len(prefix) + 1 :])
        return target


def link(source: Path, target: Path) -> Path:
    """Copies a file; a large one is linked where the disk allows, and must not be written in place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if source.stat().st_size > _COPIED:
        with contextlib.suppress(OSError):  # another disk, or one without links
            os.link(source, target)
            return target
    shutil.copyfile(source, target)
    return target


def digest(path: Path) -> str:
    """Returns the MD5 of a file as Azure Storage writes it, in base64."""
    md5 = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            md5.update(block)
    return base64.b64encode(md5.digest()).decode()
