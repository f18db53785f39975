"""Clients that wait in real time, in the thread that would turn the clock, for what comes to pass by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, ServerlessEndpoint
from azure.core.exceptions import HttpResponseError

from phi_azure.emulator.clock import TurnedClock
from tests.emulator import bodies
from tests.emulator.wire import GPU, MODEL, Wire

if TYPE_CHECKING:
    from phi_azure.testing import Azure

FAULTS = [
    ("deployment_unhealthy", "Readiness probe failed", 310),
    ("deployment_without_quota", "Not enough quota", 60),
    ("deployment_image_failed", "Failed to build the environment image", 0),
    ("deployment_out_of_memory", "OOMKilled", 120),
    ("deployment_role_missing", "Storage Blob Data Reader", 30),
    ("deployment_stuck", "did not end in time", 6 * 3600),
]
NAMES = [name for name, _, _ in FAULTS]


@pytest.fixture
def endpoint(client: Any) -> Any:
    """An endpoint without a deployment."""
    return client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="ep-one", auth_mode="key")
    ).result()


def _deploy(client: Any) -> Any:
    return client.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(name="blue", endpoint_name="ep-one", model=MODEL, instance_type=GPU, instance_count=1)
    )


@pytest.mark.parametrize(("fault", "said", "seconds"), FAULTS, ids=NAMES)
def test_result_raises_what_a_deployment_failed_with(
    client: Any, azure: Azure, endpoint: Any, fault: str, said: str, seconds: float
) -> None:
    """Nobody turns the clock meanwhile: it goes on by itself to where the deployment fails."""
    azure.faults.add(fault, on="ep-one/blue")
    began = azure.clock.now()

    with pytest.raises(HttpResponseError, match=said):
        _deploy(client).result()

    assert azure.clock.now() - began == pytest.approx(seconds)
    assert client.online_deployments.get("blue", "ep-one").provisioning_state == "Failed"


def test_result_raises_what_a_serverless_endpoint_failed_with(client: Any, azure: Azure) -> None:
    """The same for an endpoint without machines of its own."""
    azure.faults.add("deployment_unhealthy", on="sv-one")
    made = client.serverless_endpoints.begin_create_or_update(
        ServerlessEndpoint(name="sv-one", model_id=MODEL.partition("/versions/")[0])
    )

    with pytest.raises(HttpResponseError, match="Readiness probe failed"):
        made.result()


def test_clock_that_is_turned_by_hand_is_left_alone(client: Any, azure: Azure, endpoint: Any) -> None:
    """While a test looks and turns, a poller in the background changes nothing."""
    azure.faults.add("deployment_unhealthy", on="ep-one/blue")
    made = _deploy(client)

    states = []
    for seconds in (0, 309, 1):
        azure.clock.turn(seconds)
        states.append(client.online_deployments.get("blue", "ep-one").provisioning_state)

    assert states == ["Creating", "Creating", "Failed"]
    with pytest.raises(HttpResponseError, match="Readiness probe failed"):
        made.result()


def test_job_with_times_is_streamed_to_its_end(client: Any, azure: Azure, capsys: pytest.CaptureFixture[str]) -> None:
    """jobs.stream returns when the job is over, as of the time at which it ends."""
    azure.jobs.script("some", queued="10m", runs="3h")
    bodies.upload(azure.emulator)
    began = azure.clock.now()
    Wire(azure.emulator)("PUT", "jobs/some", bodies.FINETUNING)

    client.jobs.stream("some")

    assert "Execution Summary" in capsys.readouterr().out
    assert azure.clock.now() - began == pytest.approx(3 * 3600 + 600)
    assert client.jobs.get("some").status == "Completed"


def test_clock_goes_on_at_the_last_look_that_finds_it_still() -> None:
    """A turn in between begins the count again; the clock never goes back to what is past."""
    clock = TurnedClock(100.0)
    clock.look("a", 500.0, 2)
    clock.turn(1)

    seen = []
    for moment in (500.0, 500.0, 400.0, 400.0):
        clock.look("a", moment, 2)
        seen.append(clock.now())

    assert seen == [101.0, 500.0, 500.0, 500.0]
