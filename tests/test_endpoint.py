"""Endpoints: made, asked, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phi_azure import (
    ConfigError,
    ConflictError,
    FineTune,
    ManagedCompute,
    NotFoundError,
    QuotaError,
    Serverless,
    Workspace,
)
from phi_azure.testing import azure

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.events import Event
    from phi_azure.testing import Azure


@pytest.mark.parametrize("route", [Serverless(), ManagedCompute()], ids=lambda route: route.kind)
def test_tuned_model_answers(
    emulator: Azure, workspace: Workspace, chat: Path, route: Serverless | ManagedCompute
) -> None:
    """From the job to the answer, with the key sent and shown nowhere."""
    emulator.reply(lambda messages: f"{len(messages)}: {messages[-1]['content']}")
    model = workspace.submit(FineTune(name="tone", training_data=chat, route=route)).wait().register()

    endpoint = model.deploy("tone-endpoint")

    assert endpoint.kind == route.kind
    assert endpoint.chat("Hello", system="Be short.") == "2: Hello"
    assert workspace.endpoint("tone-endpoint").chat([{"role": "user", "content": "Again"}]) == "1: Again"
    assert endpoint._asker._key() not in repr(endpoint)


def test_half_a_character_is_not_sent(emulator: Azure, workspace: Workspace) -> None:
    """No JSON of a request holds it: it is refused in the question, the system message and a batch alike."""
    endpoint = workspace.deploy_base(name="base-endpoint")
    before = len(emulator.requests)

    for ask in (
        lambda: endpoint.chat("\ud800"),
        lambda: endpoint.chat("a", system="\ud800"),
        lambda: endpoint.batch(["a", "\udcff"]),
        lambda: endpoint.batch(["a"], system="\ud800"),
    ):
        with pytest.raises(ConfigError, match="half a character"):
            ask()

    assert len(emulator.requests) == before


def test_base_model_answers(workspace: Workspace) -> None:
    """A registry model can be asked as it comes."""
    endpoint = workspace.deploy_base(name="base-endpoint")

    assert endpoint.chat("Hello") == "scripted answer to: Hello"
    assert "ready" in endpoint.logs()


@pytest.mark.parametrize("message", ["", " \n", []])
def test_nothing_is_not_asked(emulator: Azure, workspace: Workspace, message: str | list[dict[str, str]]) -> None:
    """An empty question costs a machine's time and gets nonsense."""
    endpoint = workspace.deploy_base(name="base-endpoint")
    before = len(emulator.requests)

    with pytest.raises(ConfigError, match="empty"):
        endpoint.chat(message)

    assert len(emulator.requests) == before


def test_a_taken_name_is_refused(workspace: Workspace) -> None:
    """What somebody else has made is never overwritten."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    workspace.ml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="base-endpoint")).result()

    with pytest.raises(ConflictError, match="already") as caught:
        workspace.deploy_base(name="base-endpoint")

    assert "base-endpoint-2" in str(caught.value.remedy)


def test_a_bad_name_is_refused_before_anything_is_sent(emulator: Azure, workspace: Workspace) -> None:
    """In Python as on the command line."""
    with pytest.raises(ConfigError, match="cannot name an endpoint"):
        workspace.deploy_base(name="base_endpoint")

    assert emulator.requests == []


def test_nothing_is_left_of_a_failed_deployment() -> None:
    """Without quota for the machine, the endpoint that was made for it goes again."""
    with azure(quota={"standardNCADSA100v4Family": 0}) as emulator:
        workspace = Workspace(emulator.subscription_id, emulator.resource_group, emulator.workspace)

        with pytest.raises(QuotaError):
            workspace.deploy_base(name="base-endpoint")

        assert workspace.endpoints() == []
        emulator.last("DELETE", "/onlineEndpoints/base-endpoint")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError], ids=lambda error: error.__name__)
def test_nothing_is_left_of_an_interrupted_deployment(emulator: Azure, error: type[BaseException]) -> None:
    """Whatever ends the wait, such as Ctrl-C, the endpoint that costs by the hour goes again."""

    def interrupt(event: Event) -> None:
        if event.kind == "deployment":
            raise error

    workspace = Workspace(emulator.subscription_id, emulator.resource_group, emulator.workspace, on_event=interrupt)

    with pytest.raises(error):
        workspace.deploy_base(name="base-endpoint")

    assert workspace.endpoints() == []


def test_down_removes_only_ours(emulator: Azure, workspace: Workspace) -> None:
    """What somebody else made stays."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    workspace.ml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="theirs")).result()
    workspace.deploy_base(name="base-endpoint")

    assert [line.of.name for line in workspace.removable().lines] == ["base-endpoint/blue"]
    assert workspace.down() == ["endpoint base-endpoint"]
    assert [endpoint.name for endpoint in workspace.endpoints()] == ["theirs"]
    with pytest.raises(NotFoundError):
        workspace.endpoint("base-endpoint")


def test_a_key_whose_answer_was_lost_is_read_again(emulator: Azure, workspace: Workspace) -> None:
    """Azure's client repeats no POST, even one that only reads."""
    endpoint = workspace.deploy_base(name="base-endpoint")
    emulator.faults.add("answer_lost", "endpoints.list_keys")

    answer = endpoint.chat("Hello")

    assert answer
    assert len(emulator.sent("POST", "/listKeys")) >= 2
