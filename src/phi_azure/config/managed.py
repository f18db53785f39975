"""Managed compute: every input of Azure's component chat_completion_pipeline 0.0.82, in groups, with ranges.

The component has 69 inputs (Azure/azureml-assets, spec.yaml, read 2026-07). A field that stands for one names it in
`azure`; what a field's range does not come from there is said beside it. The rest come from the job itself (model and
data) or from a verb (`phi-azure resume`).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from phi_azure.config import rules
from phi_azure.config.strict import Strict
from phi_azure.config.words import SAME_LORA, renamed

Scheduler = Literal["linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup"]
STAGES = frozenset({"2", "3"})
"""Of DeepSpeed, where they are written as text."""
AssetPath = str
"""A path, or an azureml: address."""


def knob(azure: str | None, default: Any, **limits: Any) -> Any:
    """Declares a field that is sent as the component's input `azure`; None is sent by rules of its own."""
    return Field(default=default, json_schema_extra={"x-azure-input": azure} if azure else None, **limits)


def file(azure: str) -> Any:
    """Declares a field that is a file or a folder: a path, or an azureml: address."""
    return Field(default=None, min_length=1, json_schema_extra={"x-azure-input": azure, "x-file": True})


class Lora(Strict):
    """Trains small matrices beside the weights instead of the weights: less memory, and an adapter to keep."""

    r: int = knob("lora_r", 8, ge=1, le=1024)
    """Rank of the matrices."""
    alpha: int = knob("lora_alpha", 128, ge=1)
    """Scale: the update counts alpha / r times; 128 is the component's default."""
    dropout: float = knob("lora_dropout", 0.0, ge=0, lt=1)
    """Share of the adapter's inputs that is left out at each step."""
    merge: bool = knob("merge_lora_weights", default=True)
    """Asks for merged weights; no code of Azure reads it: they are always merged, and the adapter is kept beside."""

    @model_validator(mode="before")
    @classmethod
    def _read_other_names(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        return {SAME_LORA.get(key, key): value for key, value in data.items()}


class Compute(Strict):
    """Where it runs."""

    cluster: str | None = knob("compute_finetune", None, pattern=r"^[a-zA-Z][a-zA-Z0-9-]{1,31}$")
    """GPU cluster; made if there is none of that name, scaled to zero when idle. None means machines on demand."""
    size: str | None = knob("instance_type_finetune", None, min_length=1)
    """Machine size, such as Standard_NC24ads_A100_v4; None means the cluster's, or the first that the model lists."""
    instance_types: tuple[str, ...] = ()
    """Sizes that a `finetuning` job without a cluster may take, the first that is free."""
    nodes: int = knob("num_nodes_finetune", 1, ge=1)
    """Machines that train together."""
    gpus: int | None = knob("number_of_gpu_to_use_finetuning", None, ge=1)
    """GPUs to use on each machine; None means all that the size has."""
    max_nodes: int | None = Field(default=None, ge=1)
    """Machines that a new cluster may grow to; None means as many as `nodes`."""
    idle_minutes: int = Field(default=2, ge=1)
    """Minutes without work after which a new cluster gives a machine back."""
    shm_size_finetune: str | None = knob("shm_size_finetune", None, pattern=r"^[1-9][0-9]*[bkmg]$")
    """Shared memory of the training container, such as 5g; None means the component's 5g."""
    compute_model_import: str | None = knob("compute_model_import", None, min_length=1)
    """Cluster that imports the model; None means `cluster`. `serverless` is a machine on demand."""
    compute_preprocess: str | None = knob("compute_preprocess", None, min_length=1)
    """Cluster that prepares the rows; None means `cluster`. `serverless` is a machine on demand."""
    compute_model_evaluation: str | None = knob("compute_model_evaluation", None, min_length=1)
    """Taken and not used: the evaluation in the pipeline is switched off."""
    instance_type_model_import: str | None = knob("instance_type_model_import", None, min_length=1)
    """Machine on demand that imports the model; None means Standard_D12_v2, the component's choice."""
    instance_type_preprocess: str | None = knob("instance_type_preprocess", None, min_length=1)
    """Machine on demand that prepares the rows; None means Standard_D12_v2, the component's choice."""
    instance_type_model_evaluation: str | None = knob("instance_type_model_evaluation", None, min_length=1)
    """Taken and not used: the evaluation in the pipeline is switched off."""


class Loading(Strict):
    """How the model is loaded."""

    finetune_config_path: AssetPath | None = file("finetune_config_path")
    """JSON with the model's own settings: chat tokens, LoRA modules, template; wins over the one in the model."""
    trust_remote_code: bool = knob("trust_remote_code", default=False)
    """Runs Python that a Hugging Face repository brings along; only for models that you trust."""
    ignore_mismatched_sizes: bool = knob("ignore_mismatched_sizes", default=False)
    """Starts layers anew whose shape differs from the weights."""


class Data(Strict):
    """How rows are prepared."""

    max_seq_length: int = knob("max_seq_length", -1, ge=-1)
    """Tokens of a row that count; -1 means as many as the model takes."""
    pad_to_max_length: bool = knob("pad_to_max_length", default=False)
    """Pads each row to the full length instead of each batch to its longest row: slower."""
    preprocess_batch_size: int = knob("batch_size", 1000, ge=1)
    """Rows that the preparation handles at once; Azure calls it batch_size. It changes nothing of the training."""


class Training(Strict):
    """How long, how much at once, in what precision."""

    epochs: int = knob("num_train_epochs", 1, ge=1)
    """Times that training goes through the data."""
    max_steps: int = knob("max_steps", -1, ge=-1)
    """Steps after which training ends; -1 means that the epochs decide."""
    batch_size: int = knob("per_device_train_batch_size", 1, ge=1)
    """Rows that each GPU takes at once."""
    eval_batch_size: int = knob("per_device_eval_batch_size", 1, ge=1)
    """Rows that each GPU takes at once when it evaluates."""
    auto_find_batch_size: bool = knob("auto_find_batch_size", default=False)
    """Halves the batch until it fits into memory; not together with DeepSpeed."""
    gradient_accumulation_steps: int = knob("gradient_accumulation_steps", 1, ge=1)
    """Batches whose gradients make one step."""
    eval_accumulation_steps: int = knob("eval_accumulation_steps", -1, ge=-1)
    """Batches after which results of an evaluation leave the GPU; -1 means at its end."""
    precision: Literal[16, 32] = knob("precision", 16)
    """Bits of a number; 16 is bf16 where the GPU has it. Azure takes no 8 and 4 for any Phi."""
    seed: int = knob("seed", 42, ge=0, le=2**32 - 1)
    """Of everything random."""
    enable_full_determinism: bool = knob("enable_full_determinism", default=False)
    """Makes two runs of one seed equal, at the cost of speed."""
    dataloader_num_workers: int = knob("dataloader_num_workers", 0, ge=0)
    """Processes that load rows; 0 loads in the training process."""
    logging_strategy: Literal["epoch", "steps"] = knob("logging_strategy", "steps")
    """When the loss is written."""
    logging_steps: int = knob("logging_steps", 10, ge=1)
    """Steps between two values of the loss, with the strategy `steps`."""
    deepspeed: Literal[2, 3] | AssetPath | None = knob(None, None)
    """DeepSpeed's ZeRO, for models that one GPU cannot hold: its stage, or a JSON file of your own; None is without."""
    apply_ort: bool = knob("apply_ort", default=False)
    """ONNX Runtime training; Azure switches it off for chat completion."""

    @field_validator("precision", "deepspeed", mode="before")
    @classmethod
    def _read_digits(cls, value: object) -> object:
        return int(value) if isinstance(value, str) and value in STAGES | {"16", "32"} else value


class Optimisation(Strict):
    """The optimiser and its schedule."""

    optim: Literal["adamw_torch", "adafactor"] = knob("optim", "adamw_torch")
    """The optimiser."""
    learning_rate: float = knob("learning_rate", 2e-5, gt=0, le=1)
    """Step size of the optimiser at its highest."""
    lr_scheduler_type: Scheduler = knob("lr_scheduler_type", "linear")
    """How the step size falls."""
    warmup_steps: int = knob("warmup_steps", 0, ge=0)
    """Steps in which the step size rises to its highest."""
    weight_decay: float = knob("weight_decay", 0.0, ge=0, le=1)
    """How strongly weights are pulled to zero."""
    adam_beta1: float = knob("adam_beta1", 0.9, ge=0, lt=1)
    """AdamW's memory of gradients."""
    adam_beta2: float = knob("adam_beta2", 0.999, ge=0, lt=1)
    """AdamW's memory of squared gradients."""
    adam_epsilon: float = knob("adam_epsilon", 1e-8, gt=0, le=1)
    """Keeps AdamW from dividing by zero."""
    max_grad_norm: float = knob("max_grad_norm", 1.0, gt=0)
    """Length to which a gradient is cut."""


class Evaluation(Strict):
    """When the validation loss is taken, and what follows from it."""

    evaluation_strategy: Literal["epoch", "steps", "disable"] = knob("evaluation_strategy", "epoch")
    """When the validation loss is taken, and a checkpoint written."""
    eval_steps: int = knob("eval_steps", 500, ge=1)
    """Steps between two evaluations, with the strategy `steps`."""
    evaluation_steps_interval: float = knob("evaluation_steps_interval", 0.0, ge=0, le=1)
    """Share of an epoch between two evaluations, with the strategy `steps`; above 0 it replaces eval_steps."""
    metric_for_best_model: Literal["loss", "f1", "exact"] = knob("metric_for_best_model", "loss")
    """What the best checkpoint is chosen by; it is loaded at the end."""
    early_stopping_patience: int | None = knob("early_stopping_patience", None, ge=1)
    """Evaluations without a better loss after which training ends; None goes on to the end."""
    early_stopping_threshold: float = knob("early_stopping_threshold", 0.0, ge=0)
    """By how much a loss must be lower to be better."""
    evaluation_config: AssetPath | None = file("evaluation_config")
    """Taken and not used: the evaluation in the pipeline is switched off."""
    evaluation_config_params: str | None = knob("evaluation_config_params", None, min_length=1)
    """Taken and not used: the evaluation in the pipeline is switched off."""


class Checkpoints(Strict):
    """What is kept on the way."""

    save_total_limit: int = knob("save_total_limit", -1, ge=-1)
    """Checkpoints that are kept; -1 keeps all. They are written when the validation loss is taken."""


class ManagedCompute(Checkpoints, Evaluation, Optimisation, Training, Data, Loading, Compute):
    """Trains on GPU machines of your own subscription, with every knob of Azure's component."""

    kind: Literal["managed"] = "managed"
    job: Literal["pipeline", "finetuning"] = "pipeline"
    """`pipeline` runs the component chat_completion_pipeline; `finetuning` a fine-tuning job, with fewer knobs."""
    lora: Lora | None = Lora()
    """Low-rank adapters; None trains all weights."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """An input that a newer version of the component has, by Azure's name; all of 0.0.82 have fields of their own."""

    GROUPS: ClassVar[tuple[type[Strict], ...]] = (
        Compute,
        Loading,
        Data,
        Training,
        Optimisation,
        Evaluation,
        Checkpoints,
    )

    @model_validator(mode="before")
    @classmethod
    def _read_other_names(cls, data: object) -> object:
        return _with_lora(renamed(data))

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if problems := rules.broken(self):
            raise ValueError("\n".join(problems))
        return self


def azure_names(kind: type[Strict]) -> dict[str, str]:
    """Returns the component's inputs that fields of this class stand for: field -> input."""
    named = {name: (field.json_schema_extra or {}) for name, field in kind.model_fields.items()}
    return {
        name: str(extra["x-azure-input"])
        for name, extra in named.items()
        if isinstance(extra, dict) and "x-azure-input" in extra
    }


def file_fields(kind: type[Strict]) -> frozenset[str]:
    """Returns the fields that are a path or an azureml: address."""
    return frozenset(
        name
        for name, field in kind.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("x-file")
    )


def group_of(name: str) -> str:
    """Returns the heading under which a field of ManagedCompute belongs."""
    if name == "lora":
        return "LoRA"
    return next((group.__name__ for group in ManagedCompute.GROUPS if name in group.model_fields), "Job")


def _with_lora(data: object) -> object:
    """Gathers lora_r, lora_alpha and lora_dropout, unless `lora` says them too; reads `lora: true` and `false`."""
    if not isinstance(data, dict):
        return data
    lora = data.get("lora", {})
    if isinstance(lora, bool):
        lora = {} if lora else None
    flat = {key for key in SAME_LORA if key in data and isinstance(lora, dict) and SAME_LORA[key] not in lora}
    rest = {key: value for key, value in data.items() if key not in flat}
    if flat:
        lora = {**lora, **{SAME_LORA[key]: data[key] for key in SAME_LORA if key in flat}}
    return {**rest, "lora": lora} if flat or "lora" in data else rest
