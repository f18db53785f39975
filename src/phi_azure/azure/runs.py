"""Jobs as run history keeps them: state, steps, errors and logs, none of it read twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

from phi_azure.azure.failures import translated
from phi_azure.errors import NotFoundError

if TYPE_CHECKING:
    from phi_azure.azure.client import Connection

OVER = frozenset({"Completed", "Failed", "Canceled", "NotResponding", "Paused"})
_NODE = "azureml.PipelineRun"
_PARAMS = {"api-version": "v1.0"}


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
            return _record(connection.get(_url(connection, run_id), _PARAMS))
    except NotFoundError as error:
        raise NotFoundError(
            f"there is no run {run_id} in {connection.workspace}.", remedy="`phi-azure runs` lists them."
        ) from error


def steps(connection: Connection, run_id: str) -> list[Record]:
    """Reads the steps of a job, in order; the node that a pipeline puts around them is left out."""
    found: list[Record] = []
    with translated():
        for child in _children(connection, run_id):
            below = steps(connection, child.run_id) if child.kind == _NODE else []
            found += below or [child]
    return found


def log_files(connection: Connection, run_id: str) -> dict[str, str]:
    """Returns the addresses of a run's logs that users should see, by name; they are signed and last some hours."""
    with translated():
        document = connection.get(f"{_url(connection, run_id)}/details", _PARAMS)
    files: dict[str, str] = document.get("logFiles") or {}
    return {name: url for name, url in files.items() if name.startswith("user_logs/")}


@dataclass
class LogReader:
    """Reads a run's log from where it stopped last time; a line is given out when it is whole."""

    connection: Connection
    run_id: str
    offsets: dict[str, int] = field(default_factory=dict)
    rests: dict[str, bytes] = field(default_factory=dict)

    def new_lines(self, *, last: bool = False) -> list[str]:
        """Returns what was written since the last call; `last` gives out an unfinished line too."""
        lines: list[str] = []
        for name, url in _first_process(log_files(self.connection, self.run_id)):
            fresh = self._fresh(name, url)
            *whole, rest = (self.rests.get(name, b"") + fresh).split(b"\n")
            self.rests[name] = b"" if last else rest
            lines += [
                line.decode("utf-8", "replace").rstrip("\r") for line in whole + ([rest] if last and rest else [])
            ]
        return lines

    def _fresh(self, name: str, url: str) -> bytes:
        offset = self.offsets.get(name, 0)
        request = HttpRequest("GET", url, headers={"x-ms-range": f"bytes={offset}-", "x-ms-version": "2023-11-03"})
        try:
            with translated():
                content = self._read(request)
        except NotFoundError:
            return b""  # the log is announced before it is written
        self.offsets[name] = offset + len(content)
        return content

    def _read(self, request: HttpRequest) -> bytes:
        try:
            response = self.connection.send(request, signed=False)
        except HttpResponseError as error:
            if error.status_code == 416:  # nothing new
                return b""
            raise
        content: bytes = response.read()
        return content


def _first_process(files: dict[str, str]) -> list[tuple[str, str]]:
    """Returns the log of the first process; the others of a machine, and the other machines, repeat it."""
    names = sorted(files, key=lambda name: ("std_log" not in name, name))
    return [(name, files[name]) for name in names[:1]]


def _url(connection: Connection, run_id: str) -> str:
    return f"{connection.data_plane}/history/v1.0{connection.id}/runs/{run_id}"


def _children(connection: Connection, run_id: str) -> list[Record]:
    found: list[Record] = []
    params = dict(_PARAMS)
    while True:
        page = connection.get(f"{_url(connection, run_id)}/children", params)
        found += [_record(item) for item in page.get("value") or []]
        if not page.get("continuationToken"):
            return _in_order(found)
        params = {**_PARAMS, "$continuationToken": page["continuationToken"]}


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
        tags=document.get("tags") or {},
        properties=document.get("properties") or {},
        sent_by=(document.get("createdBy") or {}).get("userName"),
    )


def _message(error: dict[str, Any] | None) -> str | None:
    inner = (error or {}).get("error") or {}
    return str(inner["message"]).strip() if inner.get("message") else None


def read_time(text: str | None) -> datetime | None:
    """Reads a time of Azure, which has up to seven digits of a second and may end in Z."""
    if not text:
        return None
    head, dot, tail = text.replace("Z", "+00:00").partition(".")
    digits = tail[: len(tail) - len(tail.lstrip("0123456789"))] if dot else ""
    zone = tail[len(digits) :] if dot else ""
    return datetime.fromisoformat(f"{head}{dot}{digits[:6].ljust(6, '0')}{zone}" if dot else head)
