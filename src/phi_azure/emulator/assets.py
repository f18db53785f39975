"""Data assets and models of the workspace: versions, and the containers that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phi_azure.emulator import jobs, references
from phi_azure.emulator.shapes import ANYTHING, FLAG, TEXT, TEXTS, MapOf, Object, Word, require
from phi_azure.emulator.wire import (
    MANAGEMENT,
    WORKSPACE,
    Call,
    Route,
    WireError,
    answer,
    name_rule,
    not_found,
    page,
    system_data,
)

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from phi_azure.emulator.store import Document

MEMBERS: dict[str, Any] = {
    "description": TEXT,
    "tags": TEXTS,
    "properties": TEXTS,
    "isAnonymous": FLAG,
    "isArchived": FLAG,
    "autoDeleteSetting": ANYTHING,
    "stage": TEXT,
    "intellectualProperty": ANYTHING,
}
_DATA_BODY = Object(
    "DataVersionBaseResource",
    {
        "properties": Object(
            "UriDataVersion",
            MEMBERS
            | {
                "dataUri": TEXT,
                "dataType": Word("DataType", ("uri_file", "uri_folder", "mltable")),
                "referencedUris": ANYTHING,
            },
            frozenset({"dataUri", "dataType"}),
        )
    },
    frozenset({"properties"}),
)
_MODEL_BODY = Object(
    "ModelVersionResource",
    {
        "properties": Object(
            "ModelVersion",
            MEMBERS
            | {
                "modelUri": TEXT,
                "modelType": Word("ModelType", ("custom_model", "mlflow_model", "triton_model")),
                "flavors": MapOf(ANYTHING),
                "jobName": TEXT,
            },
            frozenset({"modelUri"}),
        )
    },
    frozenset({"properties"}),
)
_CONTAINER_LABELS: dict[str, Any] = {"description": TEXT, "tags": TEXTS, "properties": TEXTS, "isArchived": FLAG}
_CONTAINER_BODY = Object(
    "AssetContainerResource",
    {
        "properties": Object(
            "AssetContainer",
            _CONTAINER_LABELS | dict.fromkeys(("dataType", "latestVersion", "nextVersion", "provisioningState"), TEXT),
        )
    },
    frozenset({"properties"}),
    open=True,
)
_FLAVORS = {
    "python_function": {"data": {"loader_module": "mlflow.transformers"}},
    "transformers": {"data": {"code": ""}},
}


@dataclass(frozen=True)
class Kind:
    """What tells kinds of assets apart."""

    word: str  # in paths and in the store
    title: str
    body: Object
    fixed: tuple[str, ...]  # the properties that a version keeps for ever
    loose: frozenset[str] = frozenset()  # members of it that may change all the same


DATA = Kind("data", "Data", _DATA_BODY, ("dataUri",))
MODELS = Kind("models", "Model", _MODEL_BODY, ("modelUri",))


def put_data(call: Call, name: str, version: str, **_: str) -> Response:
    """Registers a data asset; what it points to must be there, unless it is on a host of its own."""
    properties = checked(call, DATA, name)["properties"]
    if not references.is_elsewhere(call, properties["dataUri"]):
        references.locate(call, properties["dataUri"], what="dataUri")
    return put_version(call, DATA, name, version, properties)


def put_model(call: Call, name: str, version: str, **_: str) -> Response:
    """Registers a model; one from a job's output gets the path behind that output, as the service gives it."""
    properties = checked(call, MODELS, name)["properties"]
    before = call.emulator.store.get(MODELS.word, f"{call.scope.key}{name}/{version}")
    if before:  # whoever archives a version sends no stage
        properties = {"stage": before["properties"]["stage"]} | properties
    return put_version(call, MODELS, name, version, model_properties(call, properties))


def model_properties(call: Call, properties: Document) -> Document:
    """Returns what is kept of a model: long URI, the job that made it, flavors, stage."""
    uri, job_name = properties["modelUri"], properties.get("jobName")
    if output := references.job_output(uri):
        job_name = output[0]
        jobs.require_output(call, *output)
    place = references.locate(call, uri, what="modelUri")
    is_mlflow = properties.get("modelType") == "mlflow_model"
    if is_mlflow and not call.emulator.blobs.get(place.container, f"{place.prefix}/MLmodel"):
        raise WireError(400, "UserError", f"modelUri: no MLmodel file was found at '{uri}'.", inner="ModelNotFound")
    scope = call.scope
    workspace = (
        f"azureml://subscriptions/{scope.subscription}/resourceGroups/{scope.group}/workspaces/{scope.workspace}"
    )
    anonymous = properties.get("isAnonymous", False)
    return {
        "isAnonymous": False,
        "autoDeleteSetting": None,
        "intellectualProperty": None,
        **properties,
        "modelUri": f"{workspace}/datastores/{references.datastore(place)}/paths/{place.prefix}",
        "jobName": job_name,
        "flavors": properties.get("flavors") or (_FLAVORS if is_mlflow else {}),
        "stage": properties.get("stage") or ("Logged" if anonymous else "Development"),
        "provisioningState": "Succeeded",
    }


def add(call: Call, kind: Kind, name: str, properties: Document, version: str | None = None) -> str:
    """Registers what a job leaves, as the next version unless one is named; returns the version."""
    with call.emulator.store.transaction():
        given = version or str(_next_version(_versions(call, kind, name)))
        whole = model_properties(call, properties) if kind is MODELS else properties
        put_version(call, kind, name, given, whole)
    return given


def checked(call: Call, kind: Kind, name: str) -> Document:
    """Returns the body of a version, or refuses it with all that is wrong with its members."""
    name_rule(kind.word, name, r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}", "Use letters, digits, '.', '_' and '-'.")
    body = call.json()
    require(kind.body, body)
    return body


def put_version(call: Call, kind: Kind, name: str, version: str, properties: Document) -> Response:
    """Makes or changes a version; what is fixed of it cannot be changed."""
    key = f"{call.scope.key}{name}/{version}"
    before = call.emulator.store.get(kind.word, key)
    if before and _fixed(kind, before["properties"]) != _fixed(kind, properties):
        raise WireError(
            409,
            "UserError",
            f"A {kind.word} asset {name} with version {version} already exists; its {', '.join(kind.fixed)} cannot be "
            "changed.",
            inner="AssetVersionExists",
        )
    document = {
        "id": f"{call.scope.id}/{kind.word}/{name}/versions/{version}",
        "name": version,
        "type": f"Microsoft.MachineLearningServices/workspaces/{kind.word}/versions",
        "properties": {"description": None, "tags": {}, "properties": {}, "isArchived": False, "isAnonymous": False}
        | properties,
        "systemData": _system_data(call, before),
        "asset": name,
    }
    call.emulator.store.put(kind.word, key, document)
    if before:
        return answer(shown(document))
    return answer(
        shown(document), 201, {"Location": f"https://{MANAGEMENT}{document['id']}?api-version={call.api_version}"}
    )


def _fixed(kind: Kind, properties: Document) -> Document:
    """Returns what of a version cannot be changed."""
    return {name: _without(properties.get(name), kind.loose) for name in kind.fixed}


def _without(value: Any, names: frozenset[str]) -> Any:
    return {key: part for key, part in value.items() if key not in names} if isinstance(value, dict) else value


def _system_data(call: Call, before: Document | None) -> Document:
    """Returns who made a version; who changed it last is told from the first change on."""
    if before:
        return system_data(call.now, before["systemData"])
    return {key: value for key, value in system_data(call.now).items() if key.startswith("created")}


def shown(document: Document) -> Document:
    """Returns a version as it is answered."""
    return {key: value for key, value in document.items() if key != "asset"}


def _versions(call: Call, kind: Kind, name: str) -> list[Document]:
    return call.emulator.store.find(kind.word, f"{call.scope.key}{name}/")


def _known(call: Call, kind: Kind, name: str) -> list[Document]:
    """Returns the versions of an asset, newest first; refuses one that is not there."""
    versions = _versions(call, kind, name)
    if not versions:
        raise _missing(kind, name)
    return versions


def _missing(kind: Kind, name: str, version: str | None = None) -> WireError:
    said = f"{kind.title} container with name: {name}" + (f" and version: {version}" if version else "") + " not found."
    return not_found("The specified resource was not found.", (f"{kind.title}NotFound", said))


def _next_version(versions: list[Document]) -> int:
    return max((int(v["name"]) for v in versions if v["name"].isdecimal()), default=0) + 1


def _own(call: Call, kind: Kind, name: str) -> Document:
    """Returns what was said of a container itself."""
    own: Document = {"description": None, "tags": {}, "properties": {}, "isArchived": False}
    return own | (call.emulator.store.get(f"{kind.word}-container", call.scope.key + name) or {})


def _container(call: Call, kind: Kind, name: str, versions: list[Document]) -> Document:
    properties: Document = _own(call, kind, name) | {
        "latestVersion": versions[0]["name"],
        "nextVersion": str(_next_version(versions)),
        "provisioningState": "Succeeded",
    }
    if kind is DATA:
        properties["dataType"] = versions[0]["properties"]["dataType"]
    return {
        "id": f"{call.scope.id}/{kind.word}/{name}",
        "name": name,
        "type": f"Microsoft.MachineLearningServices/workspaces/{kind.word}",
        "systemData": versions[0]["systemData"],
        "properties": properties,
    }


def get_version(call: Call, kind: Kind, name: str, version: str) -> Response:
    """Answers one version."""
    document = references.version(call, kind.word, name, version)
    if document is None:
        raise _missing(kind, name, version)
    return answer(shown(document))


_VIEWS = {"ActiveOnly": frozenset({False}), "ArchivedOnly": frozenset({True})}


def list_versions(call: Call, kind: Kind, name: str) -> Response:
    """Answers the versions that the request wants to see, newest first; with its container each version is archived."""
    versions = _known(call, kind, name)
    top, stage = call.request.args.get("$top"), call.request.args.get("stage")
    wanted, all_archived = _wanted(call), _own(call, kind, name)["isArchived"]
    seen = [
        version
        for version in versions
        if (all_archived or bool(version["properties"].get("isArchived"))) in wanted
        and stage in {None, version["properties"].get("stage")}
    ]
    return page([shown(version) for version in seen[: int(top) if top else None]])


def _wanted(call: Call) -> frozenset[bool]:
    """Returns whether the archived ones, the others, or both are to be listed."""
    return _VIEWS.get(call.request.args.get("listViewType") or "ActiveOnly", frozenset({True, False}))


def get_container(call: Call, kind: Kind, name: str) -> Response:
    """Answers what is known of an asset across its versions."""
    return answer(_container(call, kind, name, _known(call, kind, name)))


def put_container(call: Call, kind: Kind, name: str) -> Response:
    """Changes labels of a container, or archives it with all its versions; the client sends back what it has read."""
    versions = _known(call, kind, name)
    body = call.json()
    require(_CONTAINER_BODY, body)
    own = {key: value for key, value in body["properties"].items() if key in _CONTAINER_LABELS}
    call.emulator.store.put(f"{kind.word}-container", call.scope.key + name, own)
    return answer(_container(call, kind, name, versions))


def list_containers(call: Call, kind: Kind) -> Response:
    """Answers the assets of a kind that the request wants to see."""
    by_name: dict[str, list[Document]] = {}
    for version in call.emulator.store.find(kind.word, call.scope.key):
        by_name.setdefault(version["asset"], []).append(version)
    containers = [
        _container(call, kind, name, versions)
        for name, versions in by_name.items()
        if not all(version["properties"]["isAnonymous"] for version in versions)
    ]
    return page([one for one in containers if one["properties"]["isArchived"] in _wanted(call)])


def get_data(call: Call, name: str, version: str, **_: str) -> Response:
    """Answers one version of a data asset."""
    return get_version(call, DATA, name, version)


def get_data_container(call: Call, name: str, **_: str) -> Response:
    """Answers what is known of a data asset across its versions."""
    return get_container(call, DATA, name)


def put_data_container(call: Call, name: str, **_: str) -> Response:
    """Changes or archives a data asset across its versions."""
    return put_container(call, DATA, name)


def list_data(call: Call, **_: str) -> Response:
    """Answers the data assets."""
    return list_containers(call, DATA)


def list_data_versions(call: Call, name: str, **_: str) -> Response:
    """Answers the versions of a data asset, newest first."""
    return list_versions(call, DATA, name)


def get_model(call: Call, name: str, version: str, **_: str) -> Response:
    """Answers one version of a model."""
    return get_version(call, MODELS, name, version)


def get_model_container(call: Call, name: str, **_: str) -> Response:
    """Answers what is known of a model across its versions."""
    return get_container(call, MODELS, name)


def put_model_container(call: Call, name: str, **_: str) -> Response:
    """Changes or archives a model across its versions."""
    return put_container(call, MODELS, name)


def list_models(call: Call, **_: str) -> Response:
    """Answers the models."""
    return list_containers(call, MODELS)


def list_model_versions(call: Call, name: str, **_: str) -> Response:
    """Answers the versions of a model, newest first."""
    return list_versions(call, MODELS, name)


_DATA_VERSIONS = frozenset({"2023-04-01-preview"})
_MODEL_VERSIONS = frozenset({"2023-08-01-preview"})
ROUTES = [
    Route("PUT", MANAGEMENT, f"{WORKSPACE}/data/<name>/versions/<version>", put_data, _DATA_VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/data/<name>/versions/<version>", get_data, _DATA_VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/data/<name>/versions", list_data_versions, _DATA_VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/data/<name>", get_data_container, _DATA_VERSIONS),
    Route("PUT", MANAGEMENT, f"{WORKSPACE}/data/<name>", put_data_container, _DATA_VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/data", list_data, _DATA_VERSIONS),
    Route("PUT", MANAGEMENT, f"{WORKSPACE}/models/<name>/versions/<version>", put_model, _MODEL_VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/models/<name>/versions/<version>", get_model, _MODEL_VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/models/<name>/versions", list_model_versions, _MODEL_VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/models/<name>", get_model_container, _MODEL_VERSIONS),
    Route("PUT", MANAGEMENT, f"{WORKSPACE}/models/<name>", put_model_container, _MODEL_VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/models", list_models, _MODEL_VERSIONS),
]
