"""A job as a YAML file: every problem at once, each with its line and, for a strange key, the name that was meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from phi_azure.config import FILE_INPUTS, SAME_KNOB, SAME_LORA, FineTune, Lora, ManagedCompute, Serverless
from phi_azure.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from pydantic_core import ErrorDetails

Place = tuple[str, ...]

_MEANT = {
    "lr": "learning_rate",
    "learning_rate_multiplier": "learning_rate (an absolute value, such as 2e-5, not a factor)",
    "n_epochs": "epochs",
    "num_epochs": "epochs",
    "nepochs": "epochs",
    "train_batch_size": "batch_size",
    "micro_batch_size": "batch_size",
    "per_gpu_train_batch_size": "batch_size",
    "lora_rank": "lora: {r: ...}",
    "rank": "r",
    "lora_dim": "r",
    "apply_lora": "lora (null trains all weights)",
    "training_file": "training_data",
    "train_file": "training_data",
    "train_data": "training_data",
    "train": "training_data",
    "data": "training_data",
    "dataset": "training_data",
    "validation_file": "validation_data",
    "eval_data": "validation_data",
    "test_data": "validation_data",
    "base_model": "model",
    "model_name": "model",
    "model_id": "model",
    "suffix": "registered_name",
    "output_model_name_prefix": "registered_name",
    "experiment_name": "experiment",
    "display_name": "name",
    "compute": "cluster",
    "compute_finetune": "cluster",
    "compute_cluster": "cluster",
    "vm_size": "size",
    "instance_type": "size",
    "instance_type_finetune": "size",
    "instance_count": "nodes",
    "num_nodes": "nodes",
    "num_gpus": "gpus",
    "max_instances": "max_nodes",
    "scheduler": "lr_scheduler_type",
    "lr_scheduler": "lr_scheduler_type",
    "optimizer": "optim",
    "warmup": "warmup_steps",
    "grad_accum": "gradient_accumulation_steps",
    "max_length": "max_seq_length",
    "fp16": "precision: 16",
    "bf16": "precision: 16",
    "apply_deepspeed": "deepspeed",
    "apply_early_stopping": "early_stopping_patience",
    "hyperparameters": "route",
    "type": "kind",
}
"""Names from other tools, and what they are called here."""


def read(path: Path) -> FineTune:
    """Reads a job file; relative paths in it start from its folder."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    root = _compose(path, text)
    lines: dict[Place, int] = {}
    problems: list[tuple[int, str]] = []
    _index(root, (), lines, problems)
    try:
        job = FineTune.model_validate(_construct(path, text))
    except ValidationError as error:
        problems += [(_line(lines, place), message) for place, message in explained(error)]
        raise _refusal(path, problems) from error
    if problems:
        raise _refusal(path, problems)
    return _anchored(job, path.parent)


def write(job: FineTune) -> str:
    """Writes a job, without what has its default."""
    values = job.model_dump(mode="json", exclude_defaults=True)
    values["route"] = {"kind": job.route.kind, **values.get("route", {})}
    if isinstance(job.route, ManagedCompute) and job.route.lora is None:
        values["route"]["lora"] = None
    return yaml.safe_dump({"name": job.name, **values}, sort_keys=False, allow_unicode=True)


def suggestion(name: str, known: Collection[str]) -> str:
    """Returns `; did you mean ...?` for a name that nobody knows, or nothing."""
    meant = SAME_KNOB.get(name) or _MEANT.get(name.lower().replace("-", "_"))
    if meant is None or meant.split(" ")[0].rstrip(":") not in known:
        close = get_close_matches(name.lower().replace("-", "_"), known, n=1, cutoff=0.6)
        meant = close[0] if close else None
    return f"; did you mean {meant}?" if meant else ""


def own_name(azure_name: str) -> str | None:
    """Returns the field that stands for an input of Azure's component, if one does."""
    if azure_name in SAME_LORA:
        return f"lora.{SAME_LORA[azure_name]}"
    name = SAME_KNOB.get(azure_name) or azure_name
    if name in ManagedCompute.model_fields:
        return name
    meant = _MEANT.get(azure_name, "").split(" ")[0]
    return meant if meant in ManagedCompute.model_fields else None


def explained(error: ValidationError) -> list[tuple[Place, str]]:
    """Returns each problem with the path to its field, without pydantic's own words for the route."""
    return [(_place(detail), _message(detail)) for detail in error.errors(include_url=False)]


def _compose(path: Path, text: str) -> yaml.Node:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _broken(path, error) from error
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise ConfigError(f"{path}: this is not YAML: {error}".replace("\n", " ")) from error
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"{path}: a job file is a list of names and values, such as `name: headline-sentiment`.")
    return root


def _construct(path: Path, text: str) -> object:
    try:
        value: object = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        raise _broken(path, error) from error
    return value


def _broken(path: Path, error: yaml.MarkedYAMLError) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    line = f":{mark.line + 1}" if mark else ""
    return ConfigError(f"{path}{line}: not YAML: {error.problem or error.context}")


def _index(node: yaml.Node, place: Place, lines: dict[Place, int], problems: list[tuple[int, str]]) -> None:
    """Notes the line of each key, under its own and our name, and keys that stand twice."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in seen:
            problems.append((line, f"{'.'.join((*place, name))} stands twice (first in line {seen[name]}); keep one"))
        seen.setdefault(name, line)
        for alias in {name, SAME_KNOB.get(name, name), SAME_LORA.get(name, name)}:
            lines.setdefault((*place, alias), line)
        _index(value, (*place, name), lines, problems)


def _line(lines: dict[Place, int], place: Place) -> int:
    """Returns the line of a field, or of the nearest thing around it."""
    while place:
        if place in lines:
            return lines[place]
        place = place[:-1]
    return 1


def _refusal(path: Path, problems: list[tuple[int, str]]) -> ConfigError:
    return ConfigError("\n".join(f"{path}:{line}: {message}" for line, message in sorted(problems)))


def _place(detail: ErrorDetails) -> Place:
    """Drops the union's tag that pydantic puts after `route`."""
    names = [str(part) for part in detail["loc"]]
    if len(names) > 1 and names[0] == "route" and names[1] in {"serverless", "managed"}:
        del names[1]
    return tuple(names)


def _message(detail: ErrorDetails) -> str:
    place = _place(detail)
    dotted = ".".join(place)
    if detail["type"] == "extra_forbidden":
        return f"unknown key {dotted}{_meant(detail)}"
    if detail["type"] == "missing":
        return f"{dotted} is missing"
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    if detail["type"] == "union_tag_invalid":
        return f"{dotted}.kind is {detail['input'].get('kind')!r}; it is serverless or managed"
    said = detail["msg"][0].lower() + detail["msg"][1:]
    return f"{dotted}: {said}, not {detail['input']!r}"


def _meant(detail: ErrorDetails) -> str:
    """Looks for the key among its neighbours first, then where it would belong."""
    parts = [str(part) for part in detail["loc"]]
    name = parts[-1]
    if "lora" in parts[:-1]:
        return suggestion(name, Lora.model_fields)
    if parts[0] != "route":
        found = suggestion(name, FineTune.model_fields)
        return found or (f"; it belongs under route: {own}" if (own := _of_a_route(name)) else "")
    if parts[1] == "serverless" and _of_a_route(name) not in {None, *Serverless.model_fields}:
        return "; only route kind managed has it"
    return suggestion(name, (ManagedCompute if parts[1] == "managed" else Serverless).model_fields)


def _of_a_route(name: str) -> str | None:
    name = SAME_KNOB.get(name, _MEANT.get(name, name)).split(" ")[0].rstrip(":")
    return name if name in {*ManagedCompute.model_fields, *SAME_LORA} else None


def _anchored(job: FineTune, folder: Path) -> FineTune:
    """Makes paths start from the job file's folder; what Azure has already stays as it is."""
    paths = {"training_data": job.training_data, "validation_data": job.validation_data}
    changed: dict[str, object] = {
        name: folder / path for name, path in paths.items() if path is not None and not str(path).startswith("azureml:")
    }
    if isinstance(job.route, ManagedCompute):
        changed["route"] = job.route.model_copy(update={"inputs": _anchored_inputs(job.route.inputs, folder)})
    return job.model_copy(update=changed)


def _anchored_inputs(inputs: dict[str, str], folder: Path) -> dict[str, str]:
    files = {name for name, value in inputs.items() if name in FILE_INPUTS and not value.startswith("azureml:")}
    return {name: str(folder / value) if name in files else value for name, value in inputs.items()}
