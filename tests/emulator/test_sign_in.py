"""Ways to sign in: a service principal's variables, a machine's identity, no setting at all, and wrong requests."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from azure.ai.ml import MLClient
from azure.identity import (
    ClientSecretCredential,
    DefaultAzureCredential,
    EnvironmentCredential,
    ManagedIdentityCredential,
)

from phi_azure.emulator.identity import IMDS, LOGIN, is_ours, make_token, read_token

if TYPE_CHECKING:
    from phi_azure.testing import Azure
    from tests.emulator.wire import Wire

SCOPE = "https://management.azure.com/.default"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine that runs the tests names an identity."""
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "IDENTITY_ENDPOINT", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def test_service_principal_signs_in(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    """The three variables lead to a token; any secret will do, and none is kept."""
    monkeypatch.setenv("AZURE_TENANT_ID", azure.tenant_id)
    monkeypatch.setenv("AZURE_CLIENT_ID", "00000000-0000-4000-8000-000000000055")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "very-secret")

    token = EnvironmentCredential().get_token(SCOPE)

    assert is_ours(token.token)
    assert "very-secret" not in str(azure.requests)
    assert azure.last("POST", "/oauth2/v2.0/token").status == 200


def test_machine_signs_in(azure: Azure) -> None:
    """A managed identity gets its token from the machine's metadata service."""
    token = ManagedIdentityCredential().get_token(SCOPE)

    assert (read_token(token.token) or {})["aud"] == "https://management.azure.com"
    assert {request.host for request in azure.requests} == {IMDS}


def test_nothing_at_all_is_enough(azure: Azure) -> None:
    """Without one setting, DefaultAzureCredential finds the metadata service, at once."""
    began = time.monotonic()
    client: Any = MLClient(DefaultAzureCredential(), "<SUBSCRIPTION_ID>", "<RESOURCE_GROUP>", "<WORKSPACE_NAME>")

    found = client.workspaces.get("<WORKSPACE_NAME>")

    assert found.location == azure.region
    assert time.monotonic() - began < 10


def test_audience_of_a_token_is_what_was_asked_for(azure: Azure) -> None:
    """The SDK reads `aud` of the token for ml.azure.com before it submits a pipeline."""
    credential = ClientSecretCredential(azure.tenant_id, "client", "secret")

    token = credential.get_token("https://ml.azure.com/.default").token

    claims = read_token(token) or {}
    assert (claims["aud"], claims["tid"]) == ("https://ml.azure.com", azure.tenant_id)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("grant_type=password&client_id=a&scope=b&client_secret=c", "password"),
        ("grant_type=client_credentials&scope=b&client_secret=c", "client_id"),
        ("grant_type=client_credentials&client_id=a&client_secret=c", "scope"),
        ("grant_type=client_credentials&client_id=a&scope=b", "client_secret"),
    ],
    ids=["grant", "client", "scope", "secret"],
)
def test_wrong_request_for_a_token_is_refused(form: str, said: str, wire: Wire) -> None:
    """What is missing is named, in OAuth's own form."""
    response = wire("POST", "/tenant/oauth2/v2.0/token", form.encode(), host=LOGIN, headers=FORM)

    assert response.status_code == 400
    assert said in response.json["error_description"]


def test_metadata_service_asks_for_its_header(wire: Wire) -> None:
    """A request without `Metadata: true` is a probe and gets no token."""
    response = wire("GET", "/metadata/identity/oauth2/token", host=IMDS, version="2018-02-01")

    assert response.status_code == 400
    assert "access_token" not in json.dumps(response.json)


def test_no_machine_of_azure_is_here(azure: Azure) -> None:
    """Telemetry of Azure's client, which a notebook turns on, asks for one; that is no request that nobody knows."""
    with pytest.raises(HTTPError, match="404"):
        urlopen(f"http://{IMDS}/metadata/instance/compute?api-version=2021-12-13&format=json")

    azure.check()


def test_token_that_is_over_is_refused(wire: Wire) -> None:
    """A token is looked at for its end."""
    old = make_token("https://management.azure.com", lifetime=-10)

    response = wire("GET", "computes", headers={"Authorization": f"Bearer {old}"})

    assert response.status_code == 401
    assert response.json["error"]["code"] == "ExpiredAuthenticationToken"
