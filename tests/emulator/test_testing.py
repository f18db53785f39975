"""phi_azure.testing: what a test holds, what fails it at the end, and what is never kept."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.ai.ml.entities import ServerlessEndpoint

from phi_azure.emulator.identity import make_token
from phi_azure.emulator.storage import signature
from phi_azure.testing import azure as on
from tests.emulator import bodies
from tests.emulator.bodies import changed
from tests.emulator.wire import Wire

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.testing import Azure

URL = "https://management.azure.com/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices"
BASE = "azureml://registries/azureml/models/Phi-4-mini-instruct"
CHILD = """
import json, urllib.request
print(json.load(urllib.request.urlopen("https://eastus2.api.azureml.ms/discovery"))["studio"])
"""


def _get(url: str) -> requests.Response:
    return requests.get(url, headers={"Authorization": f"Bearer {make_token('a')}"}, timeout=5)


def test_unserved_request_fails_the_test() -> None:
    """Whoever asked for what the emulator does not serve learns it at the end, even if the error was swallowed."""

    def ask() -> None:
        with on():
            _get(f"{URL}/workspaces/w/quantumJobs?api-version=1")

    with pytest.raises(AssertionError, match=r"does not serve:\nGET https://management.azure.com/.*quantumJobs"):
        ask()


def test_unserved_api_version_fails_the_test() -> None:
    """A request in a version that the emulator does not answer is named at the end, with those that it does."""

    def ask() -> None:
        with on():
            _get(f"{URL}/workspaces/w/jobs?api-version=1999-01-01")

    with pytest.raises(
        AssertionError, match=r"does not serve:\nGET https://.*/jobs\?api-version=1999-01-01 \(served: 2"
    ):
        ask()


def test_error_of_the_test_comes_first() -> None:
    """An error inside is not hidden by the check at the end."""

    def ask() -> None:
        with on():
            _get(f"{URL}/workspaces/w/quantumJobs?api-version=1")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ask()


def test_state_is_kept_when_a_folder_is_given(tmp_path: Path) -> None:
    """With a folder the next context goes on where this one ended."""
    with on(state=tmp_path) as first:
        first.emulator.store.put("thing", "one", {"kept": True})

    with on(state=tmp_path) as second:
        found = second.emulator.store.get("thing", "one")

    assert found == {"kept": True}


def test_state_goes_with_the_context() -> None:
    """Without a folder nothing is left on the disk."""
    with on() as cloud:
        folder = cloud.state.folder

    assert not folder.exists()


def test_last_request_is_found_by_its_path(azure: Azure) -> None:
    """A test looks at what was sent; a miss lists what there was."""
    _get(f"{URL}/workspaces/w?api-version=2024-10-01-preview")

    found = azure.last("GET", "/workspaces/w")

    assert found.query == {"api-version": "2024-10-01-preview"}
    with pytest.raises(AssertionError, match=r"no PUT request with '/jobs/' in its path(.|\n)*GET /subscriptions"):
        azure.last("PUT", "/jobs/")


def test_child_process_reaches_the_emulator(azure: Azure) -> None:
    """The environment leads another process here."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env=azure.environment(), capture_output=True, text=True, timeout=30, check=False
    )

    assert done.stdout == "https://ml.azure.com\n"


@pytest.mark.engine
def test_engine_answers_for_itself(tmp_path: Path) -> None:
    """A script or a reply is refused where the engine works."""
    with on(state=tmp_path, runner="engine") as cloud:
        with pytest.raises(TypeError, match="scripted"):
            cloud.jobs.script(runs=1)
        with pytest.raises(TypeError, match="scripted"):
            cloud.reply(str)


def test_region_is_the_one_that_was_asked_for() -> None:
    """The workspace is where the test wants it."""
    with on(region="westus3"):
        found = _get(f"{URL}/workspaces/w?api-version=2024-10-01-preview").json()

    assert found["location"] == "westus3"


def test_requests_hold_no_secret(azure: Azure, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens, keys, signatures and passwords are in no recorded request: neither header, nor query, nor body."""
    from azure.identity import ClientSecretCredential

    token = (
        ClientSecretCredential(azure.tenant_id, "client", "very-secret")
        .get_token("https://ml.azure.com/.default")
        .token
    )
    endpoint = client.serverless_endpoints.begin_create_or_update(
        ServerlessEndpoint(name="sv-one", model_id=BASE)
    ).result()
    keys = client.serverless_endpoints.get_keys("sv-one")
    chat = {"messages": [{"role": "user", "content": "a"}]}
    for header in ({"Authorization": f"Bearer {keys.primary_key}"}, {"api-key": keys.secondary_key}):
        requests.post(f"{endpoint.scoring_uri}/v1/chat/completions", headers=header, json=chat, timeout=5)
    requests.get(
        f"https://phiazureemulator.blob.core.windows.net/azureml?restype=container&comp=list&{signature()}", timeout=5
    )

    kept = json.dumps([[each.path, each.query, each.headers, each.body.decode()] for each in azure.requests])

    secrets = [
        token,
        "very-secret",
        keys.primary_key,
        keys.secondary_key,
        signature().partition("sig=")[2][:20],
        "Bearer ",
    ]
    assert [secret for secret in secrets if secret in kept] == []
    assert azure.last("POST", "/v1/chat/completions").json == chat


def test_given_key_is_not_kept(azure: Azure) -> None:
    """A key that the client itself sends, to set it or as a cluster's password, is not kept."""
    wire = Wire(azure.emulator)
    wire.finish(wire("PUT", "onlineEndpoints/ep-one", bodies.ENDPOINT))
    wire("POST", "onlineEndpoints/ep-one/regenerateKeys", {"keyType": "Primary", "keyValue": "a-key-of-my-own"})
    login = {"adminUserName": "me", "adminUserPassword": "a-password-of-my-own"}
    wire("PUT", "computes/gpu", changed(bodies.COMPUTE, "properties/properties/userAccountCredentials", login))

    kept = " ".join(each.body.decode() for each in azure.requests)

    assert "of-my-own" not in kept
    assert '"keyType"' in kept
    assert "a-password-of-my-own" not in str(azure.emulator.store.find("compute"))
