"""A route as the inputs of Azure's component chat_completion_pipeline: text and files, nothing of Azure's client."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from phi_azure.config.managed import Lora, ManagedCompute, azure_names, file_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPONENT = "chat_completion_pipeline"
CPU_SIZE = "Standard_D12_v2"  # the component's own choice for the steps that import the model and prepare the data


@dataclass(frozen=True)
class FileInput:
    """A file, a folder, a table or a model that a job reads."""

    type: str
    """uri_file, mltable, mlflow_model or custom_model."""
    path: str
    """An id, an azureml: address, or a path."""


@dataclass(frozen=True)
class Settled:
    """What a route leaves open, settled."""

    model: FileInput | str
    """Text is a Hugging Face id."""
    files: Mapping[str, FileInput]
    """By split: train, and validation and test where there are such."""
    size: str | None
    gpus: int = 1
    resumes: bool = False


def inputs(route: ManagedCompute, settled: Settled) -> dict[str, str | FileInput]:
    """Returns every input that is sent; numbers and booleans are text, as the service wants them.

    What a field of the route stands for is said beside the field; the rest follows from the job itself.
    """
    values: dict[str, object] = {
        "task_name": "ChatCompletion",
        **_knobs(route),
        **_machines(route, settled),
        **_model(settled.model),
        **_data(settled.files),
        **_adapters(route),
        **_deepspeed(route),
        "apply_early_stopping": route.early_stopping_patience is not None,
        "resume_from_checkpoint": settled.resumes,
    }
    texts = {name: value if isinstance(value, FileInput) else as_text(value) for name, value in values.items()}
    return texts | route.inputs


def as_text(value: object) -> str:
    """Writes a value as Azure's inputs want it: text, booleans in lower case, numbers without exponent."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    return str(value)


def _knobs(route: ManagedCompute) -> dict[str, object]:
    """Returns the inputs that are one field each; None leaves it to the component."""
    files = file_fields(ManagedCompute)
    known = {theirs: (getattr(route, ours), ours in files) for ours, theirs in azure_names(ManagedCompute).items()}
    return {
        name: FileInput("uri_file", value) if is_file else value
        for name, (value, is_file) in known.items()
        if value is not None
    }


def _machines(route: ManagedCompute, settled: Settled) -> dict[str, object]:
    """Always names a size: the component's own default was retired in March 2025."""
    where = route.cluster or "serverless"
    small = CPU_SIZE if route.cluster is None else settled.size
    return {
        "compute_finetune": where,
        "compute_model_import": route.compute_model_import or where,
        "compute_preprocess": route.compute_preprocess or where,
        "instance_type_model_import": route.instance_type_model_import or small,
        "instance_type_preprocess": route.instance_type_preprocess or small,
        "instance_type_finetune": settled.size,
        "number_of_gpu_to_use_finetuning": settled.gpus,
    }


def _model(model: FileInput | str) -> dict[str, object]:
    if isinstance(model, str):
        return {"huggingface_id": model}
    return {"pytorch_model_path" if model.type == "custom_model" else "mlflow_model_path": model}


def _data(files: Mapping[str, FileInput]) -> dict[str, object]:
    """Returns each file, or table, under the input of its kind."""
    return {f"{split}_{'mltable' if file.type == 'mltable' else 'file'}_path": file for split, file in files.items()}


def _adapters(route: ManagedCompute) -> dict[str, object]:
    if route.lora is None:
        return {"apply_lora": False}
    said = {theirs: getattr(route.lora, ours) for ours, theirs in azure_names(Lora).items()}
    if "merge" not in route.lora.model_fields_set:
        del said["merge_lora_weights"]
    return {"apply_lora": True, **said}


def _deepspeed(route: ManagedCompute) -> dict[str, object]:
    if route.deepspeed is None:
        return {"apply_deepspeed": False}
    if isinstance(route.deepspeed, str):
        return {"apply_deepspeed": True, "deepspeed": FileInput("uri_file", route.deepspeed)}
    return {"apply_deepspeed": True, "deepspeed_stage": route.deepspeed}
