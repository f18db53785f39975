"""The JSON Schema of a job file, from which editors complete and check while one types."""

from __future__ import annotations

from typing import Any

from phi_azure.config.job import FineTune
from phi_azure.config.managed import group_of
from phi_azure.config.words import SAME_KNOB, SAME_LORA

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Returns the schema: every field with its meaning, its range and, on managed compute, its group.

    Azure's and Hugging Face's own names of a field are in it, marked as deprecated, because they are read as well.
    """
    schema = FineTune.model_json_schema()
    definitions = schema["$defs"]
    for name in ("Serverless", "ManagedCompute"):
        _add_other_names(definitions[name]["properties"], SAME_KNOB)
    _add_other_names(definitions["Lora"]["properties"], SAME_LORA)
    managed = definitions["ManagedCompute"]
    _add_flat_lora(managed["properties"], definitions["Lora"]["properties"])
    managed["required"] = ["kind"]  # a route without a kind is serverless
    for name, field in managed["properties"].items():
        field["x-group"] = group_of(name)
    schema["properties"]["route"] = {
        "description": schema["properties"]["route"].get("description", ""),
        "anyOf": [
            {"enum": ["serverless", "managed"]},
            {"$ref": "#/$defs/Serverless"},
            {"$ref": "#/$defs/ManagedCompute"},
        ],
    }
    return {"$schema": DIALECT, "title": "phi_azure job file", **{k: v for k, v in schema.items() if k != "title"}}


def _add_other_names(properties: dict[str, Any], same: dict[str, str]) -> None:
    for other, ours in same.items():
        if ours in properties:
            properties[other] = {**properties[ours], "deprecated": True, "description": f"The same as {ours}."}


def _add_flat_lora(properties: dict[str, Any], lora: dict[str, Any]) -> None:
    for other, ours in SAME_LORA.items():
        properties[other] = {**lora[ours], "deprecated": True, "description": f"The same as lora: {{{ours}: ...}}."}
