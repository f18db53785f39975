"""A job that was sent: what it does, what it measured, what it wrote, what came out."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from phi_azure import leash, names, outcome, status
from phi_azure import model as models_of_ours
from phi_azure.errors import (
    AzureError,
    ConfigError,
    ConflictError,
    NotFinished,
    NotFoundError,
    OverBudget,
    PhiAzureError,
)
from phi_azure.looking import Looking, Numbers, Pace, Patience, step_of, training_of
from phi_azure.progress import Point, Step, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime

    from phi_azure.azure.client import Connection
    from phi_azure.azure.runs import Record
    from phi_azure.edge import Export
    from phi_azure.events import OnEvent, OnProgress
    from phi_azure.model import Model
    from phi_azure.usual import Usual

__all__ = ["Point", "Run", "RunInfo", "Step", "Update", "load"]

RouteName = Literal["serverless", "managed"]


@dataclass(frozen=True)
class RunInfo:
    """One line of a list of runs."""

    name: str
    status: str
    route: str
    created: datetime | None
    experiment: str | None = None
    job: str | None = None
    """The name in the job file; None where phi_azure did not send it."""


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
    def since(self) -> datetime | None:
        """Since when it is in that state, by Azure's times: when it was sent, started or ended."""
        record = self._record
        known = {**dict.fromkeys(status.WAITING, record.created), **dict.fromkeys(status.OVER, record.ended)}
        return known.get(record.status, record.started)

    @property
    def queueing(self) -> str | None:
        """Why it waits for machines, where Azure says so."""
        return self._record.queueing

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the job."""
        return dict(self._record.tags)

    @property
    def url(self) -> str | None:
        """The page of the job: in the studio; on this machine on what `phi-azure emulator` serves, if it ever did."""
        studio = self._connection.studio()
        return studio and f"{studio}/runs/{self.name}?wsid={self._connection.id}"

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
        return self.status in status.OVER

    def refresh(self) -> Run:
        """Looks again, and returns itself."""
        from phi_azure.azure import runs

        self._record = runs.fetch(self._connection, self.name)
        return self

    def steps(self) -> list[Step]:
        """Reads the steps of a pipeline, those within a step right after it; a fine-tuning job may have none."""
        return [step_of(record) for record in self._step_records()]

    def metrics(self, key: str | None = None, since: datetime | None = None) -> dict[str, list[Point]]:
        """Reads what was measured, by name, in the order of the training steps.

        Args:
            key: one metric only, such as `loss`.
            since: only what was measured after this moment.
        """
        numbers = Numbers(self._connection, self.name)
        numbers.read(self._step_records(), full=True)
        return {
            name: [
                point for point in sorted(points, key=lambda point: point.step) if since is None or point.time > since
            ]
            for name, points in numbers.take().items()
            if key in {None, name}
        }

    def usual(self) -> Usual | None:
        """Returns what such runs usually take, by the last of this workspace that ended well; at most six requests."""
        from phi_azure.usual import usual

        return usual(self._connection, self._record)

    def log_files(self, step: str | None = None) -> list[str]:
        """Lists the logs of one step by name, or of the step that trains: one of each process, the first one first."""
        from phi_azure.azure import logs

        return list(logs.addresses(self._connection, self._run_id_of(step) or self.name))

    def logs(
        self, step: str | None = None, *, file: str | None = None, every: bool = False, follow: bool = False
    ) -> Iterator[str]:
        """Yields the lines of the log: of one step by name, or of the step that trains.

        Args:
            step: by name; `steps` has them.
            file: one log by name, such as `std_log_process_1.txt`, of `log_files`. None takes the first process's.
            every: the lines of all logs, each behind the name of its log.
            follow: go on with what comes until the run is over; a network that is away for some minutes ends nothing.

        Raises:
            NotFoundError: there is no such step or log.
        """
        from phi_azure.azure.logs import LogReader

        reader: LogReader | None = None
        pace, patience = self._pace(), Patience(self._connection, self.name)
        while True:
            try:
                over = self.refresh().over or not follow
                if reader is None and (run_id := self._run_id_of(step, required=over)):
                    called = self.name if run_id == self.name else f"the step {step or 'that trains'} of {self.name}"
                    reader = LogReader(self._connection, run_id, file, every, called)
                yield from reader.new_lines(last=over) if reader else ()
            except PhiAzureError as error:
                if not follow:
                    raise
                patience.bear(error)
                over = False
            else:
                patience.renew()
            if over:
                return
            self._connection.clock.sleep(next(pace))

    def events(self, poll: float | None = None) -> Iterator[Update]:
        """Yields an update at each look until the run is over; the last one has the final status and what was missed.

        Args:
            poll: seconds between two looks, which then ask for everything; None starts at half a second, slows down to
                90, and asks for little: of metrics mostly the newest values, with those between now and then and at the
                end. On this machine it stays at half a second.
        """
        return self._updates(poll, deadline=None)

    def wait(
        self,
        timeout: float | None = None,
        poll: float | None = None,
        on_update: Callable[[Update], None] | None = None,
        *,
        show: bool | None = None,
    ) -> Run:
        """Waits until the run is over and returns itself.

        Azure may be away for ten minutes without a break: a lost network, an expired sign-in, 429 and 5xx end nothing.
        Ctrl-C leaves the run going.

        Args:
            timeout: seconds; None waits for ever.
            poll: seconds between two looks, as in `events`.
            on_update: is given each update, such as to show it.
            show: show the progress; None does so in a notebook and on a terminal, unless there is `on_update`.

        Raises:
            RunFailed: it failed; the message holds the step, Azure's reason, the end of the log and what to do.
            RunCancelled: somebody stopped it.
            RunNotResponding, RunPaused: it stands still; it may go on one day.
            NotFinished: the time was over first; the run goes on.
            OverBudget: it ran longer than `max_hours` and `max_price` of its job file allow, and was cancelled.
            AzureError, SignInError: Azure was away for too long; the run goes on.
        """
        deadline = None if timeout is None else self._connection.clock.now() + timeout
        with self._showing(show, on_update) as tell:
            for update in self._updates(poll, deadline):
                tell(update)
                self._stop_over_budget()
        self.raise_for_status()
        return self

    def showing(self, log_lines: int = 0) -> AbstractContextManager[Callable[[Update], None]]:
        """Shows updates for as long as the context lasts; it yields the function to give them to, as `on_update`.

        Live in a notebook and on a terminal; elsewhere a plain line for each change, on stderr.

        Args:
            log_lines: how many of the last lines of the log are shown too.
        """
        from phi_azure import display

        try:
            usual = self.usual()
        except AzureError:
            usual = None  # good to know, and no reason to stop
        view = display.RunView(self.name, usual, log_lines, self._connection.clock.now)
        return display.watching(display.console(stderr=True), view)

    def raise_for_status(self, *, log_lines: int = outcome.SHOWN) -> None:
        """Raises how the run ended, if it is over at the last look and did not end well.

        Args:
            log_lines: how many lines of the log the message of a failure holds.
        """
        if not self.over:
            return
        failed = self.failure() if self.status == "Failed" else None
        if error := outcome.ending(self._record, failed, self._way_on(), shown=log_lines):
            raise error

    def failure(self) -> outcome.Failure | None:
        """Returns why it failed, in parts: the step, Azure's reason, a known cause, the end of the log; else None."""
        from phi_azure.azure import logs

        if self.status != "Failed":
            return None
        return outcome.failure(
            self._record, self._step_records(), lambda run_id: logs.tail(self._connection, run_id, outcome.READ)
        )

    def cancel(self) -> bool:
        """Asks Azure to stop the job, and looks again; what it wrote so far stays.

        Returns:
            Whether there was anything to stop: False where it was over already, and nothing was asked.
        """
        from phi_azure.azure import runs

        if self.refresh().status in status.ENDED:
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

        try:
            address = models.output_address(self._connection, self.name)
            return storage.download(self._connection, address, Path(folder), on_progress)
        except NotFoundError as error:
            if told := self._nothing_left():
                raise told from error
            raise

    def export(self, out: Path | str, on_progress: OnProgress | None = None, **how: Any) -> Export:
        """Makes another format of what the job left, registered or not; returns what was made. See `Model.export`."""
        from phi_azure import edge

        return edge.export_downloaded(
            self.download, f"{self._connection.id}/jobs/{self.name}", Path(out), on_progress, **how
        )

    @property
    def _model_name(self) -> str:
        from phi_azure.azure.order import MODEL_TAG

        return self._record.tags.get(MODEL_TAG) or self._record.properties.get("_outputModelName") or self.name

    def _nothing_left(self) -> NotFoundError | None:
        """Says why there is nothing to download yet, or at all; None where the job has ended well."""
        if not self.refresh().over:
            remedy = f"Wait for it: `phi-azure wait {self.name}`."
            return NotFoundError(f"{self.name} has left no files yet: it is {self.status}.", remedy=remedy)
        if self.status != "Completed":
            remedy = f"`phi-azure show {self.name}` says why."
            return NotFoundError(f"{self.name} has left no files: it is {self.status}.", remedy=remedy)
        return None

    def _step_records(self) -> list[Record]:
        from phi_azure.azure import runs

        return runs.steps(self._connection, self.name)

    def _updates(self, poll: float | None, deadline: float | None) -> Iterator[Update]:
        pace = self._pace(poll)
        looking = Looking(self._connection, self._record, thrifty=pace.fixed is None)
        patience = Patience(self._connection, self.name)
        over = False
        while not over:
            try:
                update = looking.look()
            except PhiAzureError as error:
                update = looking.away(patience.bear(error))
            else:
                patience.renew()
                over = looking.record.status in status.OVER
                if looking.changed:
                    pace.quicken()
            self._record = looking.record
            yield update
            if not over:
                self._pause(next(pace), deadline)

    def _stop_over_budget(self) -> None:
        """Cancels a run that is past the budget of its job file, which its tags hold. Raises OverBudget."""
        record = self._record
        if self.over or not leash.overdue(record.tags, record.started, self._connection.time):
            return
        self.cancel()
        most = float(record.tags[leash.MAX_HOURS_TAG])
        raise OverBudget(
            f"{self.name} was cancelled: it ran longer than the {most:.3g} h that max_hours and max_price allow.",
            remedy=self._way_on() or "Raise the limit in the job file and submit it again.",
        )

    def _showing(
        self, show: bool | None, on_update: Callable[[Update], None] | None
    ) -> AbstractContextManager[Callable[[Update], None]]:
        """Returns what is given each update while the run is waited for."""
        if show or (show is None and on_update is None and _is_watched()):
            return self.showing()
        return nullcontext(on_update or (lambda _: None))

    def _pause(self, pause: float, deadline: float | None) -> None:
        """Lets time pass until the next look. Raises NotFinished where the time to wait is over."""
        clock = self._connection.clock
        left = pause if deadline is None else deadline - clock.now()
        if left <= 0:
            raise NotFinished(f"{self.name} is {self.status} still; it goes on.", remedy=f"phi-azure wait {self.name}")
        clock.sleep(min(pause, left))

    @property
    def _keeps_checkpoints(self) -> bool:
        """Whether a new job could take them: Azure shows none of a fine-tuning job."""
        return self._record.kind != "FineTuning" or self._connection.local

    def _way_on(self) -> str | None:
        """Returns the command that goes on, where training had begun and leaves checkpoints that can be taken."""
        if self.status == "Completed" or not self._keeps_checkpoints:
            return None
        training = training_of(self._step_records()) or self._record
        if not training.started or training.status == "Completed":  # the step that failed came after it
            return None
        return f"`phi-azure resume {self.name}` goes on from its last checkpoint."

    def _run_id_of(self, step: str | None, *, required: bool = True) -> str | None:
        """Returns the id of a step, or of what trains; None where it is not there yet and not `required`."""
        records = self._step_records()
        if step is None:
            training = training_of(records)
            return training.run_id if training else (self.name if required or not records else None)
        chosen = next((record for record in records if step in {record.title, record.run_id}), None)
        if chosen is None and required:
            names = ", ".join(record.title for record in records) or "none"
            raise NotFoundError(f"{self.name} has no step {step}; it has: {names}.")
        return chosen.run_id if chosen else None

    def _pace(self, poll: float | None = None) -> Pace:
        return Pace(poll, local=self._connection.local)


def _is_watched() -> bool:
    """Whether a person sees what is shown: in a notebook, or on a terminal."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def load(connection: Connection, name: str, on_event: OnEvent | None = None) -> Run:
    """Finds a run by name. Raises NotFoundError."""
    from phi_azure.azure import runs

    return Run(connection, runs.fetch(connection, name), on_event)
