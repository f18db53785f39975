"""The verdict of a gate, kept as a tag of the endpoint; a gated deployment without a good one gets no traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phi_azure.azure.client import MANAGEMENT
from phi_azure.azure.endpoints import waited_for
from phi_azure.azure.failures import translated
from phi_azure.azure.order import GATE_TAG, RUN_TAG

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from phi_azure.azure.client import Connection

VERDICT_TAG = "phi_azure.verdict"
WAITING, PASSED, REFUSED = "waiting", "passed", "refused"
_API = "2023-04-01-preview"


@dataclass(frozen=True)
class Origin:
    """Where the answers of an endpoint come from."""

    deployment: str
    """Empty behind a serverless endpoint."""
    model: str
    run: str


def state(endpoint_tags: Mapping[str, str], deployment: str, found: Mapping[str, Any]) -> str:
    """Returns what the gate says of a deployment: `waiting`, `passed`, `refused`; nothing where it has no gate.

    Args:
        endpoint_tags: of the endpoint.
        deployment: its name.
        found: the deployment, as Azure answers it; a verdict on another model under the same name does not count.
    """
    tags = found.get("tags") or {}
    if not tags.get(GATE_TAG):
        return ""
    word, _, model = str(endpoint_tags.get(f"{VERDICT_TAG}.{deployment}", "")).partition(" ")
    return word if word in {PASSED, REFUSED} and model == model_of(found) else WAITING


def model_of(found: Mapping[str, Any]) -> str:
    """Returns name and version of a deployment's model."""
    parts = str((found.get("properties") or {}).get("model") or "").split("/")
    return f"{parts[-3]}:{parts[-1]}" if len(parts) > 2 else parts[-1]


def origin(connection: Connection, endpoint: str, kind: str, deployment: str | None) -> Origin:
    """Returns which model answers, and which run it came from; of no deployment named, that with most traffic."""
    if kind == "serverless":
        with translated():
            url = f"{MANAGEMENT}{connection.id}/serverlessEndpoints/{endpoint}"
            found = connection.get(url, {"api-version": "2024-01-01-preview"})
        model = str(((found["properties"].get("modelSettings") or {}).get("modelId")) or "")
        return Origin("", model.rpartition("/")[2], str((found.get("tags") or {}).get(RUN_TAG) or ""))
    url = f"{MANAGEMENT}{connection.id}/onlineEndpoints/{endpoint}"
    with translated():
        traffic = connection.get(url, {"api-version": _API})["properties"].get("traffic") or {}
        name = deployment or max(traffic, key=lambda one: int(traffic[one]), default="")
        found = connection.get(f"{url}/deployments/{name}", {"api-version": _API})
    return Origin(name, model_of(found), str((found.get("tags") or {}).get(RUN_TAG) or ""))


def keep(connection: Connection, endpoint: str, of: Origin, *, passed: bool) -> None:
    """Writes the verdict on a deployment's model to its endpoint."""
    with waited_for(connection, f"endpoint {endpoint}"):
        there = connection.ml.online_endpoints.get(endpoint)
        there.tags = {
            **(there.tags or {}),
            f"{VERDICT_TAG}.{of.deployment}": f"{PASSED if passed else REFUSED} {of.model}",
        }
        connection.ml.online_endpoints.begin_create_or_update(there).result()
