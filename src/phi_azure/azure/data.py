"""Data assets: a file goes up once, under the hash of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError

from phi_azure.azure.failures import translated
from phi_azure.azure.order import DATA_TAG, Asset
from phi_azure.azure.staging import stage
from phi_azure.config import azure_address
from phi_azure.content import file_hash
from phi_azure.errors import NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.azure.client import Connection
    from phi_azure.events import OnProgress

Say = Callable[[str, str], None]
_SHORT = 16
_READERS = 4  # files hashed at once: the processor is what is waited for, where a disk is not


@dataclass(frozen=True)
class Rows:
    """Rows that a job reads: where they are, and what tells them from others."""

    path: Path
    digest: str
    """SHA-256 of the content; of what lies in Azure without our tag, its address."""
    asset: Asset | None = None
    """What Azure has of them, where the job names that."""


def identify(connection: Connection, path: Path) -> Rows:
    """Reads a file to its hash; looks an azureml:name:version up; takes an azureml:// address as it is."""
    if address := azure_address(path):
        asset, digest = _existing(connection, address)
        return Rows(path, digest, asset)
    return Rows(path, folder_hash(path) if _is_table(path) else file_hash(path))


def ensure_asset(
    connection: Connection,
    rows: Rows,
    name: str,
    tags: dict[str, str],
    say: Say,
    on_progress: OnProgress | None = None,
) -> Asset:
    """Returns the data asset that holds the rows; uploads only what is not there yet.

    A folder with a file MLTable goes up as a table.
    """
    if rows.asset is not None:
        return rows.asset
    path, version = rows.path, rows.digest[:_SHORT]
    with translated():
        asset = _get(connection, name, version)
        if asset is not None:
            say("data", f"{path.name} is there already: {name}:{version}")
        else:
            say("data", f"uploading {path.name}: {size(path):,} bytes")
            kind = "mltable" if _is_table(path) else "uri_file"
            found = stage(connection, path, name, version, on_progress)
            asset = _create(connection, path, name, version, {**tags, DATA_TAG: rows.digest}, kind, found)
    return Asset(str(asset.id), asset.type)


def _is_table(path: Path) -> bool:
    return (path / "MLTable").is_file()


def folder_hash(path: Path) -> str:
    """Returns one SHA-256 over the names and contents of all files of a folder; several files are read at once."""
    digest = hashlib.sha256()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    with ThreadPoolExecutor(_READERS) as pool:
        for file, found in zip(files, pool.map(file_hash, files), strict=True):
            digest.update(f"{file.relative_to(path).as_posix()}\0{found}\0".encode())
    return digest.hexdigest()


def size(path: Path) -> int:
    """Returns the bytes of a file, or of all files of a folder."""
    return (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )


def _existing(connection: Connection, reference: str) -> tuple[Asset, str]:
    if reference.startswith("azureml://"):
        return Asset(reference), reference
    name, _, version = reference.removeprefix("azureml:").partition(":")
    with translated():
        asset = _get(connection, name, version)
    if asset is None:
        raise NotFoundError(
            f"there is no data asset {name} with version {version}.", remedy="Write azureml:name:version."
        )
    return Asset(str(asset.id), asset.type), str((asset.tags or {}).get(DATA_TAG, reference))


def _get(connection: Connection, name: str, version: str) -> Any:
    try:
        return connection.ml.data.get(name, version)
    except ResourceNotFoundError:
        return None


def _create(
    connection: Connection, path: Path, name: str, version: str, tags: dict[str, str], kind: str, found: str
) -> Any:
    from azure.ai.ml.entities import Data

    data = Data(name=name, version=version, path=str(path), type=kind, tags=tags)
    data._upload_hash = found  # noqa: SLF001  (read by azure-ai-ml, which would else hash the file once more)
    return connection.ml.data.create_or_update(data)
