"""What knobs of managed compute must hold together, and what is worth knowing: each rule a function.

The rules come from Azure's training code (azureml-acft-contrib-hf-nlp 0.0.91) and component specs (azureml-assets,
2026-07); the ids are those of our notes on that code.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from phi_azure import catalog

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from phi_azure.config.managed import ManagedCompute

FINETUNING_KNOBS = frozenset({"epochs", "learning_rate", "batch_size", "max_seq_length"})
KNOWN_VERSION = "0.0.82"
"""Of the component whose inputs have fields of their own."""
_PLACEMENT = frozenset({"kind", "job", "cluster", "size", "instance_types", "nodes", "max_nodes", "idle_minutes"})
_UNUSED = (
    "compute_model_evaluation",
    "instance_type_model_evaluation",
    "evaluation_config",
    "evaluation_config_params",
)


BAD_IN_PATHS = frozenset("\\'")
_NO_GPU = re.compile(r"standard_(?:[abdefl]|ds)\d|standard_m\d", re.IGNORECASE)  # families of Azure without GPUs


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


def _sizes(route: ManagedCompute) -> Iterator[str]:
    """gpu-required, and sizes that Azure has taken away: the component's own default is one of them."""
    named = {"size": (route.size,), "instance_types": route.instance_types}
    today = date.today()  # noqa: DTZ011  a day, not a moment
    for field, name in ((field, name) for field, names in named.items() for name in names if name):
        row = catalog.size(name)
        if row and row.retired and row.retired <= today:
            yield f"{field} is {name}, which Azure retired on {row.retired}; take {catalog.DEFAULT_SIZE}"
        elif row is None and (meant := catalog.size(f"Standard_{name}")):
            yield f"{field} is {name}; did you mean {meant.name}?"
    if route.size and _NO_GPU.match(route.size):
        yield f"size is {route.size}, which has no GPU, and training needs one; take {catalog.DEFAULT_SIZE}"


def _gpus(route: ManagedCompute) -> Iterator[str]:
    """More processes than GPUs fail when training starts."""
    row = catalog.size(route.size) if route.size else None
    if row and route.gpus and route.gpus > row.gpus:
        yield f"gpus is {route.gpus}, and a {row.name} has {row.gpus}; take nodes for more"


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


def absent_files(values: Mapping[str, object]) -> dict[str, str]:
    """Says which fields of a route name a file of this machine that is not there: field -> why.

    It is no rule of the route itself: a job may be written before its files are.
    """
    named = {name: values.get(name) for name in sorted(file_knobs())}
    return {
        name: f"route.{name}: there is no file {value}"
        for name, value in named.items()
        if is_local_path(value) and not Path(str(value)).is_file()
    }


def file_knobs() -> frozenset[str]:
    """Returns the fields of a route that may name a file of this machine."""
    from phi_azure.config.managed import ManagedCompute, file_fields

    return file_fields(ManagedCompute) | {"deepspeed"}


def is_local_path(value: object) -> bool:
    """Tells a path on this machine from an address, from a stage of DeepSpeed, and from what is no text."""
    from phi_azure.config.job import is_in_azure
    from phi_azure.config.managed import STAGES

    is_text = isinstance(value, str) and bool(value.strip())
    return is_text and value not in STAGES and "://" not in str(value) and not is_in_azure(str(value))


def _paths(route: ManagedCompute) -> Iterator[str]:
    """model-bad-chars; a file keeps its name on the way to Azure, and loses its folder."""
    for name in ("finetune_config_path", "evaluation_config", "deepspeed"):
        value = getattr(route, name)
        sent = value if str(value).startswith("azureml:") else Path(str(value)).name
        if isinstance(value, str) and set(sent) & BAD_IN_PATHS:
            yield f"{name} holds a backslash or a single quote, which Azure takes in no path; rename it"


def _length(route: ManagedCompute) -> Iterator[str]:
    """len-effective, len-trunc: the smaller of it and the model's own is kept, which of 0 is nothing."""
    if route.max_seq_length == 0:
        yield "max_seq_length is 0, which leaves no token to learn; -1 takes as many as the model does"


def _inputs(route: ManagedCompute) -> Iterator[str]:
    """What has a field of its own is written there."""
    from phi_azure.config.words import MEANT

    ours = _fields_of_inputs()
    for name in route.inputs:
        if own := ours.get(name) or MEANT.get(name):
            yield f"inputs.{name} is a field of its own: {own}"
        elif near := get_close_matches(name, ours, n=1, cutoff=0.85):
            yield f"inputs.{name} is no input of the component; did you mean {ours[near[0]]}?"


def _fields_of_inputs() -> Mapping[str, str]:
    """Returns the field that stands for each input, by Azure's name and by those of others."""
    from phi_azure.config.managed import Lora, ManagedCompute, azure_names
    from phi_azure.config.words import SAME_KNOB

    return {
        **{theirs: name for name, theirs in azure_names(ManagedCompute).items()},
        **{theirs: f"lora.{name}" for name, theirs in azure_names(Lora).items()},
        **SAME_KNOB,
    }


def unknown_inputs(given: Collection[str], known: Collection[str], component: str) -> list[str]:
    """Says which inputs a component, as Azure has it today, does not know."""
    ours = _fields_of_inputs()
    problems = []
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.6)
            meant = f"; did you mean {ours.get(near[0], f'inputs.{near[0]}')}?" if near else ""
            problems.append(f"route.inputs.{name} is no input of {component}{meant}")
    return problems


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


def _later_inputs(route: ManagedCompute) -> Iterator[Note]:
    """All inputs of the version that is known here have fields of their own."""
    for name in route.inputs:
        text = f"the component {KNOWN_VERSION} has no such input; submit asks whether Azure's newest has it."
        yield Note("warning", f"route.inputs.{name}", text)


def _checkpointing(route: ManagedCompute) -> Iterator[Note]:
    """gc-lora."""
    if route.job == "pipeline" and route.lora and route.deepspeed is None:
        text = "with LoRA and without DeepSpeed Azure keeps all activations: long rows need more memory."
        yield Note("info", "route.deepspeed", text)


def _unknown_sizes(route: ManagedCompute) -> Iterator[Note]:
    if route.size and catalog.size(route.size) is None:
        near = get_close_matches(route.size, [row.name for row in catalog.SIZES], n=1)
        text = f"{route.size} is not in the catalogue" + (f"; did you mean {near[0]}?" if near else ".")
        yield Note("warning", "route.size", text)


def _idle_types(route: ManagedCompute) -> Iterator[Note]:
    """compute_rule: a cluster's machines are of one size."""
    for step in ("model_import", "preprocess"):
        where = getattr(route, f"compute_{step}") or route.cluster
        if getattr(route, f"instance_type_{step}") and where not in {None, "serverless"}:
            yield Note(
                "warning", f"route.instance_type_{step}", f"it does not count: the cluster {where} has its size."
            )


def _trust(route: ManagedCompute) -> Iterator[Note]:
    if route.trust_remote_code:
        yield Note("warning", "route.trust_remote_code", "Python from the model's repository runs in your workspace.")


_RULES: tuple[Any, ...] = (
    _placement,
    _nodes,
    _sizes,
    _gpus,
    _early_stopping,
    _deepspeed_batch,
    _deepspeed_ort,
    _deepspeed_file,
    _paths,
    _length,
    _inputs,
)
_REMARKS: tuple[Any, ...] = (_ignored, _steps, _later_inputs, _checkpointing, _trust, _unknown_sizes, _idle_types)
