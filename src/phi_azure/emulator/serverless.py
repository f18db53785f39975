"""Serverless endpoints (models as a service), and marketplace subscriptions, which Microsoft's models do not need."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from phi_azure.emulator import credentials, ledger, operations, references, registry
from phi_azure.emulator.shapes import ANYTHING, TEXT, TEXTS, Object, Word, require
from phi_azure.emulator.wire import (
    MANAGEMENT,
    WORKSPACE,
    Call,
    Route,
    Scope,
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

_VERSIONS = frozenset({"2024-01-01-preview"})
_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_-]{1,50}[a-zA-Z0-9]"
_BODY = Object(
    "ServerlessEndpointTrackedResource",
    {
        "location": TEXT,
        "tags": TEXTS,
        "kind": TEXT,
        "identity": ANYTHING,
        "sku": ANYTHING,
        "properties": Object(
            "ServerlessEndpoint",
            {
                "modelSettings": Object("ModelSettings", {"modelId": TEXT}, frozenset({"modelId"})),
                "authMode": Word("ServerlessInferenceEndpointAuthMode", ("Key", "AAD")),
                "contentSafety": ANYTHING,
                "description": TEXT,
                "properties": TEXTS,
            },
            frozenset({"modelSettings"}),
        ),
    },
    frozenset({"location", "properties"}),
)
_SUBSCRIPTION_BODY = Object(
    "MarketplaceSubscriptionResource",
    {"properties": Object("MarketplaceSubscription", {"modelId": TEXT}, frozenset({"modelId"}))},
    frozenset({"properties"}),
)


def put_endpoint(call: Call, name: str, **_: str) -> Response:
    """Makes an endpoint on a base model or on a serverlessly tuned one; the same body again answers 200."""
    body = call.json()
    require(_BODY, body)
    name_rule("serverless endpoint", name, _NAME, "Use 3 to 52 letters, digits, '_' and '-'.")
    store, key = call.emulator.store, call.scope.key + name
    before = store.get("serverless", key)
    if before is None and any(doc["name"].lower() == name.lower() for doc in store.find("serverless")):
        raise WireError(
            409, "UserError", f"The endpoint name {name} is taken in {call.emulator.region}.", inner="NameInUse"
        )
    place = _check_model(call, body["properties"]["modelSettings"]["modelId"])
    model = body["properties"]["modelSettings"]["modelId"]
    if before and before["properties"]["modelSettings"]["modelId"] != model:
        raise WireError(
            400,
            "UserError",
            f"The model of endpoint {name} cannot be changed; make a new endpoint.",
            inner="ImmutableProperty",
        )
    document = before or _resource(call, name, body)
    document["place"] = [place.container, place.prefix]
    document["tags"] = body.get("tags") or {}
    store.put("serverless", key, document)
    if before is None:
        ledger.serverless(call, key, model)
        call.emulator.runner.start_deployment(call, document)
    headers = operations.start(call, "serverless", key, verb="Updating" if before else "Creating")
    headers["Location"] = f"https://{MANAGEMENT}{document['id']}?api-version={call.request.args['api-version']}"
    return answer(_shown(document), 200 if before else 201, headers)


def _check_model(call: Call, model: str) -> references.Place:
    entry = references.registry_entry(model)
    if entry:
        facts = registry.models().get(entry.name.lower())
        retired = (facts or {}).get("inference_retirement_date")
        if facts is None or retired or call.emulator.region not in facts["serverless_regions"]:
            since = f" It was retired on {retired}." if retired else ""
            raise WireError(
                400,
                "UserError",
                f"Model {entry.name} is not offered as a serverless endpoint in {call.emulator.region}.{since}",
                inner="ModelNotSupported",
            )
        return references.locate(call, model, what="modelSettings.modelId")
    call = references.elsewhere(call, model)
    place = references.locate(call, model, what="modelSettings.modelId")
    found = references.asset(model, "models")
    document = call.emulator.store.get("models", f"{call.scope.key}{found[0]}/{found[1]}") if found else None
    if document is None or document["properties"]["properties"].get("_fineTuningJobType") != "MaaS":
        raise WireError(
            400,
            "UserError",
            "A serverless endpoint takes a base model of the registry or one that a serverless fine-tuning job made; "
            f"'{model}' is neither. Deploy it to a managed online endpoint.",
            inner="ModelNotSupported",
        )
    return place


def _resource(call: Call, name: str, body: Document) -> Document:
    given = body["properties"]
    return {
        "id": f"{call.scope.id}/serverlessEndpoints/{name}",
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/serverlessEndpoints",
        "properties": {
            "authMode": given.get("authMode") or "Key",
            "contentSafety": given.get("contentSafety"),
            "modelSettings": given["modelSettings"],
            "inferenceEndpoint": None,
            "provisioningState": "Creating",
            "endpointState": "Creating",
            "marketplaceSubscriptionId": None,
        },
        "tags": body.get("tags") or {},
        "location": body["location"],
        "kind": "ServerlessEndpoint",
        "sku": body.get("sku") or {"name": "Consumption"},
        "systemData": system_data(call.now),
        "keys": {"primaryKey": uuid.uuid4().hex, "secondaryKey": uuid.uuid4().hex},
        "scope": [call.scope.subscription, call.scope.group, call.scope.workspace],
        "container": str(uuid.uuid4()),
        "shape": "foundation",
    }


@operations.settles("serverless")
def settle(call: Call, key: str) -> float | None:
    """Ends the making or deleting of an endpoint; returns when that will be where it waits for its container."""
    store, runner = call.emulator.store, call.emulator.runner
    document = store.get("serverless", key)
    error = None
    if document and document["properties"]["provisioningState"] == "Deleting":
        runner.stop_deployment(call, document)
        store.delete("serverless", key)
        ledger.end(call, key)
    elif document:
        state, error = runner.deployment_state(call, document)
        if state == "Creating":
            return runner.deployment_due(document)
        uri = f"https://{document['name'].lower()}.{call.emulator.region}.models.ai.azure.com"
        good = {"endpointState": "Online", "inferenceEndpoint": {"uri": uri, "headers": {}}}
        bad = {"endpointState": "CreationFailed"}
        changes = {"provisioningState": state} | (good if state == "Succeeded" else bad)
        store.change("serverless", key, lambda doc: doc["properties"].update(changes))
    operations.finish(call, "serverless", key, error)
    return None


def get_endpoint(call: Call, name: str, **_: str) -> Response:
    """Answers an endpoint."""
    return answer(_shown(_required(call, name)))


def list_endpoints(call: Call, **_: str) -> Response:
    """Answers the workspace's serverless endpoints."""
    return page([_shown(document) for document in call.emulator.store.find("serverless", call.scope.key)])


def delete_endpoint(call: Call, name: str, **_: str) -> Response:
    """Takes an endpoint away; one that is not there answers 204."""
    return operations.begin_delete(call, "serverless", call.scope.key + name)


def list_keys(call: Call, name: str, **_: str) -> Response:
    """Answers the endpoint's two keys."""
    return answer(_required(call, name)["keys"])


def chat(call: Call, endpoint: str, region: str, path: str) -> Response:
    """Sends a question to the model behind an endpoint."""
    document = next(
        (doc for doc in call.emulator.store.find("serverless") if doc["name"].lower() == endpoint.lower()), None
    )
    if document is None:
        raise not_found(f"No endpoint answers at {endpoint}.{region}.models.ai.azure.com.")
    credentials.check(call, document)
    if document["properties"]["provisioningState"] != "Succeeded":
        raise WireError(503, "NotReady", f"The endpoint is {document['properties']['endpointState']}.")
    inner = Call(call.emulator, call.request, Scope(*document["scope"]))
    return call.emulator.runner.score(inner, document, "/" + path)


def put_subscription(call: Call, name: str, **_: str) -> Response:
    """Refuses a subscription to a model of Microsoft's own; there are no others here."""
    body = call.json()
    require(_SUBSCRIPTION_BODY, body)
    model = body["properties"]["modelId"]
    entry = references.registry_entry(model)
    if entry and entry.registry.lower() == registry.NAME and entry.name.lower() in registry.models():
        raise WireError(
            400,
            "UserError",
            f"Marketplace subscription {name} is not required for model {model}: it is offered by Microsoft.",
            inner="BadArgument",
        )
    raise not_found(f"Model {model} was not found; the emulator's registry holds Microsoft's Phi models only.")


def get_subscription(call: Call, name: str, **_: str) -> Response:
    """Answers that there is no such subscription: none can be made here."""
    raise not_found(f"Marketplace subscription {name} was not found in workspace {call.scope.workspace}.")


def _required(call: Call, name: str) -> Document:
    operations.look(call, "serverless", call.scope.key + name)
    document = call.emulator.store.get("serverless", call.scope.key + name)
    if document is None:
        raise not_found(
            f"The serverless endpoint {name} was not found in workspace {call.scope.workspace}.",
            ("EndpointNotFound", name),
        )
    return document


def _shown(document: Document) -> Document:
    return {
        k: v for k, v in document.items() if k not in {"keys", "scope", "container", "shape", "place", "fault", "made"}
    }


_ENDPOINT = f"{WORKSPACE}/serverlessEndpoints/<name>"
_HOST = "<endpoint>.<region>.models.ai.azure.com"
ROUTES = [
    Route("PUT", MANAGEMENT, _ENDPOINT, put_endpoint, _VERSIONS),
    Route("GET", MANAGEMENT, _ENDPOINT, get_endpoint, _VERSIONS),
    Route("DELETE", MANAGEMENT, _ENDPOINT, delete_endpoint, _VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/serverlessEndpoints", list_endpoints, _VERSIONS),
    Route("POST", MANAGEMENT, f"{_ENDPOINT}/listKeys", list_keys, _VERSIONS),
    Route("PUT", MANAGEMENT, f"{WORKSPACE}/marketplaceSubscriptions/<name>", put_subscription, _VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/marketplaceSubscriptions/<name>", get_subscription, _VERSIONS),
    *(Route(method, _HOST, "/<path:path>", chat) for method in ("GET", "POST")),
]
