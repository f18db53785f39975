"""Sending a job once: what it comes to in a workspace, whether it was sent before, and what is made for it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phi_azure import catalog, receipts
from phi_azure import run as runs_of_ours
from phi_azure.config import FineTune, LocalModel, ManagedCompute, with_model_defaults
from phi_azure.config.component import COMPONENT
from phi_azure.config.rules import unknown_inputs
from phi_azure.content import content, run_name
from phi_azure.errors import ConfigError, ConflictError, NotFoundError
from phi_azure.events import Event
from phi_azure.receipts import filing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from phi_azure.azure.attempts import Attempts
    from phi_azure.azure.catalogue import BaseModel
    from phi_azure.azure.client import Connection
    from phi_azure.azure.compute import Machines
    from phi_azure.azure.data import Rows
    from phi_azure.azure.order import Order
    from phi_azure.azure.runs import Record
    from phi_azure.dataset import Report
    from phi_azure.events import OnEvent, OnProgress
    from phi_azure.receipts import Sent
    from phi_azure.run import Run


@dataclass(frozen=True)
class Terms:
    """A job with nothing left open, by what the workspace has today; nothing was made for it."""

    job: FineTune
    """With the model's own defaults in it."""
    base: BaseModel
    machines: Machines | None
    """None on Azure's own, and where instance types are named."""
    rows: Mapping[str, Rows]
    """What it reads, by `training`, `validation` and `test`."""
    written: FineTune
    """The job as a person wrote it."""
    report: Report
    """What the check of its files found."""

    @property
    def size(self) -> str | None:
        """The machines' size."""
        return self.machines.size if self.machines else None

    @property
    def digests(self) -> dict[str, str]:
        """The hash of each file, by what it is for."""
        return {split: rows.digest for split, rows in self.rows.items()}

    @property
    def content(self) -> str:
        """The hash of all that changes what is trained."""
        return content(self.job, self.base.key, self.size, self.digests)

    def kept(self) -> Sent:
        """Returns what the receipt keeps of it."""
        return receipts.sent_facts(self.written, self.report, self.digests, self.base.defaults, self.size)


class Submission:
    """A job that can be sent; made by `Workspace.prepare`, which only reads."""

    def __init__(
        self,
        connection: Connection,
        terms: Terms,
        attempts: Attempts,
        standing: Record | None,
        receipts: Path | None = None,
    ) -> None:
        self._connection = connection
        self._attempts = attempts
        self._standing = standing
        self._receipts = receipts
        self.terms = terms

    @property
    def run_name(self) -> str:
        """The run that there will be, or that there is."""
        return self._standing.run_id if self._standing else self._attempts.free

    @property
    def is_sent(self) -> bool:
        """Whether the same job goes on or has ended well: `send` then finds it, and nothing is paid twice."""
        return self._standing is not None

    @property
    def before(self) -> str | None:
        """What became of the same job before, in a sentence, to be said before `send`; None where it was never sent."""
        if self._standing:
            return f"{_told(self._standing)}: it is taken up, and nothing is paid twice."
        if not self._attempts.found:
            return None
        return f"{_told(self._attempts.found[-1])}: it is sent again, as {self.run_name}."

    def send(self, on_event: OnEvent | None = None, on_progress: OnProgress | None = None) -> Run:
        """Makes what is missing, uploads what is new and sends the job, unless it is sent; returns without waiting."""
        say = teller(on_event)
        if self._standing is None:
            self._keep(say)
            self._send(say, on_progress)
            say("job", f"sent {self.run_name}")
        if self._receipts:
            filing.answered(self._receipts / self.run_name)
        run = runs_of_ours.load(self._connection, self.run_name, on_event)
        run.attached = self.is_sent
        return run

    def _keep(self, say: Callable[[str, str], None]) -> None:
        """Keeps what only this machine knows; a disk that takes nothing does not stop a job."""
        if self._receipts is None:
            return
        try:
            filing.write_sent(self._receipts / self.run_name, self.terms.kept())
        except OSError as error:
            say("receipt", f"{self._receipts} cannot be written, and nothing is kept there: {error}")

    def _send(self, say: Callable[[str, str], None], on_progress: OnProgress | None) -> None:
        from phi_azure.azure import managed, runs, serverless
        from phi_azure.azure.catalogue import component

        order = self._order(say, on_progress)
        if isinstance(order.job.route, ManagedCompute) and order.job.route.job == "pipeline":
            made = managed.pipeline_job(order, component(self._connection, COMPONENT))
        else:
            made = serverless.finetuning_job(order)
        try:
            runs.submit(self._connection, made)
        except (ConfigError, ConflictError):
            self._standing = self._sent_by_another()
            if self._standing is None:
                raise

    def _sent_by_another(self) -> Record | None:
        """Returns the run that somebody with the same job has sent between our look and our sending."""
        from phi_azure.azure import runs
        from phi_azure.azure.order import CONTENT_TAG

        with suppress(NotFoundError):
            found = runs.fetch(self._connection, self._attempts.free)
            return found if found.tags.get(CONTENT_TAG) == self.terms.content else None
        return None

    def _order(self, say: Callable[[str, str], None], on_progress: OnProgress | None) -> Order:
        """Makes what the job needs: own weights in the workspace, a cluster, data assets."""
        from phi_azure.azure import catalogue, compute, data
        from phi_azure.azure.order import JOB_TAG, OURS, Order

        terms, job = self.terms, self.terms.job
        base = terms.base
        if isinstance(job.model, LocalModel):
            base = catalogue.ensure_own(self._connection, job.model.path, base, say, on_progress)
        tags = {**job.tags, **OURS, JOB_TAG: job.name}
        if terms.machines and isinstance(job.route, ManagedCompute):
            compute.ensure_cluster(self._connection, job.route, terms.machines, tags, say)
        assets = {
            split: data.ensure_asset(self._connection, rows, f"{job.name}-{split}", tags, say, on_progress)
            for split, rows in terms.rows.items()
        }
        return Order(
            job=job,
            run_name=self.run_name,
            training=assets["training"],
            data_hash=terms.rows["training"].digest,
            content=terms.content,
            model_id=base.id,
            model_input=base.component_input,
            validation=assets.get("validation"),
            test=assets.get("test"),
            size=terms.size,
            gpus=_gpus(job, terms.size),
        )


def prepare(
    connection: Connection, job: FineTune, report: Report, *, again: bool = False, receipts: Path | None = None
) -> Submission:
    """Settles what a job leaves open, and looks for the same job in the workspace; makes nothing.

    Args:
        connection: the workspace.
        job: as a person wrote it.
        report: the check of its files.
        again: send it although it goes on, or has ended well; not once more where such a command was cut.
        receipts: the folder of all receipts; None keeps none.
    """
    from phi_azure.azure import attempts

    _refuse_unknown_inputs(connection, job)
    terms = _terms(connection, job, report)
    found = attempts.look(connection, run_name(job.name, terms.content), terms.content)
    standing = found.standing
    cut = standing and receipts and filing.is_due(receipts / standing.run_id)
    return Submission(connection, terms, found, standing if cut or not again else None, receipts)


def _refuse_unknown_inputs(connection: Connection, job: FineTune) -> None:
    """Holds inputs that no field knows against the component's newest version: azure-ai-ml raises a bare TypeError."""
    from phi_azure.azure.catalogue import component

    if not isinstance(job.route, ManagedCompute) or not job.route.inputs:
        return
    newest = component(connection, COMPONENT)
    if problems := unknown_inputs(job.route.inputs, newest.inputs, f"{COMPONENT} {newest.version}"):
        raise ConfigError("\n".join(problems), remedy="phi-azure schema lists the fields of route; leave this out.")


def teller(on_event: OnEvent | None) -> Callable[[str, str], None]:
    """Returns what tells a listener, if there is one, a kind of event and its words."""

    def say(kind: str, message: str) -> None:
        if on_event:
            on_event(Event(kind, message))

    return say


def _terms(connection: Connection, job: FineTune, report: Report) -> Terms:
    from phi_azure.azure import catalogue, data

    written = job
    if isinstance(job.model, LocalModel):
        base = catalogue.read_own(job.model.path)
    else:
        base = catalogue.find(connection, str(job.model))
    job = with_model_defaults(job, base.defaults)
    files = {"training": job.training_data, "validation": job.validation_data}
    if isinstance(job.route, ManagedCompute) and job.route.job == "pipeline":
        files["test"] = job.test_data
    machines = _machines(connection, job, base)
    rows = {split: data.identify(connection, path) for split, path in files.items() if path is not None}
    return Terms(job, base, machines, rows, written, report)


def _machines(connection: Connection, job: FineTune, base: BaseModel) -> Machines | None:
    from phi_azure.azure import compute

    if not isinstance(job.route, ManagedCompute) or job.route.instance_types:
        return None
    return compute.look(connection, job.route, base.finetune_sizes[0])


def _gpus(job: FineTune, size: str | None) -> int | None:
    if not isinstance(job.route, ManagedCompute) or size is None:
        return None
    row = catalog.size(size)
    return job.route.gpus or (row.gpus if row else 1)


def _told(record: Record) -> str:
    """Returns a run, its state, and who sent it when: two people with the same job come upon one another."""
    who = f" by {record.sent_by}" if record.sent_by else ""
    when = f" on {record.created:%Y-%m-%d at %H:%M} UTC" if record.created else ""
    return f"the same job was sent{who}{when}; {record.run_id} is {record.status}"
