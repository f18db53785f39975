"""Every value that a job runs with, and where it came from: you, the model, the component, the service, or us."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from phi_azure import catalog
from phi_azure.config.managed import Lora, ManagedCompute, azure_names, group_of
from phi_azure.config.serverless import Serverless

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phi_azure.config.job import FineTune

Origin = Literal["you", "model", "component", "service", "phi_azure"]

SERVICE_VALUES: dict[str, object] = {
    "learning_rate": 0.0003,
    "max_seq_length": 8192,
    "apply_lora": True,
    "lora_r": 8,
    "lora_alpha": 128,
    "lora_dropout": 0.0,
    "optim": "adamw_torch",
    "weight_decay": 0.1,
    "adam_beta1": 0.9,
    "adam_beta2": 0.95,
    "adam_epsilon": 1e-5,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 0,
    "max_grad_norm": 1.0,
    "precision": 16,
    "deepspeed_stage": 3,
    "gradient_accumulation_steps": 1,
    "evaluation_strategy": "epoch",
    "save_total_limit": 1,
    "seed": 42,
}
"""What the serverless service fixes, or takes when nothing is said (azureml-assets, components_v2, 2026-02-27)."""

_OURS = frozenset({"precision", "lora", "idle_minutes", "max_nodes", "job", "instance_types"})
"""Fields whose default is our choice; the component's is 32 bits and no LoRA."""


@dataclass(frozen=True)
class Value:
    """One value that a job runs with."""

    field: str
    """Where it stands in the route of a job file, such as `lora.r`; Azure's name where a person cannot set it."""
    value: object
    origin: Origin
    group: str
    azure_input: str | None = None
    """The input of the component, or hyperparameter of the service, that carries it."""


@dataclass(frozen=True)
class Resolved:
    """A job with nothing left open that is known before Azure is asked."""

    job: FineTune
    """The job with the model's own defaults in it."""
    values: tuple[Value, ...]

    def value(self, field: str) -> Value:
        """Returns one value by its field. Raises KeyError."""
        return {one.field: one for one in self.values}[field]


def resolve(job: FineTune, live: Mapping[str, object] | None = None) -> Resolved:
    """Settles every knob of a job.

    Args:
        job: what a person wrote.
        live: the model's own defaults as Azure's registry gives them; None takes the catalogue's.
    """
    settled = with_model_defaults(job, live)
    if isinstance(settled.route, Serverless):
        return Resolved(settled, tuple(_serverless_values(settled.route)))
    chosen = job.route.model_fields_set
    from_model = frozenset(settled.route.model_fields_set - chosen)
    return Resolved(settled, tuple(_managed_values(settled.route, chosen, from_model)))


def with_model_defaults(job: FineTune, live: Mapping[str, object] | None = None) -> FineTune:
    """Puts the model's own defaults where a person said nothing, as Azure's samples do for a pipeline job.

    A default that goes against what the person set (DeepSpeed beside auto_find_batch_size), or that the component
    would not take, is left out.
    """
    route = job.route
    if not isinstance(route, ManagedCompute) or route.job != "pipeline":
        return job
    row = catalog.model(job.base_name)
    said = dict(live) if live is not None else dict(row.defaults) if row else {}
    wanted = {name: value for name, value in _as_fields(said).items() if name not in route.model_fields_set}
    for name, value in wanted.items():
        route = _with(route, name, value) or route
    return job.model_copy(update={"route": route})


def _with(route: ManagedCompute, name: str, value: object) -> ManagedCompute | None:
    """Returns the route with one field more, or None where they do not go together."""
    said = {field: getattr(route, field) for field in route.model_fields_set}
    try:
        return ManagedCompute.model_validate({**said, name: value})
    except ValidationError:
        return None


def _as_fields(inputs: Mapping[str, object]) -> dict[str, Any]:
    """Reads the component's inputs as fields of a route; what is no knob of ours is left out."""
    named = {theirs: ours for ours, theirs in azure_names(ManagedCompute).items()}
    fields: dict[str, Any] = {named[name]: value for name, value in inputs.items() if name in named}
    if "apply_lora" in inputs:
        adapters = {theirs: ours for ours, theirs in azure_names(Lora).items()}
        values = {adapters[name]: value for name, value in inputs.items() if name in adapters}
        fields["lora"] = Lora.model_validate(values) if _is_true(inputs["apply_lora"]) else None
    if "apply_deepspeed" in inputs:
        stage = str(inputs.get("deepspeed_stage", 2))
        fields["deepspeed"] = int(stage) if _is_true(inputs["apply_deepspeed"]) else None
    return fields


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"


def _serverless_values(route: Serverless) -> list[Value]:
    values = []
    names = azure_names(Serverless)
    for field, theirs in names.items():
        value = getattr(route, field)
        origin: Origin = "you" if field in route.model_fields_set and value is not None else "service"
        values.append(Value(field, SERVICE_VALUES.get(theirs) if value is None else value, origin, "Job", theirs))
    known = set(names.values())
    fixed = [
        Value(name, value, "service", "Fixed", name) for name, value in SERVICE_VALUES.items() if name not in known
    ]
    return values + fixed


def _managed_values(route: ManagedCompute, chosen: set[str], from_model: frozenset[str]) -> list[Value]:
    values = []
    names = azure_names(ManagedCompute)
    for field in ManagedCompute.model_fields:
        if field in {"kind", "inputs", "lora"}:
            continue
        origin: Origin = _origin(field, chosen, from_model)
        values.append(Value(field, getattr(route, field), origin, group_of(field), names.get(field)))
    return (
        values
        + _lora_values(route, _origin("lora", chosen, from_model))
        + [Value(f"inputs.{name}", value, "you", "Job", name) for name, value in route.inputs.items()]
    )


def _origin(field: str, chosen: set[str], from_model: frozenset[str]) -> Origin:
    if field in chosen:
        return "you"
    if field in from_model:
        return "model"
    return "phi_azure" if field in _OURS else "component"


def _lora_values(route: ManagedCompute, origin: Origin) -> list[Value]:
    if route.lora is None:
        return [Value("lora", None, origin, "LoRA", "apply_lora")]
    said = route.lora.model_fields_set
    return [Value("lora", True, origin, "LoRA", "apply_lora")] + [
        Value(f"lora.{name}", getattr(route.lora, name), origin if name in said else "component", "LoRA", theirs)
        for name, theirs in azure_names(Lora).items()
    ]
