"""What a command of one's own is made of: its code, and the component that names it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from phi_azure.emulator import assets, commands, environments, inputs, references, storage
from phi_azure.emulator.assets import MEMBERS, Kind
from phi_azure.emulator.shapes import ANYTHING, FLAG, TEXT, MapOf, Object, Word, require
from phi_azure.emulator.wire import MANAGEMENT, WORKSPACE, Call, Route, WireError, answer, page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.wrappers import Response

    from phi_azure.emulator.store import Document

_CODE_BODY = Object(
    "CodeVersionResource",
    {
        "properties": Object(
            "CodeVersion",
            MEMBERS | {"properties": MapOf(ANYTHING), "codeUri": TEXT},  # hash_version is sent as a number
            frozenset({"codeUri"}),
        )
    },
    frozenset({"properties"}),
)
_PORT = Object("ComponentPort", {"type": TEXT, "description": TEXT, "optional": FLAG}, frozenset({"type"}), open=True)
_SPEC = Object(
    "CommandComponent",
    {
        "name": TEXT,
        "version": TEXT,
        "display_name": TEXT,
        "type": TEXT,
        "command": TEXT,
        "code": TEXT,
        "environment": TEXT,
        "inputs": MapOf(_PORT),
        "outputs": MapOf(_PORT),
    },
    frozenset({"name", "command", "environment"}),
    open=True,
)
_COMPONENT_BODY = Object(
    "ComponentVersionResource",
    {
        "properties": Object(
            "ComponentVersion", MEMBERS | {"componentSpec": MapOf(ANYTHING)}, frozenset({"componentSpec"})
        )
    },
    frozenset({"properties"}),
)
_UPLOAD_BODY = Object(
    "PendingUploadRequestDto",
    {"pendingUploadType": Word("PendingUploadType", ("TemporaryBlobReference",)), "pendingUploadId": TEXT},
)
CODES = Kind("codes", "Code", _CODE_BODY, ("codeUri",))
_ADDED = ("$schema", "id", "creation_context", "_source")  # by the client: where it has the component from
COMPONENTS = Kind(
    "components",
    "Component",
    _COMPONENT_BODY,
    ("componentSpec",),
    frozenset({"name", "version", "display_name", "description", "tags", *_ADDED}),
)
_LITERALS = frozenset({"string", "number", "integer", "boolean"})


def begin_upload(call: Call, name: str, version: str, **_: str) -> Response:
    """Answers a container of its own for the files of a code asset, with the right to write there."""
    require(_UPLOAD_BODY, call.json())
    container = f"{storage.UPLOADS}{uuid.uuid5(uuid.NAMESPACE_URL, f'{call.scope.key}{name}/{version}')}"
    uri = f"https://{call.emulator.account}.blob.core.windows.net/{container}"
    group = f"/subscriptions/{call.scope.subscription}/resourceGroups/{call.scope.group}"
    return answer(
        {
            "pendingUploadId": str(uuid.uuid4()),
            "pendingUploadType": "TemporaryBlobReference",
            "blobReferenceForConsumption": {
                "blobUri": uri,
                "storageAccountArmId": f"{group}/providers/Microsoft.Storage/storageAccounts/{call.emulator.account}",
                "credential": {"credentialType": "SAS", "sasUri": f"{uri}?{storage.signature()}"},
            },
        }
    )


def put_code(call: Call, name: str, version: str, **_: str) -> Response:
    """Registers code that was uploaded."""
    properties = assets.checked(call, CODES, name)["properties"]
    place = references.blob_url(call, properties["codeUri"])
    if place is None or not any(True for _ in call.emulator.blobs.under(place.container, place.prefix)):
        raise WireError(400, "UserError", f"codeUri: nothing was found at '{properties['codeUri']}'.", inner="NotFound")
    return assets.put_version(call, CODES, name, version, properties | {"provisioningState": "Succeeded"})


def list_codes(call: Call, name: str, **_: str) -> Response:
    """Answers the versions of code; asked for a hash, those of whatever name that have the same content."""
    wanted = call.request.args.get("hash")
    if wanted is None:
        return assets.list_versions(call, CODES, name)
    known = call.emulator.store.find(CODES.word, call.scope.key)
    return page([assets.shown(one) for one in known if one["properties"]["properties"].get("hash_sha256") == wanted])


def put_component(call: Call, name: str, version: str, **_: str) -> Response:
    """Registers a command component, or refuses it with all that is wrong with it."""
    properties = assets.checked(call, COMPONENTS, name)["properties"]
    spec = properties["componentSpec"]
    if spec.get("type") != "command":
        raise WireError(
            400, "UserError", f"The emulator runs command components, not {spec.get('type')!r}.", inner="BadArgument"
        )
    require(_SPEC, spec)
    problems = list(_problems(call, spec))
    if problems:
        details = [("ComponentInvalid", problem) for problem in problems]
        raise WireError(400, "UserError", "The component is invalid.", details, inner="ValidationError")
    whole = {"componentSpec": {"version": version} | spec, "provisioningState": "Succeeded"}
    return assets.put_version(call, COMPONENTS, name, version, properties | whole)


def _problems(call: Call, spec: Document) -> Iterator[str]:
    if spec.get("code") and not references.document(call, spec["code"], CODES.word):
        yield f"code: '{spec['code']}' was not found."
    if not environments.is_known(call, spec["environment"]):
        yield f"environment: '{spec['environment']}' was not found."
    for side in ("inputs", "outputs"):
        for port, facts in (spec.get(side) or {}).items():
            if facts["type"] not in inputs.DATA_TYPES | _LITERALS:
                yield f"{side}.{port}: the emulator does not know the type '{facts['type']}'."
    for side, port in commands.ports(spec["command"]):
        if port not in (spec.get(side) or {}):
            yield f"command: there is no '{port}' among the {side}."
    if spec.get("distribution"):
        yield "distribution: the emulator runs a command as one process."


def get_code(call: Call, name: str, version: str, **_: str) -> Response:
    """Answers one version of code."""
    return assets.get_version(call, CODES, name, version)


def get_component(call: Call, name: str, version: str, **_: str) -> Response:
    """Answers one version of a component."""
    return assets.get_version(call, COMPONENTS, name, version)


def get_component_container(call: Call, name: str, **_: str) -> Response:
    """Answers what is known of a component across its versions."""
    return assets.get_container(call, COMPONENTS, name)


def put_component_container(call: Call, name: str, **_: str) -> Response:
    """Changes or archives a component across its versions."""
    return assets.put_container(call, COMPONENTS, name)


def list_components(call: Call, **_: str) -> Response:
    """Answers the components."""
    return assets.list_containers(call, COMPONENTS)


def list_component_versions(call: Call, name: str, **_: str) -> Response:
    """Answers the versions of a component, newest first."""
    return assets.list_versions(call, COMPONENTS, name)


_CODE_VERSIONS = frozenset({"2023-04-01"})
_COMPONENT_VERSIONS = frozenset({"2024-01-01-preview"})
_CODE, _COMPONENT = (f"{WORKSPACE}/{kind.word}/<name>/versions/<version>" for kind in (CODES, COMPONENTS))
_COMPONENTS = f"{WORKSPACE}/components"
ROUTES = [
    Route("POST", MANAGEMENT, f"{_CODE}/startPendingUpload", begin_upload, _CODE_VERSIONS),
    Route("PUT", MANAGEMENT, _CODE, put_code, _CODE_VERSIONS),
    Route("GET", MANAGEMENT, _CODE, get_code, _CODE_VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/codes/<name>/versions", list_codes, _CODE_VERSIONS),
    Route("PUT", MANAGEMENT, _COMPONENT, put_component, _COMPONENT_VERSIONS),
    Route("GET", MANAGEMENT, _COMPONENT, get_component, _COMPONENT_VERSIONS),
    Route("GET", MANAGEMENT, f"{_COMPONENTS}/<name>/versions", list_component_versions, _COMPONENT_VERSIONS),
    Route("GET", MANAGEMENT, f"{_COMPONENTS}/<name>", get_component_container, _COMPONENT_VERSIONS),
    Route("PUT", MANAGEMENT, f"{_COMPONENTS}/<name>", put_component_container, _COMPONENT_VERSIONS),
    Route("GET", MANAGEMENT, _COMPONENTS, list_components, _COMPONENT_VERSIONS),
]
