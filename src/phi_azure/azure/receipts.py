"""What Azure itself has of a job: the body that it was sent with, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phi_azure.azure import endpoints, resuming
from phi_azure.azure.failures import translated
from phi_azure.azure.order import DATA_TAG, RUN_TAG
from phi_azure.config import ManagedCompute, Serverless
from phi_azure.config.managed import Lora, azure_names

if TYPE_CHECKING:
    from phi_azure.azure.client import Connection
    from phi_azure.azure.runs import Record
    from phi_azure.run import Run

_SPLITS = {
    "train_file_path": "training",
    "train_mltable_path": "training",
    "validation_file_path": "validation",
    "validation_mltable_path": "validation",
    "test_file_path": "test",
    "test_mltable_path": "test",
    "trainingData": "training",
    "validationData": "validation",
}


@dataclass(frozen=True)
class Asked:
    """What a job was asked to do, as Azure has it."""

    settings: tuple[tuple[str, str, str], ...]
    """Field of a job file, value, Azure's name."""
    data: tuple[tuple[str, str, str | None], ...]
    """Split, name, hash where it is known."""
    versions: dict[str, str]
    sources: tuple[tuple[str, str], ...]
    """What it came from: kind and address."""


def asked_of(connection: Connection, record: Record) -> Asked:
    """Reads the body of a job."""
    with translated():
        body = resuming.document(connection, record.run_id)
    return _of_pipeline(body, record) if "jobs" in body else _of_finetuning(body, record)


def results_of(connection: Connection, run: Run) -> list[tuple[str, str]]:
    """Returns the model that a run made, and the endpoints that serve it."""
    model = run.model if run.status == "Completed" else None
    found = [("model", f"{model.name}:{model.version}")] if model else []
    named = [one.name for one in endpoints.every(connection) if one.tags.get(RUN_TAG) == run.name] if model else []
    return found + [("endpoint", name) for name in named]


def _of_pipeline(body: dict[str, Any], record: Record) -> Asked:
    node: dict[str, Any] = next(iter(body["jobs"].values()), {})
    given = {name: value for name, value in (node.get("inputs") or {}).items() if isinstance(value, dict)}
    plain = {name: value["value"] for name, value in given.items() if "value" in value}
    files = {name: str(value["uri"]) for name, value in given.items() if value.get("uri")}
    names = {theirs: field for field, theirs in azure_names(ManagedCompute).items()}
    names |= {theirs: f"lora.{field}" for field, theirs in azure_names(Lora).items()}
    model = next((uri for name, uri in files.items() if "model" in name), plain.get("huggingface_id", ""))
    component = str(node.get("componentId") or "")
    return Asked(
        _settings(plain, names),
        _data(files, record),
        {"component": short(component), "model": short(str(model))},
        (*_sources(files), ("base model", str(model)), ("component", component)),
    )


def _of_finetuning(body: dict[str, Any], record: Record) -> Asked:
    details = body["fineTuningDetails"]
    names = {theirs: field for field, theirs in azure_names(Serverless).items()}
    files = {name: str(details[name]["uri"]) for name in ("trainingData", "validationData") if details.get(name)}
    model = str(details["model"]["uri"])
    return Asked(
        _settings(details.get("hyperParameters") or {}, names),
        _data(files, record),
        {"model": short(model)},
        (*_sources(files), ("base model", model)),
    )


def _settings(values: dict[str, Any], names: dict[str, str]) -> tuple[tuple[str, str, str], ...]:
    return tuple((names.get(name, name), str(value), name) for name, value in sorted(values.items()))


def _data(files: dict[str, str], record: Record) -> tuple[tuple[str, str, str | None], ...]:
    digests = {"training": record.tags.get(DATA_TAG)}
    return tuple(
        (_SPLITS[name], short(uri), digests.get(_SPLITS[name])) for name, uri in files.items() if name in _SPLITS
    )


def _sources(files: dict[str, str]) -> list[tuple[str, str]]:
    return [("data", uri) for name, uri in files.items() if name in _SPLITS]


def short(address: str) -> str:
    """Returns NAME:VERSION of an id; any other address as it is."""
    parts = address.rstrip("/").split("/")
    return f"{parts[-3]}:{parts[-1]}" if len(parts) > 3 and parts[-2] == "versions" else address
