"""Managed online endpoints through Azure's own client: deployments, traffic, keys, questions, logs."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.ai.ml.entities import (
    IdentityConfiguration,
    ManagedIdentityConfiguration,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    OnlineRequestSettings,
    ProbeSettings,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from phi_azure.emulator.identity import TENANT, make_token
from tests.emulator.wire import GPU, Wire, error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phi_azure.testing import Azure

QUESTION = [{"role": "user", "content": "Who are you?"}]
BODY = {"input_data": {"input_string": [QUESTION], "parameters": {"max_new_tokens": 8}}}


@pytest.fixture
def model(client: Any, tmp_path: Path) -> str:
    """The id of an MLflow model of the workspace."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    made = client.models.create_or_update(Model(path=str(folder), type="mlflow_model", name="mine", version="1"))
    identifier: str = made.id
    return identifier


@pytest.fixture
def deploy(client: Any, model: str) -> Callable[[str], Any]:
    """Makes a deployment of this name on the endpoint `ep-one`."""

    def deployed(name: str) -> Any:
        wanted = ManagedOnlineDeployment(
            name=name,
            endpoint_name="ep-one",
            model=model,
            instance_type=GPU,
            instance_count=1,
            liveness_probe=ProbeSettings(initial_delay=600),
            request_settings=OnlineRequestSettings(request_timeout_ms=90000),
        )
        return client.online_deployments.begin_create_or_update(wanted).result()

    return deployed


@pytest.fixture
def endpoint(client: Any) -> Any:
    """An endpoint with a key and no deployment."""
    return client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="ep-one", auth_mode="key", tags={"team": "press"})
    ).result()


def _route(client: Any, **traffic: int) -> None:
    found = client.online_endpoints.get("ep-one")
    found.traffic = traffic
    client.online_endpoints.begin_create_or_update(found).result()


def _mirror(client: Any, **shares: int) -> None:
    found = client.online_endpoints.get("ep-one")
    found.mirror_traffic = shares
    client.online_endpoints.begin_create_or_update(found).result()


@pytest.fixture
def question(tmp_path: Path) -> str:
    """A file with a question."""
    path = tmp_path / "question.json"
    path.write_text(json.dumps(BODY))
    return str(path)


def test_endpoint_is_made(client: Any, azure: Azure, endpoint: Any) -> None:
    """A new endpoint has an address and a key, and no traffic."""
    found = client.online_endpoints.get("ep-one")

    assert (found.provisioning_state, found.auth_mode, found.traffic) == ("Succeeded", "key", {})
    assert found.scoring_uri == f"https://ep-one.{azure.region}.inference.ml.azure.com/score"
    assert found.tags["team"] == "press"
    assert [each.name for each in client.online_endpoints.list()] == ["ep-one"]


def test_endpoint_keeps_the_identity_that_it_was_given(client: Any) -> None:
    """One of the user's own stays, with its principal; without a word it is one of the service's."""
    mine = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mine"
    given = IdentityConfiguration(
        type="user_assigned", user_assigned_identities=[ManagedIdentityConfiguration(resource_id=mine)]
    )
    for name, identity in (("ep-own", given), ("ep-plain", None)):
        wanted = ManagedOnlineEndpoint(name=name, auth_mode="key", identity=identity)
        client.online_endpoints.begin_create_or_update(wanted).result()

    own, plain = (client.online_endpoints.get(name).identity for name in ("ep-own", "ep-plain"))

    (found,) = own.user_assigned_identities
    assert (own.type, own.principal_id, found.resource_id) == ("user_assigned", None, mine)
    assert uuid.UUID(found.principalId) != uuid.UUID(found.clientId)  # azure-ai-ml 1.35 leaves them spelt so
    assert (plain.type, plain.tenant_id) == ("system_assigned", TENANT)
    assert uuid.UUID(plain.principal_id)


def test_deployment_is_made(client: Any, endpoint: Any, deploy: Callable[[str], Any]) -> None:
    """A deployment keeps its model, size and probes, and has no traffic yet."""
    deploy("blue")

    found = client.online_deployments.get(name="blue", endpoint_name="ep-one")
    assert (found.provisioning_state, found.instance_type, found.instance_count) == ("Succeeded", GPU, 1)
    assert found.liveness_probe.initial_delay == 600
    assert found.request_settings.request_timeout_ms == 90000
    assert [each.name for each in client.online_deployments.list(endpoint_name="ep-one")] == ["blue"]
    assert client.online_endpoints.get("ep-one").traffic == {"blue": 0}


def test_traffic_leads_to_a_deployment(
    client: Any, azure: Azure, endpoint: Any, deploy: Callable[[str], Any], question: str
) -> None:
    """With all of the traffic a deployment answers the endpoint's questions."""
    azure.reply(lambda messages: f"I heard: {messages[-1]['content']}")
    deploy("blue")
    _route(client, blue=100)

    said = client.online_endpoints.invoke("ep-one", request_file=question)

    assert json.loads(said) == [{"0": "I heard: Who are you?"}]
    assert client.online_endpoints.get("ep-one").traffic == {"blue": 100}


def test_deployment_can_be_asked_by_name(
    client: Any, azure: Azure, endpoint: Any, deploy: Callable[[str], Any], question: str
) -> None:
    """Without traffic a deployment answers when it is named."""
    deploy("blue")
    deploy("green")
    _route(client, blue=100)

    client.online_endpoints.invoke("ep-one", deployment_name="green", request_file=question)

    assert azure.last("POST", "/score").headers["Azureml-Model-Deployment"] == "green"


def test_key_opens_the_endpoint(client: Any, endpoint: Any, deploy: Callable[[str], Any]) -> None:
    """Either key is taken, with and without "Bearer"; no key and a wrong key are refused."""
    deploy("blue")
    _route(client, blue=100)
    keys = client.online_endpoints.get_keys("ep-one")
    ways = [f"Bearer {keys.primary_key}", keys.primary_key, f"Bearer {keys.secondary_key}", "Bearer wrong", ""]

    answers = [
        requests.post(endpoint.scoring_uri, json=BODY, headers={"Authorization": way}, timeout=5) for way in ways
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 401, 401]


def test_token_of_the_endpoint_opens_it(client: Any, azure: Azure, deploy: Callable[[str], Any], question: str) -> None:
    """With aml_token the endpoint gives tokens of its own; it takes those alone, and no key."""
    for name in ("ep-one", "ep-two"):
        client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=name, auth_mode="aml_token")).result()
    deploy("blue")
    _route(client, blue=100)
    uri = client.online_endpoints.get("ep-one").scoring_uri
    own, other = (client.online_endpoints.get_keys(name) for name in ("ep-one", "ep-two"))
    (keys,) = [doc["keys"] for doc in azure.emulator.store.find("endpoint") if doc["name"] == "ep-one"]
    ways = [own.access_token, other.access_token, make_token("https://ml.azure.com"), keys["primaryKey"]]

    said = client.online_endpoints.invoke("ep-one", request_file=question)
    answers = [requests.post(uri, json=BODY, headers={"Authorization": f"Bearer {way}"}, timeout=5) for way in ways]

    assert json.loads(said) == [{"0": "scripted answer to: Who are you?"}]
    assert [answer.status_code for answer in answers] == [200, 401, 401, 401]
    assert time.time() < own.refresh_after_time_utc < own.expiry_time_utc


def test_endpoint_with_keys_gives_no_token(client: Any, azure: Azure, endpoint: Any) -> None:
    """The refusal says what the endpoint takes."""
    answered = Wire(azure.emulator)("POST", "onlineEndpoints/ep-one/token")

    assert answered.status_code == 400
    assert error(answered)[1].startswith("Endpoint ep-one gives no tokens: its authMode is Key.")


WRONG_QUESTIONS = [
    ({"input_data": [1, 2]}, "input_data must be an object"),
    ({"input_data": {"input_string": []}}, "input_data must be an object"),
    ({"input_data": {"input_string": ["Who are you?"]}}, r"input_string\[0\] must be a list"),
    ({"input_data": {"input_string": [[]]}}, r"input_string\[0\] must be a list"),
    ({"input_data": {"input_string": [QUESTION, ["Hi"]]}}, r"input_string\[1\]\[0\] must be an object"),
    ({"input_data": {"input_string": [*QUESTION, "Hi"]}}, r"input_string\[1\] must be an object"),
    ({"input_data": {"input_string": [{"content": "Hi"}]}}, r"input_string\[0\] must be an object with role"),
]


@pytest.mark.parametrize(("body", "said"), WRONG_QUESTIONS, ids=[str(number) for number in range(len(WRONG_QUESTIONS))])
def test_question_that_is_none_is_refused(
    client: Any, endpoint: Any, deploy: Callable[[str], Any], tmp_path: Path, body: Any, said: str
) -> None:
    """A body without conversations is answered with what is wrong with it, as the container does."""
    deploy("blue")
    _route(client, blue=100)
    (tmp_path / "wrong.json").write_text(json.dumps(body))

    with pytest.raises(HttpResponseError, match=said) as caught:
        client.online_endpoints.invoke("ep-one", request_file=str(tmp_path / "wrong.json"))

    assert caught.value.status_code == 400


def test_key_is_regenerated(client: Any, endpoint: Any) -> None:
    """A regenerated key is another; the other one stays."""
    before = client.online_endpoints.get_keys("ep-one")

    client.online_endpoints.begin_regenerate_keys("ep-one", key_type="secondary").result()

    after = client.online_endpoints.get_keys("ep-one")
    assert after.primary_key == before.primary_key
    assert after.secondary_key != before.secondary_key


def test_endpoint_without_traffic_answers_nothing(client: Any, endpoint: Any, question: str) -> None:
    """Without a deployment there is nobody to answer."""
    with pytest.raises(HttpResponseError, match="positive traffic"):
        client.online_endpoints.invoke("ep-one", request_file=question)


def test_container_tells_its_log(client: Any, endpoint: Any, deploy: Callable[[str], Any]) -> None:
    """The log of a deployment's container can be read."""
    deploy("blue")

    log = client.online_deployments.get_logs(name="blue", endpoint_name="ep-one", lines=5)

    assert "scripted inference server ready" in log


def test_deployment_with_traffic_stays(client: Any, endpoint: Any, deploy: Callable[[str], Any]) -> None:
    """A deployment is deleted once its traffic is 0, and not before."""
    deploy("blue")
    _route(client, blue=100)

    with pytest.raises(HttpResponseError, match="100 percent of the traffic"):
        client.online_deployments.begin_delete(name="blue", endpoint_name="ep-one").result()
    _route(client, blue=0)
    client.online_deployments.begin_delete(name="blue", endpoint_name="ep-one").result()

    assert list(client.online_deployments.list(endpoint_name="ep-one")) == []


def test_deployment_that_traffic_is_mirrored_to_stays(client: Any, endpoint: Any, deploy: Callable[[str], Any]) -> None:
    """One that gets copies of questions is deleted once it gets none, and is then in no share of the endpoint."""
    deploy("blue")
    deploy("green")
    _mirror(client, green=10)

    with pytest.raises(HttpResponseError, match="10 percent of the mirror traffic"):
        client.online_deployments.begin_delete(name="green", endpoint_name="ep-one").result()
    _mirror(client, green=0)
    client.online_deployments.begin_delete(name="green", endpoint_name="ep-one").result()
    _route(client, blue=100)

    found = client.online_endpoints.get("ep-one")
    assert (found.traffic, found.mirror_traffic) == ({"blue": 100}, {})


def test_endpoint_goes_with_its_deployments(
    client: Any, azure: Azure, endpoint: Any, deploy: Callable[[str], Any]
) -> None:
    """Deleting an endpoint deletes what is on it; a second time there is nothing to do."""
    deploy("blue")

    client.online_endpoints.begin_delete("ep-one").result()

    with pytest.raises(ResourceNotFoundError, match="ep-one"):
        client.online_endpoints.get("ep-one")
    assert azure.emulator.store.find("deployment") == []
    client.online_endpoints.begin_delete("ep-one").result()


def test_deployment_on_a_registry_model(client: Any, registry: Any, endpoint: Any) -> None:
    """A base model can be deployed as it is."""
    base = registry.models.get("Phi-4-mini-instruct", label="latest").id

    made = client.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(name="base", endpoint_name="ep-one", model=base, instance_type=GPU, instance_count=1)
    ).result()

    assert made.provisioning_state == "Succeeded"


def test_deployment_needs_its_endpoint(client: Any, deploy: Callable[[str], Any]) -> None:
    """A deployment on an endpoint that is not there is refused by name."""
    with pytest.raises(ResourceNotFoundError, match="ep-one"):
        deploy("blue")
