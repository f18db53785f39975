"""The workspace itself, its datastores, and the machine sizes and quota of its region."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi_azure.emulator import storage
from phi_azure.emulator.blobs import DATASTORES, DEFAULT_DATASTORE
from phi_azure.emulator.identity import TENANT
from phi_azure.emulator.shapes import FLAG, WHOLE, Object, require
from phi_azure.emulator.wire import (
    MANAGEMENT,
    PROVIDER,
    REGIONAL,
    SUBSCRIPTION,
    WORKSPACE,
    Call,
    Route,
    Scope,
    WireError,
    answer,
    not_found,
    page,
    system_data,
)

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from phi_azure.emulator.store import Document

_WORKSPACE_VERSIONS = frozenset({"2023-08-01-preview", "2024-10-01-preview"})
_LISTING_VERSIONS = frozenset({"2024-10-01-preview"})
_COMPUTE_VERSIONS = frozenset({"2023-08-01-preview"})
_DATASTORE_VERSIONS = frozenset({"2024-07-01-preview", "2024-10-01-preview"})
_QUOTA = 200  # vCPUs of each family; a plain pay-as-you-go subscription has less
_SECRETS_BODY = Object("SecretExpiry", {"expirableSecret": FLAG, "expireAfterHours": WHOLE})


@cache
def vm_sizes() -> dict[str, dict[str, Any]]:
    """Returns the machine sizes by lower-case name: family, vCPUs, GPUs, memory, retirement."""
    rows = json.loads((Path(__file__).parent / "facts" / "vm_sizes.json").read_text(encoding="utf-8"))["sizes"]
    return {row["name"].lower(): row for row in rows}


def bare(family: str) -> str:
    """Returns a family's name as the service compares it: without letter case and spaces."""
    return "".join(family.split()).casefold()


def kind_of(call: Call) -> str | None:
    """Returns the kind of the workspace that a request speaks of; None where there is none of its name.

    Any name is a workspace unless the emulator was told which there are, so that placeholders in a notebook work.
    """
    known = call.emulator.workspaces
    if known is None:
        return "Default"
    return next((kind for name, kind in known.items() if name.lower() == call.scope.workspace.lower()), None)


def require_workspace(call: Call) -> None:
    """Refuses a request about a workspace that is not there."""
    if kind_of(call) is None:
        raise WireError(
            404,
            "ResourceNotFound",
            f"The Resource 'Microsoft.MachineLearningServices/workspaces/{call.scope.workspace}' under resource group "
            f"'{call.scope.group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        )


def get_workspace(call: Call, **_: str) -> Response:
    """Answers the workspace."""
    return answer(_shown(call, call.scope, kind_of(call)))


def list_workspaces(call: Call, **_: str) -> Response:
    """Answers the workspaces that the emulator was told of; one where any name is a workspace."""
    from phi_azure.emulator import local  # it imports the whole emulator

    known = call.emulator.workspaces
    scope = replace(call.scope, group=call.scope.group or local.GROUP)
    named = {local.WORKSPACE: "Default"} if known is None else known
    return page([_shown(call, replace(scope, workspace=name), kind) for name, kind in named.items()])


def _shown(call: Call, scope: Scope, kind: str | None) -> Document:
    region = call.emulator.region
    account = call.emulator.account
    group = f"/subscriptions/{scope.subscription}/resourceGroups/{scope.group}/providers"
    return {
        "id": scope.id,
        "name": scope.workspace,
        "type": "Microsoft.MachineLearningServices/workspaces",
        "location": region,
        "tags": {},
        "etag": None,
        "kind": kind,
        "sku": {"name": "Basic", "tier": "Basic"},
        "identity": {
            "type": "SystemAssigned",
            "principalId": "00000000-0000-4000-8000-000000000066",
            "tenantId": call.emulator.access.tenant or TENANT,
        },
        "systemData": system_data(call.emulator.started),
        "properties": {
            "friendlyName": scope.workspace,
            "description": "",
            "storageAccount": f"{group}/Microsoft.Storage/storageAccounts/{account}",
            "keyVault": f"{group}/Microsoft.Keyvault/vaults/kv{account}",
            "applicationInsights": f"{group}/Microsoft.insights/components/ai{account}",
            "hbiWorkspace": False,
            "tenantId": TENANT,
            "imageBuildCompute": None,
            "provisioningState": "Succeeded",
            "managedNetwork": {
                "changeableIsolationModes": ["AllowInternetOutbound", "AllowOnlyApprovedOutbound"],
                "isolationMode": "Disabled",
                "enableNetworkMonitor": False,
                "enableFirewallLog": False,
            },
            "allowRoleAssignmentOnRG": True,
            "v1LegacyMode": False,
            "softDeleteEnabled": False,
            "containerRegistry": f"{group}/Microsoft.ContainerRegistry/registries/cr{account}",
            "creationTime": system_data(call.emulator.started)["createdAt"],
            "notebookInfo": {
                "resourceId": scope.guid.replace("-", ""),
                "fqdn": f"ml-{scope.workspace}-{region}-{scope.guid}.{region}.notebooks.azure.net".lower(),
                "isPrivateLinkEnabled": False,
                "notebookPreparationError": None,
            },
            "storageHnsEnabled": False,
            "workspaceId": scope.guid,
            "linkedModelInventoryArmId": None,
            "privateLinkCount": 0,
            "publicNetworkAccess": "Enabled",
            "ipAllowlist": [],
            "networkAcls": {"defaultAction": "Allow", "bypass": "", "ipRules": [], "resourceAccessRules": []},
            "discoveryUrl": f"https://{region}.api.azureml.ms/discovery",
            "mlFlowTrackingUri": f"azureml://{region}.api.azureml.ms/mlflow/v1.0{scope.id}",
            "serverlessComputeSettings": None,
            "EnableSoftwareBillOfMaterials": False,
            "sdkTelemetryAppInsightsKey": "00000000-0000-0000-0000-000000000000",
            "enableDataIsolation": False,
            "systemDatastoresAuthMode": "identity" if call.emulator.access.storage == "identity" else "accesskey",
            "enableServiceSideCMKEncryption": False,
        },
    }


def discovery(call: Call, region: str) -> Response:  # noqa: ARG001 (the region of the host, whatever it is)
    """Answers where the data planes of the workspace's region are: here, all on one host."""
    base = f"https://{call.emulator.region}.api.azureml.ms"
    services = (
        "api",
        "catalog",
        "experimentation",
        "history",
        "hyperdrive",
        "labeling",
        "modelmanagement",
        "pipelines",
    )
    return answer({**dict.fromkeys(services, base), "studio": "https://ml.azure.com"})


def clouds(call: Call) -> Response:  # noqa: ARG001
    """Answers the addresses of the public cloud, which Azure's MLflow plugin looks up by itself."""
    return answer(
        [
            {
                "name": "AzureCloud",
                "portal": "https://portal.azure.com",
                "resourceManager": f"https://{MANAGEMENT}/",
                "authentication": {
                    "loginEndpoint": "https://login.microsoftonline.com",
                    "audiences": ["https://management.core.windows.net/", f"https://{MANAGEMENT}/"],
                    "tenant": "common",
                    "identityProvider": "AAD",
                },
                "suffixes": {"storage": "core.windows.net", "keyVaultDns": "vault.azure.net"},
            }
        ]
    )


def list_vm_sizes(call: Call, region: str, **_: str) -> Response:  # noqa: ARG001
    """Answers the machine sizes that are still offered."""
    return answer(
        {
            "value": [
                {
                    "name": size["name"],
                    "family": size["family"],
                    "vCPUs": size["vcpus"],
                    "gpus": size["gpus"],
                    "osVhdSizeMB": 1_047_552,
                    "maxResourceVolumeMB": 65_536,
                    "memoryGB": size["memory_gib"],
                    "lowPriorityCapable": True,
                    "premiumIO": True,
                    "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
                    "estimatedVMPrices": None,
                }
                for size in vm_sizes().values()
                if not size["retired_on"]
            ]
        }
    )


def list_usages(call: Call, region: str, **_: str) -> Response:
    """Answers how many vCPUs of each family are in use, and how many may be."""
    used = _vcpus_in_use(call)
    families = dict.fromkeys(size["family"] for size in vm_sizes().values())
    base = f"/subscriptions/{call.scope.subscription}{PROVIDER}/locations/{region}/usages"
    return page(
        [
            {
                "id": f"{base}/{family}",
                "amlWorkspaceLocation": region,
                "type": "Microsoft.MachineLearningServices/vmFamily/dedicatedCores/usages",
                "unit": "Count",
                "currentValue": used.get(family, 0),
                "limit": limit,
                "name": {"value": spelt, "localizedValue": spelt},
            }
            for family in families
            for spelt, limit in [call.emulator.quota_of(family) or (family, _QUOTA)]
        ]
    )


def _vcpus_in_use(call: Call) -> dict[str, int]:
    used: dict[str, int] = {}
    for deployment in call.emulator.store.find("deployment"):
        size = vm_sizes().get(str(deployment["properties"].get("instanceType")).lower())
        if size:
            used[size["family"]] = used.get(size["family"], 0) + size["vcpus"] * deployment["sku"]["capacity"]
    return used


def datastore(scope: Scope, name: str, account: str) -> dict[str, Any] | None:
    """Returns one of the two datastores that every workspace has, or None."""
    if name.lower() not in DATASTORES:
        return None
    return {
        "id": f"{scope.id}/datastores/{name.lower()}",
        "name": name.lower(),
        "type": "Microsoft.MachineLearningServices/workspaces/datastores",
        "properties": {
            "description": None,
            "tags": None,
            "properties": None,
            "isDefault": name.lower() == DEFAULT_DATASTORE,
            "credentials": {"credentialsType": "AccountKey"},
            "subscriptionId": scope.subscription,
            "resourceGroup": scope.group,
            "datastoreType": "AzureBlob",
            "accountName": account,
            "containerName": DATASTORES[name.lower()],
            "endpoint": "core.windows.net",
            "protocol": "https",
            "serviceDataAccessAuthIdentity": "WorkspaceSystemAssignedIdentity",
        },
    }


def get_datastore(call: Call, name: str, **_: str) -> Response:
    """Answers one datastore."""
    found = datastore(call.scope, name, call.emulator.account)
    if found is None:
        raise not_found(f"Datastore {name} not found in workspace {call.scope.workspace}.")
    return answer(found | _stamped(call))


def list_datastores(call: Call, **_: str) -> Response:
    """Answers the datastores, or only the default one."""
    default_alone = call.request.args.get("isDefault", "").lower() == "true"
    names = [DEFAULT_DATASTORE] if default_alone else list(DATASTORES)
    return page([(datastore(call.scope, name, call.emulator.account) or {}) | _stamped(call) for name in names])


def _stamped(call: Call) -> dict[str, Any]:
    """Returns the systemData of a datastore; nobody is told to have made it."""
    told = system_data(call.emulator.started) | {"lastModifiedByType": "Application"}
    names = ("createdAt", "lastModifiedAt", "lastModifiedBy", "lastModifiedByType")
    return {"systemData": {name: told[name] for name in names}}


def list_secrets(call: Call, name: str, **_: str) -> Response:
    """Answers a signature for the datastore's account, valid for the emulator alone."""
    if call.request.get_data():
        require(_SECRETS_BODY, call.json())
    if datastore(call.scope, name, call.emulator.account) is None:
        raise not_found(f"Datastore {name} not found in workspace {call.scope.workspace}.")
    if call.emulator.access.storage == "identity":
        raise WireError(400, "UserError", "No secrets for credentials of type None.")
    return answer({"secretsType": "Sas", "sasToken": "?" + storage.signature()})


_LOCATION = f"{SUBSCRIPTION}{PROVIDER}/locations/<region>"
ROUTES = [
    Route("GET", MANAGEMENT, WORKSPACE, get_workspace, _WORKSPACE_VERSIONS),
    Route("GET", MANAGEMENT, WORKSPACE.rpartition("/")[0], list_workspaces, _LISTING_VERSIONS),
    Route("GET", MANAGEMENT, f"{SUBSCRIPTION}{PROVIDER}/workspaces", list_workspaces, _LISTING_VERSIONS),
    Route("GET", REGIONAL, "/discovery", discovery),
    Route("GET", MANAGEMENT, "/metadata/endpoints", clouds, frozenset({"2019-05-01"})),
    Route("GET", MANAGEMENT, f"{_LOCATION}/vmSizes", list_vm_sizes, _COMPUTE_VERSIONS),
    Route("GET", MANAGEMENT, f"{_LOCATION}/usages", list_usages, _COMPUTE_VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/datastores", list_datastores, _DATASTORE_VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/datastores/<name>", get_datastore, _DATASTORE_VERSIONS),
    Route("POST", MANAGEMENT, f"{WORKSPACE}/datastores/<name>/listSecrets", list_secrets, _DATASTORE_VERSIONS),
]
