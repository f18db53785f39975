"""Managed online endpoints: endpoints, deployments, traffic, keys, container logs and the scoring host."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from phi_azure.emulator import credentials, endpoint_bodies, ledger, managed_identities, operations, references, traffic
from phi_azure.emulator.shapes import require
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
from phi_azure.emulator.workspaces import vm_sizes

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from phi_azure.emulator.store import Document

_ENDPOINT_VERSIONS = frozenset({"", "2022-02-01-preview", "2023-04-01-preview"})
_DEPLOYMENT_VERSIONS = frozenset({"2022-02-01-preview", "2023-04-01-preview"})
_NAME = r"(?=.{3,32}$)[a-zA-Z][a-zA-Z0-9]*(-+[a-zA-Z0-9]+)*"
_NAME_RULE = "Use 3 to 32 characters: a letter first, then letters, digits and dashes; no dash at the end."
_OF_THE_SCRIPT = frozenset({"", "score", "swagger.json"})  # the paths of Azure's server for MLflow models


# Endpoints


def put_endpoint(call: Call, name: str, **_: str) -> Response:
    """Makes an endpoint, or changes its traffic and settings."""
    body = call.json()
    require(endpoint_bodies.ENDPOINT, body)
    name_rule("endpoint", name, _NAME, _NAME_RULE)
    store, key = call.emulator.store, call.scope.key + name
    before = store.get("endpoint", key)
    if before is None and _by_host(call, name):
        raise WireError(
            409,
            "UserError",
            f"The endpoint name {name} is taken in {call.emulator.region}; names are unique per region.",
            inner="NameInUse",
        )
    properties = body["properties"]
    shares = (properties.get("traffic") or {}, properties.get("mirrorTraffic") or {})
    traffic.check(name, _deployments(call, name), *shares)
    headers = operations.start(
        call, "endpoint", key, verb="Updating" if before else "Creating", prefix=operations.oeid(call.scope)
    )
    document = store.put("endpoint", key, _endpoint(call, name, body, before, headers["Azure-AsyncOperation"]))
    headers["Location"] = f"https://{MANAGEMENT}{document['id']}?api-version={call.request.args.get('api-version', '')}"
    return answer(_shown(document), 200 if before else 201, headers)


def _by_host(call: Call, name: str) -> bool:
    return any(doc["name"].lower() == name.lower() for doc in call.emulator.store.find("endpoint"))


def _endpoint(call: Call, name: str, body: Document, before: Document | None, operation: str) -> Document:
    properties = body["properties"]
    compact = f"{call.scope.id}/onlineEndpoints/{name}".lower()
    own = {"azureml.onlineendpointid": compact, "AzureAsyncOperationUri": operation}
    host = f"https://{name.lower()}.{call.emulator.region}.inference.ml.azure.com"
    return {
        "id": f"{call.scope.id}/onlineEndpoints/{name}",
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
        "properties": {
            "description": properties.get("description"),
            "properties": (properties.get("properties") or {}) | own,
            "scoringUri": f"{host}/score" if before else None,
            "swaggerUri": f"{host}/swagger.json" if before else None,
            "authMode": properties["authMode"],
            "provisioningState": "Updating" if before else "Creating",
            "compute": None,
            "traffic": properties.get("traffic") or {},
            "mirrorTraffic": properties.get("mirrorTraffic") or {},
            "publicNetworkAccess": properties.get("publicNetworkAccess") or "Enabled",
        },
        "systemData": _system_data(call, before),
        "tags": body.get("tags") or {},
        "location": body["location"],
        "kind": "Managed",
        "identity": managed_identities.of(compact, body.get("identity") or {"type": "SystemAssigned"}),
        "keys": (before or {}).get("keys") or {"primaryKey": uuid.uuid4().hex, "secondaryKey": uuid.uuid4().hex},
        "scope": [call.scope.subscription, call.scope.group, call.scope.workspace],
    }


def _system_data(call: Call, before: Document | None) -> Document:
    """Returns who made an endpoint or a deployment and when; that is all that the service tells of it."""
    told = system_data(call.now, before and before["systemData"])
    return {name: told[name] for name in ("createdAt", "createdBy", "lastModifiedAt")}


@operations.settles("endpoint")
def settle_endpoint(call: Call, key: str) -> None:
    """Ends the making, changing or deleting of an endpoint."""
    store = call.emulator.store
    document = store.get("endpoint", key)
    if document and document["properties"]["provisioningState"] == "Deleting":
        for deployment in store.find("deployment", key + "/"):
            call.emulator.runner.stop_deployment(call, deployment)
            store.delete("deployment", f"{key}/{deployment['name']}")
            ledger.end(call, f"{key}/{deployment['name']}")
        store.delete("endpoint", key)
    elif document:
        host = f"https://{document['name'].lower()}.{call.emulator.region}.inference.ml.azure.com"
        document["properties"] |= {
            "provisioningState": "Succeeded",
            "scoringUri": f"{host}/score",
            "swaggerUri": f"{host}/swagger.json",
        }
        store.put("endpoint", key, document)
    operations.finish(call, "endpoint", key)


def get_endpoint(call: Call, name: str, **_: str) -> Response:
    """Answers an endpoint."""
    return answer(_shown(_required(call, name)))


def list_endpoints(call: Call, **_: str) -> Response:
    """Answers the workspace's endpoints."""
    return page([_shown(document) for document in call.emulator.store.find("endpoint", call.scope.key)])


def delete_endpoint(call: Call, name: str, **_: str) -> Response:
    """Takes an endpoint and its deployments away; one that is not there answers 204."""
    key = call.scope.key + name
    return operations.begin_delete(call, "endpoint", key, prefix=operations.oeid(call.scope))


def list_keys(call: Call, name: str, **_: str) -> Response:
    """Answers the endpoint's two keys."""
    return answer(_required(call, name)["keys"])


def get_token(call: Call, name: str, **_: str) -> Response:
    """Answers a token with which the endpoint may be asked for some hours."""
    return answer(credentials.token(_required(call, name)))


def regenerate_keys(call: Call, name: str, **_: str) -> Response:
    """Replaces one key."""
    body = call.json()
    require(endpoint_bodies.KEYS, body)
    document = _required(call, name)
    field = f"{body['keyType'].lower()}Key"
    given = body.get("keyValue")  # the client sends the present key along: it is to be another all the same
    value = given if given and given != document["keys"][field] else uuid.uuid4().hex
    call.emulator.store.change("endpoint", call.scope.key + name, lambda doc: doc["keys"].update({field: value}))
    return answer(None, 202, {"Location": f"https://{MANAGEMENT}{document['id']}"})


def _required(call: Call, name: str) -> Document:
    operations.look(call, "endpoint", call.scope.key + name)
    document = call.emulator.store.get("endpoint", call.scope.key + name)
    if document is None:
        raise not_found(
            f"The online endpoint {name} was not found in workspace {call.scope.workspace}.", ("EndpointNotFound", name)
        )
    return document


def _shown(document: Document) -> Document:
    return {key: value for key, value in document.items() if key not in {"keys", "scope", "container"}}


# Deployments


def put_deployment(call: Call, name: str, deployment: str, **_: str) -> Response:
    """Makes a deployment: the model's files are laid out and a process of its own serves them."""
    body = call.json()
    require(endpoint_bodies.DEPLOYMENT, body)
    name_rule("deployment", deployment, _NAME, _NAME_RULE)
    endpoint = _required(call, name)
    properties = body["properties"]
    place = _check_model(call, properties["model"])
    _check_instances(call, properties["instanceType"], body["sku"]["capacity"], f"{name}/{deployment}")
    key = f"{call.scope.key}{name}/{deployment}"
    before = call.emulator.store.get("deployment", key)
    headers = operations.start(
        call, "deployment", key, verb="Updating" if before else "Creating", prefix=operations.odid(call.scope)
    )
    document = _deployment(call, endpoint, deployment, body, before, headers["Azure-AsyncOperation"])
    document["place"] = [place.container, place.prefix]
    if before:
        call.emulator.runner.stop_deployment(call, before)
    call.emulator.store.put("deployment", key, document)
    ledger.deployment(call, key, properties["instanceType"], body["sku"]["capacity"])
    call.emulator.runner.start_deployment(call, document)
    headers["Location"] = f"https://{MANAGEMENT}{document['id']}?api-version={call.request.args['api-version']}"
    return answer(_deployment_shown(document), 200 if before else 201, headers)


def _check_model(call: Call, model: str) -> references.Place:
    place = references.locate(call, model, what="properties.model")
    found = references.asset(model, "models")
    document = call.emulator.store.get("models", f"{call.scope.key}{found[0]}/{found[1]}") if found else None
    if document and document["properties"]["properties"].get("_fineTuningJobType") == "MaaS":
        raise WireError(
            400,
            "UserError",
            f"Model {document['asset']} was fine-tuned serverlessly; it can be deployed to a serverless endpoint only.",
            inner="ModelNotSupported",
        )
    return place


def _check_instances(call: Call, size_name: str, instances: int, deployment: str) -> None:
    size = vm_sizes().get(size_name.lower())
    if size is None or size["retired_on"]:
        raise WireError(
            400,
            "UserError",
            f"Instance type {size_name} is not supported for managed online deployments.",
            inner="NotSupportedInstanceType",
        )
    _, quota = call.emulator.quota_of(size["family"]) or ("", None)
    need = -(-instances * 12 // 10) * size["vcpus"]  # a fifth more is kept for upgrades, rounded up
    if quota is not None and need > quota:
        message = (
            f"Not enough quota available for {size['name']} in subscription {call.scope.subscription}. "
            f"Current usage/limit: 0/{quota}. "
            f"Additional needed: {need}. Deployment {deployment}."
        )
        raise WireError(400, "OutOfQuota", message, inner="OutOfQuota")


def _deployment(
    call: Call, endpoint: Document, name: str, body: Document, before: Document | None, operation: str
) -> Document:
    given = {key: value for key, value in body["properties"].items() if value is not None}
    properties: dict[str, Any] = {
        "description": None,
        "codeConfiguration": None,
        "environmentId": None,
        "environmentVariables": {},
        "modelMountPath": None,
        "appInsightsEnabled": False,
        "egressPublicNetworkAccess": "Enabled",
        "dataCollector": None,
        **given,
        "scaleSettings": {"scaleType": "Default"} | given.get("scaleSettings", {}),
        "requestSettings": endpoint_bodies.DEFAULT_REQUESTS | given.get("requestSettings", {}),
        "livenessProbe": endpoint_bodies.DEFAULT_PROBE | given.get("livenessProbe", {}),
        "readinessProbe": endpoint_bodies.DEFAULT_PROBE | given.get("readinessProbe", {}),
        "properties": given.get("properties", {}) | {"AzureAsyncOperationUri": operation},
        "provisioningState": "Updating" if before else "Creating",
    }
    return {
        "id": f"{endpoint['id']}/deployments/{name}",
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
        "properties": properties,
        "systemData": _system_data(call, before),
        "tags": body.get("tags") or {},
        "location": body["location"],
        "sku": {"name": "Default", "tier": "Standard"} | body["sku"],
        "kind": "Managed",
        "endpoint": endpoint["name"],
        "scope": endpoint["scope"],
        "container": str(uuid.uuid4()),
        "shape": "foundation" if references.registry_entry(properties["model"]) else "mlflow",
    }


@operations.settles("deployment")
def settle_deployment(call: Call, key: str) -> float | None:
    """Ends the making or deleting of a deployment once its container answers or has died; returns when that will be."""
    store, runner = call.emulator.store, call.emulator.runner
    document = store.get("deployment", key)
    if document is None:
        operations.finish(call, "deployment", key)
        return None
    if document["properties"]["provisioningState"] == "Deleting":
        runner.stop_deployment(call, document)
        store.delete("deployment", key)
        store.change("endpoint", key.rpartition("/")[0], lambda endpoint: traffic.forget(endpoint, document["name"]))
        ledger.end(call, key)
        operations.finish(call, "deployment", key)
        return None
    state, error = runner.deployment_state(call, document)
    if state == "Creating":
        return runner.deployment_due(document)
    store.change("deployment", key, lambda doc: doc["properties"].update(provisioningState=state))
    operations.finish(call, "deployment", key, error)
    return None


def get_deployment(call: Call, name: str, deployment: str, **_: str) -> Response:
    """Answers a deployment."""
    return answer(_deployment_shown(_required_deployment(call, name, deployment)))


def list_deployments(call: Call, name: str, **_: str) -> Response:
    """Answers the deployments of an endpoint."""
    _required(call, name)
    return page([_deployment_shown(document) for document in _deployments(call, name)])


def delete_deployment(call: Call, name: str, deployment: str, **_: str) -> Response:
    """Takes a deployment away; one that still has traffic is refused."""
    traffic.check_delete(_required(call, name), deployment)
    key = f"{call.scope.key}{name}/{deployment}"
    return operations.begin_delete(call, "deployment", key, prefix=operations.odid(call.scope))


def get_logs(call: Call, name: str, deployment: str, **_: str) -> Response:
    """Answers the end of what a deployment's container wrote."""
    body = call.json() if call.request.get_data() else {}
    require(endpoint_bodies.LOGS, body)
    document = _required_deployment(call, name, deployment)
    lines = call.emulator.runner.deployment_log(call, document).splitlines()
    text = "\n".join(lines[-int(body.get("tail") or 2000) :])
    return answer(
        {"content": f"Instance status:\nSystemSetup: Succeeded\n\nContainer events:\n\nContainer logs:\n{text}\n"}
    )


def _required_deployment(call: Call, name: str, deployment: str) -> Document:
    key = f"{call.scope.key}{name}/{deployment}"
    operations.look(call, "deployment", key)
    document = call.emulator.store.get("deployment", key)
    if document is None:
        raise not_found(
            f"Deployment {deployment} was not found on endpoint {name}.", ("DeploymentNotFound", deployment)
        )
    return document


def _deployments(call: Call, name: str) -> list[Document]:
    return call.emulator.store.find("deployment", f"{call.scope.key}{name}/")


_HIDDEN = frozenset({"endpoint", "scope", "container", "shape", "place", "fault", "made"})


def _deployment_shown(document: Document) -> Document:
    return {k: v for k, v in document.items() if k not in _HIDDEN}


# Scoring


def score(call: Call, endpoint: str, region: str, path: str) -> Response:
    """Sends a question to the deployment that is named, or that the traffic picks."""
    document = next(
        (doc for doc in call.emulator.store.find("endpoint") if doc["name"].lower() == endpoint.lower()), None
    )
    if document is None:
        raise not_found(f"No endpoint answers at {endpoint}.{region}.inference.ml.azure.com.")
    credentials.check(call, document)
    inner = Call(call.emulator, call.request, Scope(*document["scope"]))
    named = call.request.headers.get("azureml-model-deployment")
    deployment = traffic.choose(document, _deployments(inner, document["name"]), named)
    if deployment["shape"] == "mlflow" and path not in _OF_THE_SCRIPT:
        response = _no_route(path)
    else:
        response = call.emulator.runner.score(inner, deployment, "/" + path)
    response.headers["azureml-model-deployment"] = deployment["name"]
    return response


def _no_route(path: str) -> Response:
    """Answers for a tuned model's score script, which has no chat routes: the endpoint wraps its container's 404."""
    error = WireError(424, "ModelError", f"The model container answered 404: it has no route /{path}.")
    said = {"ms-azureml-model-error-statuscode": "404", "ms-azureml-model-error-reason": "NOT FOUND"}
    return answer(error.body("", 0.0), 424, said)


_ENDPOINT = f"{WORKSPACE}/onlineEndpoints/<name>"
_DEPLOYMENT = f"{_ENDPOINT}/deployments/<deployment>"
_HOST = "<endpoint>.<region>.inference.ml.azure.com"
ROUTES = [
    Route("PUT", MANAGEMENT, _ENDPOINT, put_endpoint, _ENDPOINT_VERSIONS),
    Route("GET", MANAGEMENT, _ENDPOINT, get_endpoint, _ENDPOINT_VERSIONS),
    Route("DELETE", MANAGEMENT, _ENDPOINT, delete_endpoint, _ENDPOINT_VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/onlineEndpoints", list_endpoints, _ENDPOINT_VERSIONS),
    Route("POST", MANAGEMENT, f"{_ENDPOINT}/listKeys", list_keys, _ENDPOINT_VERSIONS),
    Route("POST", MANAGEMENT, f"{_ENDPOINT}/token", get_token, _ENDPOINT_VERSIONS),
    Route("POST", MANAGEMENT, f"{_ENDPOINT}/regenerateKeys", regenerate_keys, _ENDPOINT_VERSIONS),
    Route("PUT", MANAGEMENT, _DEPLOYMENT, put_deployment, _DEPLOYMENT_VERSIONS),
    Route("GET", MANAGEMENT, _DEPLOYMENT, get_deployment, _DEPLOYMENT_VERSIONS),
    Route("GET", MANAGEMENT, f"{_ENDPOINT}/deployments", list_deployments, _DEPLOYMENT_VERSIONS),
    Route("DELETE", MANAGEMENT, _DEPLOYMENT, delete_deployment, _DEPLOYMENT_VERSIONS),
    Route("POST", MANAGEMENT, f"{_DEPLOYMENT}/getLogs", get_logs, _DEPLOYMENT_VERSIONS),
    *(Route(method, _HOST, "/<path:path>", score) for method in ("GET", "POST")),
]
