"""Downloads a folder of the workspace's storage: several files at once, each in a stream, whole or not at all."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from phi_azure.azure.failures import translated
from phi_azure.errors import AzureError, NotFoundError

if TYPE_CHECKING:
    from phi_azure.azure.client import Connection

_ADDRESS = re.compile(r"(?:azureml://.*)?/?datastores/([^/]+)/paths/(.+)", re.IGNORECASE)
_AT_ONCE = 4


def download(connection: Connection, address: str, folder: Path) -> Path:
    """Copies all files below an azureml: address of a datastore into a folder; returns the folder.

    Raises:
        NotFoundError: there is nothing at the address.
        AzureError: a file came shorter than it is, or its name leads out of the folder.
    """
    datastore, prefix = parse(address)
    with translated():
        container = _container(connection, datastore)
        with container:
            blobs = [blob for blob in container.list_blobs(name_starts_with=prefix) if _is_file(blob, prefix)]
            if not blobs:
                raise NotFoundError(f"there are no files at {address}.")
            targets = [target(folder, blob.name, prefix) for blob in blobs]
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(lambda pair: _copy(container, *pair), zip(blobs, targets, strict=True)))
    return folder


def parse(address: str) -> tuple[str, str]:
    """Returns the datastore and the path below it."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise AzureError(f"{address} is no path on a datastore.")
    return match[1], match[2].rstrip("/")


def target(folder: Path, name: str, prefix: str) -> Path:
    """Returns where a blob is written; refuses a name that leads out of the folder."""
    relative = PurePosixPath(name[len(prefix) :].lstrip("/") or PurePosixPath(name).name)
    path = folder.joinpath(*relative.parts)
    if ".." in relative.parts or "\\" in name or not path.resolve().is_relative_to(folder.resolve()):
        raise AzureError(f"the blob {name} would be written outside of {folder}.")
    return path


def _is_file(blob: Any, prefix: str) -> bool:
    inside = blob.name == prefix or blob.name.startswith(prefix + "/")
    return inside and (blob.metadata or {}).get("hdi_isfolder") != "true"


def _container(connection: Connection, name: str) -> Any:
    from azure.storage.blob import ContainerClient

    store = connection.ml.datastores.get(name, include_secrets=True)
    url = f"{store.protocol or 'https'}://{store.account_name}.blob.{store.endpoint or 'core.windows.net'}"
    return ContainerClient(url, store.container_name, credential=_secret(store) or connection.credential)


def _secret(store: Any) -> str | None:
    """Returns the store's account key or signature; None where it is opened with one's own identity."""
    credentials = store.credentials
    return getattr(credentials, "account_key", None) or getattr(credentials, "sas_token", None)


def _copy(container: Any, blob: Any, path: Path) -> None:
    """Streams a blob into a file beside its place, and moves it there when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    written = 0
    with part.open("wb") as file:
        for chunk in container.download_blob(blob.name).chunks():
            written += file.write(chunk)
    if written != blob.size:
        part.unlink()
        raise AzureError(f"{blob.name} has {blob.size:,} bytes; {written:,} came.", remedy="Download again.")
    part.replace(path)
