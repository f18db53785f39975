"""What `az ml` does with the files of `pipelines/`: it is azure-ai-ml with a command line in front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phi_azure.testing import Azure

PIPELINE = "pipelines/train-compare-register/pipeline.yaml"
CLUSTERS = {"gpu-a100": "Standard_NC24ads_A100_v4", "cpu-judge": "Standard_DS3_v2"}


def ml_client(azure: Azure) -> Any:
    """Returns Azure's own client of a workspace with the two clusters that the pipeline names."""
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import AmlCompute

    client = MLClient(azure.credential, azure.subscription_id, azure.resource_group, azure.workspace)
    for name, size in CLUSTERS.items():
        client.compute.begin_create_or_update(AmlCompute(name=name, size=size, max_instances=1)).result()
    return client


def create_job(client: Any) -> Any:
    """Does what `az ml job create --file pipelines/train-compare-register/pipeline.yaml` does."""
    from azure.ai.ml import load_job

    return client.jobs.create_or_update(load_job(PIPELINE))


def create_schedule(client: Any) -> Any:
    """Does what `az ml schedule create --file pipelines/scheduled-retraining.yaml` does."""
    from azure.ai.ml.entities._load_functions import load_schedule

    return client.schedules.begin_create_or_update(load_schedule("pipelines/scheduled-retraining.yaml")).result()


def nodes(client: Any, job: str) -> dict[str, Any]:
    """Returns the nodes of a pipeline job, by name."""
    return {node.display_name: node for node in client.jobs.list(parent_job_name=job)}
