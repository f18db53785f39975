"""Speaks to an emulator in its own words, without a client and without a network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from werkzeug.test import Client

from phi_azure.emulator.identity import make_token
from phi_azure.emulator.local import GROUP, SUBSCRIPTION, WORKSPACE
from phi_azure.emulator.wire import MANAGEMENT, Scope

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from werkzeug.test import TestResponse

    from phi_azure.emulator.app import Emulator

SCOPE = Scope(SUBSCRIPTION, GROUP, WORKSPACE)
MODEL = "azureml://registries/azureml/models/Phi-4-mini-instruct/versions/1"
COMPONENT = "azureml://registries/azureml/components/chat_completion_pipeline/versions/0.0.82"
GPU = "Standard_NC24ads_A100_v4"
VERSIONS = {  # the api-version that azure-ai-ml 1.35.2 sends for each collection of the workspace
    "codes": "2023-04-01",
    "components": "2024-01-01-preview",
    "computes": "2023-08-01-preview",
    "data": "2023-04-01-preview",
    "environments": "2023-04-01-preview",
    "datastores": "2024-10-01-preview",
    "jobs": "2024-10-01-preview",
    "marketplaceSubscriptions": "2024-01-01-preview",
    "models": "2023-08-01-preview",
    "onlineEndpoints": "2022-02-01-preview",
    "deployments": "2023-04-01-preview",
    "schedules": "2023-06-01-preview",
    "serverlessEndpoints": "2024-01-01-preview",
}


class Wire:
    """A client of an emulator's WSGI application, or of one around it, that is signed in to one workspace."""

    def __init__(self, emulator: Emulator, app: WSGIApplication | None = None) -> None:
        self.emulator = emulator
        self._client = Client(app or emulator)

    def __call__(self, method: str, path: str, body: object = None, **more: Any) -> TestResponse:
        """Sends one request; a path without a slash in front is one of the workspace's.

        `more` may hold `host`, `version`, `query` and `headers`; without `version` it is the SDK's for the path.
        """
        target = path if path.startswith("/") else f"{SCOPE.id}/{path}"
        version = more.get("version", self._version(path))
        query = more.get("query", {}) | ({"api-version": version} if version else {})
        headers = {"Authorization": f"Bearer {make_token('https://management.azure.com')}"} | more.get("headers", {})
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        return self._client.open(
            target,
            method=method,
            base_url=f"https://{more.get('host', MANAGEMENT)}",
            query_string=query,
            headers=headers,
            data=data,
            buffered=True,  # the answer is read to its end, and closed
        )

    def blob(self, method: str, name: str, body: bytes | None = None, **more: Any) -> TestResponse:
        """Sends a request to the storage account; `name` is the container and the blob."""
        host = f"{self.emulator.account}.blob.core.windows.net"
        return self(method, f"/{name}", body, host=host, version="", **more)

    def finish(self, response: TestResponse) -> str:
        """Looks at a long-running operation until it is over; returns its last word."""
        url = response.headers["Azure-AsyncOperation"]
        said = "InProgress"
        for _ in range(5):
            path, _, query = url.removeprefix(f"https://{MANAGEMENT}").partition("?")
            said = self("GET", path, version="", query=dict(pair.split("=") for pair in query.split("&"))).json[
                "status"
            ]
        return said

    @staticmethod
    def _version(path: str) -> str:
        found = [version for word, version in VERSIONS.items() if word in path.split("/")]
        return found[-1] if found else ""


def error(response: TestResponse) -> tuple[str, str]:
    """Returns the code of a refusal and all that it says."""
    said = response.json["error"]
    return said["code"], " ".join([said["message"], *(f"{d['code']}: {d['message']}" for d in said.get("details", []))])
