"""A registered model: deploy it, download it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from phi_azure import catalog, leash, names
from phi_azure.endpoint import Endpoint
from phi_azure.errors import ConfigError, ConflictError
from phi_azure.events import Event

if TYPE_CHECKING:
    from datetime import datetime

    from phi_azure.azure.client import Connection
    from phi_azure.azure.endpoints import Auth, Deployable, Found
    from phi_azure.edge import Export
    from phi_azure.events import OnEvent, OnProgress

Kind = Literal["serverless", "managed"]


@dataclass(frozen=True)
class ModelInfo:
    """One line of a list of models."""

    name: str
    version: str
    created: datetime | None
    run_name: str | None
    kind: str


@dataclass(frozen=True)
class Model:
    """A tuned model in the workspace; made by `Run.register`, found by `Workspace.model`."""

    name: str
    version: str
    id: str
    kind: Kind
    """Which endpoints take it: serverless jobs make models for serverless endpoints."""
    run_name: str | None
    """The job that made it."""
    tags: dict[str, str] = field(repr=False)
    raw: object = field(repr=False)
    """Azure's own object."""
    path: str = field(repr=False)
    _connection: Connection = field(repr=False)
    _on_event: OnEvent | None = field(default=None, repr=False)

    @property
    def location_id(self) -> str:
        """The id by which serverless endpoints of any workspace take it; asks Azure for the workspace's own id."""
        from phi_azure.azure import models

        return models.serverless_id(self._connection, self.name, self.version)

    def deploy(
        self,
        endpoint_name: str,
        *,
        size: str | None = None,
        instances: int = 1,
        kind: Kind | None = None,
        keep: str = leash.KEEP,
        traffic: int = 100,
        most: int | None = None,
        auth: Auth = "key",
    ) -> Endpoint:
        """Makes an endpoint for the model and waits until it answers; paid by the hour until it is deleted.

        To a managed endpoint of ours that is up it goes as a second deployment, which is asked a question before it
        gets traffic. The one before it stays, without traffic and paid, until `Endpoint.retire`; `rollback` goes back.

        Args:
            endpoint_name: unique in the region; 3 to 32 letters, digits and dashes.
            size: machine of a managed endpoint; None takes the first that the base model lists.
            instances: machines of a managed endpoint.
            kind: None takes the kind that fits the run.
            keep: how long it is meant to stay, such as 90m, 8h, 2d or forever; `down --expired` removes it after that.
            traffic: percent of the questions that it gets beside a deployment that is live; 0 lets it be asked by name.
            most: machines of a managed endpoint at most: Azure adds some while the GPUs are busy, each paid while it is
                up; None keeps the number.
            auth: what whoever asks has to show: `key`, or `aad_token`, a Microsoft Entra token of somebody who has the
                right to score.

        Raises:
            ConflictError: the name is taken by somebody else, or the kind does not take this model.
            AzureError: it did not come up or does not answer; the message holds the end of its container's log.
            ConfigError: Azure takes no such name, machines were named for a serverless endpoint, or `keep` is no
                length of time.
            QuotaError, SizeError: Azure has no such machines for you. Nothing is left behind.
        """
        from phi_azure.azure import endpoints, rollout

        names.refuse_new_endpoint(endpoint_name)
        if not 0 <= traffic <= 100:
            raise ConfigError(f"traffic is a percentage, from 0 to 100, not {traffic}.")
        if (kind or self.kind) != self.kind:
            raise ConflictError(f"{self.name} comes from a {self.kind} job; only {self.kind} endpoints take it.")
        if most is not None and most <= instances:
            raise ConfigError(f"most is the number of machines that Azure may reach; {most} is not above {instances}.")
        if self.kind == "serverless" and auth != "key":
            raise ConfigError(f"{self.name} goes to a serverless endpoint, which takes keys alone.")
        if self.kind == "serverless" and (size or instances != 1 or most):
            raise ConfigError(f"{self.name} goes to a serverless endpoint, which has no machines to choose.")
        if self.kind == "serverless":
            return self._wrap(
                endpoints.deploy_serverless(self._connection, endpoint_name, self._deployable("", 1, keep), self._say)
            )
        what = replace(self._deployable(size or self._default_size(), instances, keep), most=most, auth=auth)
        return self._wrap(rollout.deploy(self._connection, endpoint_name, what, traffic, self._say))

    def download(self, folder: Path | str, on_progress: OnProgress | None = None) -> Path:
        """Copies the model's files into a folder, in blocks, several at once; returns the folder.

        Files appear when all of them are whole and checked. What has come of a download that was cut is kept in the
        folder, and the next one goes on from there.

        Args:
            folder: made if absent.
            on_progress: is told five times a second how far it is.

        Raises:
            NotFoundError: the model has no files.
            AzureError: a file is damaged, or its name leads out of the folder.
            PhiAzureError: the disk has no room.
        """
        from phi_azure.azure import storage

        return storage.download(self._connection, self.path, Path(folder), on_progress)

    def export(self, out: Path | str, on_progress: OnProgress | None = None, **how: Any) -> Export:
        """Downloads the model, makes another format of it and proves that it answers alike; see `edge.export`.

        Args:
            out: the folder to make; it appears whole or not at all.
            on_progress: is told how far the download is.
            how: `order`, `trial`, `force` and `on_side` of `edge.export`.
        """
        from phi_azure import edge

        return edge.export_downloaded(self.download, self.id, Path(out), on_progress, **how)

    def delete(self) -> None:
        """Archives this version: it leaves the lists; its files stay in the workspace's storage."""
        from phi_azure.azure import models

        models.delete(self._connection, self.name, self.version)

    def _deployable(self, size: str, instances: int, keep: str) -> Deployable:
        from phi_azure.azure import endpoints, leashing
        from phi_azure.azure.order import OURS, RUN_TAG

        purpose = f"{self.name}:{self.version}"
        tags = {**self.tags, **OURS, RUN_TAG: self.run_name or "", **leashing.tags(self._connection, purpose, keep)}
        model_id = self.location_id if self.kind == "serverless" else self.id
        return endpoints.Deployable(model_id, size, instances, tags=tags)

    def _default_size(self) -> str:
        from phi_azure.azure.order import BASE_TAG

        row = catalog.model(self.tags.get(BASE_TAG, "").partition(":")[0])
        return row.inference_sizes[0] if row else catalog.DEFAULT_SIZE

    def _wrap(self, found: Found) -> Endpoint:
        return Endpoint.from_azure(self._connection, found)

    def _say(self, kind: str, message: str) -> None:
        if self._on_event:
            self._on_event(Event(kind, message))


def load(connection: Connection, name: str, version: str | None, on_event: OnEvent | None = None) -> Model:
    """Reads a model from the workspace; without a version the newest. Raises NotFoundError."""
    from phi_azure.azure import models

    return wrap(connection, models.find(connection, name, version), on_event)


def wrap(connection: Connection, raw: object, on_event: OnEvent | None = None) -> Model:
    """Makes a Model of Azure's own object."""
    from phi_azure.azure import models

    facts = models.facts(raw)
    kind: Kind = "serverless" if facts.kind == "serverless" else "managed"
    return Model(
        facts.name, facts.version, facts.id, kind, facts.run_name, facts.tags, raw, facts.path, connection, on_event
    )
