"""What a node of a pipeline is given: literals, files, outputs of other nodes; held against what a component takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from phi_azure.emulator import references
from phi_azure.emulator.wire import Call, WireError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phi_azure.emulator.store import Document

Values = dict[str, Any]
"""Input name -> its literal as a string, {"place": [container, prefix]}, or {"step": name, "output": name}."""
Sources = dict[str, list[str]]
"""Output of a component -> the step that leaves it, and what that step calls it."""
DATA_TYPES = frozenset({"uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"})
_OF_PIPELINE = re.compile(r"\$\{\{parent\.inputs\.([^}]+)\}\}")
_OF_NODE = re.compile(r"\$\{\{parent\.jobs\.([^.}]+)\.outputs\.([^}]+)\}\}")


def invalid(message: str, inner: str = "ValidationError") -> WireError:
    """Returns the refusal of a job."""
    return WireError(400, "UserError", message, inner=inner)


def refuse(problems: list[str]) -> None:
    """Refuses a pipeline job with all that is wrong with what its nodes are given."""
    if problems:
        details = [("InputInvalid", problem) for problem in problems]
        raise WireError(400, "UserError", "The pipeline job is invalid.", details, inner="ValidationError")


def needs(node: Document) -> set[str]:
    """Returns the nodes of which a node takes an output."""
    bound = (_OF_NODE.fullmatch(_bound(given)) for given in (node.get("inputs") or {}).values())
    return {match[1] for match in bound if match}


def values(
    call: Call, node: Document, of_pipeline: Document, made: Mapping[str, Sources], known: Document | None = None
) -> Values:
    """Returns what a node is given.

    Args:
        call: the request.
        node: as the job's body has it.
        of_pipeline: the inputs of the pipeline.
        made: the outputs of the nodes before it.
        known: of its component's inputs those that may be left out, by being bound to one that the pipeline leaves out.
    """
    found: Values = {}
    for name, given in (node.get("inputs") or {}).items():
        match = _OF_PIPELINE.fullmatch(_bound(given))
        optional = bool(((known or {}).get(name) or {}).get("optional"))
        if not (match and optional and of_pipeline.get(match[1]) is None):
            found[name] = _value(call, name, given, of_pipeline, made)
    return found


def problems(given: Values, known: dict[str, Document], component: str) -> list[str]:
    """Returns what of it a component does not take."""
    return [found for name, value in given.items() for found in _problems(name, value, known.get(name), component)]


def _bound(given: Any) -> str:
    return str(given.get("value", "")) if isinstance(given, dict) else ""


def _value(call: Call, name: str, given: Any, of_pipeline: Document, made: Mapping[str, Sources]) -> Any:
    if match := _OF_NODE.fullmatch(_bound(given)):
        source = made.get(match[1], {}).get(match[2])
        if source is None:
            raise invalid(f"inputs.{name}: the node '{match[1]}' has no output '{match[2]}'.")
        return {"step": source[0], "output": source[1]}
    if match := _OF_PIPELINE.fullmatch(_bound(given)):
        given = of_pipeline.get(match[1]) or {}
    if not isinstance(given, dict):
        raise invalid(f"inputs.{name}: {given!r} is not an input; it must be an object with a value or a uri.")
    if "uri" in given:
        place = references.locate(call, str(given["uri"]), what=f"inputs.{name}")
        return {"place": [place.container, place.prefix]}
    if "value" not in given:
        raise invalid(f"inputs.{name} has neither a value nor a uri.")
    return str(given["value"])


def _problems(name: str, value: Any, facts: Document | None, component: str) -> list[str]:
    if facts is None:
        return [f"Unknown input '{name}': the component {component} has no input of this name."]
    is_data = isinstance(value, dict)
    if is_data != (facts["type"] in DATA_TYPES):
        form = "a literal" if is_data else "an asset or path"
        return [f"Input '{name}' must be {form} of type {facts['type']}."]
    if is_data:
        return []
    if facts.get("enum") and value not in facts["enum"]:
        return [f"Input '{name}' is '{value}'; it must be one of {', '.join(map(str, facts['enum']))}."]
    return _number_problems(name, value, facts)


def _number_problems(name: str, value: str, facts: Document) -> list[str]:
    if facts["type"] not in {"integer", "number"}:
        return []
    try:
        number = int(value) if facts["type"] == "integer" else float(value)
    except ValueError:
        return [f"Input '{name}' is '{value}'; it must be of type {facts['type']}."]
    if "min" in facts and number < float(facts["min"]):
        return [f"Input '{name}' is {value}; the least is {facts['min']}."]
    if "max" in facts and number > float(facts["max"]):
        return [f"Input '{name}' is {value}; the most is {facts['max']}."]
    return []
