"""A node that is a command component: what it is given, where it runs, and the line that is run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phi_azure.emulator import chat_completion, computes, inputs, references
from phi_azure.emulator.inputs import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phi_azure.emulator.inputs import Sources, Values
    from phi_azure.emulator.store import Document
    from phi_azure.emulator.wire import Call

_NAME = re.compile(r"\$\{\{(inputs|outputs)\.([^}]+)\}\}")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)


def of_node(
    call: Call, name: str, node: Document, job: Document, made: Mapping[str, Sources]
) -> tuple[list[Document], Sources]:
    """Returns the node as the one step that it is, with its outputs, or refuses it with all that is wrong with it."""
    component = references.document(call, str(node["componentId"]), "components")
    if component is None:
        said = f"key: {name}, Message: component '{node['componentId']}' was not found."
        raise invalid(said, "ComponentNotFound")
    spec = component["properties"]["componentSpec"]
    known = spec.get("inputs") or {}
    given = inputs.values(call, node, job.get("inputs") or {}, made, known)
    inputs.refuse([*_missing(known, given), *inputs.problems(given, known, spec["name"])])
    defaults = {key: str(facts["default"]) for key, facts in known.items() if facts.get("default") is not None}
    code = _code(call, spec)
    outputs = {output: facts["type"] for output, facts in (spec.get("outputs") or {}).items()}
    step = {
        "name": name,
        "node": name,
        "title": spec.get("display_name") or name,
        "inputs": defaults | given,
        "outputs": outputs,
        "machines": _machines(call, name, node, job),
        "command": spec["command"],
        "code": [code.container, code.prefix] if code else None,
        "variables": node.get("environment_variables") or {},
    }
    return [step], {output: [name, output] for output in outputs}


def ports(command: str) -> list[tuple[str, str]]:
    """Returns what a command names in ${{ }}: inputs or outputs, and which."""
    return _NAME.findall(command)


def line(command: str, given: Mapping[str, str], outputs: Mapping[str, str]) -> str:
    """Returns a command with its inputs and outputs in it; a part in $[[ ]] goes where an input of it is not given."""
    there = {"inputs": given, "outputs": outputs}

    def keep(match: re.Match[str]) -> str:
        whole = all(port in there[side] for side, port in ports(match[1]))
        return match[1] if whole else ""

    return _NAME.sub(lambda match: str(there[match[1]][match[2]]), _OPTIONAL.sub(keep, command))


def _code(call: Call, spec: Document) -> references.Place | None:
    """Returns where the code of a component lies; None where it has none."""
    code = references.document(call, spec["code"], "codes") if spec.get("code") else None
    return references.blob_url(call, code["properties"]["codeUri"]) if code else None


def _missing(known: Document, given: Values) -> list[str]:
    return [
        f"Input '{name}' of type {facts['type']} is required."
        for name, facts in known.items()
        if name not in given and not facts.get("optional") and facts.get("default") is None
    ]


def _machines(call: Call, name: str, node: Document, job: Document) -> Document:
    """Returns what a node runs on: its own compute, or else the one that the pipeline names for all its nodes."""
    resources = node.get("resources") or {}
    if int(resources.get("instance_count") or 1) != 1:
        raise invalid(f"key: {name}, Message: the emulator runs a command on one machine.")
    of_job = job.get("computeId") or (job.get("settings") or {}).get("default_compute")
    compute = node.get("computeId") or of_job
    if not compute or str(compute).rsplit("/", 1)[-1] == "serverless":
        if not resources.get("instance_type"):
            raise invalid(
                f"key: {name}, Message: it has no compute, and no resources.instance_type.", "ComputeNotFound"
            )
        return {"cluster": None, "size": resources["instance_type"], "count": 1}
    if not computes.exists(call, str(compute).rsplit("/", 1)[-1]):
        said = f"key: {name}, Message: compute '{compute}' was not found in workspace {call.scope.workspace}."
        raise invalid(said, "ComputeNotFound")
    return chat_completion.of_cluster(call, str(compute)) | {"count": 1}
