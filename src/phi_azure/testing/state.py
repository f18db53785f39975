"""What there is in the emulated Azure, as plain lists: jobs, models, data, endpoints, clusters, blobs."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phi_azure.emulator import jobs, runs, schedules
from phi_azure.emulator.course import is_untimed
from phi_azure.emulator.wire import Call, Scope

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.emulator.app import Emulator
    from phi_azure.emulator.store import Document


@dataclass(frozen=True)
class Job:
    """A job."""

    name: str
    kind: str
    """"Pipeline" or "FineTuning"."""
    status: str
    experiment: str
    tags: dict[str, str]
    steps: dict[str, str] = field(default_factory=dict)
    """Of a pipeline: the status of each step."""


@dataclass(frozen=True)
class Asset:
    """A version of a model or of data."""

    name: str
    version: str
    tags: dict[str, str]
    properties: dict[str, Any]
    """As Azure shows them."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint: managed with its deployments, or serverless."""

    name: str
    kind: str
    """"managed" or "serverless"."""
    state: str
    tags: dict[str, str]
    traffic: dict[str, int] = field(default_factory=dict)
    deployments: dict[str, str] = field(default_factory=dict)
    """The state of each."""


@dataclass(frozen=True)
class Cluster:
    """A cluster of machines."""

    name: str
    size: str
    least: int
    most: int
    state: str


@dataclass(frozen=True)
class Blob:
    """A blob of the storage account."""

    container: str
    name: str
    size: int


class State:
    """Everything that there is, in all workspaces, oldest first; each list is read when it is asked for."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._store = emulator.store

    @property
    def folder(self) -> Path:
        """The folder that holds everything: `state.db`, blobs, logs."""
        return self._store.folder

    @property
    def jobs(self) -> list[Job]:
        """The jobs, as they stand by the emulator's clock; one without times as the last request found it."""
        for schedule in self._store.find("schedule"):
            schedules.come_due(Call(self._emulator, None, Scope(*schedule["scope"])))  # type: ignore[arg-type] # nobody asked
        return [self._job(document) for document in self._oldest_first("job")]

    @property
    def models(self) -> list[Asset]:
        """The registered models."""
        return [_asset(document) for document in self._oldest_first("models")]

    @property
    def data(self) -> list[Asset]:
        """The data assets."""
        return [_asset(document) for document in self._oldest_first("data")]

    @property
    def endpoints(self) -> list[Endpoint]:
        """The endpoints, managed ones first."""
        managed = [self._endpoint(document) for document in self._oldest_first("endpoint")]
        return managed + [_serverless(document) for document in self._oldest_first("serverless")]

    @property
    def clusters(self) -> list[Cluster]:
        """The clusters."""
        return [_cluster(document) for document in self._oldest_first("compute")]

    @property
    def blobs(self) -> list[Blob]:
        """The blobs, by container and name."""
        found = self._emulator.blobs.all()
        return [Blob(blob.container, blob.name, blob.size) for blob in found if blob.path.exists()]

    def _oldest_first(self, kind: str) -> list[Document]:
        return self._store.find(kind)[::-1]

    def _job(self, document: Document) -> Job:
        call = Call(self._emulator, None, Scope(*document["scope"]))  # type: ignore[arg-type] # nobody asked
        script = self._store.get("script", call.scope.key + document["name"])
        if script is None or not is_untimed(script):
            jobs.settled(call, document["name"])
        found = runs.of_job(self._store, call.scope.key, document["name"])
        steps = {run["step"]: run["status"] for run in found if run["step"]}
        tags = self._store.labels(call.scope.key + document["name"].lower(), "tag")
        return Job(document["name"], document["type"], found[0]["status"], document["experiment"], tags, steps)

    def _endpoint(self, document: Document) -> Endpoint:
        properties = document["properties"]
        below = [one for one in self._oldest_first("deployment") if one["id"].startswith(f"{document['id']}/")]
        states = {one["name"]: one["properties"]["provisioningState"] for one in below}
        state = properties["provisioningState"]
        return Endpoint(document["name"], "managed", state, document["tags"], properties["traffic"], states)

    def save(self, path: Path) -> None:
        """Writes everything to a folder that is not there yet.

        Raises:
            FileExistsError: it is there.
        """
        path.mkdir(parents=True)
        for entry in self.folder.iterdir():
            if entry.is_dir():
                shutil.copytree(entry, path / entry.name)
        with closing(sqlite3.connect(path / "state.db")) as copy:
            self._store.connection().backup(copy)


def _asset(document: Document) -> Asset:
    properties = document["properties"]
    return Asset(document["asset"], document["name"], properties.get("tags") or {}, properties)


def _serverless(document: Document) -> Endpoint:
    return Endpoint(document["name"], "serverless", document["properties"]["provisioningState"], document["tags"])


def _cluster(document: Document) -> Cluster:
    properties = document["properties"]
    settings = properties["properties"]
    scale = settings["scaleSettings"]
    least, most = scale["minNodeCount"], scale["maxNodeCount"]
    return Cluster(document["name"], settings["vmSize"], least, most, properties["provisioningState"])
