"""From an order to a pipeline job: Azure's component in a pipeline of one node, as in Microsoft's sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phi_azure.azure.order import as_text
from phi_azure.config import FILE_INPUTS, ManagedCompute

if TYPE_CHECKING:
    from phi_azure.azure.order import Order

COMPONENT = "chat_completion_pipeline"
OUTPUT = "trained_model"
CPU_SIZE = "Standard_D12_v2"  # the component's own choice for the steps that import the model and prepare the data
_SAME = {
    "epochs": "num_train_epochs",
    "max_steps": "max_steps",
    "learning_rate": "learning_rate",
    "batch_size": "per_device_train_batch_size",
    "eval_batch_size": "per_device_eval_batch_size",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
    "optim": "optim",
    "lr_scheduler_type": "lr_scheduler_type",
    "warmup_steps": "warmup_steps",
    "weight_decay": "weight_decay",
    "max_grad_norm": "max_grad_norm",
    "max_seq_length": "max_seq_length",
    "seed": "seed",
    "precision": "precision",
    "logging_steps": "logging_steps",
    "evaluation_strategy": "evaluation_strategy",
    "eval_steps": "eval_steps",
    "save_total_limit": "save_total_limit",
    "nodes": "num_nodes_finetune",
}
_TYPES = {
    "train_mltable_path": "mltable",
    "validation_mltable_path": "mltable",
    "test_mltable_path": "mltable",
    "pytorch_model_path": "custom_model",
}


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
    """Returns the component's inputs; numbers and booleans are text, as the service wants them."""
    route = order.job.route
    if not isinstance(route, ManagedCompute):
        raise TypeError("a pipeline needs ManagedCompute")
    values: dict[str, Any] = {
        "task_name": "ChatCompletion",
        **_machines(order, route),
        **_model(order),
        **_data(order),
        **{theirs: getattr(route, ours) for ours, theirs in _SAME.items()},
        **_adapters(route),
        **_deepspeed(route),
        **_early_stopping(route),
        "resume_from_checkpoint": order.resumes is not None,
    }
    texts = {name: value if _is_input(value) else as_text(value) for name, value in values.items()}
    return texts | {name: _other(name, value) for name, value in route.inputs.items()}


def _machines(order: Order, route: ManagedCompute) -> dict[str, Any]:
    """Always names a size: the component's own default was retired in March 2025."""
    stages = ("model_import", "preprocess", "finetune")
    small = CPU_SIZE if route.cluster is None else order.size
    return {
        **{f"compute_{stage}": route.cluster or "serverless" for stage in stages},
        "instance_type_model_import": small,
        "instance_type_preprocess": small,
        "instance_type_finetune": order.size,
        "number_of_gpu_to_use_finetuning": order.gpus or 1,
    }


def _model(order: Order) -> dict[str, Any]:
    from azure.ai.ml import Input

    if order.model_id is None:
        return {"huggingface_id": order.job.model}
    return {"mlflow_model_path": Input(type="mlflow_model", path=order.model_id)}


def _data(order: Order) -> dict[str, Any]:
    from azure.ai.ml import Input

    files = {"train_file_path": order.training_data, "validation_file_path": order.validation_data}
    return {name: Input(type="uri_file", path=path) for name, path in files.items() if path}


def _adapters(route: ManagedCompute) -> dict[str, Any]:
    if route.lora is None:
        return {"apply_lora": False}
    lora = route.lora
    return {"apply_lora": True, "lora_r": lora.r, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout}


def _deepspeed(route: ManagedCompute) -> dict[str, Any]:
    if route.deepspeed is None and "deepspeed" not in route.inputs:
        return {"apply_deepspeed": False}
    return {"apply_deepspeed": True, **({"deepspeed_stage": route.deepspeed} if route.deepspeed else {})}


def _early_stopping(route: ManagedCompute) -> dict[str, Any]:
    if route.early_stopping_patience is None:
        return {"apply_early_stopping": False}
    return {
        "apply_early_stopping": True,
        "early_stopping_patience": route.early_stopping_patience,
        "early_stopping_threshold": route.early_stopping_threshold,
    }


def _is_input(value: object) -> bool:
    from azure.ai.ml import Input

    return isinstance(value, Input)


def _other(name: str, value: str) -> Any:
    """Returns an input that the user named by Azure's name: files as inputs, the rest as text."""
    from azure.ai.ml import Input

    return Input(type=_TYPES.get(name, "uri_file"), path=value) if name in FILE_INPUTS else value
