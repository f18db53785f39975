"""A second deployment beside the one that is live: asked before it gets traffic, and the way back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests

from phi_azure import (
    ConfigError,
    ConflictError,
    FineTune,
    ManagedCompute,
    NotFoundError,
    PhiAzureError,
    RegionError,
    Serverless,
    Workspace,
)
from phi_azure.azure import rollout
from phi_azure.emulator import ledger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phi_azure.azure.rollout import Deployment
    from phi_azure.model import Model
    from phi_azure.testing import Azure

SIZE = "Standard_NC24ads_A100_v4"


def shares(found: Sequence[Deployment]) -> dict[str, int]:
    """Returns the traffic by deployment."""
    return {one.name: one.traffic for one in found}


@pytest.fixture
def tuned(workspace: Workspace, chat: Path) -> Model:
    """A model of managed compute, as it is registered."""
    return workspace.submit(FineTune(name="tone", training_data=chat, route=ManagedCompute())).wait().register()


def test_second_model_goes_beside_the_first(workspace: Workspace, tuned: Model) -> None:
    """It is called green, gets all of the traffic, and the one before it stays without any."""
    workspace.deploy_base(name="headlines")

    endpoint = tuned.deploy("headlines")

    assert shares(endpoint.deployments()) == {"blue": 0, "green": 100}
    assert endpoint.complete("Contoso recovers.").deployment == "green"


def test_new_deployment_is_asked_before_it_gets_traffic(emulator: Azure, workspace: Workspace, tuned: Model) -> None:
    """The question goes to it by name, while the traffic still goes to the other."""
    workspace.deploy_base(name="headlines")

    tuned.deploy("headlines")

    order = [f"{one.method} {one.path.rpartition('/')[2]}" for one in emulator.requests]
    asked = max(index for index, line in enumerate(order) if line == "POST score")
    moved = max(index for index, line in enumerate(order) if line == "PUT headlines")
    assert emulator.last("POST", "/score").headers["Azureml-Model-Deployment"] == "green"
    assert asked < moved


def test_traffic_goes_over_in_steps_and_back_by_one_change(emulator: Azure, workspace: Workspace, tuned: Model) -> None:
    """A tenth first, then all; rollback goes to the tenth again with a single PUT."""
    workspace.deploy_base(name="headlines")
    endpoint = tuned.deploy("headlines", traffic=10)
    first = shares(endpoint.deployments())
    second = shares(endpoint.shift({"green": 100}))
    before = len(emulator.requests)

    back = shares(endpoint.rollback())

    changes = [one for one in list(emulator.requests)[before:] if one.method != "GET"]
    assert (first, second, back) == ({"blue": 90, "green": 10}, {"blue": 0, "green": 100}, {"blue": 90, "green": 10})
    assert [one.method for one in changes] == ["PUT"]


def test_no_traffic_leaves_it_to_be_asked_by_name(workspace: Workspace, tuned: Model) -> None:
    """With a share of nothing the live one stays as it is, and the new one answers whoever names it."""
    workspace.deploy_base(name="headlines")

    endpoint = tuned.deploy("headlines", traffic=0)

    assert shares(endpoint.deployments()) == {"blue": 100, "green": 0}
    assert endpoint.complete("Contoso recovers.", deployment="green").deployment == "green"


def test_retire_deletes_what_has_no_traffic(emulator: Azure, workspace: Workspace, tuned: Model) -> None:
    """The old deployment is paid until then, and not after."""
    workspace.deploy_base(name="headlines")
    endpoint = tuned.deploy("headlines")
    paid = open_bills(emulator)

    removed = endpoint.retire()

    assert (paid, removed, open_bills(emulator)) == (["blue", "green"], ["blue"], ["green"])


def open_bills(emulator: Azure) -> list[str]:
    """Returns the deployments that are paid for now."""
    return sorted(one.resource.rpartition("/")[2] for one in ledger.entries(emulator.emulator) if one.until is None)


def test_third_model_has_no_place(workspace: Workspace, tuned: Model) -> None:
    """Two deployments are the most; the remedy names what makes room. Nothing was made."""
    workspace.deploy_base(name="headlines")
    endpoint = tuned.deploy("headlines")

    with pytest.raises(ConflictError, match="two deployments already") as caught:
        workspace.deploy_base(model="Phi-4", name="headlines")

    assert "--retire" in str(caught.value.remedy)
    assert len(endpoint.deployments()) == 2


def test_same_model_again_changes_nothing(emulator: Azure, workspace: Workspace, tuned: Model) -> None:
    """The same command twice makes one deployment, and the second asks it and goes."""
    tuned.deploy("headlines")
    made = [one.path for one in emulator.requests if one.method == "PUT" and "/deployments/" in one.path]

    endpoint = tuned.deploy("headlines")

    again = [one.path for one in emulator.requests if one.method == "PUT" and "/deployments/" in one.path]
    assert again == made
    assert shares(endpoint.deployments()) == {"blue": 100}


def test_mirror_asks_too_and_shows_nobody(workspace: Workspace, tuned: Model) -> None:
    """A share is mirrored beside the traffic, which stays as it is."""
    workspace.deploy_base(name="headlines")
    endpoint = tuned.deploy("headlines", traffic=0)

    found = endpoint.mirror({"green": 20})

    assert {one.name: (one.traffic, one.mirrored) for one in found} == {"blue": (100, 0), "green": (0, 20)}


@pytest.mark.parametrize(
    ("wanted", "kind", "said"),
    [
        ({"red": 10}, NotFoundError, "no deployment red; there are: blue, green"),
        ({"green": 101}, ConfigError, "percents from 0 to 100"),
        ({"green": 60, "blue": 60}, ConfigError, "percents from 0 to 100"),
        ({"green": 60, "blue": 30}, ConfigError, "10 % are left"),
    ],
    ids=["unknown", "too much", "together too much", "too little"],
)
def test_shares_that_make_no_hundred_are_refused(
    emulator: Azure, workspace: Workspace, tuned: Model, wanted: dict[str, int], kind: type[PhiAzureError], said: str
) -> None:
    """Before anything is changed."""
    workspace.deploy_base(name="headlines")
    endpoint = tuned.deploy("headlines", traffic=0)
    puts = len([one for one in emulator.requests if one.method == "PUT"])

    with pytest.raises(kind, match=said):
        endpoint.shift(wanted)

    assert len([one for one in emulator.requests if one.method == "PUT"]) == puts


def test_rollback_needs_a_before(workspace: Workspace, tuned: Model) -> None:
    """The first deployment has nothing to go back to."""
    endpoint = tuned.deploy("headlines")

    with pytest.raises(ConflictError, match="nothing to go back to"):
        endpoint.rollback()


def test_serverless_endpoint_has_no_traffic_to_divide(workspace: Workspace, chat: Path) -> None:
    """One model, one answer; the error says so."""
    model = workspace.submit(FineTune(name="tone", training_data=chat, route=Serverless())).wait().register()
    endpoint = model.deploy("tone-endpoint")

    with pytest.raises(ConfigError, match="serverless"):
        endpoint.shift({"blue": 10})


def test_endpoint_of_somebody_else_is_left_alone(workspace: Workspace, tuned: Model) -> None:
    """No deployment of ours goes behind an endpoint that we did not make."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    workspace.ml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="theirs")).result()

    with pytest.raises(ConflictError, match="not made by phi_azure"):
        tuned.deploy("theirs")

    assert list(workspace.ml_client.online_deployments.list("theirs")) == []


def test_named_deployment_does_not_leak_into_later_questions(
    emulator: Azure, workspace: Workspace, tuned: Model
) -> None:
    """Azure's client keeps the header of one call for all later ones; ours goes with the question that names one."""
    workspace.deploy_base(name="headlines")
    endpoint = tuned.deploy("headlines", traffic=0)

    endpoint.complete("Contoso recovers.", deployment="green")
    plain = endpoint.complete("Contoso recovers.")

    assert plain.deployment == "blue"
    assert "Azureml-Model-Deployment" not in emulator.requests[-1].headers


# ---- Who may ask, and with how many machines ---


def test_entra_tokens_instead_of_keys(emulator: Azure, workspace: Workspace, tuned: Model) -> None:
    """Whoever is signed in asks with a token for Azure ML; no key is read, and one of the endpoint's is refused."""
    endpoint = tuned.deploy("headlines", auth="aad_token")

    assert endpoint.chat("Contoso recovers.")

    assert not emulator.sent("POST", "/listKeys")
    assert emulator.sent("PUT", "/onlineEndpoints/headlines")[0].json["properties"]["authMode"] == "AADToken"
    with pytest.raises(ConflictError, match="is asked with aad_token, not with key"):
        workspace.deploy_base(name="headlines")


def test_token_for_another_service_is_refused(emulator: Azure, workspace: Workspace, tuned: Model) -> None:
    """The emulator looks for whom a token is, as the endpoint does."""
    endpoint = tuned.deploy("headlines", auth="aad_token")
    token = workspace._connection.credential.get_token("https://management.azure.com/.default").token

    answered = requests.post(endpoint.scoring_uri, json={}, headers={"Authorization": f"Bearer {token}"}, timeout=10)

    assert answered.status_code == 401


def test_machines_follow_the_load(emulator: Azure, workspace: Workspace, tuned: Model) -> None:
    """Azure Monitor is told how many at least and at most; they go with the deployment or the endpoint."""
    workspace.deploy_base(name="headlines")
    endpoint = tuned.deploy("headlines", most=3)
    sent = emulator.last("PUT", "/autoscalesettings/headlines-green").json["properties"]
    kept = len(emulator.emulator.store.find("autoscale"))

    endpoint.shift({"blue": 100})
    endpoint.retire()
    retired = len(emulator.emulator.store.find("autoscale"))
    tuned.deploy("headlines", most=2)
    workspace.down()

    profile = sent["profiles"][0]
    assert profile["capacity"] == {"minimum": "1", "maximum": "3", "default": "1"}
    assert [rule["scaleAction"]["direction"] for rule in profile["rules"]] == ["Increase", "Decrease"]
    assert sent["targetResourceUri"].endswith("/onlineEndpoints/headlines/deployments/green")
    assert (kept, retired, emulator.emulator.store.find("autoscale")) == (1, 0, [])


@pytest.mark.parametrize(
    ("options", "says"),
    [({"most": 1}, "1 is not above 1"), ({"kind": "serverless", "auth": "aad_token"}, "keys alone")],
    ids=["no more", "serverless"],
)
def test_what_does_not_go_together(workspace: Workspace, tuned: Model, options: dict[str, Any], says: str) -> None:
    """It is said before anything is made."""
    model = replace(tuned, kind="serverless") if "kind" in options else tuned

    with pytest.raises(ConfigError, match=says):
        model.deploy("headlines", **options)


class Slow:
    """What Azure's client gives for a deployment that takes so many looks; each look is a minute of the clock."""

    def __init__(self, emulator: Azure, looks: int) -> None:
        self.emulator, self.looks = emulator, looks

    def done(self) -> bool:
        """Says whether it is up."""
        return self.looks <= 0

    def wait(self, _seconds: float) -> None:
        """Lets a minute pass."""
        self.looks -= 1
        self.emulator.clock.turn(60)


def test_waiting_tells_what_the_container_says(emulator: Azure, workspace: Workspace) -> None:
    """Each line of its log once, and then each minute that it goes on."""
    workspace.deploy_base(name="headlines")
    said: list[tuple[str, str]] = []

    rollout._narrate(
        workspace._connection, Slow(emulator, 5), "headlines", "blue", lambda kind, text: said.append((kind, text))
    )

    assert said[0] == ("container", "scripted inference server ready")
    assert said[1:] == [("deployment", f"blue is coming up, {minutes} min so far") for minutes in (2, 3, 4)]


# ---- From another workspace ---


def elsewhere(emulator: Azure) -> Workspace:
    """Another workspace of the same subscription."""
    return Workspace(emulator.subscription_id, "other-group", "other", clock=emulator.clock)


def test_serverless_model_is_served_by_another_workspace(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """The endpoint is there and answers there; the model stays where it is."""
    model = workspace.submit(FineTune(name="tone", training_data=chat, route=Serverless())).wait().register()
    other = elsewhere(emulator)

    endpoint = other.deploy_from(model, "headlines")

    assert endpoint.chat("Contoso recovers.")
    assert [one.name for one in other.endpoints()] == ["headlines"]
    assert workspace.endpoints() == []
    assert other.models() == []


def test_model_that_does_not_go_elsewhere(emulator: Azure, workspace: Workspace, chat: Path, tuned: Model) -> None:
    """One of managed compute, and a region that does not serve the base model: nothing is made."""
    serverless = workspace.submit(FineTune(name="tone", training_data=chat, route=Serverless())).wait().register()
    far = elsewhere(emulator)
    emulator.emulator.region = "brazilsouth"

    with pytest.raises(ConfigError, match="tuned on managed compute"):
        far.deploy_from(tuned, "headlines")
    with pytest.raises(RegionError, match="not served serverlessly in brazilsouth"):
        far.deploy_from(serverless, "headlines")

    assert not emulator.sent("PUT", "/serverlessEndpoints/")
