"""Jobs as run history keeps them: state, steps and errors."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from phi_azure.azure.failures import translated
from phi_azure.errors import NotFoundError

if TYPE_CHECKING:
    from phi_azure.azure.client import Connection

_NODE = "azureml.PipelineRun"
PARAMS = {"api-version": "v1.0"}


@dataclass(frozen=True)
class Record:
    """One run: a job, or a step of it."""

    run_id: str
    title: str
    status: str
    kind: str
    created: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    error: str | None = None
    queueing: str | None = None
    """Why it waits, where Azure says so."""
    target: str | None = None
    """The cluster that it runs on, where Azure says so."""
    depth: int = 0
    """How many steps it lies below one that is shown."""
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    sent_by: str | None = None
    """Who sent it, as Azure names people."""

    @property
    def trains(self) -> bool:
        """Whether this is the step that writes the loss."""
        return "finetune" in self.title.lower()


def submit(connection: Connection, job: Any) -> Any:
    """Sends a job; returns Azure's own object of it."""
    with translated():
        return connection.ml.jobs.create_or_update(job)


def cancel(connection: Connection, name: str) -> None:
    """Asks Azure to stop a job; its status becomes Canceled a little later."""
    with translated():
        connection.ml.jobs.begin_cancel(name).wait()


def fetch(connection: Connection, run_id: str) -> Record:
    """Reads one run. Raises NotFoundError."""
    try:
        with translated():
            return _record(connection.get(address(connection, run_id), PARAMS))
    except NotFoundError as error:
        raise NotFoundError(
            f"there is no run {run_id} in {connection.workspace}.", remedy="`phi-azure runs` lists them."
        ) from error


def steps(connection: Connection, run_id: str) -> list[Record]:
    """Reads the steps of a job, in order; a node that a pipeline only puts around all of them is left out."""
    return StepReader(connection, run_id).read()


@dataclass
class StepReader:
    """Reads the steps of a job, each time anew; what only holds others is asked for its state no second time."""

    connection: Connection
    run_id: str
    around: str | None = None
    """The node around all steps, once it is known; from then on a look is one request."""

    def read(self) -> list[Record]:
        """Returns the steps in the order of their start, those below another right after it."""
        with translated():
            found = self._below(self.around or self.run_id)
            if self.around is None and len(found) == 1 and found[0].kind == _NODE:
                self.around = found[0].run_id
                found = self._below(self.around) or found
            return self._tree(found, 0)

    def _tree(self, records: list[Record], depth: int) -> list[Record]:
        tree = []
        for record in records:
            tree.append(replace(record, depth=depth))
            if record.kind == _NODE and record.run_id != self.around:
                tree += self._tree(self._below(record.run_id), depth + 1)
        return tree

    def _below(self, run_id: str) -> list[Record]:
        found: list[Record] = []
        params = dict(PARAMS)
        while True:
            page = self.connection.get(f"{address(self.connection, run_id)}/children", params)
            found += [_record(item) for item in page.get("value") or []]
            if not page.get("continuationToken"):
                return _in_order(found)
            params = {**PARAMS, "$continuationToken": page["continuationToken"]}


def address(connection: Connection, run_id: str) -> str:
    """Returns where run history keeps a run."""
    return f"{connection.data_plane}/history/v1.0{connection.id}/runs/{run_id}"


def _in_order(records: list[Record]) -> list[Record]:
    """Puts what has started first in the order of its start; the rest stays as it came."""
    started = sorted((record for record in records if record.started), key=lambda record: str(record.started))
    return started + [record for record in records if not record.started]


def _record(document: dict[str, Any]) -> Record:
    return Record(
        run_id=document["runId"],
        title=document.get("displayName") or document["runId"],
        status=document["status"],
        kind=document.get("runType") or "",
        created=read_time(document.get("createdUtc")),
        started=read_time(document.get("startTimeUtc")),
        ended=read_time(document.get("endTimeUtc")),
        error=_message(document.get("error")),
        queueing=_told(document.get("queueingInfo")),
        target=document.get("target") or (document.get("compute") or {}).get("target"),
        tags=document.get("tags") or {},
        properties=document.get("properties") or {},
        sent_by=(document.get("createdBy") or {}).get("userName"),
    )


def _message(error: dict[str, Any] | None) -> str | None:
    inner = (error or {}).get("error") or {}
    return str(inner["message"]).strip() if inner.get("message") else None


def _told(queueing: dict[str, Any] | None) -> str | None:
    parts = [str(queueing[key]).strip() for key in ("code", "message") if queueing.get(key)] if queueing else []
    return ": ".join(parts) or None


def read_time(text: str | None) -> datetime | None:
    """Reads a time of Azure, which has up to seven digits of a second and may end in Z."""
    if not text:
        return None
    head, dot, tail = text.replace("Z", "+00:00").partition(".")
    digits = tail[: len(tail) - len(tail.lstrip("0123456789"))] if dot else ""
    zone = tail[len(digits) :] if dot else ""
    return datetime.fromisoformat(f"{head}{dot}{digits[:6].ljust(6, '0')}{zone}" if dot else head)
