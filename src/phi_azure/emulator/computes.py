"""Clusters: made, changed, read, listed, deleted; they have machines while a job runs on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure.emulator import ledger, managed_identities, operations
from phi_azure.emulator.clock import stamp
from phi_azure.emulator.shapes import ANYTHING, DURATION, FLAG, TEXT, TEXTS, WHOLE, Object, Word, require
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
)
from phi_azure.emulator.workspaces import vm_sizes

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from phi_azure.emulator.store import Document

_VERSIONS = frozenset({"2023-08-01-preview"})
_BODY = Object(
    "ComputeResource",
    {
        "location": TEXT,
        "tags": TEXTS,
        "identity": managed_identities.SHAPE,
        "properties": Object(
            "AmlCompute",
            {
                "computeType": Word("ComputeType", ("AmlCompute",)),
                "description": TEXT,
                "disableLocalAuth": FLAG,
                "properties": Object(
                    "AmlComputeProperties",
                    {
                        "osType": Word("OsType", ("Linux", "Windows")),
                        "vmSize": TEXT,
                        "vmPriority": Word("VmPriority", ("Dedicated", "LowPriority")),
                        "virtualMachineImage": ANYTHING,
                        "isolatedNetwork": FLAG,
                        "scaleSettings": Object(
                            "ScaleSettings",
                            {"maxNodeCount": WHOLE, "minNodeCount": WHOLE, "nodeIdleTimeBeforeScaleDown": DURATION},
                            frozenset({"maxNodeCount"}),
                        ),
                        "userAccountCredentials": ANYTHING,
                        "subnet": ANYTHING,
                        "remoteLoginPortPublicAccess": Word("RemoteLogin", ("Enabled", "Disabled", "NotSpecified")),
                        "enableNodePublicIp": FLAG,
                        "enableBatchPrivateLink": FLAG,
                        "propertyBag": ANYTHING,
                    },
                    frozenset({"vmSize"}),
                ),
            },
            frozenset({"computeType", "properties"}),
        ),
    },
    frozenset({"properties", "location"}),
)
_IDLE = {  # how many nodes are in which state while nothing runs
    "currentNodeCount": 0,
    "targetNodeCount": 0,
    "nodeStateCounts": {
        "preparingNodeCount": 0,
        "runningNodeCount": 0,
        "idleNodeCount": 0,
        "unusableNodeCount": 0,
        "leavingNodeCount": 0,
        "preemptedNodeCount": 0,
    },
    "allocationState": "Steady",
}
_DEFAULTS = {
    "subnet": None,
    "errors": None,
    "osType": "Linux",
    "vmPriority": "Dedicated",
    "virtualMachineImage": None,
    "isolatedNetwork": False,
    "enableBatchPrivateLink": False,
    "remoteLoginPortPublicAccess": "NotSpecified",
}


def exists(call: Call, name: str) -> bool:
    """Says whether the workspace has a cluster of this name."""
    return call.emulator.store.get("compute", call.scope.key + name) is not None


def size_of(call: Call, name: str) -> str | None:
    """Returns the size of a cluster's machines; None where there is no such cluster."""
    document = call.emulator.store.get("compute", call.scope.key + name)
    return document["properties"]["properties"]["vmSize"] if document else None


def put_compute(call: Call, name: str, **_: str) -> Response:
    """Makes a cluster, or changes its limits; its size stays as it is."""
    body = call.json()
    require(_BODY, body)
    name_rule("compute", name, r"[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]", "Use 3 to 24 letters, digits and dashes.")
    store, key = call.emulator.store, call.scope.key + name
    before = store.get("compute", key)
    settings = body["properties"]["properties"]
    _check_size(call, settings, before)
    _check_scale(settings.get("scaleSettings") or {})
    state = "Updating" if before else "Creating"
    document = store.put("compute", key, _resource(call, name, body, before, state))
    headers = operations.start(call, "compute", key, verb="InProgress", service=operations.COMPUTE)
    if not before:  # the size comes back in capitals at first, and nothing is known of nodes
        document["properties"]["properties"] |= {"vmSize": settings["vmSize"].upper(), **dict.fromkeys(_IDLE)}
        document["properties"]["properties"].pop("userAccountCredentials", None)
    return answer(document, 200 if before else 201, headers)


def _check_size(call: Call, settings: Document, before: Document | None) -> None:
    size = vm_sizes().get(settings["vmSize"].lower())
    if size is None or size["retired_on"]:
        said = f" It was retired on {size['retired_on']}." if size else ""
        raise WireError(
            400,
            "BadRequest",
            f"The specified VM size {settings['vmSize']} is not supported in {call.emulator.region}.{said}",
            inner="UnsupportedVmSize",
        )
    if before and before["properties"]["properties"]["vmSize"].lower() != settings["vmSize"].lower():
        raise WireError(
            400, "BadRequest", "The VM size of an existing compute cannot be changed.", inner="ImmutableProperty"
        )
    _, quota = call.emulator.quota_of(size["family"]) or ("", None)
    need = size["vcpus"] * settings.get("scaleSettings", {}).get("maxNodeCount", 1)
    if quota is not None and size["vcpus"] > quota:
        raise WireError(
            400,
            "ClusterCoreQuotaReached",
            f"Operation results in exceeding quota limits of {size['family']} cores. Maximum allowed: {quota}, "
            f"Current in use: 0, Additional requested: {need}.",
        )


def _check_scale(scale: Document) -> None:
    least, most = scale.get("minNodeCount") or 0, scale.get("maxNodeCount", 1)
    if not 0 <= least <= most:
        raise WireError(
            400,
            "BadRequest",
            f"Scale settings are invalid: minNodeCount is {least}, maxNodeCount is {most}.",
            inner="InvalidScaleSettings",
        )


def _resource(call: Call, name: str, body: Document, before: Document | None, state: str) -> Document:
    properties = dict(body["properties"])
    settings = _IDLE | _DEFAULTS | properties["properties"]
    settings["scaleSettings"] = {"minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT2M"} | settings.get(
        "scaleSettings", {}
    )
    if settings.get("userAccountCredentials"):  # the password is neither kept nor given back
        settings["userAccountCredentials"] = settings["userAccountCredentials"] | {"adminUserPassword": None}
    created = before["properties"]["createdOn"] if before else stamp(call.now)
    resource = f"{call.scope.id}/computes/{name}"
    identity = {"identity": managed_identities.of(resource, body["identity"])} if body.get("identity") else {}
    return identity | {
        "id": resource,
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/computes",
        "location": body["location"],
        "tags": body.get("tags"),
        "properties": {
            "createdOn": created,
            "modifiedOn": stamp(call.now),
            "disableLocalAuth": properties.get("disableLocalAuth", False),
            "description": properties.get("description"),
            "resourceId": None,
            "computeType": "AmlCompute",
            "provisioningState": state,
            "provisioningErrors": None,
            "provisioningWarnings": None,
            "isAttachedCompute": False,
            "properties": settings,
        },
    }


def get_compute(call: Call, name: str, **_: str) -> Response:
    """Answers a cluster."""
    operations.look(call, "compute", call.scope.key + name)
    document = call.emulator.store.get("compute", call.scope.key + name)
    if document is None:
        raise not_found(
            f"Compute with name {name} not found in workspace {call.scope.workspace}.", ("ComputeNotFound", name)
        )
    return answer(_with_nodes(call, document))


def list_computes(call: Call, **_: str) -> Response:
    """Answers the workspace's clusters."""
    return page([_with_nodes(call, document) for document in call.emulator.store.find("compute", call.scope.key)])


def _with_nodes(call: Call, document: Document) -> Document:
    """Adds the machines that a cluster has now: those of the steps that run on it, or its least number."""
    for job in call.emulator.store.find("job", call.scope.key):  # a scripted job moves on when it is looked at
        call.emulator.runner.settle_job(call, job)
    settings = document["properties"]["properties"]
    busy = [entry for entry in ledger.entries(call.emulator) if _is_on(entry, call.scope.key + document["name"])]
    running = sum(entry.count for entry in busy)
    count = max(running, settings["scaleSettings"]["minNodeCount"])
    states = settings["nodeStateCounts"] | {"runningNodeCount": running, "idleNodeCount": count - running}
    changes = {"currentNodeCount": count, "targetNodeCount": count, "nodeStateCounts": states}
    if busy:
        changes["allocationStateTransitionTime"] = stamp(max(entry.since for entry in busy))
    return document | {"properties": document["properties"] | {"properties": settings | changes}}


def _is_on(entry: ledger.Entry, cluster: str) -> bool:
    return entry.kind == "cluster" and entry.until is None and entry.resource.startswith(f"{cluster}/".lower())


def delete_compute(call: Call, name: str, **_: str) -> Response:
    """Takes a cluster away; one that is not there answers 204."""
    return operations.begin_delete(call, "compute", call.scope.key + name, service=operations.COMPUTE)


@operations.settles("compute")
def settle(call: Call, key: str) -> None:
    """Ends the making or the deleting of a cluster."""
    store = call.emulator.store
    document = store.get("compute", key)
    if document and document["properties"]["provisioningState"] == "Deleting":
        store.delete("compute", key)
        ledger.end(call, key)
    elif document:
        document["properties"] |= {
            "provisioningState": "Succeeded",
            "provisioningWarnings": {},
            "computeLocation": document["location"],
        }
        document["properties"]["properties"] |= {"allocationStateTransitionTime": stamp(call.now), "propertyBag": {}}
        document["tags"] = document["tags"] or {}
        store.put("compute", key, document)
        _charge_least(call, key, document["properties"]["properties"])
    operations.finish(call, "compute", key)


def _charge_least(call: Call, key: str, settings: Document) -> None:
    """Bills the machines that a cluster keeps while nothing runs on it."""
    least = settings["scaleSettings"]["minNodeCount"]
    if least:
        ledger.cluster(call, key, settings["vmSize"], least)
    else:
        ledger.end(call, key)


ROUTES = [
    Route("PUT", MANAGEMENT, f"{WORKSPACE}/computes/<name>", put_compute, _VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/computes/<name>", get_compute, _VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/computes", list_computes, _VERSIONS),
    Route("DELETE", MANAGEMENT, f"{WORKSPACE}/computes/<name>", delete_compute, _VERSIONS),
]
