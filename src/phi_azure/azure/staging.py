"""Lays files and folders where azure-ai-ml looks before it uploads: it finds them there, and only registers them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from phi_azure.azure import storage
from phi_azure.azure.transfers import STAGING
from phi_azure.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from phi_azure.azure.client import Connection
    from phi_azure.events import OnProgress


def stage(connection: Connection, path: Path, name: str, version: str, on_progress: OnProgress | None = None) -> str:
    """Uploads a file or a folder under the hash of its content, once; returns that hash, for azure-ai-ml to find it by.

    Hash, names and the mark that says that all has arrived are azure-ai-ml's own: what it has uploaded is found here,
    and the other way round.

    Args:
        connection: the workspace; the files go to its default datastore.
        path: a file, or a folder; .amlignore and .gitignore are obeyed.
        name: of the asset that the mark names.
        version: of the asset.
        on_progress: is told how far it is.

    Raises:
        ConflictError: the folder is a download that has not ended, or is changed meanwhile.
    """
    from azure.ai.ml._utils._asset_utils import (
        _build_metadata_dict,
        generate_asset_id,
        get_ignore_file,
        get_object_hash,
        get_upload_files_from_folder,
    )

    path = path if path.is_absolute() else path.resolve()
    if (path / STAGING).exists():
        raise ConflictError(f"{path} is a download that has not ended.", remedy="Run the download again, then this.")
    ignored = get_ignore_file(path)
    digest = str(get_object_hash(path, ignored))
    place = generate_asset_id(digest)
    files = [(str(path), f"{place}/{path.name}")]
    if path.is_dir():
        real = path.resolve()
        files = sorted(get_upload_files_from_folder(real, prefix=f"{place}/{real.name}/", ignore_file=ignored))
    if not files:
        raise NotFoundError(f"there is no file to upload in {path}.")
    mark = _build_metadata_dict(name, version)
    storage.upload(connection, [(Path(source), blob) for source, blob in files], mark, on_progress)
    return digest
