"""Looks at a run while it goes on: what each look asks of Azure, and how long it is until the next."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from phi_azure import progress, status
from phi_azure.progress import Point, Step, Update

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.azure.client import Connection
    from phi_azure.azure.logs import LogReader
    from phi_azure.azure.runs import Record
    from phi_azure.azure.tracking import MetricReader
    from phi_azure.errors import PhiAzureError

PATIENCE_S = 600.0
"""Seconds that Azure may be away without a break before waiting ends."""
_FIRST_S, _GROWTH, _SLOWEST_S = 0.5, 1.5, 90.0
_AFTER_A_CHANGE_S = 5.0
_FULL_EVERY = 24  # readings of metrics, of which one reads every point; the others read the newest
_JOB_EVERY = 4  # looks at a job with steps, of which one asks for the job; the others ask for its steps
_CLUSTER_EVERY_S = 600.0


class Pace:
    """The pauses between two looks: quick at first and after a change, slow when nothing has changed for long.

    A job of three hours takes fewer looks than azure-ai-ml's own `jobs.stream` takes polls (205); its end is seen at
    most 90 seconds late. On this machine, or with a pause that somebody asked for, it stays the same.
    """

    def __init__(self, poll: float | None, *, local: bool) -> None:
        self.fixed = _FIRST_S if poll is None and local else poll
        self._next = self.fixed or _FIRST_S

    def __next__(self) -> float:
        """Returns the seconds until the next look."""
        pause = self._next
        if self.fixed is None:
            self._next = min(pause * _GROWTH, _SLOWEST_S)
        return pause

    def __iter__(self) -> Iterator[float]:
        """Goes on for ever."""
        return self

    def quicken(self) -> None:
        """Something has changed; more may come soon."""
        if self.fixed is None:
            self._next = min(self._next, _AFTER_A_CHANGE_S)


class Patience:
    """How long Azure may be away while somebody waits: ten minutes without a break."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._clock = connection.clock
        self._name = name
        self._since: float | None = None

    def bear(self, error: PhiAzureError) -> str:
        """Returns what to tell of an error that may pass; raises one that does not, or that has lasted too long."""
        from phi_azure.azure.failures import may_pass

        if not may_pass(error):
            raise error
        now = self._clock.now()
        self._since = now if self._since is None else self._since
        if now - self._since >= PATIENCE_S:
            said = f"Azure gave no answer for {progress.minutes(now - self._since)}; the run {self._name} goes on."
            remedy = f"`phi-azure wait {self._name}` comes back. {error.remedy or ''}".strip()
            raise type(error)(f"{said}\n{error}", remedy=remedy) from error
        first = str(error).partition("\n")[0]
        return f"Azure gives no answer ({progress.length(now - self._since)}); the run goes on. {first}"

    def renew(self) -> None:
        """Azure has answered."""
        self._since = None


class Looking:
    """What has been read of a run so far: each look brings only what is new, and a lost network loses nothing.

    Args:
        connection: to the workspace.
        record: the run as it was seen last.
        thrifty: ask for two things a look: how it stands (the job, or its steps) and what it wrote (numbers, or log
            lines), in turn. Otherwise for everything.
    """

    def __init__(self, connection: Connection, record: Record, *, thrifty: bool = False) -> None:
        from phi_azure.azure.runs import StepReader

        self.record = record
        self.records: list[Record] = []
        self._connection = connection
        self._thrifty = thrifty
        self._looks = 0
        self._steps = StepReader(connection, record.run_id)
        self._numbers = Numbers(connection, record.run_id)
        self._log: LogReader | None = None
        self._lines: list[str] = []
        self._began = self._alive = self._now
        self._began_seen = False
        self._step_since: dict[str, tuple[str, float]] = {}
        self.changed = False
        """Whether the last look saw another state, of the job or of a step, than the one before."""
        self._cluster: tuple[float, str | None] | None = None

    def look(self) -> Update:
        """Asks Azure, and returns what is new. What was read before an error comes with the next look."""
        self._read_state()
        over = self.record.status in status.OVER
        if self.record.status not in status.WAITING:
            self._read_what_it_wrote(last=over)
        note = None if over else self._note()
        self._looks += 1
        return self._update(note)

    def away(self, note: str) -> Update:
        """Returns how it stood at the last look, for a time when Azure cannot be asked."""
        return self._update(note)

    @property
    def _now(self) -> float:
        return self._connection.clock.now()

    def _read_state(self) -> None:
        """Asks for the job, its steps, or both where one of them says that the other may have changed."""
        before = self._states()
        if asked := self._job_is_due():
            self._read_job()
        if not asked or self._steps_are_due(before[0]):
            self._read_steps()
        if not asked and (self._states() != before or self._steps_are_over()):
            self._read_job()
        self.changed = self._states() != before

    def _job_is_due(self) -> bool:
        return not self._thrifty or not self.records or not self._looks % _JOB_EVERY

    def _steps_are_due(self, word: str) -> bool:
        """Whether steps may be there, or different, now that the job was asked for; `word` was its state before."""
        record = self.record
        may_have = record.kind != "FineTuning" and not self.records and record.status not in status.WAITING
        return not self._thrifty or self._looks == 0 or record.status != word or may_have

    def _steps_are_over(self) -> bool:
        return bool(self.records) and all(record.status in status.OVER for record in self.records)

    def _read_job(self) -> None:
        from phi_azure.azure import runs

        before = self.record.status
        self.record = runs.fetch(self._connection, self.record.run_id)
        if self.record.status != before:
            self._began, self._began_seen = self._now, True

    def _read_steps(self) -> None:
        self.records = self._steps.read()
        for record in self.records:
            known = self._step_since.get(record.run_id)
            if known is None or known[0] != record.status:
                self._step_since[record.run_id] = record.status, self._now

    def _states(self) -> tuple[str, ...]:
        return self.record.status, *(record.run_id + record.status for record in self.records)

    def _read_what_it_wrote(self, *, last: bool) -> None:
        """Reads numbers and log lines; a thrifty look reads one of them, unless it is the last."""
        training = training_of(self.records)
        if self.records and not last and not (training and training.started):
            return
        both = last or not self._thrifty
        if both or self._looks % 2:
            self._numbers.read(self.records, full=both)
        if both or not self._looks % 2:
            self._read_log(last=last)

    def _read_log(self, *, last: bool) -> None:
        from phi_azure.azure.logs import LogReader

        training = training_of(self.records)
        if self._log is None and (training or not self.records):
            self._log = LogReader(self._connection, training.run_id if training else self.record.run_id)
        for line in self._log.new_lines(last=last) if self._log else ():
            self._lines.append(line)
            self._alive = self._now

    def _note(self) -> str | None:
        """Returns what does not go as it should."""
        if self._numbers.fresh:
            self._alive = self._now
        where = training_of(self.records) or self.record
        silent = self._silent(where)
        reasons = {"run": self.record.queueing or where.queueing}
        if self._waits_for_machines() or silent >= progress.SILENT_S:
            reasons["cluster"] = self._cluster_says(where.target or self.record.target)
        word, since = self.record.status, self._since()
        if waiting := self._waiting_step():
            word, since = self._step_since[waiting.run_id]
        return progress.standstill(word, self._now - since, silent, reasons)

    def _silent(self, where: Record) -> float:
        """Returns for how many seconds the training has written nothing; 0 while it does not run."""
        if where.status != "Running":
            return 0.0
        return self._now - max(self._alive, where.started.timestamp() if where.started else self._began)

    def _waiting_step(self) -> Record | None:
        """Returns the step that waits for its machines while no other runs."""
        if self.record.status != "Running" or any(record.status == "Running" for record in self.records):
            return None
        return next((record for record in self.records if record.status in status.WAITING - {"NotStarted"}), None)

    def _waits_for_machines(self) -> bool:
        waiting = self._waiting_step()
        since = self._step_since[waiting.run_id][1] if waiting else self._since()
        waits = waiting is not None or self.record.status in status.WAITING
        return waits and self._now - since >= progress.QUEUED_S

    def _cluster_says(self, name: str | None) -> str | None:
        """Returns what the cluster says of itself, asked for every ten minutes."""
        from phi_azure.azure import compute

        if name is None:
            return None
        if self._cluster is None or self._now - self._cluster[0] >= _CLUSTER_EVERY_S:
            self._cluster = self._now, compute.complaint(self._connection, name)
        return self._cluster[1]

    def _since(self) -> float:
        """Returns since when the run is in its state: by Azure's times, else since it was seen."""
        record = self.record
        known = {"Running": record.started, **dict.fromkeys(status.OVER, record.ended)}.get(record.status)
        if record.status in status.WAITING and not self._began_seen:
            known = record.created
        return known.timestamp() if known else self._began

    def _update(self, note: str | None) -> Update:
        lines, self._lines = self._lines, []
        now = moment(self._now)
        epochs = epochs_of(self.record.tags)
        return Update(
            status=self.record.status,
            steps=tuple(step_of(record) for record in self.records),
            new_metrics=self._numbers.take(),
            new_log_lines=tuple(lines),
            progress=progress.share(epochs, self._numbers.epochs),
            time=now,
            since=moment(self._since()),
            seconds_left=progress.seconds_left(epochs, self._numbers.epochs, now),
            note=note,
        )


class Numbers:
    """The metrics of a run that have been read so far: those of the job, or of the step that trains.

    Azure's training code writes them to both; while the job has none, the step is asked too.
    """

    def __init__(self, connection: Connection, run_id: str) -> None:
        from phi_azure.azure.tracking import MetricReader

        self.epochs: list[Point] = []
        """The points of the metric `epoch`, from which progress is reckoned."""
        self._connection = connection
        self._of_job = MetricReader(connection, run_id)
        self._of_step: MetricReader | None = None
        self._seen: set[tuple[str, int, float]] = set()
        self._new: dict[str, list[Point]] = {}
        self._readings = 0

    def read(self, records: list[Record], *, full: bool) -> None:
        """Reads every point since the last time; without `full` mostly the newest of each metric only."""
        from phi_azure.azure.tracking import MetricReader

        full = full or self._readings % _FULL_EVERY == 0
        self._readings += 1
        self._read(self._of_job, full=full)
        training = training_of(records)
        if training and training.started and (full or not self._of_job.newest):
            self._of_step = self._of_step or MetricReader(self._connection, training.run_id)
            self._read(self._of_step, full=full)

    def _read(self, reader: MetricReader, *, full: bool) -> None:
        for key, values in reader.new_values(full=full):
            for step, value, when in values:
                if (key, step, value) in self._seen:
                    continue
                self._seen.add((key, step, value))
                point = Point(step, value, moment(when))
                self._new.setdefault(key, []).append(point)
                if key == "epoch":
                    self.epochs.append(point)

    @property
    def fresh(self) -> bool:
        """Whether there is anything that was not taken yet."""
        return bool(self._new)

    def take(self) -> dict[str, list[Point]]:
        """Returns what was read since the last time."""
        taken, self._new = self._new, {}
        return taken


def training_of(records: list[Record]) -> Record | None:
    """Returns the step that writes the loss."""
    return next((record for record in records if record.trains), None)


def step_of(record: Record) -> Step:
    """Returns a step as users see it."""
    return Step(record.title, record.status, record.started, record.ended, record.run_id, record.depth)


def epochs_of(tags: dict[str, str]) -> float:
    """Returns how many times the job goes through its data, 0 where its tags do not say."""
    from phi_azure.azure.order import EPOCHS_TAG

    return float(tags.get(EPOCHS_TAG, 0))


def moment(seconds: float) -> datetime:
    """Returns a time in seconds since 1970 as Azure writes it."""
    return datetime.fromtimestamp(seconds, timezone.utc)
