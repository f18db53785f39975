"""What the ids and URIs in a body point to: assets, datastore paths, job outputs, registry entries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phi_azure.emulator.blobs import ARTIFACT_CONTAINER, DATASTORES, DEFAULT_DATASTORE, artifacts_of
from phi_azure.emulator.wire import Call, Scope, WireError

if TYPE_CHECKING:
    from phi_azure.emulator.store import Document

_ANY_CASE = re.IGNORECASE
_PATH = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/workspaces/[^/]+/)?datastores/([^/]+)/paths/(.+)",
    _ANY_CASE,
)
_ASSET = re.compile(
    r"(?:azureml:)?/subscriptions/.+/workspaces/[^/]+"
    r"/(data|models|codes|components|environments)/([^/]+)/versions/([^/]+)",
    _ANY_CASE,
)
_DEFAULT = re.compile(r"(?:azureml:)?/subscriptions/.+/workspaces/[^/]+/components/([^/]+)/labels/default", _ANY_CASE)
_DEFAULT_VERSION = "azureml_default"  # DEFAULT_COMPONENT_VERSION of azure-ai-ml 1.35
_SHORT = re.compile(r"azureml:(?!/)([^:/]+):([^:/]+)")
_LOCATED = re.compile(
    r"azureml://locations/([^/]+)/workspaces/([^/]+)/(data|models)/([^/]+)/versions/([^/]+)", _ANY_CASE
)
_REGISTRY = re.compile(
    r"azureml://registries/([^/]+)/(models|components|environments)/([^/]+)(?:/(versions|labels)/([^/]+))?", _ANY_CASE
)
_BLOB = re.compile(r"https://([^./]+)\.blob\.core\.windows\.net(?::443)?/([^/]+)/(.+)", _ANY_CASE)
_ANY_HOST = re.compile(r"https?://.+", _ANY_CASE)
ARTIFACTS = "artifacts"  # the output that every job has: what it logs
_OUTPUT = re.compile(r"azureml://jobs/([^/]+)/outputs/([^/]+)(?:/paths/(.*))?", _ANY_CASE)
_FIELDS = {"data": "dataUri", "models": "modelUri"}


@dataclass(frozen=True)
class Place:
    """A blob, or a folder of blobs."""

    container: str
    prefix: str


@dataclass(frozen=True)
class RegistryEntry:
    """A model, component or environment of a registry; no version means the latest."""

    registry: str
    kind: str
    name: str
    version: str | None


def registry_entry(uri: str) -> RegistryEntry | None:
    """Reads an id of a registry, or returns None for another one."""
    match = _REGISTRY.fullmatch(uri)
    if match is None:
        return None
    version = match[5] if match[4] and match[4].lower() == "versions" else None
    return RegistryEntry(match[1], match[2].lower(), match[3], version)


def job_output(uri: str) -> tuple[str, str] | None:
    """Reads azureml://jobs/{job}/outputs/{output}, or returns None."""
    match = _OUTPUT.fullmatch(uri)
    return (match[1], match[2]) if match else None


def datastore_path(uri: str) -> Place | None:
    """Reads a path on one of the workspace's datastores, or returns None."""
    match = _PATH.fullmatch(uri)
    if match is None or match[1].lower() not in DATASTORES:
        return None
    return Place(DATASTORES[match[1].lower()], match[2].strip("/"))


def datastore(place: Place) -> str:
    """Returns the name of the datastore that a place is on."""
    return next((name for name, container in DATASTORES.items() if container == place.container), DEFAULT_DATASTORE)


def blob_url(call: Call, uri: str) -> Place | None:
    """Reads the address of a blob or of a folder of blobs in the emulator's account, or returns None."""
    match = _BLOB.fullmatch(uri)
    if match is None or match[1].lower() != call.emulator.account:
        return None
    return Place(match[2], match[3].strip("/"))


def is_elsewhere(call: Call, uri: str) -> bool:
    """Says whether something lies on a host that is not Azure's: the service knows its address alone."""
    return bool(_ANY_HOST.fullmatch(uri)) and blob_url(call, uri) is None


def elsewhere(call: Call, uri: str) -> Call:
    """Returns the call as if it were made in the workspace that an id with a location names; else as it is.

    The id holds that workspace's own id alone; any workspace that has assets here is looked through.
    """
    match = _LOCATED.fullmatch(uri)
    if match is None or match[2].lower() in {call.scope.guid, call.scope.workspace.lower()}:
        return call
    for name in call.emulator.store.scopes(match[3].lower()):
        scope = Scope(*name.split("/")[:3])
        if scope.guid == match[2].lower():
            return Call(call.emulator, call.request, scope)
    return call


def asset(uri: str, kind: str) -> tuple[str, str] | None:
    """Reads an id of this workspace's asset of a kind as (name, version), or returns None."""
    if match := _ASSET.fullmatch(uri):
        return (match[2], match[3]) if match[1].lower() == kind else None
    if match := _LOCATED.fullmatch(uri):
        return (match[4], match[5]) if match[3].lower() == kind else None
    if match := _DEFAULT.fullmatch(uri):
        return (match[1], _DEFAULT_VERSION) if kind == "components" else None
    match = _SHORT.fullmatch(uri)
    return (match[1], match[2]) if match else None


def document(call: Call, uri: str, kind: str) -> Document | None:
    """Returns what is known of an asset of this workspace, or None."""
    found = asset(uri, kind)
    return version(call, kind, *found) if found else None


def version(call: Call, kind: str, name: str, number: str) -> Document | None:
    """Returns a version of an asset; the default one of a component, which the client names so, is its newest."""
    if kind == "components" and number == _DEFAULT_VERSION:
        return next(iter(call.emulator.store.find(kind, f"{call.scope.key}{name}/")), None)
    return call.emulator.store.get(kind, f"{call.scope.key}{name}/{number}")


def locate(call: Call, uri: str, *, what: str) -> Place:
    """Returns where the files of an id or URI lie; refuses one that points to nothing.

    Raises:
        WireError: 400, naming `what` of the body and the reference.
    """
    place = _place(call, uri)
    if place is None:
        raise WireError(400, "UserError", f"{what}: {_why_not(call, uri)}", inner="BadArgument")
    if place.container.startswith("registry-"):
        call.emulator.registry_files(place.container)
    if not any(True for _ in call.emulator.blobs.under(place.container, place.prefix)):
        raise WireError(400, "UserError", f"{what}: nothing was found at '{uri}'.", inner="NotFound")
    return place


def _why_not(call: Call, uri: str) -> str:
    """Says why nothing lies behind a reference."""
    for kind, field in _FIELDS.items():
        if found := document(call, uri, kind):
            return _why_not(call, found["properties"][field])
        if named := asset(uri, kind):
            return f"'{uri}' was not found: this workspace has no version {named[1]} of an asset {named[0]}."
    if _ANY_HOST.fullmatch(uri):
        return f"the emulator reads nothing from other hosts, and not '{uri}'."
    return f"'{uri}' is not a reference that the service knows."


def _place(call: Call, uri: str) -> Place | None:
    if place := datastore_path(uri):
        return place
    entry = registry_entry(uri)
    if entry and entry.kind == "models":
        return call.emulator.registry_model(entry)
    for kind, field in _FIELDS.items():
        if found := document(call, uri, kind):
            return _place(call, found["properties"][field])
    return _of_job(call, uri)


def _of_job(call: Call, uri: str) -> Place | None:
    """Returns where an output of a job lies, or what is below it; None for another reference."""
    match = _OUTPUT.fullmatch(uri)
    if match is None:
        return None
    name, output, below = match[1], match[2], (match[3] or "").strip("/")
    job = call.emulator.store.get("job", call.scope.key + name) or {}
    logged = [ARTIFACT_CONTAINER, artifacts_of(name)] if job and output == ARTIFACTS else None
    found = job.get("output_places", {}).get(output) or logged
    return Place(found[0], f"{found[1]}/{below}".rstrip("/")) if found else None
