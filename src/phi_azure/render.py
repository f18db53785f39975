"""A job as the YAML that `az ml job create` takes, so that nobody needs phi_azure to go on with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from phi_azure import catalog
from phi_azure.config import (
    HuggingFaceModel,
    LocalModel,
    ManagedCompute,
    azure_address,
    is_in_azure,
    with_model_defaults,
)
from phi_azure.config import component as wire
from phi_azure.config.component import FileInput, Settled
from phi_azure.config.managed import azure_names
from phi_azure.config.serverless import Serverless

if TYPE_CHECKING:
    from phi_azure.config import FineTune

REGISTRY = "azureml"


def render(job: FineTune, folder: Path | None = None) -> str:
    """Returns the job as YAML.

    What phi_azure looks up before it submits is left to labels and to Azure: the newest version of the component and
    of the model; a machine size that is not named is the first that the catalogue lists for the model.

    Args:
        job: what a person wrote.
        folder: where the YAML will lie, because relative paths in it start there; None is the current folder.
    """
    job = with_model_defaults(job)
    is_pipeline = isinstance(job.route, ManagedCompute) and job.route.job == "pipeline"
    document = _placed(_pipeline(job) if is_pipeline else _finetuning(job), folder or Path())
    head = f"# phi_azure, job {job.name}. To run it: az ml job create --file THIS_FILE\n"
    return head + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def _common(job: FineTune, kind: str) -> dict[str, Any]:
    tags = {"tags": dict(job.tags)} if job.tags else {}
    return {"type": kind, "display_name": job.name, "experiment_name": job.experiment_name, **tags}


def _pipeline(job: FineTune) -> dict[str, Any]:
    route = job.route
    if not isinstance(route, ManagedCompute):
        raise TypeError("a pipeline needs ManagedCompute")
    step = {
        "type": "pipeline",
        "component": f"azureml://registries/{REGISTRY}/components/{wire.COMPONENT}/labels/latest",
        "inputs": dict(wire.inputs(route, settled(job))),
        "outputs": {"mlflow_model_folder": "${{parent.outputs.trained_model}}"},
    }
    return {
        **_common(job, "pipeline"),
        "settings": {"continue_on_step_failure": False, "force_rerun": True},
        "outputs": {"trained_model": {"type": "mlflow_model"}},
        "jobs": {"training": step},
    }


def settled(job: FineTune) -> Settled:
    """Settles what a job leaves open, as far as that can be known without Azure."""
    row, route = catalog.model(job.base_name), job.route
    named = (route.size, route.gpus) if isinstance(route, ManagedCompute) else (None, None)
    size = named[0] or (row.finetune_sizes[0] if row and row.finetune_sizes else catalog.DEFAULT_SIZE)
    known = catalog.size(size)
    files = {"train": job.training_data, "validation": job.validation_data, "test": job.test_data}
    return Settled(
        model=_model(job),
        files={split: _data(path) for split, path in files.items() if path is not None},
        size=size,
        gpus=named[1] or (known.gpus if known else 1),
    )


def _finetuning(job: FineTune) -> dict[str, Any]:
    route = job.route
    knobs = {theirs: getattr(route, ours) for ours, theirs in azure_names(Serverless).items()}
    document = {
        **_common(job, "finetuning"),
        "model_provider": "custom",
        "task": "chat_completion",
        "model": _model(job),
        "training_data": _data(job.training_data),
        **({"validation_data": _data(job.validation_data)} if job.validation_data else {}),
        "hyperparameters": {
            name: wire.as_text(value) for name, value in knobs.items() if value is not None and value != -1
        },
        "outputs": {"registered_model": {"type": "mlflow_model", "name": job.model_name}},
    }
    if isinstance(route, ManagedCompute):
        place = {"compute": f"azureml:{route.cluster}"} if route.cluster else {}
        return {**document, **(place or {"resources": {"instance_types": list(route.instance_types)}})}
    return document


def _model(job: FineTune) -> FileInput | str:
    if isinstance(job.model, LocalModel):
        is_mlflow = (job.model.path / "MLmodel").is_file()
        return FileInput("mlflow_model" if is_mlflow else "custom_model", str(job.model.path))
    if isinstance(job.model, HuggingFaceModel) or ("/" in job.model and not job.model.startswith("azureml:")):
        return str(job.model)
    if job.model.startswith("azureml:"):
        return FileInput("mlflow_model", job.model)
    name, _, version = job.model.partition(":")
    row = catalog.model(name)
    place = f"versions/{version}" if version else "labels/latest"
    return FileInput("mlflow_model", f"azureml://registries/{REGISTRY}/models/{row.name if row else name}/{place}")


def _data(path: Path) -> FileInput:
    if address := azure_address(path):
        return FileInput("uri_file", address)
    return FileInput("mltable" if (path / "MLTable").is_file() else "uri_file", str(path))


def _placed(value: Any, folder: Path) -> Any:
    """Writes files out, their paths as seen from the folder."""
    if isinstance(value, dict):
        return {name: _placed(part, folder) for name, part in value.items()}
    return {"type": value.type, "path": _seen_from(folder, value.path)} if isinstance(value, FileInput) else value


def _seen_from(folder: Path, path: str) -> str:
    if is_in_azure(path) or Path(path).is_absolute():
        return path
    return Path(os.path.relpath(path, folder)).as_posix()
