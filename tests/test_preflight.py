"""What would stop a job is said before anything is made: each failure by its own words, remedy and exit code."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure import FineTune, ManagedCompute, PhiAzureError, Serverless, Workspace
from phi_azure.azure.preflight.rights import allowed
from phi_azure.cli import run
from phi_azure.testing import azure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phi_azure.testing import Azure

ML = "Microsoft.MachineLearningServices/workspaces"
SIZE = "Standard_NC24ads_A100_v4"
FAMILY = "standardNCADSA100v4Family"
MANAGED, SERVERLESS = ManagedCompute(cluster="gpu", size=SIZE), Serverless()
CHANGES = {"PUT", "PATCH", "DELETE"}


@dataclass(frozen=True)
class Failure:
    """Something that stands in the way, and how it is told."""

    name: str
    code: int
    check: str
    said: str
    remedy: str
    azure: dict[str, Any] = field(default_factory=dict)
    model: str = "Phi-4-mini-instruct"
    route: Serverless | ManagedCompute = MANAGED
    blocks: bool = True


FAILURES = [
    Failure("not signed in", 4, "sign-in", "Nobody is signed in", "az login", {"signed_in": False}),
    Failure(
        "wrong tenant",
        4,
        "workspace",
        "belongs to tenant",
        "az login --tenant 1111",
        {"tenant": "11111111-2222-3333-4444-555555555555"},
    ),
    Failure(
        "no right to register",
        4,
        "right to register",
        "models/versions/write",
        "role assignment create",
        {"denied": (f"{ML}/models/versions/write",)},
        blocks=False,
    ),
    Failure(
        "no right to deploy",
        4,
        "right to deploy",
        "onlineEndpoints/deployments/write",
        "role assignment create",
        {"denied": (f"{ML}/onlineEndpoints/deployments/write",)},
        blocks=False,
    ),
    Failure("quota 0", 5, "quota to train", "0 of 0 are free", "Quotas", {"quota": {FAMILY: 0}}),
    Failure(
        "odd family", 5, "quota to train", "0 of 0 are free", "Quotas", {"quota": {"Standard NCADSA100v4 Family": 0}}
    ),
    Failure(
        "region without model",
        5,
        "model in region",
        "does not train",
        "eastus2",
        {"region": "westeurope"},
        route=SERVERLESS,
    ),
    Failure("retired", 2, "model", "retired", "Phi-4-mini-instruct", model="Phi-3.5-mini-instruct", route=SERVERLESS),
    Failure(
        "archived version",
        6,
        "model",
        "archived",
        "Take another model",
        {"archived": ("Phi-4-mini-instruct:1",)},
        model="Phi-4-mini-instruct:1",
    ),
    Failure(
        "storage refuses keys",
        4,
        "storage",
        "takes no keys",
        "system-datastores-auth-mode identity",
        {"storage": "refused"},
    ),
    Failure(
        "no such workspace",
        6,
        "workspace",
        "has no workspace",
        "There are: other",
        {"workspaces": {"other": "Default"}},
    ),
    Failure(
        "Foundry project",
        2,
        "workspace",
        "Foundry project",
        "az ml workspace create",
        {"workspaces": {}, "foundry": ("account/local",)},
    ),
]


def connected(running: Azure) -> Workspace:
    """Returns a workspace that signs in as in Azure."""
    return Workspace(running.subscription_id, running.resource_group, running.workspace)


def changed(running: Azure) -> list[str]:
    """Returns the requests that made, changed or removed anything."""
    return [f"{one.method} {one.path}" for one in running.requests if one.method in CHANGES]


def asked(chat: Path, failure: Failure) -> FineTune:
    """Returns the job of a failure."""
    return FineTune(name="tone", model=failure.model, training_data=chat, route=failure.route)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda one: one.name)
def test_each_failure_has_its_own_words(failure: Failure, chat: Path) -> None:
    """It is found by reads alone, told with what to do, and gives its exit code."""
    with azure(**failure.azure) as running:
        found = connected(running).preflight(asked(chat, failure))
        made = changed(running)

    first = found.failures[0]
    assert (first.check, found.exit_code, first.blocks) == (failure.check, failure.code, failure.blocks)
    assert failure.said in first.message
    assert failure.remedy in (first.remedy or "")
    assert made == []


@pytest.mark.parametrize("failure", FAILURES, ids=lambda one: one.name)
def test_submit_stops_before_it_makes_anything(failure: Failure, chat: Path) -> None:
    """What stops the job stops it before the upload; what comes after it does not stop it."""
    with azure(**failure.azure) as running:
        workspace = connected(running)
        if failure.blocks:
            with pytest.raises(PhiAzureError) as caught:
                workspace.submit(asked(chat, failure))
            assert caught.value.exit_code == failure.code
            assert changed(running) == []
        else:
            assert workspace.submit(asked(chat, failure)).name


@pytest.mark.parametrize("route", [MANAGED, SERVERLESS, None], ids=["managed", "serverless", "no job"])
def test_nothing_stands_in_the_way(
    emulator: Azure, workspace: Workspace, chat: Path, route: Serverless | ManagedCompute | None
) -> None:
    """All is looked at, in the order of how soon it is met, in a dozen requests or so."""
    found = workspace.preflight(FineTune(name="tone", training_data=chat, route=route) if route else None)

    assert found.ok, found.failures
    assert found.exit_code == 0
    checks = [one.check for one in found.findings]
    assert checks[:3] == ["sign-in", "workspace", "storage"]
    assert {"right to upload", "right to submit", "right to register", "right to deploy", "model"} <= set(checks)
    assert {one.state for one in found.findings} <= {"ok", "warning", "unknown"}
    assert changed(emulator) == []
    management = [one for one in emulator.requests if "oauth2" not in one.path]
    assert len(management) <= 16, [one.path for one in management]


def test_all_failures_are_told_at_once(chat: Path) -> None:
    """Whoever puts one thing right does not meet the next."""
    with azure(storage="refused", quota={FAMILY: 0}) as running, pytest.raises(PhiAzureError) as caught:
        connected(running).submit(asked(chat, FAILURES[4]))

    assert "2 things stand in the way; nothing was sent." in str(caught.value)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("entries", "may"),
    [
        ([{"actions": ["*"]}], True),
        ([{"actions": [f"{ML}/*/write"], "notActions": []}], True),
        ([{"actions": ["*"], "notActions": [f"{ML}/jobs/write"]}], False),
        ([{"actions": ["*"], "notActions": [f"{ML}/jobs/write"]}, {"actions": [f"{ML.lower()}/jobs/*"]}], True),
        ([{"actions": ["*/read"]}], False),
        ([], False),
    ],
)
def test_roles_are_weighed_as_azure_weighs_them(entries: Sequence[dict[str, Any]], may: bool) -> None:
    """What one role takes away another may give; case does not count."""
    assert allowed(f"{ML}/jobs/write", entries) is may


def _config(folder: Path, running: Azure) -> Path:
    path = folder / "config.json"
    ids = {"subscription_id": running.subscription_id, "resource_group": running.resource_group}
    path.write_text(json.dumps({**ids, "workspace_name": running.workspace}), encoding="utf-8")
    return path


@pytest.mark.parametrize("settings", [{}, {"quota": {FAMILY: 0}}], ids=["well", "no quota"])
def test_doctor_answers_with_one_document(
    chat: Path, tmp_path: Path, settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """`doctor --json` has every finding and the exit code; without --json, the same in words."""
    job = tmp_path / "job.yaml"
    route = f"{{kind: managed, cluster: gpu, size: {SIZE}}}"
    job.write_text(f"name: tone\ntraining_data: {chat}\nroute: {route}\n", encoding="utf-8")
    with azure(**settings) as running:
        words = ["doctor", str(job), "--config", str(_config(tmp_path, running))]
        code = run([*words, "--json"])
        document = json.loads(capsys.readouterr().out)
        assert run(words) == code
        told = " ".join(capsys.readouterr().out.split())

    assert code == document["exit_code"] == (5 if settings else 0)
    assert document["ok"] is not bool(settings)
    assert all(one["message"] for one in document["findings"])
    assert ("0 of 0 are free" in told) is bool(settings)
    assert ("Nothing stands in the way." in told) is not bool(settings)
