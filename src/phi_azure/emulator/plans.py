"""From a job's body to what is to be run: steps with their inputs, each a value, a place or an earlier output."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phi_azure.emulator import chat_completion, inputs, references, registry
from phi_azure.emulator.inputs import invalid

if TYPE_CHECKING:
    from phi_azure.emulator.inputs import Sources
    from phi_azure.emulator.store import Document
    from phi_azure.emulator.wire import Call

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
    given = inputs.values(call, node, properties.get("inputs") or {}, {})
    steps, sources = chat_completion.of_node(call, given, name)
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


def _bindings(node: Document, known: Sources, outputs: Document) -> dict[str, str]:
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
