"""Who may do what: sign-in, tenant, roles, the permissions API, storage that refuses keys, other workspaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

from phi_azure.emulator.access import (
    BLOB_CONTRIBUTOR,
    BLOB_READER,
    COMPUTE_OPERATOR,
    CONTRIBUTOR,
    DATA_SCIENTIST,
    OWNER,
    READER,
    Access,
    action_of,
)
from phi_azure.emulator.app import Emulator
from phi_azure.emulator.blobs import DEFAULT_CONTAINER
from phi_azure.emulator.clock import TurnedClock
from phi_azure.emulator.identity import make_token
from phi_azure.emulator.scripted import ScriptedRunner
from tests.emulator.wire import SCOPE, Wire, error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ML = "Microsoft.MachineLearningServices/workspaces"
LISTING = {"restype": "container", "comp": "list"}


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Wire]]:
    """Makes a client of an emulator with the settings of a test."""
    made: list[Emulator] = []

    def make(**settings: Any) -> Wire:
        folder = tmp_path / str(len(made))
        made.append(Emulator(folder, ScriptedRunner(), clock=TurnedClock(), pause_ms=1, **settings))
        return Wire(made[-1])

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", SCOPE.id, f"{ML}/read"),
        ("PUT", f"{SCOPE.id}/models/m/versions/1", f"{ML}/models/versions/write"),
        ("POST", f"{SCOPE.id}/datastores/d/listSecrets", f"{ML}/datastores/listSecrets/action"),
        ("DELETE", f"{SCOPE.id}/onlineEndpoints/e", f"{ML}/onlineEndpoints/delete"),
        ("GET", "/subscriptions/s", None),
        ("GET", f"{SCOPE.id}/providers/Microsoft.Authorization/permissions", None),
    ],
)
def test_a_request_is_an_operation(method: str, path: str, action: str | None) -> None:
    """What a request needs follows from its path, in Azure's words."""
    assert action_of(method, path) == action


@pytest.mark.parametrize(
    ("roles", "action", "allowed"),
    [
        ((OWNER,), f"{ML}/computes/write", True),
        ((CONTRIBUTOR,), f"{ML}/computes/write", True),
        ((CONTRIBUTOR,), "Microsoft.Authorization/roleAssignments/write", False),
        ((READER,), f"{ML}/jobs/read", True),
        ((READER,), f"{ML}/jobs/write", False),
        ((READER,), f"{ML}/datastores/listSecrets/action", False),
        ((DATA_SCIENTIST,), f"{ML}/jobs/write", True),
        ((DATA_SCIENTIST,), f"{ML}/onlineEndpoints/deployments/write", True),
        ((DATA_SCIENTIST,), f"{ML}/computes/write", False),
        ((DATA_SCIENTIST,), f"{ML}/write", False),
        ((DATA_SCIENTIST, COMPUTE_OPERATOR), f"{ML}/computes/write", True),
        ((), f"{ML}/read", False),
    ],
)
def test_roles_are_weighed(roles: tuple[str, ...], action: str, allowed: bool) -> None:
    """A role allows what Azure's role of that name allows; one of several is enough."""
    assert Access(roles=roles).allows(action) is allowed


def test_a_denied_action_is_taken_from_every_role() -> None:
    """The rest of the role stays."""
    access = Access(roles=(OWNER, CONTRIBUTOR), denied=(f"{ML}/models/versions/write",))

    assert not access.allows(f"{ML}/models/versions/write")
    assert access.allows(f"{ML}/models/versions/read")


def test_an_unknown_role_is_refused() -> None:
    """A misspelt role would allow nothing, and the test that uses it would prove nothing."""
    with pytest.raises(ValueError, match="does not know the role 'Kaiser'"):
        Access(roles=("Kaiser",))


def test_a_request_beyond_the_roles_is_refused(make: Callable[..., Wire]) -> None:
    """The refusal names the operation and the scope, as Azure's does."""
    wire = make(access=Access(roles=(READER,)))

    answer = wire("PUT", "computes/gpu", {"location": "eastus2", "properties": {}})

    assert answer.status_code == 403
    code, said = error(answer)
    assert code == "AuthorizationFailed"
    assert f"'{ML}/computes/write' over scope '{SCOPE.id}/computes/gpu'" in said


def test_a_token_of_another_tenant_is_refused(make: Callable[..., Wire]) -> None:
    """The refusal names the tenant to sign in to."""
    wire = make(access=Access(tenant="11111111-2222-3333-4444-555555555555"))

    answer = wire("GET", SCOPE.id, version="2024-10-01-preview")

    assert answer.status_code == 401
    code, said = error(answer)
    assert code == "InvalidAuthenticationTokenTenant"
    assert "11111111-2222-3333-4444-555555555555" in said


def test_permissions_are_answered_role_by_role(make: Callable[..., Wire]) -> None:
    """A client can weigh them itself."""
    wire = make(access=Access(roles=(DATA_SCIENTIST, BLOB_READER), denied=(f"{ML}/jobs/write",)))

    answer = wire("GET", "providers/Microsoft.Authorization/permissions", version="2022-04-01")

    scientist, reader = answer.json["value"]
    assert f"{ML}/*/write" in scientist["actions"]
    assert f"{ML}/jobs/write" in scientist["notActions"]
    assert reader["dataActions"] == ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"]


def test_a_storage_account_that_forbids_keys(make: Callable[..., Wire]) -> None:
    """The workspace hands out a signature, and the account does not take it."""
    wire = make(access=Access(storage="refused"))
    secrets = wire(
        "POST", "datastores/workspaceblobstore/listSecrets", {"expirableSecret": True}, version="2024-10-01-preview"
    )
    signature = dict(parse_qsl(secrets.json["sasToken"].lstrip("?")))

    answer = wire.blob("GET", DEFAULT_CONTAINER, query=LISTING | signature, headers={"Authorization": ""})

    assert answer.status_code == 403
    assert b"KeyBasedAuthenticationNotPermitted" in answer.data


@pytest.mark.parametrize(("roles", "status"), [((OWNER,), 403), ((READER, BLOB_CONTRIBUTOR), 200)])
def test_blobs_by_identity_need_a_role_for_data(make: Callable[..., Wire], roles: tuple[str, ...], status: int) -> None:
    """Even the owner of a subscription may not read blobs without a data role."""
    wire = make(access=Access(roles=roles, storage="identity"))
    bearer = {"Authorization": f"Bearer {make_token('https://storage.azure.com')}"}

    answer = wire.blob("GET", DEFAULT_CONTAINER, query=LISTING, headers=bearer)

    assert answer.status_code == status


def test_a_workspace_that_is_not_there(make: Callable[..., Wire]) -> None:
    """Only the workspaces that were named exist; without names, any does."""
    wire = make(workspaces={"another": "Default"})

    answer = wire("GET", SCOPE.id, version="2024-10-01-preview")
    listed = wire("GET", SCOPE.id.rpartition("/")[0], version="2024-10-01-preview")

    assert [one["name"] for one in listed.json["value"]] == ["another"]
    assert answer.status_code == 404
    assert error(answer)[0] == "ResourceNotFound"


def test_neighbours_are_listed_with_their_kind(make: Callable[..., Wire]) -> None:
    """Workspaces, and Foundry's accounts and projects, which are no workspaces."""
    wire = make(workspaces={"ml": "Default", "hub": "Hub"}, foundry=["account/project"])

    answer = wire("GET", f"{SCOPE.id.partition('/providers/')[0]}/resources", version="2021-04-01")

    assert [(one["type"].rpartition("/")[2], one["name"], one["kind"]) for one in answer.json["value"]] == [
        ("workspaces", "ml", "Default"),
        ("workspaces", "hub", "Hub"),
        ("accounts", "account", "AIServices"),
        ("projects", "account/project", "AIServices"),
    ]


def test_an_archived_version_is_hidden_and_still_there(make: Callable[..., Wire]) -> None:
    """A list leaves it out unless asked; its address answers, and says that it is archived."""
    wire = make(archived=["Phi-4-mini-instruct:0"])
    versions = "/mferp/managementfrontend/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices"
    versions += "/registries/azureml/models/Phi-4-mini-instruct/versions"
    listed = wire("GET", versions, version="2021-10-01-dataplanepreview", host="eastus.api.azureml.ms")
    assert listed.status_code == 200, listed.data

    every = wire(
        "GET",
        versions,
        version="2021-10-01-dataplanepreview",
        host="eastus.api.azureml.ms",
        query={"listViewType": "All"},
    )

    assert "0" not in [one["name"] for one in listed.json["value"]]
    assert {one["name"]: one["properties"]["isArchived"] for one in every.json["value"]}["0"] is True
