"""Data assets: a file goes up once, under the hash of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError

from phi_azure.azure.failures import translated
from phi_azure.azure.order import DATA_TAG
from phi_azure.errors import NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.azure.client import Connection

Say = Callable[[str, str], None]
_SHORT = 16


def content_hash(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def ensure_asset(connection: Connection, path: Path, name: str, tags: dict[str, str], say: Say) -> tuple[str, str]:
    """Returns the id of the data asset that holds the file, and the hash; uploads only what is not there yet.

    A path of the form azureml:name:version is an asset already and is looked up.
    """
    if str(path).startswith("azureml:"):
        return _existing(connection, str(path))
    digest = content_hash(path)
    version = digest[:_SHORT]
    with translated():
        asset = _get(connection, name, version)
        if asset is not None:
            say("data", f"{path.name} is there already: {name}:{version}")
        else:
            say("data", f"uploading {path.name}: {path.stat().st_size:,} bytes")
            asset = _create(connection, path, name, version, {**tags, DATA_TAG: digest})
    return str(asset.id), digest


def _existing(connection: Connection, reference: str) -> tuple[str, str]:
    name, _, version = reference.removeprefix("azureml:").partition(":")
    with translated():
        asset = _get(connection, name, version)
    if asset is None:
        raise NotFoundError(
            f"there is no data asset {name} with version {version}.", remedy="Write azureml:name:version."
        )
    return str(asset.id), str((asset.tags or {}).get(DATA_TAG, reference))


def _get(connection: Connection, name: str, version: str) -> Any:
    try:
        return connection.ml.data.get(name, version)
    except ResourceNotFoundError:
        return None


def _create(connection: Connection, path: Path, name: str, version: str, tags: dict[str, str]) -> Any:
    from azure.ai.ml.entities import Data

    return connection.ml.data.create_or_update(
        Data(name=name, version=version, path=str(path), type="uri_file", tags=tags)
    )
