"""What a user wants trained: the job, its route, and the YAML file that holds both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from phi_azure import catalog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

Scheduler = Literal["linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup"]

SAME_KNOB = {
    "num_train_epochs": "epochs",
    "n_epochs": "epochs",
    "per_device_train_batch_size": "batch_size",
    "per_device_eval_batch_size": "eval_batch_size",
    "num_nodes_finetune": "nodes",
    "number_of_gpu_to_use_finetuning": "gpus",
    "deepspeed_stage": "deepspeed",
}
"""Azure's, its portal's and Hugging Face's names of knobs that are shorter here; both are read, ours is written."""

SAME_LORA = {"lora_r": "r", "lora_alpha": "alpha", "lora_dropout": "dropout"}

FILE_INPUTS = frozenset(
    {
        "pytorch_model_path", "finetune_config_path", "test_file_path", "train_mltable_path", "validation_mltable_path",
        "test_mltable_path", "deepspeed", "evaluation_config",
    }
)  # fmt: skip
"""Inputs of the component that are files or folders: a path or an azureml: address."""

EXTRA_INPUTS = FILE_INPUTS | {
    "adam_beta1", "adam_beta2", "adam_epsilon", "apply_ort", "auto_find_batch_size", "batch_size",
    "compute_model_evaluation", "compute_model_import", "compute_preprocess", "dataloader_num_workers",
    "enable_full_determinism", "eval_accumulation_steps", "evaluation_config_params", "evaluation_steps_interval",
    "ignore_mismatched_sizes", "instance_type_model_evaluation", "instance_type_model_import",
    "instance_type_preprocess", "logging_strategy", "merge_lora_weights", "metric_for_best_model", "pad_to_max_length",
    "shm_size_finetune", "trust_remote_code",
}  # fmt: skip
"""Inputs of chat_completion_pipeline 0.0.82 that have no field of their own here."""


class _Strict(BaseModel):
    """Nothing unknown goes in, nothing changes afterwards, and the docstring under a field is its description."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())


class Serverless(_Strict):
    """Trains on Azure's own machines: nothing to set up, three knobs, paid by the token."""

    kind: Literal["serverless"] = "serverless"
    learning_rate: float | None = Field(default=None, gt=0, le=1)
    """Step size of the optimiser; None means the service decides (0.0003 at last sight)."""
    epochs: int = Field(default=1, ge=1, le=50)
    """Times that training goes through the data."""
    batch_size: int = Field(default=1, ge=1, le=256)
    """Rows that each device takes at once."""
    max_seq_length: int | None = Field(default=None, ge=1)
    """Tokens of a row that count; None means the service decides (8192 at last sight)."""

    @model_validator(mode="before")
    @classmethod
    def _read_other_names(cls, data: object) -> object:
        return _renamed(data)


class Lora(_Strict):
    """Trains small matrices beside the weights instead of the weights: less memory, and an adapter to keep."""

    r: int = Field(default=8, ge=1, le=1024)
    """Rank of the matrices."""
    alpha: int = Field(default=128, ge=1)
    """Scale: the update counts alpha / r times; 128 is the component's default."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the adapter's inputs that is left out at each step."""

    @model_validator(mode="before")
    @classmethod
    def _read_other_names(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        return {SAME_LORA.get(key, key): value for key, value in data.items()}


class ManagedCompute(_Strict):
    """Trains on GPU machines of your own subscription, with every knob of Azure's component."""

    kind: Literal["managed"] = "managed"
    job: Literal["pipeline", "finetuning"] = "pipeline"
    """`pipeline` runs the component chat_completion_pipeline; `finetuning` a fine-tuning job, with fewer knobs."""
    cluster: str | None = Field(default=None, pattern=r"^[a-zA-Z][a-zA-Z0-9-]{1,31}$")
    """GPU cluster; made if there is none of that name, scaled to zero when idle. None means machines on demand."""
    size: str | None = None
    """Machine size, such as Standard_NC24ads_A100_v4; None means the cluster's, or the first that the model lists."""
    instance_types: tuple[str, ...] = ()
    """Sizes that a `finetuning` job without a cluster may take, the first that is free."""
    nodes: int = Field(default=1, ge=1)
    """Machines that train together."""
    gpus: int | None = Field(default=None, ge=1)
    """GPUs to use on each machine; None means all that the size has."""
    max_nodes: int | None = Field(default=None, ge=1)
    """Machines that a new cluster may grow to; None means as many as `nodes`."""
    idle_minutes: int = Field(default=2, ge=1)
    """Minutes without work after which a new cluster gives a machine back."""
    lora: Lora | None = Lora()
    """Low-rank adapters; None trains all weights."""
    epochs: int = Field(default=1, ge=1)
    """Times that training goes through the data."""
    max_steps: int = -1
    """Steps after which training ends; -1 means that the epochs decide."""
    learning_rate: float = Field(default=2e-5, gt=0, le=1)
    """Step size of the optimiser at its highest."""
    batch_size: int = Field(default=1, ge=1)
    """Rows that each GPU takes at once."""
    eval_batch_size: int = Field(default=1, ge=1)
    """Rows that each GPU takes at once when it evaluates."""
    gradient_accumulation_steps: int = Field(default=1, ge=1)
    """Batches whose gradients make one step."""
    optim: Literal["adamw_torch", "adafactor"] = "adamw_torch"
    """The optimiser."""
    lr_scheduler_type: Scheduler = "linear"
    """How the step size falls."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps in which the step size rises to its highest."""
    weight_decay: float = Field(default=0.0, ge=0)
    """How strongly weights are pulled to zero."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Length to which a gradient is cut."""
    max_seq_length: int = Field(default=-1, ge=-1)
    """Tokens of a row that count; -1 means as many as the model takes."""
    seed: int = 42
    """Of everything random."""
    precision: Literal[16, 32] = 16
    """Bits of a number; 16 is bf16 where the GPU has it."""
    deepspeed: Literal[2, 3] | None = None
    """Stage of DeepSpeed's ZeRO, for models that one GPU cannot hold; None is without."""
    logging_steps: int = Field(default=10, ge=1)
    """Steps between two values of the loss."""
    evaluation_strategy: Literal["epoch", "steps", "disable"] = "epoch"
    """When the validation loss is taken, and a checkpoint written."""
    eval_steps: int = Field(default=500, ge=1)
    """Steps between two evaluations, with the strategy `steps`."""
    early_stopping_patience: int | None = Field(default=None, ge=1)
    """Evaluations without a better loss after which training ends; None goes on to the end."""
    early_stopping_threshold: float = Field(default=0.0, ge=0)
    """By how much a loss must be lower to be better."""
    save_total_limit: int = Field(default=-1, ge=-1)
    """Checkpoints that are kept; -1 keeps all."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """Any other input of the component, by Azure's name."""

    @model_validator(mode="before")
    @classmethod
    def _read_other_names(cls, data: object) -> object:
        return _with_lora(_renamed(data))

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = [*_placement_problems(self), *_input_problems(self.inputs)]
        if self.early_stopping_patience is not None and self.evaluation_strategy == "disable":
            problems.append("early_stopping_patience needs evaluation_strategy epoch or steps")
        if problems:
            raise ValueError("; ".join(problems))
        return self


FINETUNING_KNOBS = frozenset({"epochs", "learning_rate", "batch_size", "max_seq_length"})
_PLACEMENT = frozenset({"kind", "job", "cluster", "size", "instance_types", "nodes", "max_nodes", "idle_minutes"})


def _placement_problems(route: ManagedCompute) -> list[str]:
    """Names what the two shapes of a managed job do not share."""
    if route.job == "pipeline":
        return ["instance_types belongs to job: finetuning; a pipeline takes size"] if route.instance_types else []
    problems = [
        f"{name} belongs to job: pipeline; a fine-tuning job takes {', '.join(sorted(FINETUNING_KNOBS))}"
        for name in sorted(route.model_fields_set - FINETUNING_KNOBS - _PLACEMENT)
    ]
    if route.cluster is None and not route.instance_types:
        problems.append("job: finetuning needs a cluster, or instance_types")
    if route.cluster is not None and route.instance_types:
        problems.append("cluster and instance_types exclude each other")
    return problems


def _input_problems(inputs: Mapping[str, str]) -> list[str]:
    from phi_azure.jobfile import own_name, suggestion

    problems = []
    for name in inputs:
        if name in EXTRA_INPUTS:
            continue
        if own := own_name(name):
            problems.append(f"inputs.{name} is a field of its own: {own}")
        else:
            problems.append(f"inputs.{name} is no input of chat_completion_pipeline{suggestion(name, EXTRA_INPUTS)}")
    return problems


def _renamed(data: object) -> object:
    """Puts our names where Azure's or Hugging Face's were used."""
    if not isinstance(data, dict):
        return data
    for other, ours in SAME_KNOB.items():
        if other in data and ours in data:
            raise ValueError(f"{other} and {ours} are the same; keep one")
    return {SAME_KNOB.get(key, key): value for key, value in data.items()}


def _with_lora(data: object) -> object:
    """Gathers lora_r, lora_alpha and lora_dropout, and reads apply_lora."""
    if not isinstance(data, dict):
        return data
    flat = {SAME_LORA[key]: data[key] for key in SAME_LORA if key in data}
    rest = {key: value for key, value in data.items() if key not in SAME_LORA}
    if not flat:
        return rest
    if isinstance(rest.get("lora"), dict):
        flat = {**rest["lora"], **flat}
    return {**rest, "lora": flat}


def _route_by_kind(data: object) -> object:
    """Reads `route: serverless` and `route: managed` as the route with its defaults; a missing kind is serverless."""
    if isinstance(data, str):
        return {"kind": data}
    if isinstance(data, dict) and "kind" not in data:
        return {"kind": "serverless", **data}
    return data


class FineTune(_Strict):
    """One job: which Phi learns from which rows, and where.

    Built in Python it raises pydantic's ValidationError (a ValueError) with every problem; read from a
    file, ConfigError with lines.
    """

    name: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,59}$")
    """Names the job, and what comes out of it; letters, digits, `-` and `_`."""
    model: str = Field(default=catalog.DEFAULT_MODEL, min_length=1)
    """A Phi of Azure's registry, with a version if wanted: Phi-4:7; an azureml: address; managed: a Hugging Face id."""
    training_data: Path
    """JSONL, one conversation a line; `azureml:name:version` takes a data asset as it is."""
    validation_data: Path | None = None
    """JSONL whose loss is watched; None means the service takes a part of the training data, or none."""
    route: Annotated[Serverless | ManagedCompute, Field(discriminator="kind")] = Serverless()
    """Where the training runs."""
    experiment: str | None = Field(default=None, pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_ -]{0,254}$")
    """Groups runs in the studio; None means the job's name."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Put on everything that the job makes."""
    registered_name: str | None = Field(default=None, pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$")
    """Names the tuned model; None means the job's name."""

    @model_validator(mode="before")
    @classmethod
    def _read_route(cls, data: object) -> object:
        if isinstance(data, dict) and "route" in data:
            return {**data, "route": _route_by_kind(data["route"])}
        return data

    @property
    def model_name(self) -> str:
        """The name under which the tuned model is registered."""
        return self.registered_name or self.name

    @property
    def experiment_name(self) -> str:
        """The experiment that the run belongs to."""
        return self.experiment or self.name

    @classmethod
    def from_yaml(cls, path: Path | str) -> FineTune:
        """Reads a job file; paths in it start from its folder. Raises ConfigError with every problem and its line."""
        from phi_azure import jobfile

        return jobfile.read(Path(path))

    def to_yaml(self) -> str:
        """Writes the job as a file that `from_yaml` reads; what has its default is left out."""
        from phi_azure import jobfile

        return jobfile.write(self)
