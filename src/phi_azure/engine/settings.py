"""The settings of a training run: Azure's inputs as typed values, the rules they must keep, what is left out here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phi_azure.engine.errors import ProblemsError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from phi_azure.engine.spec import Spec

SCHEDULES = ("linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup")
OPTIMIZERS = ("adamw_torch", "adafactor")
STRATEGIES = ("epoch", "steps", "disable")
METRICS = ("loss", "f1", "exact")
PRECISIONS = ("32", "16", "8", "4")


@dataclass(frozen=True)
class Lora:
    """The size and strength of the adapter."""

    r: int
    alpha: int
    dropout: float


@dataclass(frozen=True)
class Settings:
    """How to train. Names and defaults are those of Azure's component."""

    lora: Lora | None
    merge_lora_weights: bool
    num_train_epochs: int
    max_steps: int
    train_batch: int
    eval_batch: int
    gradient_accumulation_steps: int
    optim: str
    learning_rate: float
    lr_scheduler_type: str
    warmup_steps: int
    weight_decay: float
    adam_beta1: float
    adam_beta2: float
    adam_epsilon: float
    max_grad_norm: float
    precision: str
    seed: int
    enable_full_determinism: bool
    evaluation_strategy: str
    evaluation_steps_interval: float
    eval_steps: int
    logging_strategy: str
    logging_steps: int
    metric_for_best_model: str
    save_total_limit: int
    apply_early_stopping: bool
    early_stopping_patience: int
    early_stopping_threshold: float

    def eval_every(self, steps_per_epoch: int) -> int:
        """Returns after how many steps to evaluate, 0 for never."""
        if self.evaluation_strategy == "disable":
            return 0
        if self.evaluation_strategy == "epoch":
            return steps_per_epoch
        share = self.evaluation_steps_interval
        return max(1, int(steps_per_epoch * share)) if 0 < share <= 1 else max(1, self.eval_steps)

    def log_every(self, steps_per_epoch: int) -> int:
        """Returns after how many steps to report the loss."""
        return steps_per_epoch if self.logging_strategy == "epoch" else max(1, self.logging_steps)

    def total_steps(self, steps_per_epoch: int) -> int:
        """Returns how many steps there will be; max_steps, when given, wins over the epochs."""
        return self.max_steps if self.max_steps > 0 else steps_per_epoch * self.num_train_epochs


def read_settings(spec: Spec) -> Settings:
    """Reads the inputs of the fine-tune step and checks them against Azure's rules, all problems at once."""
    problems = setting_problems(spec)
    if problems:
        raise ProblemsError(problems)
    on = spec.flag("apply_lora")
    lora = Lora(spec.integer("lora_r", 8), spec.integer("lora_alpha", 128), spec.number("lora_dropout", 0.0))
    return Settings(
        lora=lora if on else None,
        merge_lora_weights=spec.flag("merge_lora_weights", default=True),
        num_train_epochs=spec.integer("num_train_epochs", 1),
        max_steps=spec.integer("max_steps", -1),
        train_batch=spec.integer("per_device_train_batch_size", 1),
        eval_batch=spec.integer("per_device_eval_batch_size", 1),
        gradient_accumulation_steps=spec.integer("gradient_accumulation_steps", 1),
        optim=spec.choice("optim", "adamw_torch", OPTIMIZERS),
        learning_rate=spec.number("learning_rate", 2e-5),
        lr_scheduler_type=spec.choice("lr_scheduler_type", "linear", SCHEDULES),
        warmup_steps=spec.integer("warmup_steps", 0),
        weight_decay=spec.number("weight_decay", 0.0),
        adam_beta1=spec.number("adam_beta1", 0.9),
        adam_beta2=spec.number("adam_beta2", 0.999),
        adam_epsilon=spec.number("adam_epsilon", 1e-8),
        max_grad_norm=spec.number("max_grad_norm", 1.0),
        precision=spec.choice("precision", "32", PRECISIONS),
        seed=spec.integer("seed", 42),
        enable_full_determinism=spec.flag("enable_full_determinism"),
        evaluation_strategy=spec.choice("evaluation_strategy", "epoch", STRATEGIES),
        evaluation_steps_interval=spec.number("evaluation_steps_interval", 0.0),
        eval_steps=spec.integer("eval_steps", 500),
        logging_strategy=spec.choice("logging_strategy", "steps", STRATEGIES[:2]),
        logging_steps=spec.integer("logging_steps", 10),
        metric_for_best_model=spec.choice("metric_for_best_model", "loss", METRICS),
        save_total_limit=spec.integer("save_total_limit", -1),
        apply_early_stopping=spec.flag("apply_early_stopping"),
        early_stopping_patience=spec.integer("early_stopping_patience", 1),
        early_stopping_threshold=spec.number("early_stopping_threshold", 0.0),
    )


def setting_problems(spec: Spec) -> list[str]:
    """Returns what Azure's own training code would refuse in a step's settings."""
    checks: list[Callable[[Spec], str | None]] = [
        _positive("learning_rate", 2e-5),
        _positive("num_train_epochs", 1),
        _positive("per_device_train_batch_size", 1),
        _positive("per_device_eval_batch_size", 1),
        _positive("gradient_accumulation_steps", 1),
        _positive("num_nodes_finetune", 1),
        _positive("lora_r", 8),
        _early_stopping,
        _deepspeed,
        _ort,
        _quantised,
    ]
    answers = [_asked(check, spec) for check in checks]
    return [answer for answer in answers if answer]


def left_out(spec: Spec, on_cpu: bool) -> list[str]:
    """Returns one line for each setting that this engine does not act on, and why."""
    steady = {
        "apply_deepspeed": "DeepSpeed shares work between GPUs; this engine is one process",
        "apply_ort": "ONNX Runtime training is off for chat completion in Azure too",
        "auto_find_batch_size": "the batch size given is used as it is",
        "ignore_mismatched_sizes": "a chat model has no head to replace",
    }
    notes = [f"{name}=true is left out: {why}." for name, why in steady.items() if spec.flag(name)]
    if spec.text("deepspeed"):
        notes.append("deepspeed (a configuration file) is left out: this engine is one process.")
    if spec.integer("dataloader_num_workers", 0):
        notes.append("dataloader_num_workers is left out: the rows are in memory already.")
    if spec.integer("eval_accumulation_steps", -1) > 0:
        notes.append("eval_accumulation_steps is left out: predictions are counted batch by batch, never kept.")
    if not spec.flag("merge_lora_weights", default=True):
        notes.append(
            "merge_lora_weights=false changes nothing, as in Azure: the weights are merged, the adapter is beside them."
        )
    if on_cpu and spec.text("precision") == "16":
        notes.append("precision=16 is left out: this machine has no GPU, and 32 bits are faster on a CPU.")
    return notes


def learning_rate_factor(kind: str, warmup: int, total: int, learning_rate: float) -> Callable[[int], float]:
    """Returns what the learning rate is multiplied by at each step; the curves are those of transformers."""

    def warm(step: int) -> float | None:
        return step / max(1, warmup) if step < warmup else None

    def done(step: int) -> float:
        return (step - warmup) / max(1, total - warmup)

    def polynomial(step: int) -> float:
        end = 1e-7 / learning_rate
        return end if step > total else (1 - end) * (1 - done(step)) + end

    curves: dict[str, Callable[[int], float]] = {
        "linear": lambda step: max(0.0, (total - step) / max(1, total - warmup)),
        "cosine": lambda step: max(0.0, 0.5 * (1 + math.cos(math.pi * done(step)))),
        "cosine_with_restarts": lambda step: (
            0.0 if done(step) >= 1 else max(0.0, 0.5 * (1 + math.cos(math.pi * (done(step) % 1.0))))
        ),
        "polynomial": polynomial,
        "constant_with_warmup": lambda _: 1.0,
    }
    if kind == "constant":
        return lambda _: 1.0
    curve = curves[kind]

    def factor(step: int) -> float:
        share = warm(step)
        return curve(step) if share is None else share

    return factor


def _asked(check: Callable[[Spec], str | None], spec: Spec) -> str | None:
    try:
        return check(spec)
    except UserError as error:
        return str(error)


def _positive(name: str, default: float) -> Callable[[Spec], str | None]:
    def check(spec: Spec) -> str | None:
        value = spec.number(name, default)
        return None if value > 0 else f"{name} is {spec.text(name)}; it must be greater than 0."

    return check


def _early_stopping(spec: Spec) -> str | None:
    if spec.flag("apply_early_stopping") and spec.text("evaluation_strategy") == "disable":
        return 'apply_early_stopping needs evaluation_strategy "steps" or "epoch".'
    return None


def _deepspeed(spec: Spec) -> str | None:
    if spec.flag("apply_deepspeed") and spec.flag("auto_find_batch_size"):
        return "apply_deepspeed cannot go with auto_find_batch_size. Turn one off."
    return None


def _ort(spec: Spec) -> str | None:
    both = spec.flag("apply_deepspeed") and spec.flag("apply_ort")
    if both and spec.text("deepspeed_stage") == "3":
        return "apply_ort cannot go with DeepSpeed stage 3. Turn one off."
    return None


def _quantised(spec: Spec) -> str | None:
    if spec.text("precision") in {"8", "4"}:
        return f"precision {spec.text('precision')} is refused: Azure allows it for no Phi model. Use 16 or 32."
    return None
