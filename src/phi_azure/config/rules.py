"""What knobs of managed compute must hold together, and what is worth knowing: each rule a function.

The rules come from Azure's training code (azureml-acft-contrib-hf-nlp 0.0.91) and component specs (azureml-assets,
2026-07); the ids are those of our notes on that code.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phi_azure.config.managed import ManagedCompute

FINETUNING_KNOBS = frozenset({"epochs", "learning_rate", "batch_size", "max_seq_length"})
_PLACEMENT = frozenset({"kind", "job", "cluster", "size", "instance_types", "nodes", "max_nodes", "idle_minutes"})
_UNUSED = (
    "compute_model_evaluation",
    "instance_type_model_evaluation",
    "evaluation_config",
    "evaluation_config_params",
)


@dataclass(frozen=True)
class Note:
    """Something that Azure takes, and a person should know."""

    level: Literal["warning", "info"]
    field: str
    """Where in the job, such as `route.eval_steps`."""
    message: str


def broken(route: ManagedCompute) -> list[str]:
    """Returns what Azure would refuse, or fail at after minutes that are paid."""
    return [problem for rule in _RULES for problem in rule(route)]


def notes(route: ManagedCompute) -> list[Note]:
    """Returns what is taken and does nothing, or does other than it says."""
    return [note for remark in _REMARKS for note in remark(route)]


def _placement(route: ManagedCompute) -> Iterator[str]:
    """The two shapes of a managed job do not share all fields."""
    if route.job == "pipeline":
        if route.instance_types:
            yield "instance_types belongs to job: finetuning; a pipeline takes size"
        return
    for name in sorted(route.model_fields_set - FINETUNING_KNOBS - _PLACEMENT):
        yield f"{name} belongs to job: pipeline; a fine-tuning job takes {', '.join(sorted(FINETUNING_KNOBS))}"
    if route.cluster is None and not route.instance_types:
        yield "job: finetuning needs a cluster, or instance_types"
    if route.cluster is not None and route.instance_types:
        yield "cluster and instance_types exclude each other"


def _nodes(route: ManagedCompute) -> Iterator[str]:
    """A cluster that may not grow to the nodes of the job leaves it in the queue for ever."""
    if route.max_nodes is not None and route.max_nodes < route.nodes:
        yield f"max_nodes is {route.max_nodes}, and the job needs {route.nodes} nodes; raise max_nodes"


def _early_stopping(route: ManagedCompute) -> Iterator[str]:
    """hp-early."""
    if route.early_stopping_patience is not None and route.evaluation_strategy == "disable":
        yield "early_stopping_patience needs evaluation_strategy epoch or steps"


def _deepspeed_batch(route: ManagedCompute) -> Iterator[str]:
    """ds-autobatch."""
    if route.deepspeed is not None and route.auto_find_batch_size:
        yield "deepspeed and auto_find_batch_size exclude each other; set batch_size"


def _deepspeed_ort(route: ManagedCompute) -> Iterator[str]:
    """ds-ort."""
    if route.deepspeed == 3 and route.apply_ort:
        yield "deepspeed: 3 and apply_ort exclude each other; Azure uses no ORT for chat anyway: leave apply_ort out"


def _deepspeed_file(route: ManagedCompute) -> Iterator[str]:
    """ds-custom, where the file is at hand."""
    path = route.deepspeed
    if isinstance(path, str) and not path.startswith("azureml:") and Path(path).is_file():
        yield from deepspeed_file_problems(Path(path))


def deepspeed_file_problems(path: Path) -> Iterator[str]:
    """Says what keeps Azure from taking a DeepSpeed file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        yield f"deepspeed: {path} is not JSON: {error}"
        return
    zero = values.get("zero_optimization") if isinstance(values, dict) else None
    stage = zero.get("stage") if isinstance(zero, dict) else None
    if stage is None:
        yield f"deepspeed: {path} names no stage; add zero_optimization: {{stage: 2}} or 3"
    elif stage == 3 and isinstance(zero, dict) and zero.get("stage3_gather_16bit_weights_on_model_save") is not True:
        yield f"deepspeed: {path} has stage 3 and needs stage3_gather_16bit_weights_on_model_save: true"


def _paths(route: ManagedCompute) -> Iterator[str]:
    """model-bad-chars."""
    for name in ("finetune_config_path", "evaluation_config", "deepspeed"):
        value = getattr(route, name)
        if isinstance(value, str) and set(value) & {"\\", "'"}:
            yield f"{name} holds a backslash or a single quote, which Azure takes in no path; rename it"


def _inputs(route: ManagedCompute) -> Iterator[str]:
    """What has a field of its own is written there."""
    from phi_azure.config.managed import Lora, ManagedCompute, azure_names
    from phi_azure.config.words import MEANT, SAME_KNOB

    ours: Mapping[str, str] = {
        **{theirs: name for name, theirs in azure_names(ManagedCompute).items()},
        **{theirs: f"lora.{name}" for name, theirs in azure_names(Lora).items()},
        **SAME_KNOB,
    }
    for name in route.inputs:
        if own := ours.get(name) or MEANT.get(name):
            yield f"inputs.{name} is a field of its own: {own}"
        elif near := get_close_matches(name, ours, n=1, cutoff=0.85):
            yield f"inputs.{name} is no input of the component; did you mean {ours[near[0]]}?"


def _ignored(route: ManagedCompute) -> Iterator[Note]:
    """accepted_but_unused: the pipeline's evaluation steps are switched off."""
    for name in _UNUSED:
        if getattr(route, name) is not None:
            yield Note("info", f"route.{name}", "Azure takes it and does not use it: its evaluation is switched off.")
    if route.lora is not None and not route.lora.merge:
        yield Note("info", "route.lora.merge", "Azure does not read it: weights are merged, the adapter kept beside.")
    if route.apply_ort:
        yield Note("info", "route.apply_ort", "Azure switches ORT off for chat completion.")


def _steps(route: ManagedCompute) -> Iterator[Note]:
    """hp-evalint, and what counts with the strategy `steps` alone."""
    for name in ("eval_steps", "evaluation_steps_interval"):
        if name in route.model_fields_set and route.evaluation_strategy != "steps":
            yield Note("warning", f"route.{name}", "it counts with evaluation_strategy: steps only.")
    if (
        route.evaluation_strategy == "steps"
        and route.evaluation_steps_interval > 0
        and "eval_steps" in route.model_fields_set
    ):
        yield Note("warning", "route.eval_steps", "evaluation_steps_interval replaces it.")
    if "early_stopping_threshold" in route.model_fields_set and route.early_stopping_patience is None:
        yield Note("warning", "route.early_stopping_threshold", "it counts with early_stopping_patience only.")
    if route.max_steps > 0 and "epochs" in route.model_fields_set:
        yield Note("info", "route.epochs", "max_steps decides when training ends.")


def _lora_algorithm(route: ManagedCompute) -> Iterator[Note]:
    """lora-algo: without stage 3 Azure takes its own LoRA code, whose list holds no Phi."""
    if route.job == "pipeline" and route.lora and route.deepspeed != 3 and route.finetune_config_path is None:
        text = (
            "below DeepSpeed stage 3 Azure takes PEFT only where finetune_config.json says lora_algo: peft; "
            "its own LoRA code lists no Phi. The registry's models bring such a file as far as known."
        )
        yield Note("info", "route.lora", text)


def _checkpointing(route: ManagedCompute) -> Iterator[Note]:
    """gc-lora."""
    if route.job == "pipeline" and route.lora and route.deepspeed is None:
        text = "with LoRA and without DeepSpeed Azure keeps all activations: long rows need more memory."
        yield Note("info", "route.deepspeed", text)


def _trust(route: ManagedCompute) -> Iterator[Note]:
    if route.trust_remote_code:
        yield Note("warning", "route.trust_remote_code", "Python from the model's repository runs in your workspace.")


_RULES: tuple[Any, ...] = (
    _placement,
    _nodes,
    _early_stopping,
    _deepspeed_batch,
    _deepspeed_ort,
    _deepspeed_file,
    _paths,
    _inputs,
)
_REMARKS: tuple[Any, ...] = (_ignored, _steps, _lora_algorithm, _checkpointing, _trust)
