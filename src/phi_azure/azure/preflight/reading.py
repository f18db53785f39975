"""Reads all that a preflight weighs, side by side: a handful of requests, none of which changes anything."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from azure.core.rest import HttpRequest

from phi_azure.azure.client import MANAGEMENT, REGISTRY
from phi_azure.azure.preflight.asking import Answer, ask, get, listed
from phi_azure.azure.storage import DEFAULT
from phi_azure.config import ManagedCompute

if TYPE_CHECKING:
    from collections.abc import Callable

    from phi_azure.azure.client import Connection
    from phi_azure.config import FineTune

_COMPUTE_API, _DATASTORE_API, _ONLINE_API = "2023-08-01-preview", "2024-10-01-preview", "2022-02-01-preview"
_SERVERLESS_API, _REGISTRY_API = "2024-01-01-preview", "2021-10-01-dataplanepreview"
_PERMISSIONS_API, _RESOURCES_API = "2022-04-01", "2021-04-01"
_STORAGE_SCOPE = "https://storage.azure.com/.default"
_STORAGE_VERSION = "2023-11-03"


@dataclass(frozen=True)
class Told:
    """What Azure told; None where it was not asked."""

    permissions: Answer
    secrets: Answer
    """How the default datastore is opened; status 400 where it is opened with one's own identity."""
    blobs: Answer
    """A look into its container."""
    blob_permissions: Answer | None
    usages: Answer
    sizes: Answer
    versions: Answer | None
    """Of the model in the registry, archived ones too."""
    cluster: Answer | None
    endpoint: Answer | None
    """The endpoint that `deploy` would make for the job."""


def read(connection: Connection, workspace: dict[str, Any], job: FineTune | None) -> Told:
    """Asks for everything at once."""
    base = f"{MANAGEMENT}{connection.id}"
    region = workspace["location"]
    place = f"{MANAGEMENT}/subscriptions/{connection.subscription_id}/providers/Microsoft.MachineLearningServices"
    cluster = job.route.cluster if job and isinstance(job.route, ManagedCompute) else None
    model = registry_name(job) if job else None
    kind, version = ("onlineEndpoints", _ONLINE_API)
    if job and job.route.kind == "serverless":
        kind, version = ("serverlessEndpoints", _SERVERLESS_API)
    tasks: dict[str, Callable[[], Any]] = {
        "permissions": lambda: listed(connection, f"{base}{_ASKED}", _PERMISSIONS_API),
        "storage": lambda: _storage(connection, workspace),
        "usages": lambda: listed(connection, f"{place}/locations/{region}/usages", _COMPUTE_API),
        "sizes": lambda: listed(connection, f"{place}/locations/{region}/vmSizes", _COMPUTE_API),
    }
    if model:
        tasks["versions"] = lambda: _versions(connection, region, model)
    if cluster:
        tasks["cluster"] = lambda: get(connection, f"{base}/computes/{cluster}", _COMPUTE_API)
    if job:
        tasks["endpoint"] = lambda: get(connection, f"{base}/{kind}/{job.name}", version)
    with ThreadPoolExecutor(len(tasks)) as pool:
        begun = {name: pool.submit(task) for name, task in tasks.items()}
        done = {name: future.result() for name, future in begun.items()}
    secrets, blobs, blob_permissions = done["storage"]
    return Told(
        permissions=done["permissions"],
        secrets=secrets,
        blobs=blobs,
        blob_permissions=blob_permissions,
        usages=done["usages"],
        sizes=done["sizes"],
        versions=done.get("versions"),
        cluster=done.get("cluster"),
        endpoint=done.get("endpoint"),
    )


def neighbours(connection: Connection) -> list[dict[str, Any]]:
    """Lists what else lies in the resource group; nothing where that may not be read."""
    group = f"/subscriptions/{connection.subscription_id}/resourceGroups/{connection.resource_group}"
    answer = listed(connection, f"{MANAGEMENT}{group}/resources", _RESOURCES_API)
    return answer.document or []


def registry_name(job: FineTune) -> str | None:
    """Returns the registry's name of the job's model; None where the weights come from elsewhere."""
    if not isinstance(job.model, str) or "/" in job.model or job.model.startswith("azureml:"):
        return None
    return job.model.partition(":")[0]


_ASKED = "/providers/Microsoft.Authorization/permissions"


def _storage(connection: Connection, workspace: dict[str, Any]) -> tuple[Answer, Answer, Answer | None]:
    """Asks how the default datastore is opened, and opens it."""
    base = f"{MANAGEMENT}{connection.id}/datastores/{DEFAULT}"
    store = get(connection, base, _DATASTORE_API)
    if store.error:
        return store, store, None
    where = store.document["properties"]
    wanted = HttpRequest("POST", f"{base}/listSecrets", params={"api-version": _DATASTORE_API}, json=_EXPIRABLE)
    secrets = ask(connection, wanted)
    url = f"https://{where['accountName']}.blob.{where.get('endpoint') or 'core.windows.net'}/{where['containerName']}"
    if secrets.status == 400:
        account = workspace["properties"].get("storageAccount")
        permissions = listed(connection, f"{MANAGEMENT}{account}{_ASKED}", _PERMISSIONS_API) if account else None
        token = connection.credential.get_token(_STORAGE_SCOPE).token
        return secrets, _look(connection, url, {}, {"Authorization": f"Bearer {token}"}), permissions
    if secrets.error:
        return secrets, secrets, None
    return secrets, _look(connection, url, _signature(where, secrets.document), {}), None


_EXPIRABLE = {"expirableSecret": True, "expireAfterHours": 1}


def _look(connection: Connection, url: str, query: dict[str, str], headers: dict[str, str]) -> Answer:
    """Lists at most one blob of a container."""
    params = {"restype": "container", "comp": "list", "maxresults": "1", **query}
    headers = {"x-ms-version": _STORAGE_VERSION, **headers}
    return ask(connection, HttpRequest("GET", url, params=params, headers=headers), signed=False)


def _signature(where: dict[str, Any], secrets: dict[str, Any]) -> dict[str, str]:
    """Returns the signature that was handed out, or one made of the account's key for ten minutes."""
    if secrets.get("sasToken"):
        return dict(parse_qsl(str(secrets["sasToken"]).lstrip("?")))
    from datetime import datetime, timedelta, timezone

    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    until = datetime.now(timezone.utc) + timedelta(minutes=10)
    allowed = ContainerSasPermissions(list=True)
    made = generate_container_sas(
        where["accountName"], where["containerName"], secrets["key"], permission=allowed, expiry=until
    )
    return dict(parse_qsl(made))


def _versions(connection: Connection, region: str, model: str) -> Answer:
    """Finds the registry, and lists the versions of a model in it."""
    plane = f"https://{region}.api.azureml.ms/registrymanagement/v1.0/registries/{REGISTRY}/discovery"
    found = ask(connection, HttpRequest("GET", plane))
    if found.error:
        return found
    where = found.document
    url = (
        f"{where['primaryRegionResourceProviderUri'].rstrip('/')}/mferp/managementfrontend"
        f"/subscriptions/{where['subscriptionId']}/resourceGroups/{where['resourceGroup']}"
        f"/providers/Microsoft.MachineLearningServices/registries/{REGISTRY}/models/{model}/versions"
    )
    return listed(connection, url, _REGISTRY_API, listViewType="All")
