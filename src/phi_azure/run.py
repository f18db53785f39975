"""A job that was sent: what it does, what it measured, what it wrote, what came out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from phi_azure import model as models_of_ours
from phi_azure import names
from phi_azure.errors import AzureError, ConfigError, ConflictError, NotFinished, NotFoundError, RunCancelled, RunFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phi_azure.azure.client import Connection
    from phi_azure.azure.runs import LogReader, Record
    from phi_azure.azure.tracking import MetricReader
    from phi_azure.events import OnEvent, OnProgress
    from phi_azure.model import Model

RouteName = Literal["serverless", "managed"]
_PATIENCE_S = 600.0  # of a network that is away, before waiting ends
_FIRST_POLL_S, _SLOWEST_POLL_S = 0.5, 15.0
_TAIL = 15
_ENDED = frozenset({"Completed", "Failed", "Canceled"})  # a paused run, or one that is silent, can still be stopped


@dataclass(frozen=True)
class Step:
    """One step of a job."""

    name: str
    status: str
    started: datetime | None
    ended: datetime | None
    run_id: str


@dataclass(frozen=True)
class Point:
    """One value of a metric."""

    step: int
    value: float
    time: datetime


@dataclass(frozen=True)
class Update:
    """What came since the last one."""

    status: str
    steps: tuple[Step, ...] = ()
    new_metrics: dict[str, list[Point]] = field(default_factory=dict)
    new_log_lines: tuple[str, ...] = ()
    progress: float | None = None
    """Share of the training that is done, 0 to 1; None before it is known."""


@dataclass(frozen=True)
class RunInfo:
    """One line of a list of runs."""

    name: str
    status: str
    route: str
    created: datetime | None
    experiment: str | None = None


class Run:
    """One job in Azure, by name; made by `Workspace.submit`, found by `Workspace.run`."""

    def __init__(self, connection: Connection, record: Record, on_event: OnEvent | None = None) -> None:
        self._connection = connection
        self._record = record
        self._on_event = on_event
        self.attached = False
        """Whether `submit` found it in the workspace, instead of sending the job once more."""

    def __repr__(self) -> str:
        """Names the run and its state at the last look."""
        return f"Run({self.name!r}, status={self.status!r})"

    @property
    def name(self) -> str:
        """Azure's name of the job."""
        return self._record.run_id

    @property
    def status(self) -> str:
        """Azure's word for its state at the last look, such as Running or Completed; `refresh` looks again."""
        return self._record.status

    @property
    def route(self) -> RouteName:
        """Where it trains."""
        from phi_azure.azure.order import ROUTE_TAG

        named = self._record.tags.get(ROUTE_TAG)
        if named in {"serverless", "managed"}:
            return "serverless" if named == "serverless" else "managed"
        return "serverless" if self._record.properties.get("_fineTuningJobType") == "MaaS" else "managed"

    @property
    def error(self) -> str | None:
        """Azure's reason, when it failed."""
        return self._record.error

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the job."""
        return dict(self._record.tags)

    @property
    def url(self) -> str:
        """The page of the job in the studio."""
        return f"https://ml.azure.com/runs/{self.name}?wsid={self._connection.id}"

    @property
    def raw(self) -> object:
        """Azure's own object of the job, fetched now."""
        from phi_azure.azure.failures import translated

        with translated():
            raw: object = self._connection.ml.jobs.get(self.name)
            return raw

    @property
    def over(self) -> bool:
        """Whether it has ended, well or not, at the last look."""
        from phi_azure.azure.runs import OVER

        return self.status in OVER

    def refresh(self) -> Run:
        """Looks again, and returns itself."""
        from phi_azure.azure import runs

        self._record = runs.fetch(self._connection, self.name)
        return self

    def steps(self) -> list[Step]:
        """Reads the steps of a pipeline, in order; a fine-tuning job may have none."""
        return [_step(record) for record in self._step_records()]

    def metrics(self, key: str | None = None, since: datetime | None = None) -> dict[str, list[Point]]:
        """Reads what was measured, by name, in the order of the training steps.

        Args:
            key: one metric only, such as `loss`.
            since: only what was measured after this moment.
        """
        progress = _Progress(self._connection, self.name)
        progress.read_metrics(self._step_records())
        found, _ = progress.take()
        return {
            name: [
                point for point in sorted(points, key=lambda point: point.step) if since is None or point.time > since
            ]
            for name, points in found.items()
            if key in {None, name}
        }

    def logs(self, step: str | None = None, *, follow: bool = False) -> Iterator[str]:
        """Yields the lines of the log: of one step by name, or of the step that trains.

        With `follow`, yields what comes until the run is over. Raises NotFoundError for a step that is not there.
        """
        reader: LogReader | None = None
        pace = self._pace()
        while True:
            over = self.refresh().over or not follow
            reader = reader or self._log_of(step, required=over)
            if reader:
                yield from reader.new_lines(last=over)
            if over:
                return
            self._connection.clock.sleep(next(pace))

    def events(self, poll: float | None = None) -> Iterator[Update]:
        """Yields an update at each look until the run is over; the last one has the final status.

        Args:
            poll: seconds between two looks; None starts at half a second and slows down to 15, except on this machine.
        """
        return self._updates(poll, deadline=None)

    def wait(
        self, timeout: float | None = None, poll: float | None = None, on_update: Callable[[Update], None] | None = None
    ) -> Run:
        """Waits until the run is over and returns itself; a network that is away for some minutes does not end it.

        Args:
            timeout: seconds; None waits for ever.
            poll: seconds between two looks, as in `events`.
            on_update: is given each update, such as to show it.

        Raises:
            RunFailed: it failed; the message holds Azure's reason and the end of the log.
            RunCancelled: somebody stopped it.
            NotFinished: the time was over first; the run goes on.
        """
        deadline = None if timeout is None else self._connection.clock.now() + timeout
        for update in self._updates(poll, deadline):
            if on_update:
                on_update(update)
        return self._ended_well()

    def cancel(self) -> bool:
        """Asks Azure to stop the job, and looks again; what it wrote so far stays.

        Returns:
            Whether there was anything to stop: False where it was over already, and nothing was asked.
        """
        from phi_azure.azure import runs

        if self.refresh().status in _ENDED:
            return False
        runs.cancel(self._connection, self.name)
        self.refresh()
        return True

    def resume(self) -> Run:
        """Sends the job again, to go on from the last checkpoint of this one; returns the new run.

        Raises:
            ConflictError: this run is not over, or ended well.
            ConfigError: serverless jobs in Azure keep no checkpoint that a new job could take.
        """
        from phi_azure.azure import resuming

        if not self.refresh().over or self.status == "Completed":
            raise ConflictError(
                f"{self.name} is {self.status}; only a run that failed or was cancelled can be resumed."
            )
        if not self._keeps_checkpoints:
            raise ConfigError(
                f"{self.name} is a fine-tuning job; Azure keeps no checkpoint of it that a new job could take.",
                remedy="Submit it again, or train with ManagedCompute(job='pipeline'), which can be resumed.",
            )
        name = resuming.again(self._connection, self.name)
        return load(self._connection, name, self._on_event)

    @property
    def model(self) -> Model | None:
        """The registered model that came out of it, or None."""
        from phi_azure.azure import models

        raw = models.of_run(self._connection, self.name, self._model_name)
        return None if raw is None else models_of_ours.wrap(self._connection, raw, self._on_event)

    def register(self, name: str | None = None) -> Model:
        """Registers the tuned model under the job's name, or another; one that is registered already is returned.

        Raises:
            ConflictError: the run has not ended well.
            ConfigError: Azure takes no such name; nothing was sent.
        """
        from phi_azure.azure import managed, models
        from phi_azure.azure.order import RUN_TAG

        if name is not None:
            names.refuse_model(name)
        if not self.over:
            self.refresh()
        if self.status != "Completed":
            raise ConflictError(f"{self.name} is {self.status}; a model comes of a run that is Completed.")
        name = name or self._model_name
        if raw := models.of_run(self._connection, self.name, name):
            return models_of_ours.wrap(self._connection, raw, self._on_event)
        output = "registered_model" if self._record.kind == "FineTuning" else managed.OUTPUT
        raw = models.register(self._connection, name, self.name, output, {**self.tags, RUN_TAG: self.name})
        return models_of_ours.wrap(self._connection, raw, self._on_event)

    def download(self, folder: Path | str, on_progress: OnProgress | None = None) -> Path:
        """Copies what the job left into a folder, registered or not; returns the folder. See `Model.download`."""
        from phi_azure.azure import models, storage

        address = models.output_address(self._connection, self.name)
        return storage.download(self._connection, address, Path(folder), on_progress)

    @property
    def _model_name(self) -> str:
        from phi_azure.azure.order import MODEL_TAG

        return self._record.tags.get(MODEL_TAG) or self._record.properties.get("_outputModelName") or self.name

    def _step_records(self) -> list[Record]:
        from phi_azure.azure import runs

        return runs.steps(self._connection, self.name)

    def _updates(self, poll: float | None, deadline: float | None) -> Iterator[Update]:
        progress = _Progress(self._connection, self.name)
        pace = self._pace(poll)
        while True:
            yield self._look(progress, pace)
            if self.over:
                return
            if deadline is not None and self._connection.clock.now() >= deadline:
                raise NotFinished(
                    f"{self.name} is {self.status} still; it goes on.", remedy=f"phi-azure wait {self.name}"
                )
            pause = next(pace)
            left = pause if deadline is None else deadline - self._connection.clock.now()
            self._connection.clock.sleep(max(0.0, min(pause, left)))

    def _look(self, progress: _Progress, pace: Iterator[float]) -> Update:
        """Refreshes and reads what is new; a service or network that is away is asked again for ten minutes."""
        given_up = self._connection.clock.now() + _PATIENCE_S
        while (update := self._try_look(progress, patient=self._connection.clock.now() < given_up)) is None:
            self._connection.clock.sleep(next(pace))
        return update

    def _try_look(self, progress: _Progress, *, patient: bool) -> Update | None:
        try:
            records = self.refresh()._step_records()  # noqa: SLF001  itself
            progress.read(records, last=self.over)
        except AzureError:
            if not patient:
                raise
            return None
        metrics, lines = progress.take()
        share = progress.share(self._record.tags)
        return Update(self.status, tuple(_step(record) for record in records), metrics, tuple(lines), share)

    def _ended_well(self) -> Run:
        if self.status == "Completed":
            return self
        if self.status == "Canceled":
            raise RunCancelled(f"{self.name} was cancelled.", remedy=self._way_on())
        remedy = " ".join(part for part in (f"`phi-azure logs {self.name}` shows more.", self._way_on()) if part)
        raise RunFailed(f"{self.name} is {self.status}: {self._why()}", remedy=remedy)

    @property
    def _keeps_checkpoints(self) -> bool:
        """Whether a new job could take them: Azure shows none of a fine-tuning job."""
        return self._record.kind != "FineTuning" or self._connection.local

    def _way_on(self) -> str | None:
        """Returns the command that goes on, where training had begun and leaves checkpoints that can be taken."""
        training = _training(self._step_records()) or self._record
        if not (self._keeps_checkpoints and training.started):
            return None
        return f"`phi-azure resume {self.name}` goes on from its last checkpoint."

    def _why(self) -> str:
        """Returns Azure's reason, that of the step that failed, and the end of its log."""
        records = [record for record in self._step_records() if record.status == self.status]
        reasons = [reason for reason in dict.fromkeys([self.error, *(record.error for record in records)]) if reason]
        blamed = records[0] if records else self._record
        if records:
            reasons.insert(0, f"step {blamed.title}")
        tail = _reader(self._connection, blamed.run_id).new_lines(last=True)[-_TAIL:]
        return "\n".join([": ".join(reasons) or "Azure gives no reason", *tail])

    def _log_of(self, step: str | None, *, required: bool) -> LogReader | None:
        records = self._step_records()
        if step is None:
            chosen = _training(records) or (self._record if required or not records else None)
        else:
            chosen = next((record for record in records if step in {record.title, record.run_id}), None)
            if chosen is None and required:
                names = ", ".join(record.title for record in records) or "none"
                raise NotFoundError(f"{self.name} has no step {step}; it has: {names}.")
        return _reader(self._connection, chosen.run_id) if chosen else None

    def _pace(self, poll: float | None = None) -> Iterator[float]:
        """Yields the pauses between two looks."""
        pause = poll or _FIRST_POLL_S
        while True:
            yield pause
            if poll is None and not self._connection.local:
                pause = min(pause * 1.5, _SLOWEST_POLL_S)


def load(connection: Connection, name: str, on_event: OnEvent | None = None) -> Run:
    """Finds a run by name. Raises NotFoundError."""
    from phi_azure.azure import runs

    return Run(connection, runs.fetch(connection, name), on_event)


class _Progress:
    """What has been read of a run so far: each look brings only what is new, and a lost network loses nothing."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._readers: dict[str, MetricReader] = {}
        self._log: LogReader | None = None
        self._epoch = 0.0
        self._seen: set[tuple[str, int, float]] = set()  # the job and the step that trains report the same values
        self._metrics: dict[str, list[Point]] = {}
        self._lines: list[str] = []

    def read(self, records: list[Record], *, last: bool) -> None:
        """Reads the new values of the job and of the step that trains, and the new lines of its log."""
        self.read_metrics(records)
        training = _training(records)
        if self._log is None and (training or not records):
            self._log = _reader(self._connection, training.run_id if training else self._name)
        if self._log:
            self._lines += self._log.new_lines(last=last)

    def take(self) -> tuple[dict[str, list[Point]], list[str]]:
        """Returns what was read since the last time."""
        taken = self._metrics, self._lines
        self._metrics, self._lines = {}, []
        return taken

    def read_metrics(self, records: list[Record]) -> None:
        """Reads the new values of the job and of the step that trains."""
        training = _training(records)
        for run_id in [self._name, *([training.run_id] if training and training.started else [])]:
            self._read_values(run_id)

    def _read_values(self, run_id: str) -> None:
        from phi_azure.azure.tracking import MetricReader

        reader = self._readers.setdefault(run_id, MetricReader(self._connection, run_id))
        for key, values in reader.new_values():
            for step, value, when in values:
                if (key, step, value) not in self._seen:
                    self._seen.add((key, step, value))
                    point = Point(step, value, datetime.fromtimestamp(when, timezone.utc))
                    self._metrics.setdefault(key, []).append(point)
            if key == "epoch":
                self._epoch = max([self._epoch, *(value for _, value, _ in values)])

    def share(self, tags: dict[str, str]) -> float | None:
        """Returns how much of the epochs is done."""
        from phi_azure.azure.order import EPOCHS_TAG

        epochs = float(tags.get(EPOCHS_TAG, 0))
        return min(1.0, self._epoch / epochs) if epochs and self._epoch else None


def _reader(connection: Connection, run_id: str) -> LogReader:
    from phi_azure.azure.runs import LogReader

    return LogReader(connection, run_id)


def _training(records: list[Record]) -> Record | None:
    return next((record for record in records if record.trains), None)


def _step(record: Record) -> Step:
    return Step(record.title, record.status, record.started, record.ended, record.run_id)
