"""From an order to a pipeline job: Azure's component in a pipeline of one node, as in Microsoft's sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phi_azure.azure.order import as_text
from phi_azure.config import Lora, ManagedCompute
from phi_azure.config.managed import azure_names, file_fields

if TYPE_CHECKING:
    from phi_azure.azure.order import Order

COMPONENT = "chat_completion_pipeline"
OUTPUT = "trained_model"
CPU_SIZE = "Standard_D12_v2"  # the component's own choice for the steps that import the model and prepare the data


def pipeline_job(order: Order, component: Any) -> Any:
    """Builds the pipeline around the component that was fetched from the registry."""
    from azure.ai.ml.dsl import pipeline

    @pipeline(  # type: ignore[untyped-decorator]  # the vendor's
        name=order.run_name, display_name=order.run_name
    )
    def fine_tune() -> dict[str, Any]:
        training = component(**inputs(order))
        return {OUTPUT: training.outputs.mlflow_model_folder}

    job = fine_tune()
    job.name = order.run_name
    job.experiment_name = order.job.experiment_name
    job.tags = order.tags
    job.settings.continue_on_step_failure = False
    job.settings.force_rerun = order.resumes is None  # a resumed run keeps the imported model and the prepared data
    return job


def inputs(order: Order) -> dict[str, Any]:
    """Returns the component's inputs; numbers and booleans are text, as the service wants them.

    What a field of the route stands for is said beside the field; the rest follows from the job itself.
    """
    route = order.job.route
    if not isinstance(route, ManagedCompute):
        raise TypeError("a pipeline needs ManagedCompute")
    values: dict[str, Any] = {
        "task_name": "ChatCompletion",
        **_knobs(route),
        **_machines(order, route),
        **_model(order),
        **_data(order),
        **_adapters(route),
        **_deepspeed(route),
        **_early_stopping(route),
        "resume_from_checkpoint": order.resumes is not None,
    }
    texts = {name: value if _is_input(value) else as_text(value) for name, value in values.items()}
    return texts | route.inputs


def _knobs(route: ManagedCompute) -> dict[str, Any]:
    """Returns the inputs that are one field each; None leaves it to the component."""
    files = file_fields(ManagedCompute)
    named = azure_names(ManagedCompute)
    values = {theirs: getattr(route, ours) for ours, theirs in named.items() if ours not in files}
    texts = {name: value for name, value in values.items() if value is not None}
    return texts | {named[name]: _file(value) for name in files if (value := getattr(route, name)) is not None}


def _machines(order: Order, route: ManagedCompute) -> dict[str, Any]:
    """Always names a size: the component's own default was retired in March 2025."""
    where = route.cluster or "serverless"
    small = CPU_SIZE if route.cluster is None else order.size
    return {
        "compute_finetune": where,
        "compute_model_import": route.compute_model_import or where,
        "compute_preprocess": route.compute_preprocess or where,
        "instance_type_model_import": route.instance_type_model_import or small,
        "instance_type_preprocess": route.instance_type_preprocess or small,
        "instance_type_finetune": order.size,
        "number_of_gpu_to_use_finetuning": order.gpus or 1,
    }


def _model(order: Order) -> dict[str, Any]:
    from azure.ai.ml import Input

    if order.model_id is None:
        return {"huggingface_id": str(order.job.model)}
    kind = "mlflow_model" if order.model_input == "mlflow_model_path" else "custom_model"
    return {order.model_input: Input(type=kind, path=order.model_id)}


def _data(order: Order) -> dict[str, Any]:
    """Returns each file, or table, under the input of its kind."""
    from azure.ai.ml import Input

    known = {"train": order.training, "validation": order.validation, "test": order.test}
    return {
        f"{split}_mltable_path" if asset.type == "mltable" else f"{split}_file_path": Input(
            type=asset.type, path=asset.id
        )
        for split, asset in known.items()
        if asset is not None
    }


def _adapters(route: ManagedCompute) -> dict[str, Any]:
    if route.lora is None:
        return {"apply_lora": False}
    said = {theirs: getattr(route.lora, ours) for ours, theirs in azure_names(Lora).items()}
    if "merge" not in route.lora.model_fields_set:
        del said["merge_lora_weights"]
    return {"apply_lora": True, **said}


def _deepspeed(route: ManagedCompute) -> dict[str, Any]:
    if route.deepspeed is None:
        return {"apply_deepspeed": False}
    if isinstance(route.deepspeed, str):
        return {"apply_deepspeed": True, "deepspeed": _file(route.deepspeed)}
    return {"apply_deepspeed": True, "deepspeed_stage": route.deepspeed}


def _early_stopping(route: ManagedCompute) -> dict[str, Any]:
    if route.early_stopping_patience is None:
        return {"apply_early_stopping": False}
    return {"apply_early_stopping": True}


def _file(path: str) -> Any:
    from azure.ai.ml import Input

    return Input(type="uri_file", path=path)


def _is_input(value: object) -> bool:
    from azure.ai.ml import Input

    return isinstance(value, Input)
