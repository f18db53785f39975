"""Data assets: a file goes up once, under the hash of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError

from phi_azure.azure.failures import translated
from phi_azure.azure.order import DATA_TAG, Asset
from phi_azure.azure.staging import stage
from phi_azure.config import azure_address
from phi_azure.errors import NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.azure.client import Connection
    from phi_azure.events import OnProgress

Say = Callable[[str, str], None]
_SHORT = 16


def content_hash(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def ensure_asset(
    connection: Connection,
    path: Path,
    name: str,
    tags: dict[str, str],
    say: Say,
    on_progress: OnProgress | None = None,
) -> tuple[Asset, str]:
    """Returns the data asset that holds the file, and the hash; uploads only what is not there yet.

    A path of the form azureml:name:version is an asset already and is looked up; an azureml:// address is taken as it
    is. A folder with a file MLTable goes up as a table.
    """
    if address := azure_address(path):
        return _existing(connection, address)
    is_table = (path / "MLTable").is_file()
    digest = folder_hash(path) if is_table else content_hash(path)
    version = digest[:_SHORT]
    with translated():
        asset = _get(connection, name, version)
        if asset is not None:
            say("data", f"{path.name} is there already: {name}:{version}")
        else:
            say("data", f"uploading {path.name}: {size(path):,} bytes")
            kind = "mltable" if is_table else "uri_file"
            found = stage(connection, path, name, version, on_progress)
            asset = _create(connection, path, name, version, {**tags, DATA_TAG: digest}, kind, found)
    return Asset(str(asset.id), asset.type), digest


def folder_hash(path: Path) -> str:
    """Returns one SHA-256 over the names and contents of all files of a folder."""
    digest = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{content_hash(file)}\0".encode())
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
