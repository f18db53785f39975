"""The emulator mounted in this process for one workspace, beside whatever else talks to the real Azure."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from phi_azure.emulator import identity
from phi_azure.emulator.app import Emulator
from phi_azure.emulator.engine import EngineRunner
from phi_azure.emulator.network import mount
from phi_azure.emulator.page.address import address

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

SUBSCRIPTION = (
    "00000000-0000-0000-0000-000000000"  # one of the SDK's own test subscriptions: it sends no telemetry for it
)
GROUP = "local"
WORKSPACE = "local"
REGION = "eastus2"


class AccessToken(NamedTuple):
    """A token and the second at which it ends, as azure-core wants them."""

    token: str
    expires_on: int


class LocalCredential:
    """Signs in to the emulator; its tokens are how a request is known to be the emulator's."""

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        """Returns a token for a scope such as https://management.azure.com/.default."""
        audience = (scopes[0] if scopes else "https://management.azure.com/.default").removesuffix("/.default")
        return AccessToken(identity.make_token(audience), int(time.time()) + 3600)


class LocalAzure:
    """An open emulator: ids and a credential for a client, until it is closed.

    Requests of this process that carry the emulator's token, or go to its own storage account or endpoints, are
    answered here. All others go where they would have gone.
    """

    def __init__(self, folder: Path, weights: Mapping[str, Path] | None = None) -> None:
        self.folder = folder
        self.subscription_id = SUBSCRIPTION
        self.resource_group = GROUP
        self.workspace = WORKSPACE
        self.region = REGION
        self.credential = LocalCredential()
        self.emulator = Emulator(folder / "azure", EngineRunner(), region=REGION, weights=weights, pause_ms=100)
        self._mount = mount(self.emulator, self._belongs)

    def page(self) -> str | None:
        """Returns the address of the page that `phi-azure emulator` serves of this folder; None where it never did."""
        return address(self.emulator.store)

    def _belongs(self, request: requests.PreparedRequest) -> bool:
        """Says whether a request is for this emulator."""
        parts = urlsplit(request.url or "")
        host = (parts.hostname or "").lower()
        if host == f"{Emulator.account}.blob.core.windows.net":
            return True
        if host.endswith((f".{REGION}.inference.ml.azure.com", f".{REGION}.models.ai.azure.com")):
            return self._has_endpoint(host)
        token = str(request.headers.get("Authorization", "")).partition(" ")[2]
        return identity.is_ours(token)

    def _has_endpoint(self, host: str) -> bool:
        name = host.partition(".")[0]
        kinds = ("endpoint", "serverless")
        return any(document["name"].lower() == name for kind in kinds for document in self.emulator.store.find(kind))

    def close(self) -> None:
        """Lets go of the requests; jobs and deployments go on, as they would in the cloud."""
        self._mount.close()
        self.emulator.close()


def open_folder(folder: str | Path, weights: Mapping[str, Path] | None = None) -> LocalAzure:
    """Opens the emulator on a folder, with the engine behind it.

    Args:
        folder: made if absent; several processes may work on it at once.
        weights: folders with real weights by model name; phi-tiny stands in for every other Phi.

    Raises:
        ModuleNotFoundError: the extra `local` is not installed.
    """
    return LocalAzure(Path(folder).absolute(), weights)
