"""The connection to one workspace: Azure's own client, and plain requests for what it does not offer."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core import PipelineClient
from azure.core.pipeline import policies
from azure.core.rest import HttpRequest

from phi_azure import __version__
from phi_azure.azure.transport import ClockTransport
from phi_azure.clock import Clock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential
    from azure.core.rest import HttpResponse

USER_AGENT = f"phi-azure/{__version__}"
REGISTRY = "azureml"
MANAGEMENT = "https://management.azure.com"
STUDIO = "https://ml.azure.com"
_API = "2024-10-01-preview"
_SCOPE = f"{MANAGEMENT}/.default"
_CONNECT_S, _ANSWER_S = 15, 100  # azure-core would wait 300 s for either


def default_credential() -> TokenCredential:
    """Returns Azure's usual chain: environment, managed identity, az login."""
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


@dataclass(frozen=True)
class Connection:
    """One workspace, reached with one credential; nothing is sent until something is asked for."""

    subscription_id: str
    resource_group: str
    workspace: str
    credential: TokenCredential = field(repr=False)
    local: bool = False
    """The emulator answers, on this machine: jobs last seconds."""
    clock: Clock = field(default_factory=SystemClock, repr=False)
    """By which everything of ours waits."""
    studio: Callable[[], str | None] = field(default=lambda: STUDIO, repr=False)
    """Where pages of jobs are; None where there are none."""

    @property
    def id(self) -> str:
        """The workspace's id in Azure."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )

    @cached_property
    def ml(self) -> MLClient:
        """Azure's own client of the workspace."""
        scope = (self.subscription_id, self.resource_group, self.workspace)
        return _quiet_client(self.credential, *scope, transport=self.transport)

    @cached_property
    def registry(self) -> MLClient:
        """Azure's own client of the registry that holds the Phi models and the pipeline component."""
        return _quiet_client(self.credential, registry_name=REGISTRY, transport=self.transport)

    @cached_property
    def transport(self) -> ClockTransport:
        """What all requests of this connection leave by."""
        return ClockTransport(self.clock, connection_timeout=_CONNECT_S, read_timeout=_ANSWER_S)

    @cached_property
    def properties(self) -> dict[str, Any]:
        """What Azure says of the workspace. The client's own call would import MLflow: 4 seconds."""
        document: dict[str, Any] = self.get(f"{MANAGEMENT}{self.id}", {"api-version": _API})
        return document

    @property
    def time(self) -> datetime:
        """The moment, by the clock."""
        return datetime.fromtimestamp(self.clock.now(), timezone.utc)

    @property
    def region(self) -> str:
        """The region of the workspace."""
        return str(self.properties["location"])

    @property
    def data_plane(self) -> str:
        """The address of run history and tracking in the workspace's region."""
        discovery = (
            self.properties["properties"].get("discoveryUrl") or f"https://{self.region}.api.azureml.ms/discovery"
        )
        return f"https://{urlsplit(discovery).netloc}"

    def get(self, url: str, params: dict[str, Any] | None = None) -> Any:
        """Reads a JSON document with the credential; azure-core retries what may pass."""
        return self.send(HttpRequest("GET", url, params=params)).json()

    def send(self, request: HttpRequest, *, signed: bool = True, **options: Any) -> HttpResponse:
        """Sends a request; `signed` adds the credential's token. Raises azure-core's errors.

        Args:
            request: what is sent.
            signed: False where the address itself holds a signature.
            options: azure-core's own for one request, such as `retry_total` and `read_timeout` in seconds.
        """
        client = self._client if signed else self._bare_client
        response: HttpResponse = client.send_request(request, **options)
        response.raise_for_status()
        return response

    @cached_property
    def _client(self) -> Any:
        token = policies.BearerTokenCredentialPolicy(self.credential, _SCOPE)
        return PipelineClient("", policies=[*_policies(), token], transport=self.transport)

    @cached_property
    def _bare_client(self) -> Any:
        return PipelineClient("", policies=_policies(), transport=self.transport)

    def close(self) -> None:
        """Closes what was opened."""
        if "transport" in self.__dict__:
            self.transport.close()


def _policies() -> list[Any]:
    return [policies.HeadersPolicy(), policies.UserAgentPolicy(USER_AGENT), policies.RetryPolicy()]


def _quiet_client(
    credential: TokenCredential, *scope: str, transport: ClockTransport, registry_name: str | None = None
) -> MLClient:
    """Makes Azure's client; it says nothing on stdout, and sends no telemetry."""
    from azure.ai.ml import MLClient
    from azure.ai.ml._artifacts import _blob_storage_helper
    from azure.ai.ml._utils import _azureml_polling

    # a poller prints a dot at each poll, from its thread, and an upload resets colours; neither has a switch
    for module in (_azureml_polling, _blob_storage_helper):
        module.print = lambda *_, **__: None
    for name in ("_utils._experimental", "_artifacts", "operations", "entities"):  # _artifacts praises another tool
        logging.getLogger(f"azure.ai.ml.{name}").setLevel(logging.ERROR)
    return MLClient(
        credential,
        *scope,
        registry_name=registry_name,
        show_progress=False,
        enable_telemetry=False,
        user_agent=USER_AGENT,
        transport=transport,
    )
