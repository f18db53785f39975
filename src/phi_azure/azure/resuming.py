"""Sends a job again, as it was sent, to go on from the checkpoints of the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azure.core.rest import HttpRequest

from phi_azure.azure import attempts, runs
from phi_azure.azure.client import MANAGEMENT
from phi_azure.azure.failures import translated
from phi_azure.azure.order import CONTENT_TAG, JOB_TAG, RESUMES_TAG
from phi_azure.content import run_name

if TYPE_CHECKING:
    from phi_azure.azure.client import Connection

# what the service adds to a job, and would not take back
_SERVICE_ONLY = {
    "status",
    "services",
    "componentId",
    "sourceJobId",
    "identity",
    "notificationSetting",
    "secretsConfiguration",
}
_API = {"Pipeline": "2024-01-01-preview", "FineTuning": "2024-10-01-preview"}


def again(connection: Connection, name: str) -> str:
    """Sends the body of a job anew as its next attempt, and returns the name; one that goes on already is taken."""
    tags = runs.fetch(connection, name).tags
    content = tags.get(CONTENT_TAG)
    first = run_name(tags[JOB_TAG], content) if content and JOB_TAG in tags else name
    sent = attempts.look(connection, first, content)
    for earlier in sent.found:
        if earlier.tags.get(RESUMES_TAG) == name and earlier.status not in attempts.LOST:
            return earlier.run_id
    with translated():
        found = document(connection, name)
        kind, body = found["jobType"], resumed_body(found, name)
        body["displayName"] = sent.free
        address = f"{MANAGEMENT}{connection.id}/jobs/{sent.free}"
        connection.send(HttpRequest("PUT", address, params={"api-version": _API[kind]}, json={"properties": body}))
    return sent.free


def resumed_body(properties: dict[str, Any], name: str) -> dict[str, Any]:
    """Returns the body to send: the same job, told to take the checkpoint of the one that it names in a tag."""
    body = {key: value for key, value in properties.items() if key not in _SERVICE_ONLY and value is not None}
    body["properties"] = {}
    body["tags"] = {**(properties.get("tags") or {}), RESUMES_TAG: name}
    body["outputs"] = {key: _asked(output) for key, output in (properties.get("outputs") or {}).items()}
    if "jobs" in body:
        body["jobs"] = {key: _node(node) for key, node in body["jobs"].items()}
        body["settings"] = {**(body.get("settings") or {}), "force_rerun": False}
    return body


def _node(node: dict[str, Any]) -> dict[str, Any]:
    if node.get("type") == "command":  # it trains nothing, and takes no such input
        return node
    flag = {"resume_from_checkpoint": {"value": "true", "job_input_type": "literal"}}
    return {**node, "inputs": {**(node.get("inputs") or {}), **flag}}


def _asked(output: dict[str, Any]) -> dict[str, Any]:
    """Keeps what a user says of an output; where it lies is the service's part."""
    return {
        key: value
        for key, value in output.items()
        if key in {"jobOutputType", "assetName", "mode"} and value is not None
    }


def document(connection: Connection, name: str) -> dict[str, Any]:
    """Reads the body of a job, in the version of the interface that knows its kind."""
    body = _job(connection, name, _API["Pipeline"])
    return body if body["jobType"] == "Pipeline" else _job(connection, name, _API[body["jobType"]])


def _job(connection: Connection, name: str, version: str) -> dict[str, Any]:
    document: dict[str, Any] = connection.get(f"{MANAGEMENT}{connection.id}/jobs/{name}", {"api-version": version})
    properties: dict[str, Any] = document["properties"]
    return properties
