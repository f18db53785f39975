"""A job with everything in it settled: ids instead of names, a size instead of a wish."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from phi_azure import leash
from phi_azure.config import ManagedCompute
from phi_azure.plan import money

if TYPE_CHECKING:
    from phi_azure.config import FineTune

JOB_TAG = "phi_azure.job"
DATA_TAG = "phi_azure.data"
CONTENT_TAG = "phi_azure.content"
ROUTE_TAG = "phi_azure.route"
BASE_TAG = "phi_azure.base_model"
MODEL_TAG = "phi_azure.registered_name"
EPOCHS_TAG = "phi_azure.epochs"
RUN_TAG = "phi_azure.run"
RESUMES_TAG = "phi_azure.resumes"
MACHINES_TAG = "phi_azure.machines"
CLUSTER_TAG = "phi_azure.cluster"
GATE_TAG = "phi_azure.gate"
OF_JOBS = (MACHINES_TAG, CLUSTER_TAG, leash.MAX_HOURS_TAG)
"""Tags that say something of a job alone, not of what comes out of it."""
OURS = {"phi_azure": "1"}


@dataclass(frozen=True)
class Asset:
    """Rows that Azure has."""

    id: str
    """Id of a data asset, or an azureml:// address."""
    type: Literal["uri_file", "uri_folder", "mltable"] = "uri_file"


@dataclass(frozen=True)
class Order:
    """What is sent to Azure as one job."""

    job: FineTune
    run_name: str
    training: Asset
    data_hash: str
    content: str = ""
    """What tells the job from every other one: `phi_azure.content`."""
    model_id: str | None = None
    """Id in the registry, or of the uploaded weights; None for a Hugging Face id."""
    model_input: Literal["mlflow_model_path", "pytorch_model_path"] = "mlflow_model_path"
    """The component's input that takes `model_id`."""
    validation: Asset | None = None
    test: Asset | None = None
    size: str | None = None
    gpus: int | None = None
    resumes: str | None = None
    """The run whose last checkpoint this one goes on from."""
    extra_tags: dict[str, str] = field(default_factory=dict)

    @property
    def tags(self) -> dict[str, str]:
        """The tags of everything that the job makes."""
        tags = {
            **self.job.tags,
            **OURS,
            JOB_TAG: self.job.name,
            DATA_TAG: self.data_hash,
            CONTENT_TAG: self.content,
            ROUTE_TAG: self.job.route.kind,
            BASE_TAG: str(self.job.model),
            MODEL_TAG: self.job.model_name,
            EPOCHS_TAG: str(self.job.route.epochs),
            **({GATE_TAG: str(self.job.gate)} if self.job.gate else {}),
            **self._machines,
            **self._limit,
            **self.extra_tags,
        }
        return {**tags, RESUMES_TAG: self.resumes} if self.resumes else tags

    @property
    def _machines(self) -> dict[str, str]:
        """The tags that say what the job costs by the hour."""
        route = self.job.route
        if not isinstance(route, ManagedCompute) or self.size is None:
            return {}
        found = {MACHINES_TAG: f"{route.nodes} x {self.size}"}
        if route.cluster:
            found[CLUSTER_TAG] = route.cluster
        return found

    @property
    def _limit(self) -> dict[str, str]:
        """The tag that says after how many hours the job is to be stopped; only machines make hours of a price."""
        route = self.job.route
        rate = money.hourly(self.size, {})[0] if isinstance(route, ManagedCompute) and self.size else None
        nodes = route.nodes if isinstance(route, ManagedCompute) else 1
        most = leash.most_hours(self.job.max_hours, self.job.max_price, rate and rate * nodes)
        return {leash.MAX_HOURS_TAG: f"{most:.3f}"} if most else {}
