"""From an order to a pipeline job: Azure's component in a pipeline of one node, as in Microsoft's sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phi_azure.config import ManagedCompute, component
from phi_azure.config.component import FileInput, Settled

if TYPE_CHECKING:
    from phi_azure.azure.order import Order

OUTPUT = "trained_model"


def pipeline_job(order: Order, fetched: Any) -> Any:
    """Builds the pipeline around the component that was fetched from the registry."""
    from azure.ai.ml.dsl import pipeline

    @pipeline(  # type: ignore[untyped-decorator]  # the vendor's
        name=order.run_name, display_name=order.run_name
    )
    def fine_tune() -> dict[str, Any]:
        training = fetched(**inputs(order))
        return {OUTPUT: training.outputs.mlflow_model_folder}

    job = fine_tune()
    job.name = order.run_name
    job.experiment_name = order.job.experiment_name
    job.tags = order.tags
    job.settings.continue_on_step_failure = False
    job.settings.force_rerun = order.resumes is None  # a resumed run keeps the imported model and the prepared data
    return job


def inputs(order: Order) -> dict[str, Any]:
    """Returns the component's inputs: text, and Azure's own inputs for what is a file."""
    route = order.job.route
    if not isinstance(route, ManagedCompute):
        raise TypeError("a pipeline needs ManagedCompute")
    return {name: _azure_input(value) for name, value in component.inputs(route, _settled(order)).items()}


def _settled(order: Order) -> Settled:
    files = {"train": order.training, "validation": order.validation, "test": order.test}
    kind = "custom_model" if order.model_input == "pytorch_model_path" else "mlflow_model"
    return Settled(
        model=FileInput(kind, order.model_id) if order.model_id else str(order.job.model),
        files={split: FileInput(asset.type, asset.id) for split, asset in files.items() if asset},
        size=order.size,
        gpus=order.gpus or 1,
        resumes=order.resumes is not None,
    )


def _azure_input(value: str | FileInput) -> Any:
    from azure.ai.ml import Input

    return Input(type=value.type, path=value.path) if isinstance(value, FileInput) else value
