"""Serverless endpoints through Azure's own client, and the chat of user code with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.ai.ml.entities import MarketplaceSubscription, ServerlessEndpoint
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.emulator.wire import SCOPE

if TYPE_CHECKING:
    from phi_azure.testing import Azure

BASE = "azureml://registries/azureml/models/Phi-4-mini-instruct"
QUESTION = [{"role": "user", "content": "Who are you?"}]


@pytest.fixture
def endpoint(client: Any) -> Any:
    """An endpoint on a base model."""
    return client.serverless_endpoints.begin_create_or_update(
        ServerlessEndpoint(name="Phi-one", model_id=BASE)
    ).result()


def _ask(uri: str, key: str, **body: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return requests.post(f"{uri}/v1/chat/completions", headers=headers, json={"messages": QUESTION} | body, timeout=5)


def test_endpoint_is_made(client: Any, azure: Azure, endpoint: Any) -> None:
    """A new endpoint has an address in lower case and is listed."""
    found = client.serverless_endpoints.get("Phi-one")

    assert found.scoring_uri == f"https://phi-one.{azure.region}.models.ai.azure.com"
    assert (found.model_id, found.provisioning_state.lower()) == (BASE, "succeeded")
    assert [each.name for each in client.serverless_endpoints.list()] == ["Phi-one"]


def test_endpoint_answers_a_chat(client: Any, azure: Azure, endpoint: Any) -> None:
    """With its key the endpoint takes a chat completion."""
    azure.reply(lambda messages: f"I heard: {messages[-1]['content']}")
    keys = client.serverless_endpoints.get_keys("Phi-one")

    response = _ask(endpoint.scoring_uri, keys.primary_key)

    assert response.json()["choices"][0]["message"] == {"role": "assistant", "content": "I heard: Who are you?"}
    assert {"prompt_tokens", "completion_tokens", "total_tokens"} == set(response.json()["usage"])


def test_endpoint_streams_a_chat(client: Any, azure: Azure, endpoint: Any) -> None:
    """Asked for a stream, the endpoint sends the answer word by word."""
    azure.reply(lambda _: "one two")
    keys = client.serverless_endpoints.get_keys("Phi-one")

    response = _ask(endpoint.scoring_uri, keys.secondary_key, stream=True)

    lines = [line for line in response.text.splitlines() if line]
    assert lines[-1] == "data: [DONE]"
    assert '"content": "one"' in lines[0]


@pytest.mark.parametrize(
    "messages", [None, "hi", [], ["hi"], [{"content": "hi"}]], ids=["none", "text", "empty", "texts", "no-role"]
)
def test_messages_that_are_none_are_refused(client: Any, endpoint: Any, messages: Any) -> None:
    """What is no list of messages is answered with 422, as Azure's chat route does."""
    key = client.serverless_endpoints.get_keys("Phi-one").primary_key

    response = _ask(endpoint.scoring_uri, key, messages=messages)

    assert response.status_code == 422
    assert "messages" in response.json()["error"]["message"]


def test_wrong_key_is_refused(endpoint: Any) -> None:
    """Without the endpoint's key there is no answer."""
    response = _ask(endpoint.scoring_uri, "wrong")

    assert response.status_code == 401


def test_same_endpoint_again_is_the_same(client: Any, endpoint: Any) -> None:
    """A notebook that runs a cell twice keeps its endpoint and its keys."""
    before = client.serverless_endpoints.get_keys("Phi-one")

    client.serverless_endpoints.begin_create_or_update(ServerlessEndpoint(name="Phi-one", model_id=BASE)).result()

    assert client.serverless_endpoints.get_keys("Phi-one").primary_key == before.primary_key
    assert len(list(client.serverless_endpoints.list())) == 1


def test_endpoint_is_deleted(client: Any, endpoint: Any) -> None:
    """After the operation the endpoint is gone; a second time there is nothing to do."""
    client.serverless_endpoints.begin_delete("Phi-one").result()

    with pytest.raises(ResourceNotFoundError, match="Phi-one"):
        client.serverless_endpoints.get("Phi-one")
    client.serverless_endpoints.begin_delete("Phi-one").result()


def test_missing_endpoint_has_no_keys(client: Any) -> None:
    """Keys are those of an endpoint that is there."""
    with pytest.raises(ResourceNotFoundError, match="nothing"):
        client.serverless_endpoints.get_keys("nothing")


def test_microsofts_own_models_need_no_subscription(client: Any, azure: Azure) -> None:
    """The marketplace refuses a subscription to a Phi, as notebooks expect."""
    with pytest.raises(HttpResponseError, match=r"(?i)marketplace subscription .* is not required"):
        client.marketplace_subscriptions.begin_create_or_update(
            MarketplaceSubscription(name="phi", model_id=BASE)
        ).result()

    assert azure.last("PUT", "/marketplaceSubscriptions/phi").status == 400


def test_id_of_a_tuned_model_names_its_workspace(client: Any, azure: Azure) -> None:
    """A model that does not exist is refused with the id that was sent."""
    model = f"azureml://locations/{azure.region}/workspaces/{SCOPE.guid}/models/tuned/versions/1"

    with pytest.raises(HttpResponseError, match="tuned"):
        client.serverless_endpoints.begin_create_or_update(
            ServerlessEndpoint(name="tuned-one", model_id=model)
        ).result()

    assert list(client.serverless_endpoints.list()) == []
