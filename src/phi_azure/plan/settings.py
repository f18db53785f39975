"""The knobs that decide memory and time, whichever route a job file is written for."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from phi_azure.config import ManagedCompute, Serverless, with_model_defaults
from phi_azure.tokens import length_limit

if TYPE_CHECKING:
    from phi_azure.catalog import PhiModel
    from phi_azure.config import FineTune

_UNKNOWN_CONTEXT = 4096
_SHARED = ("epochs", "batch_size", "learning_rate", "max_seq_length")
_MOST_SERVERLESS = {"epochs": 50, "batch_size": 256}
"""What managed compute takes more of."""


@dataclass(frozen=True)
class Settings:
    """How a job trains on managed compute."""

    epochs: int = 1
    max_steps: int = -1
    batch: int = 1
    """Rows that each GPU takes at once."""
    accumulation: int = 1
    length: int = 4096
    """Tokens of a row that count at most."""
    rank: int | None = 8
    """Of the LoRA matrices; None trains all weights."""
    optim: str = "adamw_torch"
    precision: int = 16
    stage: int | None = None
    """DeepSpeed's, or None without it."""
    offload: bool = False
    """Stage 3 keeps weights and optimizer in main memory, as Azure's own configuration for it does."""
    padded: bool = False
    """Every row is filled up to `length`."""
    evaluates: bool = True
    """The validation rows are gone through after each epoch."""

    @property
    def checkpointing(self) -> bool:
        """Whether activations are calculated again instead of kept: Azure's rules for the Phi types."""
        return self.stage is not None or self.rank is None

    def cut_at(self, longest: int | None) -> Settings:
        """Returns the same for rows that are never longer than this."""
        return self if longest is None else replace(self, length=max(1, min(self.length, longest)))


def on_managed(job: FineTune) -> FineTune:
    """Returns the job as it would be written for managed compute; what the file says of both routes stays."""
    return job if isinstance(job.route, ManagedCompute) else _moved(job, ManagedCompute)


def on_serverless(job: FineTune) -> FineTune:
    """Returns the job as it would be written for the serverless route."""
    return job if isinstance(job.route, Serverless) else _moved(job, Serverless)


def _moved(job: FineTune, route: type[ManagedCompute | Serverless]) -> FineTune:
    said = {name: getattr(job.route, name) for name in _SHARED if name in job.route.model_fields_set}
    kept = {name: value for name, value in said.items() if value not in (None, -1)}
    most = _MOST_SERVERLESS if route is Serverless else {}
    return job.model_copy(update={"route": route(**{k: min(v, most.get(k, v)) for k, v in kept.items()})})


def lowered(job: FineTune) -> dict[str, tuple[int, int]]:
    """Returns what serverless takes less of than the file says: by knob, what it says and what there can be at most."""
    if isinstance(job.route, Serverless):
        return {}
    said = {name: (getattr(job.route, name), most) for name, most in _MOST_SERVERLESS.items()}
    return {name: (value, most) for name, (value, most) in said.items() if value > most}


def foreign_knobs(job: FineTune, other: type[ManagedCompute | Serverless]) -> tuple[str, ...]:
    """Returns the knobs that the file sets and the other route does not have."""
    known = set(other.model_fields)
    return tuple(sorted(name for name in job.route.model_fields_set if name not in known and name != "kind"))


def settings(job: FineTune, row: PhiModel | None) -> Settings:
    """Returns the knobs of a job on managed compute, with the model's own defaults where the file is silent.

    A fine-tuning job (`job: finetuning`) has four knobs; for the rest what the serverless service fixes is taken.
    """
    route = with_model_defaults(job, row.defaults if row else {}).route
    if not isinstance(route, ManagedCompute):
        raise TypeError("settings are of managed compute")
    length = length_limit(job.model_copy(update={"route": route}), row) or _UNKNOWN_CONTEXT
    if route.job == "finetuning":
        return Settings(route.epochs, batch=route.batch_size, length=length, rank=8, stage=3, offload=True)
    stage, offload = _deepspeed(route)
    return Settings(
        epochs=route.epochs,
        max_steps=route.max_steps,
        batch=route.batch_size,
        accumulation=route.gradient_accumulation_steps,
        length=length,
        rank=route.lora.r if route.lora else None,
        optim=route.optim,
        precision=route.precision,
        stage=stage,
        offload=offload,
        padded=route.pad_to_max_length,
        evaluates=route.evaluation_strategy != "disable",
    )


def from_defaults(row: PhiModel, length: int) -> Settings:
    """Returns the knobs of a LoRA job for which nothing was said: the model's own defaults, else ours."""
    said = row.defaults
    stage = int(said.get("deepspeed_stage", 2)) if said.get("apply_deepspeed") == "true" else None
    batch = int(said.get("per_device_train_batch_size", 1))
    return Settings(batch=batch, length=min(length, row.context), stage=stage, offload=stage == 3)


def _deepspeed(route: ManagedCompute) -> tuple[int | None, bool]:
    """Returns the stage, and whether it keeps weights in main memory; a file of one's own is read for both."""
    if route.deepspeed is None or isinstance(route.deepspeed, int):
        return route.deepspeed, route.deepspeed == 3
    try:
        zero = json.loads(Path(route.deepspeed).read_text(encoding="utf-8"))["zero_optimization"]
        return int(zero["stage"]), "offload_param" in zero
    except (OSError, ValueError, KeyError, TypeError):
        return 2, False  # in Azure, or not readable: the config module says what is wrong with a file
