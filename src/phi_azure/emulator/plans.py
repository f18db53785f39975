"""From a job's body to what is to be run: steps with their inputs, each a value, a place or an earlier output."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phi_azure.emulator import chat_completion, commands, inputs, references, registry
from phi_azure.emulator.inputs import invalid

if TYPE_CHECKING:
    from phi_azure.emulator.inputs import Sources
    from phi_azure.emulator.store import Document
    from phi_azure.emulator.wire import Call

_BOUND_OUTPUT = re.compile(r"\$\{\{parent\.outputs\.([^}]+)\}\}")


def pipeline_plan(call: Call, properties: Document) -> Document:
    """Returns the plan of a pipeline job, or refuses it with all that is wrong with its nodes."""
    nodes = {name: node for name, node in properties["jobs"].items() if node is not None}
    if not nodes:
        raise invalid("The pipeline has no nodes.")
    plan: Document = {"nodes": [], "steps": [], "outputs": []}
    made: dict[str, Sources] = {}
    for name in _in_order(nodes):
        node = nodes[name]
        if references.asset(str(node.get("componentId")), "components"):
            steps, made[name] = commands.of_node(call, name, node, properties, made)
        else:
            _require_chat_completion(name, node)
            given = inputs.values(call, node, properties.get("inputs") or {}, made)
            steps, made[name] = chat_completion.of_node(call, given, name)
            plan["nodes"].append(name)
        bound = _bindings(name, node, made[name], properties.get("outputs") or {})
        plan["steps"] += steps
        kinds = {step["name"]: step["outputs"] for step in plan["steps"]}
        for output, (step, of_step) in made[name].items():
            kind = kinds[step][of_step]
            where = {"node": name, "step": step, "of_step": of_step}
            own = {"name": output, "type": kind, "bound": bound.get(output)}
            plan["outputs"].append(where | own | _wish(node, properties, own))
    _require_different([step["name"] for step in plan["steps"]])
    return plan


def _in_order(nodes: dict[str, Document]) -> list[str]:
    """Returns the names of nodes, each after those whose outputs it takes."""
    needs = {name: inputs.needs(node) for name, node in nodes.items()}
    strangers = sorted({f"'{one}'" for needed in needs.values() for one in needed - nodes.keys()})
    if strangers:
        raise invalid(f"The pipeline has no node {', '.join(strangers)}, of which another takes an output.")
    ordered: list[str] = []
    while len(ordered) < len(nodes):
        ready = [name for name in nodes if name not in ordered and needs[name] <= set(ordered)]
        if not ready:
            raise invalid(f"The nodes {', '.join(n for n in nodes if n not in ordered)} wait for one another.")
        ordered.append(ready[0])
    return ordered


def _wish(node: Document, properties: Document, output: Document) -> Document:
    """Returns where an output shall go and what it shall be called: as the pipeline says, else as the node does."""
    of_node = (node.get("outputs") or {}).get(output["name"]) or {}
    of_pipeline = ((properties.get("outputs") or {}).get(output["bound"]) or {}) if output["bound"] else {}
    return {
        "uri": of_pipeline.get("uri") or of_node.get("uri"),
        "asset": of_pipeline.get("assetName") or of_node.get("name"),
        "version": of_pipeline.get("assetVersion") or of_node.get("version"),
    }


def _require_different(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise invalid(
            f"The emulator runs one {registry.pipeline()['name']} in a pipeline, and nodes of other names than its "
            f"steps; there is more than one {', '.join(twice)}."
        )


def finetuning_plan(call: Call, properties: Document) -> Document:
    """Returns the plan of a fine-tuning job: steps that nobody sees."""
    steps, sources = chat_completion.of_finetuning(call, properties)
    step, of_step = sources[registry.FOLDER]
    where = {"node": None, "step": step, "of_step": of_step}
    model = where | {"name": registry.FOLDER, "type": "mlflow_model", "bound": "registered_model"}
    return {
        "nodes": [],
        "steps": steps,
        "outputs": [model],
        "machines": chat_completion.machines_of_job(call, properties),
    }


def _require_chat_completion(name: str, node: Document) -> None:
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


def _bindings(name: str, node: Document, known: Sources, outputs: Document) -> dict[str, str]:
    """Returns which output of the component goes to which output of the job."""
    found: dict[str, str] = {}
    for output, given in (node.get("outputs") or {}).items():
        if output not in known:
            said = f"Unknown output '{output}' of the component of node '{name}'; it has {', '.join(known)}."
            raise invalid(said)
        bound = _BOUND_OUTPUT.fullmatch(str((given or {}).get("value", "")))
        if bound and bound[1] not in outputs:
            raise invalid(f"The output '{output}' is bound to '{bound[1]}', which is not an output of the pipeline.")
        if bound:
            found[output] = bound[1]
    return found
