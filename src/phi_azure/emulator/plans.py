"""From a job's body to what is to be run: steps with their inputs, each a value, a place or an earlier output."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from phi_azure.emulator import chat_completion, references, registry
from phi_azure.emulator.chat_completion import invalid

if TYPE_CHECKING:
    from phi_azure.emulator.chat_completion import Values
    from phi_azure.emulator.store import Document
    from phi_azure.emulator.wire import Call

_LITERAL = re.compile(r"\$\{\{parent\.inputs\.([^}]+)\}\}")
_BOUND_OUTPUT = re.compile(r"\$\{\{parent\.outputs\.([^}]+)\}\}")


def pipeline_plan(call: Call, properties: Document) -> Document:
    """Returns the plan of a pipeline job, or refuses it with all that is wrong with its nodes."""
    nodes = {name: node for name, node in properties["jobs"].items() if node is not None}
    if len(nodes) != 1:
        raise invalid(
            f"The emulator runs pipelines of one node, chat_completion_pipeline; this one has {len(nodes)} nodes."
        )
    name, node = next(iter(nodes.items()))
    _require_component(name, node)
    steps, sources = chat_completion.of_node(call, _node_values(call, node, properties.get("inputs") or {}), name)
    bound = _bindings(node, sources, properties.get("outputs") or {})
    return {"nodes": [name], "steps": steps, "outputs": [_output(name, sources[o], o, bound.get(o)) for o in sources]}


def finetuning_plan(call: Call, properties: Document) -> Document:
    """Returns the plan of a fine-tuning job: steps that nobody sees."""
    steps, sources = chat_completion.of_finetuning(call, properties)
    model = registry.FOLDER
    return {
        "nodes": [],
        "steps": steps,
        "outputs": [_output(None, sources[model], model, "registered_model")],
        "machines": chat_completion.machines_of_job(call, properties),
    }


def _output(node: str | None, source: list[str], name: str, bound: str | None) -> Document:
    """Returns what a step leaves: as an output of the job where it is bound to one, else of its node."""
    return {"node": node, "step": source[0], "of_step": source[1], "name": name, "bound": bound}


def _require_component(name: str, node: Document) -> None:
    entry = references.registry_entry(str(node.get("componentId")))
    facts = registry.pipeline()
    if (
        entry is None
        or entry.kind != "components"
        or entry.name.lower() != facts["name"]
        or entry.version not in {None, facts["version"]}
    ):
        raise invalid(
            f"key: {name}, Message: component '{node.get('componentId')}' was not found.", "ComponentNotFound"
        )


def _node_values(call: Call, node: Document, pipeline_inputs: Document) -> Values:
    values: Values = {}
    for name, given in (node.get("inputs") or {}).items():
        source = given
        bound = _LITERAL.fullmatch(str(given.get("value", ""))) if isinstance(given, dict) else None
        if bound:
            source = pipeline_inputs.get(bound[1]) or {}
        values[name] = _value(call, name, source)
    return values


def _value(call: Call, name: str, given: Any) -> Any:
    if not isinstance(given, dict):
        raise invalid(f"inputs.{name}: {given!r} is not an input; it must be an object with a value or a uri.")
    if "uri" in given:
        place = references.locate(call, str(given["uri"]), what=f"inputs.{name}")
        return {"place": [place.container, place.prefix]}
    if "value" not in given:
        raise invalid(f"inputs.{name} has neither a value nor a uri.")
    return str(given["value"])


def _bindings(node: Document, known: dict[str, list[str]], outputs: Document) -> dict[str, str]:
    """Returns which output of the component goes to which output of the job."""
    found: dict[str, str] = {}
    for name, given in (node.get("outputs") or {}).items():
        if name not in known:
            raise invalid(f"Unknown output '{name}' of the component {registry.pipeline()['name']}.")
        bound = _BOUND_OUTPUT.fullmatch(str((given or {}).get("value", "")))
        if bound and bound[1] not in outputs:
            raise invalid(f"The output '{name}' is bound to '{bound[1]}', which is not an output of the pipeline.")
        if bound:
            found[name] = bound[1]
    return found
