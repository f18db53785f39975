"""The workspace's storage: opens a datastore's container, lists it, and copies files from it and to it."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import HttpResponseError

from phi_azure.azure.failures import translated
from phi_azure.azure.transfers import Container, Settings, Signature, Source, download_blobs, upload_files
from phi_azure.errors import AzureError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from phi_azure.azure.client import Connection
    from phi_azure.events import OnProgress

DEFAULT = "workspaceblobstore"
_ADDRESS = re.compile(r"(?:azureml://.*)?/?datastores/([^/]+)/paths/(.+)", re.IGNORECASE)
_STORAGE_SCOPE = "https://storage.azure.com/.default"


def download(
    connection: Connection,
    address: str,
    folder: Path,
    on_progress: OnProgress | None = None,
    settings: Settings | None = None,
) -> Path:
    """Copies all files below an azureml: address of a datastore into a folder; returns the folder.

    A download that was cut goes on where it stopped; see `transfers.download_blobs` for what it promises.

    Raises:
        NotFoundError: there is nothing at the address.
        AzureError: a file came damaged, or its name leads out of the folder.
    """
    datastore, prefix = parse(address)
    with _opened(connection, datastore, settings or Settings()) as (container, store):
        sources = [blob for blob in _list(store, prefix) if _is_below(blob.name, prefix)]
        if not sources:
            raise NotFoundError(f"there are no files at {address}.")
        names = [source.name[len(prefix) + 1 :] or prefix.rpartition("/")[2] for source in sources]
        download_blobs(container, sources, names, folder, on_progress)
    return folder


def upload(
    connection: Connection,
    files: Sequence[tuple[Path, str]],
    mark: Mapping[str, str],
    on_progress: OnProgress | None = None,
    settings: Settings | None = None,
) -> None:
    """Copies files to blobs of the default datastore, and then marks the first of them: all are there.

    An upload that was cut goes on where it stopped; nothing is sent where the first blob is marked already.

    Args:
        connection: the workspace.
        files: each with the name of its blob.
        mark: metadata of the first blob, `upload_status` among it: azure-ai-ml's own mark.
        on_progress: is told how far it is.
        settings: how much is done at once.
    """
    first = files[0][1]
    with _opened(connection, DEFAULT, settings or Settings()) as (container, store):
        said = container.head(first)
        if said is not None and said.get("x-ms-meta-upload_status") == mark["upload_status"]:
            return
        folder = "/".join(first.split("/")[:2])  # LocalUpload/HASH
        known = [] if said is None and len(files) == 1 else _list(store, folder)
        upload_files(container, files, {blob.name: (blob.size, blob.md5) for blob in known}, on_progress)
        container.send("PUT", first, "comp=metadata", {f"x-ms-meta-{key}": value for key, value in mark.items()})


def parse(address: str) -> tuple[str, str]:
    """Returns the datastore and the path below it."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise AzureError(f"{address} is no path on a datastore.")
    return match[1], match[2].rstrip("/")


@dataclass
class _Store:
    """A datastore, and what it is opened with; fetched again when the service no longer takes it."""

    connection: Connection
    name: str
    raw: Any
    fresh: Signature | None = None

    @property
    def url(self) -> str:
        """The container's address."""
        raw = self.raw
        host = f"{raw.account_name}.blob.{raw.endpoint or 'core.windows.net'}"
        return f"{raw.protocol or 'https'}://{host}/{raw.container_name}"

    @property
    def credential(self) -> Any:
        """What azure-storage-blob takes: a SAS, or whoever is signed in."""
        return self.sign(None).query or self.connection.credential

    def sign(self, refused: Signature | None) -> Signature:
        """Returns a signature; not the one that was refused."""
        if self.fresh is not None and self.fresh.query and self.fresh != refused:
            return self.fresh
        if refused is not None and refused.query:
            with translated():
                self.raw = _read(self.connection, self.name)
        query = _shared_signature(self.raw)
        if query is None:
            token = self.connection.credential.get_token(_STORAGE_SCOPE).token
            self.fresh = Signature(headers={"Authorization": f"Bearer {token}"})
        else:
            self.fresh = Signature(query)
        return self.fresh


@contextmanager
def _opened(connection: Connection, name: str, settings: Settings) -> Iterator[tuple[Container, _Store]]:
    with translated():
        store = _Store(connection, name, _read(connection, name))
        container = Container(store.url, store.sign, settings)
        try:
            yield container, store
        finally:
            container.close()


def _read(connection: Connection, name: str) -> Any:
    try:
        return connection.ml.datastores.get(name, include_secrets=True)
    except HttpResponseError as error:
        if error.status_code == 404:
            raise
        return connection.ml.datastores.get(name)  # one without secrets: it is opened with one's own identity


def _shared_signature(raw: Any) -> str | None:
    """Returns the store's SAS, or makes one of its key for a day; None where one's own identity opens it."""
    given = getattr(raw.credentials, "sas_token", None)
    if given:
        return str(given).lstrip("?")
    key = getattr(raw.credentials, "account_key", None)
    if not key:
        return None
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    allowed = ContainerSasPermissions(read=True, write=True, create=True, add=True, list=True)
    until = datetime.now(timezone.utc) + timedelta(days=1)
    return str(generate_container_sas(raw.account_name, raw.container_name, key, permission=allowed, expiry=until))


def _list(store: _Store, prefix: str) -> list[Source]:
    """Lists the files whose names begin so; folders that some tools write as empty blobs are left out."""
    from azure.storage.blob import ContainerClient

    account, _, name = store.url.rpartition("/")
    with ContainerClient(account, name, credential=store.credential) as client:
        found = list(client.list_blobs(name_starts_with=prefix, include=["metadata"]))
    return [_source(blob) for blob in found if not _is_folder(blob)]


def _is_folder(blob: Any) -> bool:
    marked = str((blob.metadata or {}).get("hdi_isfolder", "")).lower() == "true"
    return marked or (int(blob.size) == 0 and str(blob.name).endswith("/"))


def _source(blob: Any) -> Source:
    md5 = blob.content_settings.content_md5
    return Source(blob.name, int(blob.size), f'"{str(blob.etag).strip(chr(34))}"', bytes(md5) if md5 else None)


def _is_below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + "/")
