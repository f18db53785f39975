"""The component chat_completion_pipeline: what may be set of it, and the five steps that it comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure.emulator import computes, inputs, references, registry
from phi_azure.emulator.inputs import invalid
from phi_azure.emulator.workspaces import vm_sizes

if TYPE_CHECKING:
    from phi_azure.emulator.inputs import Sources, Values
    from phi_azure.emulator.store import Document
    from phi_azure.emulator.wire import Call

_SERVERLESS_KEYS = {"per_device_train_batch_size", "learning_rate", "num_train_epochs", "max_seq_length"}
_SERVERLESS_FIXED = {  # what Azure's own pipeline behind serverless jobs sets: components_v2 specs, 2026-02-27
    "apply_lora": "true",
    "merge_lora_weights": "true",
    "lora_r": "8",
    "lora_alpha": "128",
    "lora_dropout": "0.0",
    "optim": "adamw_torch",
    "weight_decay": "0.1",
    "adam_beta1": "0.9",
    "adam_beta2": "0.95",
    "adam_epsilon": "1e-05",
    "lr_scheduler_type": "cosine",
    "precision": "16",
    "apply_deepspeed": "true",
    "deepspeed_stage": "3",
    "warmup_steps": "0",
    "max_grad_norm": "1.0",
    "seed": "42",
    "evaluation_strategy": "epoch",
    "save_total_limit": "1",
    "learning_rate": "0.0003",
    "num_train_epochs": "1",
    "per_device_train_batch_size": "1",
    "max_seq_length": "8192",
}
_ONE_OF = {
    "model": ("huggingface_id", "pytorch_model_path", "mlflow_model_path"),
    "training data": ("train_file_path", "train_mltable_path"),
}


def of_node(call: Call, given: Values, node: str) -> tuple[list[Document], Sources]:
    """Returns a node's steps and which of them leaves each output, or refuses it with all that is wrong with it."""
    facts = registry.pipeline()
    inputs.refuse(_missing(given) + inputs.problems(given, facts["inputs"], facts["name"]))
    values = _defaults() | given
    _check_compute(call, values, given)
    steps = _steps(values, node)
    for step, known in zip(steps, facts["steps"], strict=True):
        step["machines"] = _machines_of_step(call, known, values)
    return steps, _sources(steps)


def of_finetuning(call: Call, properties: Document) -> tuple[list[Document], Sources]:
    """Returns the same for a fine-tuning job: the same steps, with the fixed settings of Azure's own pipeline."""
    details = properties["fineTuningDetails"]
    keys = _SERVERLESS_KEYS if is_serverless(properties) else set(registry.pipeline()["inputs"])
    given: Values = {key: str(value) for key, value in (details.get("hyperParameters") or {}).items()}
    unknown = sorted(set(given) - keys)
    if unknown:
        raise invalid(f"Hyperparameters not supported: {', '.join(unknown)}. Supported: {', '.join(sorted(keys))}.")
    inputs.refuse(inputs.problems(given, registry.pipeline()["inputs"], registry.pipeline()["name"]))
    values: Values = {**_SERVERLESS_FIXED, **given}
    fields = {"model": "mlflow_model_path", "trainingData": "train_file_path", "validationData": "validation_file_path"}
    for field, target in fields.items():
        if details.get(field):
            place = references.locate(call, details[field]["uri"], what=f"fineTuningDetails.{field}")
            values[target] = {"place": [place.container, place.prefix]}
    values["test_file_path"] = values["train_file_path"]  # as Azure's finetune_run.py: no row is set aside for a test
    steps = _steps(_defaults() | values, None)
    return steps, _sources(steps)


def is_serverless(properties: Document) -> bool:
    """Says whether a fine-tuning job runs on Azure's own machines."""
    return not properties.get("computeId") and not (properties.get("resources") or {}).get("instanceTypes")


def machines_of_job(call: Call, properties: Document) -> Document | None:
    """Returns what a fine-tuning job runs on; None for Azure's own machines, which are paid by the token."""
    resources = properties.get("resources") or {}
    count = int(resources.get("instanceCount") or 1)
    if properties.get("computeId"):
        return of_cluster(call, properties["computeId"]) | {"count": count}
    types = resources.get("instanceTypes") or []
    return {"cluster": None, "size": types[0], "count": count} if types else None


def of_cluster(call: Call, compute: str) -> Document:
    """Returns a cluster, by name or id, with the size of its machines."""
    name = compute.rsplit("/", 1)[-1]
    return {"cluster": name.lower(), "size": computes.size_of(call, name)}


def _defaults() -> Values:
    return {k: _text(v["default"]) for k, v in registry.pipeline()["inputs"].items() if "default" in v}


def _steps(values: Values, node: str | None) -> list[Document]:
    steps = []
    for facts in registry.pipeline()["steps"]:
        given: Values = {k: str(v) for k, v in facts["fixed"].items()}
        given |= {child: values[parent] for child, parent in facts["from_parent"].items() if parent in values}
        given |= {child: {"step": step, "output": output} for child, (step, output) in facts["from_step"].items()}
        named = {"name": facts["step"], "node": node, "title": facts["display_name"]}
        steps.append(named | {"inputs": given, "outputs": facts["outputs"]})
    return steps


def _sources(steps: list[Document]) -> Sources:
    """Returns which step leaves each output of the component."""
    return {
        output: next([step["name"], output] for step in steps if output in step["outputs"])
        for output in registry.pipeline()["outputs"]
    }


def _missing(given: Values) -> list[str]:
    """Returns what the component's own code asks for although its spec calls each of these inputs optional."""
    return [
        f"The pipeline has no {what}: one of {', '.join(names)} is needed."
        for what, names in _ONE_OF.items()
        if not any(given.get(name) for name in names)
    ]


def _check_compute(call: Call, values: Values, given: Values) -> None:
    for stage, size_input in (
        ("model_import", "instance_type_model_import"),
        ("preprocess", "instance_type_preprocess"),
        ("finetune", "instance_type_finetune"),
    ):
        compute = values[f"compute_{stage}"]
        if compute == "serverless":
            _check_size(size_input, values[size_input], was_given=size_input in given)
        elif not computes.exists(call, compute.rsplit("/", 1)[-1]):
            raise invalid(
                f"inputs.compute_{stage}: compute '{compute}' was not found in workspace {call.scope.workspace}.",
                "ComputeNotFound",
            )


def _machines_of_step(call: Call, facts: Document, values: Values) -> Document:
    """Returns what a step runs on: how many machines of which size, of a cluster or of the service's own."""
    compute = str(values[facts["compute"]])
    count = int(values["num_nodes_finetune"]) if facts["step"] == "chat_completion_finetune" else 1
    if compute == "serverless":
        stage = facts["compute"].removeprefix("compute_")
        return {"cluster": None, "size": values[f"instance_type_{stage}"], "count": count}
    return of_cluster(call, compute) | {"count": count}


def _check_size(name: str, value: str, *, was_given: bool) -> None:
    size = vm_sizes().get(value.lower())
    if size and not size["retired_on"]:
        return
    said = f"was retired on {size['retired_on']}" if size else "does not exist"
    default = "" if was_given else " It is the component's own default: send a size."
    raise invalid(f"inputs.{name}: the size {value} {said}.{default}", "UnsupportedVmSize")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
