"""A workspace: in Azure, or on this machine; where jobs are sent and what came of them is found."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from phi_azure import catalog, dataset, leash, names
from phi_azure import model as models_of_ours
from phi_azure import run as runs_of_ours
from phi_azure.clock import SystemClock
from phi_azure.config import FineTune, is_in_azure
from phi_azure.config.rules import absent_files
from phi_azure.endpoint import Endpoint, EndpointInfo, Speaker
from phi_azure.errors import ConfigError, NotFoundError, PhiAzureError, RegionError
from phi_azure.model import Model, ModelInfo
from phi_azure.run import Run, RunInfo
from phi_azure.submission import teller

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from types import TracebackType

    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential
    from typing_extensions import Self

    from phi_azure.asking.batch import OnBatchProgress
    from phi_azure.azure.client import Connection
    from phi_azure.azure.endpoints import Auth
    from phi_azure.clock import Clock
    from phi_azure.compare import Comparison
    from phi_azure.costs import Costs
    from phi_azure.events import OnEvent, OnProgress
    from phi_azure.judging import Exam
    from phi_azure.plan import LiveFacts, Plan
    from phi_azure.preflight import Preflight
    from phi_azure.submission import Submission

CONFIG = "config.json"
RECEIPTS = ".phi-azure/receipts"
_IDS = ("subscription_id", "resource_group", "workspace_name")
_DOWNLOAD = "Download it in the studio (the workspace's name, top right), or work on this machine: --local."


@dataclass(frozen=True)
class WorkspaceInfo:
    """Which workspace it is."""

    name: str
    resource_group: str
    subscription_id: str
    region: str
    local: bool


class Workspace:
    """Where jobs are sent. Nothing is asked of Azure before the first thing that is wanted.

    Args:
        subscription_id: the subscription's id.
        resource_group: the resource group's name.
        name: the workspace's name.
        credential: anything of azure-identity; None takes the usual chain: environment, managed identity, az login.
        on_event: is told what is made, reused and uploaded on the way.
        clock: the time by which it waits; None takes the machine's. `phi_azure.testing` has one that a test turns.
        receipts: a folder for what is kept of each run, see `report`; None keeps nothing.
    """

    def __init__(
        self,
        subscription_id: str,
        resource_group: str,
        name: str,
        credential: TokenCredential | None = None,
        *,
        on_event: OnEvent | None = None,
        clock: Clock | None = None,
        receipts: Path | str | None = None,
    ) -> None:
        self.receipts = Path(receipts) if receipts else None
        self._connection = _connect(subscription_id, resource_group, name, credential, clock)
        self._close: Callable[[], None] = lambda: None
        self.on_event = on_event
        if "ipykernel" in sys.modules:
            from phi_azure import display

            display.teach_notebook()

    @classmethod
    def from_config(
        cls,
        path: Path | str | None = None,
        credential: TokenCredential | None = None,
        *,
        on_event: OnEvent | None = None,
        receipts: Path | str | None = RECEIPTS,
    ) -> Workspace:
        """Opens the workspace that Azure's config.json names: the file given, or the first here or in a folder above.

        Args:
            path: the file, or its folder.
            credential: see `Workspace`.
            on_event: likewise.
            receipts: likewise; as it comes, a folder below the current one.

        Raises:
            ConfigError: there is no such file, or it does not name a workspace.
        """
        return cls(*_read_config(_find_config(path)), credential, on_event=on_event, receipts=receipts)

    @classmethod
    def local(
        cls,
        folder: Path | str = ".phi-azure",
        weights: Mapping[str, Path] | None = None,
        *,
        on_event: OnEvent | None = None,
    ) -> Workspace:
        """Opens a workspace on this machine: the same client and requests, answered by the emulator; jobs really train.

        Args:
            folder: where everything is kept; jobs go on when this process ends.
            weights: folders with real weights, by model name; without them a tiny Phi stands in.
            on_event: is told what is made, reused and uploaded on the way.

        Raises:
            ConfigError: a file stands where the folder would be, or weights are for no Phi, or are none.
        """
        from phi_azure.emulator import open_folder

        if blocked := names.file_in_the_way(Path(folder)):
            raise ConfigError(f"{folder} is to be the workspace's folder, and {blocked} is a file; name another.")
        check_weights(weights or {})
        opened = open_folder(Path(folder), weights=weights)
        made = cls(
            opened.subscription_id,
            opened.resource_group,
            opened.workspace,
            opened.credential,
            on_event=on_event,
            receipts=Path(folder) / "receipts",
        )
        made._connection = replace(made._connection, local=True, studio=opened.page)
        made._close = opened.close
        return made

    def __repr__(self) -> str:
        """Names the workspace."""
        return f"Workspace({self._connection.workspace!r}{', local' if self._connection.local else ''})"

    def __enter__(self) -> Self:
        """Opens it, for a `with` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def close(self) -> None:
        """Closes connections; jobs go on."""
        self._connection.close()
        self._close()

    @property
    def now(self) -> datetime:
        """The moment, by the clock that the workspace waits by."""
        return self._connection.time

    @property
    def ml_client(self) -> MLClient:
        """Azure's own client of the workspace, for everything that is not here."""
        return self._connection.ml

    def info(self) -> WorkspaceInfo:
        """Asks Azure for the workspace; raises what keeps one from working in it."""
        from phi_azure.azure.failures import translated

        link = self._connection
        with translated():
            return WorkspaceInfo(link.workspace, link.resource_group, link.subscription_id, link.region, link.local)

    def plan(self, job: FineTune | Path | str, *, price_per_million: float | None = None) -> Plan:
        """Says what the job would make, take and cost on both routes, by what Azure says today; nothing is made.

        Args:
            job: the job or its file; data assets of Azure leave times and prices open.
            price_per_million: US dollars for a million trained tokens on the serverless route; none is published.

        Raises:
            DataError: the rows are not what the job could learn from.
        """
        from phi_azure.plan import check, plan

        job = job if isinstance(job, FineTune) else FineTune.from_yaml(job)
        report = check(job)
        report.raise_for_errors()
        return plan(job, report, facts=self.facts(job, price_per_million))

    def facts(self, job: FineTune, price_per_million: float | None = None) -> LiveFacts:
        """Asks Azure what a plan of the job depends on: the registry's row, the cluster, what is there; reads alone."""
        from phi_azure.azure import planning

        return planning.facts(self._connection, job, price_per_million)

    def preflight(self, job: FineTune | Path | str | None = None) -> Preflight:
        """Looks at Azure for what would stop the job, to the last step; reads only, a dozen requests at once.

        Who is signed in, the workspace, its storage, the rights for each step, the model, quota to train and to
        deploy, names. Without a job: what any job needs.
        """
        from phi_azure.azure import preflight

        job = job if job is None or isinstance(job, FineTune) else FineTune.from_yaml(job)
        return preflight.run(self._connection, job)

    def prepare(
        self,
        job: FineTune | Path | str,
        report: dataset.Report | None = None,
        *,
        again: bool = False,
        preflight: bool = True,
    ) -> Submission:
        """Settles what a job leaves open, and looks whether the same job was sent before; makes nothing.

        The same job has the same knobs, model, machines and data; tags, and limits of price and time, do not count.

        Args:
            job: the job or its file.
            report: what `check_data` found; None checks the data here.
            again: send it although it goes on, or has ended well.
            preflight: where it cannot be settled, say all that would stop it, not the first of it.

        Raises:
            ConfigError, NotFoundError, SignInError, RightsError, SizeError: why Azure would not take it.
        """
        from phi_azure import submission

        job = job if isinstance(job, FineTune) else FineTune.from_yaml(job)
        report = report or check_data(job)
        try:
            return submission.prepare(self._connection, job, report, again=again, receipts=self.receipts)
        except PhiAzureError:
            if preflight:
                self.preflight(job).raise_for_errors()
            raise

    def submit(
        self,
        job: FineTune | Path | str,
        on_event: OnEvent | None = None,
        on_progress: OnProgress | None = None,
        *,
        preflight: bool = True,
        again: bool = False,
    ) -> Run:
        """Checks the data, makes what is missing, uploads what is new, and sends the job; returns without waiting.

        The same job is sent once: while it goes on, and after it has ended well, its run is returned (`run.attached`),
        and nothing is paid twice. One that failed or was cancelled is sent again, as NAME-HASH-2 and so on.
        A cluster is made if there is none of its name; it costs nothing while it is idle. The job costs from here on.

        Args:
            job: the job or its file.
            on_event: is told what is made, reused and uploaded.
            on_progress: is told how far an upload is.
            preflight: look first for what would stop it; see `preflight`.
            again: send it although it goes on, or has ended well.

        Raises:
            DataError: the rows are not what the job could learn from; nothing was sent.
            ConfigError, NotFoundError, SignInError, RightsError, SizeError, QuotaError, RegionError: why Azure would
                not take it; of those that the preflight finds, nothing was made.
        """
        from phi_azure.submission import teller

        job = job if isinstance(job, FineTune) else FineTune.from_yaml(job)
        prepared = self.prepare(job, again=again, preflight=preflight)
        if prepared.before:
            teller(on_event or self.on_event)("job", prepared.before)
        if preflight and not prepared.is_sent:
            self.preflight(job).raise_for_errors()
        return prepared.send(on_event or self.on_event, on_progress)

    def run(self, name: str) -> Run:
        """Finds a run by name. Raises NotFoundError."""
        from phi_azure.azure.failures import translated

        _refuse_no_name("run", name)
        with translated():
            return runs_of_ours.load(self._connection, name, self.on_event)

    def report(self, run: Run | str, out: Path | str | None = None) -> Path:
        """Writes the receipt of a run as it stands now, and returns its page, which needs no network.

        In `receipts/RUN`: the page, the job with nothing left open, who set each value, data hashes, versions, plan
        and actual time and price, steps, metrics as JSON and CSV, lineage. All but origins, plan and examples are read
        from Azure, from any machine; those three are where the job was sent. No secret is in it.

        Args:
            run: the run or its name.
            out: the page alone goes there; None takes the folder of receipts.
        """
        from phi_azure import display, receipts

        run = self.run(run) if isinstance(run, str) else run
        folder = (self.receipts or Path(RECEIPTS)) / run.name
        receipt = receipts.gather(self._connection, run, receipts.read_sent(folder))
        page = display.receipt_page(receipt)
        if out is None:
            return receipts.write(folder, receipt, page)
        receipts.replace(Path(out), page)
        return Path(out)

    def runs(self, limit: int = 50, *, everybodys: bool = False, status: str | None = None) -> list[RunInfo]:
        """Lists the jobs that phi_azure sent, from any machine, newest first; it knows them by their tag.

        Args:
            limit: how many at most.
            everybodys: every job of the workspace, whoever sent it.
            status: only those in this state, by Azure's word, such as Running.
        """
        from phi_azure.azure import listing

        return [
            RunInfo(found.name, found.status, found.route, found.created, found.experiment, found.job)
            for found in listing.jobs(self._connection, limit, everybodys=everybodys, status=status)
        ]

    def model(self, name: str, version: str | None = None) -> Model:
        """Finds a registered model; without a version the newest. Raises NotFoundError."""
        _refuse_no_name("model", name)
        if version is not None:
            _refuse_no_name("version", version)
        return models_of_ours.load(self._connection, name, version, self.on_event)

    def tuned(self, name: str, version: str | None = None) -> Model | Run:
        """Finds what was tuned by either of its names: a registered model, else a run. Raises NotFoundError."""
        try:
            return self.model(name, version)
        except NotFoundError as error:
            if version is not None:
                raise
            try:
                return self.run(name)
            except NotFoundError:
                raise NotFoundError(
                    f"{name} is no registered model and no run of this workspace, and no folder of this machine.",
                    remedy="`phi-azure models --registered` and `phi-azure runs` list what there is.",
                ) from error

    def models(self, name: str | None = None) -> list[ModelInfo]:
        """Lists the registered models, or one of them by name: every version, newest first. Raises NotFoundError."""
        from phi_azure.azure import models

        if name is not None:
            _refuse_no_name("model", name)
        found = [models.facts(raw) for raw in models.versions(self._connection, name)]
        return [ModelInfo(one.name, one.version, one.created, one.run_name, one.kind) for one in found]

    def endpoint(self, name: str) -> Endpoint:
        """Finds an endpoint of either kind. Raises NotFoundError, or ConfigError for what is no name."""
        from phi_azure.azure import endpoints

        names.refuse_endpoint(name)
        return Endpoint.from_azure(self._connection, endpoints.find(self._connection, name))

    def speaker(self, name: str) -> Speaker:
        """Finds ENDPOINT or ENDPOINT/DEPLOYMENT. Raises NotFoundError, with the deployments that there are."""
        endpoint_name, _, deployment = name.partition("/")
        endpoint = self.endpoint(endpoint_name)
        if deployment:
            known = sorted(one.name for one in endpoint.deployments())
            if deployment not in known:
                raise NotFoundError(
                    f"{endpoint_name} has no deployment {deployment}; it has: {', '.join(known) or 'none'}."
                )
        return Speaker(endpoint, deployment or None)

    def endpoints(self) -> list[EndpointInfo]:
        """Lists the endpoints of both kinds."""
        from phi_azure.azure import endpoints

        return [
            EndpointInfo(one.name, one.kind, one.status, one.scoring_uri, "phi_azure" in one.tags)
            for one in endpoints.every(self._connection)
        ]

    def deploy_base(
        self,
        model: str = catalog.DEFAULT_MODEL,
        name: str = "base",
        *,
        kind: str = "managed",
        size: str | None = None,
        instances: int = 1,
        keep: str = leash.KEEP,
        auth: Auth = "key",
    ) -> Endpoint:
        """Makes an endpoint for a model of the registry as it comes, to compare a tuned one with; paid by the hour.

        Args:
            model: its name in the registry, with a version if wanted.
            name: the endpoint's.
            kind: `managed`, or `serverless` where Azure offers the model so.
            size: machine of a managed endpoint; None takes the first that the model lists.
            instances: machines of a managed endpoint.
            keep: how long it is meant to stay; see `Model.deploy`.
            auth: what whoever asks has to show; likewise.
        """
        from phi_azure.azure import catalogue, endpoints, leashing, rollout
        from phi_azure.azure.order import BASE_TAG, OURS

        if kind not in {"managed", "serverless"}:
            raise ConfigError(f"{kind!r} is no kind of endpoint; there are managed and serverless.")
        names.refuse_new_endpoint(name)
        if problem := names.no_base_model(model):
            raise ConfigError(f"{problem}.", remedy="phi-azure models lists those of Azure.")
        base = catalogue.find(self._connection, model)
        if base.id is None:
            raise ConfigError(f"{model} is not in Azure's registry; only what is there can be deployed as it comes.")
        tags = {**OURS, BASE_TAG: model, **leashing.tags(self._connection, f"base model {model}", keep)}
        if kind == "serverless":
            address = base.id.partition("/versions/")[0]
            found = endpoints.deploy_serverless(
                self._connection, name, endpoints.Deployable(address, tags=tags), teller(self.on_event)
            )
        else:
            what = endpoints.Deployable(base.id, size or base.inference_sizes[0], instances, tags=tags, auth=auth)
            found = rollout.deploy(self._connection, name, what, 100, teller(self.on_event))
        return Endpoint.from_azure(self._connection, found)

    def deploy_from(self, model: Model, name: str, *, keep: str = leash.KEEP) -> Endpoint:
        """Makes a serverless endpoint here for a tuned model of another workspace, in this or another region.

        The base model's row says which regions serve it; where the catalogue knows none, Azure decides. Whoever calls
        needs to read the other workspace. Hosting is paid by the hour.

        Raises:
            ConfigError: the model is not a serverlessly tuned one, or Azure takes no such name.
            RegionError: the base model is not served serverlessly in this workspace's region.
            ConflictError: the name is taken.
        """
        from phi_azure.azure import endpoints, leashing
        from phi_azure.azure.order import BASE_TAG, OURS, RUN_TAG

        names.refuse_new_endpoint(name)
        if model.kind != "serverless":
            raise ConfigError(f"{model.name} was tuned on managed compute; only serverless models go elsewhere so.")
        row = catalog.model(model.tags.get(BASE_TAG, "").partition(":")[0])
        region = self._connection.region
        if row and row.deploy_regions and region not in row.deploy_regions:
            raise RegionError(
                f"{row.name} is not served serverlessly in {region}.",
                remedy=f"Take a workspace in one of: {', '.join(row.deploy_regions)}.",
            )
        tags = {
            **model.tags,
            **OURS,
            RUN_TAG: model.run_name or "",
            **leashing.tags(self._connection, f"{model.name}:{model.version}", keep),
        }
        what = endpoints.Deployable(model.location_id, tags=tags)
        return Endpoint.from_azure(
            self._connection, endpoints.deploy_serverless(self._connection, name, what, teller(self.on_event))
        )

    def compare(
        self,
        tuned: str,
        base: str,
        exam: Exam | FineTune | Path | str,
        *,
        on_progress: Callable[[str], OnBatchProgress] | None = None,
    ) -> Comparison:
        """Asks a tuned model and the base model the rows that were kept apart, and judges the answers.

        The numbers go to the metrics of the run that the tuned model came from, the whole to its receipt, and the
        gate's verdict to the endpoint: a gated deployment gets no traffic without it. Each answer is paid as any other.

        Args:
            tuned: ENDPOINT, or ENDPOINT/DEPLOYMENT.
            base: likewise.
            exam: what is asked and how it is judged; of a job or its file its test_data and its gate.
            on_progress: is asked, for each side by its name, for whom to tell how far it is.

        Returns:
            What was found; `raise_for_gate` raises where the gate says no.

        Raises:
            ConfigError, DataError: rows or metric are not what they should be; nothing was asked.
            NotFoundError: there is no such endpoint or deployment.
        """
        from phi_azure import display, judging, receipts

        if not isinstance(exam, judging.Exam):
            exam = judging.Exam.of_job(exam if isinstance(exam, FineTune) else FineTune.from_yaml(exam))
        sides = [self.speaker(name) for name in (tuned, base)]
        found = judging.run(sides[0], sides[1], exam, lambda: self._connection.time, on_progress)
        found = judging.record(self._connection, sides[0], found)
        if self.receipts and found.run:
            receipts.write_comparison(self.receipts / found.run, found.to_dict(), display.comparison_page(found))
        return found

    def costs(self, *, live: bool = False) -> Costs:
        """Lists what costs now by the hour, ours and not ours: endpoints, machines of clusters, running jobs.

        Args:
            live: read machine prices of today from Azure's public price list; else they are the catalogue's.

        Raises:
            AzureError: the price list cannot be read.
        """
        from phi_azure.azure import billing, prices
        from phi_azure.costs import costs

        found = billing.billed(self._connection)
        sizes = {one.size for one in found if one.size} if live else set()
        return costs(found, self._connection.time, prices.today(sizes, self._connection.region) if sizes else {})

    def removable(self, *, clusters: bool = False, expired: bool = False) -> Costs:
        """Lists what `down` would remove, with what it costs: only what phi_azure made.

        Args:
            clusters: clusters too; idle ones cost nothing.
            expired: only what is past its time, and jobs that run longer than their file allows.
        """
        found = self.costs()
        lines = [line for line in found.lines if line.of.removable(found.at, clusters=clusters, expired=expired)]
        return replace(found, lines=tuple(lines))

    def down(self, found: Costs | None = None, *, clusters: bool = False, expired: bool = False) -> list[str]:
        """Removes what phi_azure made and is paid by the hour, and looks that it is gone; models, runs and data stay.

        Args:
            found: what to remove, as `removable` gave it; None looks now.
            clusters: see `removable`.
            expired: likewise.

        Returns:
            What was removed, as `endpoint NAME` and `cluster NAME`, and jobs that were stopped, as `job NAME`.

        Raises:
            AzureError: something is left; the message names it.
        """
        from phi_azure.azure import removal

        found = self.removable(clusters=clusters, expired=expired) if found is None else found
        return removal.remove(self._connection, [line.of for line in found.lines])


def check_data(job: FineTune) -> dataset.Report:
    """Checks what needs no account: the model's age, and the job's files on disk, together.

    Raises:
        ConfigError: the model is retired from this route, or a file that the route names is not there.
        DataError: the rows are not what the job could learn from. Azure's own data assets pass.
    """
    from phi_azure.plan import missing_files

    _refuse_retired(job)
    _refuse_missing(job)
    places = (job.training_data, job.validation_data, job.test_data)
    training, validation, test = (None if path is None or is_in_azure(path) else path for path in places)
    model = catalog.model(job.base_name)
    report = dataset.check_files(training, validation, test, job.route.kind, model, missing=missing_files(job))
    report.raise_for_errors()
    return report


def check_weights(weights: Mapping[str, Path]) -> None:
    """Refuses weights for a model that this machine's registry has not, and folders that hold none."""
    from phi_azure.emulator.registry import models

    known = [row["name"] for row in models().values()]
    problems = []
    for name, folder in weights.items():
        if name.lower() not in models():
            problems.append(f"weights for {name}: there is no such model; there are: {', '.join(known)}.")
        if not any((Path(folder) / file).is_file() for file in ("config.json", "MLmodel")):
            problems.append(f"weights for {name}: {folder} holds neither config.json nor MLmodel.")
    if problems:
        raise ConfigError("\n".join(problems), remedy="Give NAME=DIR: a model, and what save_pretrained wrote.")


def _refuse_no_name(kind: str, name: str) -> None:
    """Refuses what cannot be a name before it becomes part of a request's path."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise NotFoundError(f"There is no {kind} {name!r}: names hold letters, digits, '.', '_' and '-'.")


def _refuse_retired(job: FineTune) -> None:
    """Refuses what Azure no longer trains serverlessly, before anything is uploaded."""
    row = catalog.model(job.base_name)
    notice = catalog.retired(row) if row and job.route.kind == "serverless" else None
    if notice:
        raise ConfigError(notice.message, remedy=notice.remedy)


def _refuse_missing(job: FineTune) -> None:
    """Refuses a job built in Python as `from_yaml` refuses a file; azure-ai-ml would find out after the uploads."""
    named = {name: getattr(job.route, name) for name in type(job.route).model_fields}
    if problems := absent_files(named):
        raise ConfigError("\n".join(problems.values()), remedy="Correct the path, or write the file first.")


def _connect(
    subscription_id: str, resource_group: str, name: str, credential: TokenCredential | None, clock: Clock | None
) -> Connection:
    from phi_azure.azure.client import Connection, default_credential

    credential = credential or default_credential()
    return Connection(subscription_id, resource_group, name, credential, clock=clock or SystemClock())


def _find_config(path: Path | str | None) -> Path:
    """Looks where Azure's own client looks: here, in .azureml, and so on in each folder above."""
    if path is not None:
        given = Path(path)
        return given / CONFIG if given.is_dir() else given
    here = Path.cwd()
    for folder in (here, *here.parents):
        for candidate in (folder / CONFIG, folder / ".azureml" / CONFIG):
            if candidate.is_file():
                return candidate
    raise ConfigError(f"there is no {CONFIG} here or in a folder above.", remedy=_DOWNLOAD)


def _read_config(file: Path) -> tuple[str, str, str]:
    """Reads the ids that make up a workspace's address."""
    try:
        values = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{file}: {(error.strerror or str(error)).lower()}.", remedy=_DOWNLOAD) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is not JSON: {error}.", remedy=_DOWNLOAD) from error
    found = values if isinstance(values, dict) else {}
    missing = [name for name in _IDS if not (isinstance(found.get(name), str) and found[name].strip())]
    if missing:
        raise ConfigError(f"{file} does not name a workspace: it lacks {', '.join(missing)}.", remedy=_DOWNLOAD)
    subscription, group, workspace = (found[name].strip() for name in _IDS)
    return subscription, group, workspace
