"""From an order to a fine-tuning job: on Azure's own machines, or on a cluster or instance types of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phi_azure.config import ManagedCompute, Serverless
from phi_azure.config.component import as_text
from phi_azure.config.managed import azure_names

if TYPE_CHECKING:
    from phi_azure.azure.order import Order

OUTPUT = "registered_model"


def finetuning_job(order: Order) -> Any:
    """Builds the entity directly: Azure's own `create_finetuning_job` crashes without validation data."""
    from azure.ai.ml import Input, Output
    from azure.ai.ml.constants import AssetTypes
    from azure.ai.ml.entities._job.finetuning.custom_model_finetuning_job import CustomModelFineTuningJob

    return CustomModelFineTuningJob(
        task="chatCompletion",
        model=Input(type=AssetTypes.MLFLOW_MODEL, path=order.model_id),
        training_data=Input(type=AssetTypes.URI_FILE, path=order.training.id),
        validation_data=Input(type=AssetTypes.URI_FILE, path=order.validation.id) if order.validation else None,
        hyperparameters=hyperparameters(order),
        name=order.run_name,
        display_name=order.run_name,
        experiment_name=order.job.experiment_name,
        tags=order.tags,
        outputs={OUTPUT: Output(type=AssetTypes.MLFLOW_MODEL, name=order.job.model_name)},
        **_placement(order),
    )


def hyperparameters(order: Order) -> dict[str, str]:
    """Returns the knobs under the SDK's names; one that the service is to decide is left out."""
    route = order.job.route
    values = {theirs: getattr(route, ours) for ours, theirs in azure_names(Serverless).items()}
    return {name: as_text(value) for name, value in values.items() if value is not None and value != -1}


def _placement(order: Order) -> dict[str, Any]:
    """Returns where the job runs; nothing means Azure's own machines."""
    from azure.ai.ml.entities import JobResources

    route = order.job.route
    if not isinstance(route, ManagedCompute):
        return {}
    if route.cluster:
        return {"compute": route.cluster}
    return {"resources": JobResources(instance_types=list(route.instance_types))}
