"""An endpoint is asked: whole, streamed, by deployment, through failures that pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phi_azure import (
    AzureError,
    ConfigError,
    FineTune,
    ManagedCompute,
    NotFoundError,
    Serverless,
    SignInError,
    Workspace,
)
from phi_azure.azure.scoring import after_s
from phi_azure.emulator.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phi_azure import Endpoint
    from phi_azure.testing import Azure


@pytest.fixture
def base(workspace: Workspace) -> Endpoint:
    """A base model on a managed endpoint."""
    return workspace.deploy_base(name="base-endpoint")


def _tuned(workspace: Workspace, chat: Path, route: Serverless | ManagedCompute) -> Endpoint:
    model = workspace.submit(FineTune(name="tone", training_data=chat, route=route)).wait().register()
    return model.deploy("tone-endpoint")


def _scored(emulator: Azure) -> list[str]:
    return [request.path for request in emulator.requests if ".azure.com" in request.host and request.method == "POST"
            and ("inference" in request.host or "models.ai" in request.host)]  # fmt: skip


def _once(failure: Callable[[], Exception]) -> Callable[[list[dict[str, Any]]], str]:
    """Returns a reply that fails the first time."""
    left = [failure()]

    def reply(messages: list[dict[str, Any]]) -> str:
        if left:
            raise left.pop()
        return f"answer to {messages[-1]['content']}"

    return reply


def test_a_base_model_streams(emulator: Azure, base: Endpoint) -> None:
    """Words come one after another; the whole is there at the end, with tokens and times."""
    emulator.reply(lambda _: "one two three")

    with base.stream("Hello") as stream:
        words = list(stream)

    assert words == ["one", " two", " three"]
    assert stream.answer.text == "one two three"
    assert stream.answer.completion_tokens == 1
    assert stream.answer.finish_reason == "stop"
    assert stream.answer.deployment == "blue"
    assert stream.answer.first_s is not None
    assert stream.answer.first_s <= stream.answer.latency_s


@pytest.mark.parametrize(
    ("route", "words"),
    [(Serverless(), ["one", " two"]), (ManagedCompute(), ["one two"])],
    ids=["serverless streams", "a score script answers whole"],
)
def test_a_tuned_model_streams_where_it_can(
    emulator: Azure, workspace: Workspace, chat: Path, route: Serverless | ManagedCompute, words: list[str]
) -> None:
    """What cannot stream answers all the same, as one piece."""
    emulator.reply(lambda _: "one two")
    endpoint = _tuned(workspace, chat, route)

    stream = endpoint.stream("Hello")

    assert list(stream) == words
    assert stream.answer.text == "one two"


def test_shapes_are_told_apart_once(emulator: Azure, base: Endpoint) -> None:
    """The first question looks at the deployments, and the key; the next does not."""
    base.chat("Hello")
    before = len(emulator.requests)

    base.chat("Hello")

    assert [request.path for request in emulator.requests][before:] == ["/score"]


def test_a_deployment_can_be_named(emulator: Azure, base: Endpoint) -> None:
    """The header goes on this question alone."""
    base.chat("Hello", deployment="blue")
    named = emulator.last("POST", "/score").headers.get("Azureml-Model-Deployment")
    base.chat("Hello")

    assert named == "blue"
    assert "Azureml-Model-Deployment" not in emulator.last("POST", "/score").headers


def test_an_unknown_deployment_is_not_asked(emulator: Azure, base: Endpoint) -> None:
    """Azure's own client would leave it to the traffic."""
    before = _scored(emulator)  # the question that `deploy` asks

    with pytest.raises(NotFoundError, match="no deployment green; there are: blue"):
        base.chat("Hello", deployment="green")

    assert _scored(emulator) == before


@pytest.mark.parametrize(
    "failure",
    [
        lambda: WireError(429, "TooManyRequests", "slow down"),
        lambda: WireError(503, "Unavailable", "not now"),
        lambda: ConnectionResetError("cut"),
    ],
    ids=["429", "503", "cut"],
)
def test_what_passes_is_asked_again(emulator: Azure, base: Endpoint, failure: Callable[[], Exception]) -> None:
    """By the clock of the workspace, which a test turns."""
    emulator.reply(_once(failure))

    assert base.chat("Hello") == "answer to Hello"


def test_what_does_not_pass_is_raised(emulator: Azure, base: Endpoint) -> None:
    """An error of the model's own is not asked away."""
    emulator.reply(_once(lambda: WireError(500, "ModelError", "out of memory")))

    with pytest.raises(AzureError, match="out of memory"):
        base.chat("Hello")


def test_a_key_that_was_replaced_is_fetched_again(emulator: Azure, workspace: Workspace, base: Endpoint) -> None:
    """Somebody regenerated it between two questions."""
    base.chat("Hello")
    workspace.ml_client.online_endpoints.begin_regenerate_keys("base-endpoint", key_type="primary").result()

    assert base.chat("Again") == "scripted answer to: Again"


def test_a_key_that_is_not_taken_is_an_error_of_signing_in(base: Endpoint) -> None:
    """No error shows it."""
    base._asker._key = lambda: "wrong"  # type: ignore[method-assign]

    with pytest.raises(SignInError) as raised:
        base.chat("Hello")

    assert "wrong" not in str(raised.value)


def _add(workspace: Workspace, name: str, model: Any, traffic: dict[str, int]) -> None:
    """Puts another deployment beside the first, as somebody else would, and shifts the traffic."""
    from azure.ai.ml.entities import ManagedOnlineDeployment

    client = workspace.ml_client
    added = ManagedOnlineDeployment(
        name=name,
        endpoint_name="tone-endpoint",
        model=model,
        instance_type="Standard_NC24ads_A100_v4",
        instance_count=1,
    )
    client.online_deployments.begin_create_or_update(added).result()
    endpoint = client.online_endpoints.get("tone-endpoint")
    endpoint.traffic = traffic
    client.online_endpoints.begin_create_or_update(endpoint).result()


_BASE = "azureml://registries/azureml/models/Phi-4-mini-instruct/versions/1"


def test_a_deployment_that_was_replaced_is_looked_at_again(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """A base model stands where the tuned one did, and its container refuses the shape that the tuned one took."""
    endpoint = _tuned(workspace, chat, ManagedCompute())
    before = len(emulator.requests)
    endpoint.chat("Hello")
    _add(workspace, "green", _BASE, {"green": 100})

    answer = endpoint.complete("Hello")

    assert answer.deployment == "green"
    asked = [request.status for request in list(emulator.requests)[before:] if request.path == "/score"]
    assert asked == [200, 400, 200]


def test_between_two_shapes_we_choose(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Where base and tuned share the traffic, each question goes to a deployment that takes its shape."""
    endpoint = _tuned(workspace, chat, ManagedCompute())
    _add(workspace, "green", _BASE, {"blue": 50, "green": 50})

    by = {endpoint.complete("Hello").deployment for _ in range(40)}

    assert by == {"blue", "green"}


def test_openai_is_configured(emulator: Azure, base: Endpoint) -> None:
    """The package's own client asks, whole and streamed."""
    client = base.openai(deployment="blue")
    asked: dict[str, Any] = {"model": "any", "messages": [{"role": "user", "content": "Hello"}]}

    answer = client.chat.completions.create(**asked)
    pieces = list(client.chat.completions.create(**asked, stream=True))

    assert answer.choices[0].message.content == "scripted answer to: Hello"
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "scripted answer to: Hello"
    assert emulator.last("POST", "/v1/chat/completions").headers["Azureml-Model-Deployment"] == "blue"


def test_openai_goes_where_requests_goes_on_this_machine(base: Endpoint) -> None:
    """An emulator that is mounted in this process is reached by requests alone."""
    from phi_azure.azure import openai_client

    url, key = base._asker.base_url()
    client = openai_client.client(url, key, None, through_requests=True)
    asked: dict[str, Any] = {"model": "any", "messages": [{"role": "user", "content": "Hello"}]}

    pieces = list(client.chat.completions.create(**asked, stream=True))

    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "scripted answer to: Hello"


def test_openai_is_refused_where_there_are_no_such_routes(workspace: Workspace, chat: Path) -> None:
    """A tuned model's score script has /score alone."""
    endpoint = _tuned(workspace, chat, ManagedCompute())

    with pytest.raises(ConfigError, match="no /v1"):
        endpoint.openai()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after-ms": "1500", "Retry-After": "7"}, 1.5),
        ({"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT"}, 60.0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_when_to_ask_again(headers: dict[str, str], expected: float | None) -> None:
    """Seconds, milliseconds, or a moment."""
    assert after_s(headers, now=lambda: 40.0) == expected
