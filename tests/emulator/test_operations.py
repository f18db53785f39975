"""Long-running operations: going on at the first look, over later, failed when the work failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phi_azure.emulator.app import Emulator
from phi_azure.emulator.scripted import ScriptedRunner
from phi_azure.emulator.wire import MANAGEMENT
from tests.emulator import bodies
from tests.emulator.wire import Wire

if TYPE_CHECKING:
    from pathlib import Path

    from werkzeug.test import TestResponse

    from phi_azure.emulator.runners import State
    from phi_azure.emulator.store import Document
    from phi_azure.emulator.wire import Call

DEPLOYMENT = "onlineEndpoints/ep-one/deployments/blue"
MADE = [
    ("computes/gpu", bodies.COMPUTE, "InProgress"),
    ("onlineEndpoints/ep-one", bodies.ENDPOINT, "Creating"),
    ("serverlessEndpoints/sv-one", bodies.SERVERLESS, "Creating"),
]


class Slow(ScriptedRunner):
    """A runner whose containers take as long as the test says, and end as it says."""

    def __init__(self, *states: State) -> None:
        super().__init__()
        self.states = list(states)
        self.stopped: list[str] = []

    def deployment_state(self, call: Call, deployment: Document) -> State:  # noqa: ARG002 (the form of the others)
        """Takes one state after the other, and stays at the last."""
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def stop_deployment(self, call: Call, deployment: Document) -> None:  # noqa: ARG002
        """Remembers what was stopped."""
        self.stopped.append(deployment["container"])


def _look(wire: Wire, response: TestResponse) -> TestResponse:
    path, _, query = response.headers["Azure-AsyncOperation"].removeprefix(f"https://{MANAGEMENT}").partition("?")
    return wire("GET", path, version="", query=dict(pair.split("=") for pair in query.split("&")))


@pytest.mark.parametrize(("path", "body", "going"), MADE, ids=[path for path, _, _ in MADE])
def test_first_look_finds_the_operation_going_on(path: str, body: bodies.Body, going: str, wire: Wire) -> None:
    """A client sees at least one state in between, as in the cloud."""
    response = wire("PUT", path, body)

    states = [_look(wire, response).json["status"] for _ in range(3)]

    assert response.status_code == 201
    assert states == [going, "Succeeded", "Succeeded"]


@pytest.mark.parametrize(("path", "body", "going"), MADE, ids=[path for path, _, _ in MADE])
def test_resource_settles_without_its_operation(path: str, body: bodies.Body, going: str, wire: Wire) -> None:
    """Whoever reads the resource and not the operation sees it being made and then ready."""
    wire("PUT", path, body)

    states = [wire("GET", path).json["properties"]["provisioningState"] for _ in range(3)]

    assert states == ["Creating", "Succeeded", "Succeeded"]


@pytest.mark.parametrize(("path", "body", "going"), MADE, ids=[path for path, _, _ in MADE])
def test_resource_goes_with_its_operation(path: str, body: bodies.Body, going: str, wire: Wire) -> None:
    """A deleted resource is there until the operation is over."""
    wire.finish(wire("PUT", path, body))

    response = wire("DELETE", path)
    between = wire("GET", path).json["properties"]["provisioningState"]
    wire.finish(response)

    assert (response.status_code, between) == (202, "Deleting")
    assert wire("GET", path).status_code == 404


@pytest.mark.parametrize(("path", "body", "going"), MADE, ids=[path for path, _, _ in MADE])
def test_same_request_again_answers_200(path: str, body: bodies.Body, going: str, wire: Wire) -> None:
    """A PUT of what exists is a change."""
    wire.finish(wire("PUT", path, body))

    response = wire("PUT", path, body)

    assert response.status_code == 200
    assert wire.finish(response) == "Succeeded"


def test_client_is_asked_to_come_back_soon(wire: Wire) -> None:
    """Without this header the client would wait 30 s; a whole number of milliseconds is what it reads."""
    response = wire("PUT", "computes/gpu", bodies.COMPUTE)

    assert response.headers["x-ms-retry-after-ms"] == str(wire.emulator.pause_ms)
    assert "Retry-After" not in response.headers


def test_unknown_operation_is_not_found(wire: Wire) -> None:
    """An operation that nobody started is named."""
    path = "/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/eastus2/mfeOperationsStatus/nothing"

    response = wire("GET", path, version="2023-04-01-preview")

    assert response.status_code == 404
    assert "nothing" in response.json["error"]["message"]


def _emulator(folder: Path, *states: State) -> tuple[Wire, Slow]:
    runner = Slow(*states)
    wire = Wire(Emulator(folder, runner))
    wire.finish(wire("PUT", "onlineEndpoints/ep-one", bodies.ENDPOINT))
    return wire, runner


def test_slow_container_keeps_its_operation_going(tmp_path: Path) -> None:
    """The operation is over when the container answers, not before."""
    wire, _ = _emulator(tmp_path, ("Creating", None), ("Creating", None), ("Succeeded", None))

    response = wire("PUT", DEPLOYMENT, bodies.DEPLOYMENT)

    assert [_look(wire, response).json["status"] for _ in range(5)] == ["Creating"] * 3 + ["Succeeded"] * 2
    wire.emulator.close()


@pytest.mark.parametrize(
    ("path", "body"),
    [(DEPLOYMENT, bodies.DEPLOYMENT), ("serverlessEndpoints/sv-one", bodies.SERVERLESS)],
    ids=["managed", "serverless"],
)
def test_container_that_dies_fails_its_operation(path: str, body: bodies.Body, tmp_path: Path) -> None:
    """The operation ends with the container's error, and the resource stays to be looked at."""
    wire, _ = _emulator(tmp_path, ("Failed", ("ResourceNotReady", "the container exited with 1")))

    response = wire("PUT", path, body)
    wire.finish(response)

    last = _look(wire, response).json
    assert last["status"] == "Failed"
    assert last["error"] == {"code": "ResourceNotReady", "message": "the container exited with 1"}
    assert wire("GET", path).json["properties"]["provisioningState"] == "Failed"
    wire.emulator.close()


def test_deleted_endpoint_stops_its_containers(tmp_path: Path) -> None:
    """No container outlives its endpoint."""
    wire, runner = _emulator(tmp_path, ("Succeeded", None))
    wire.finish(wire("PUT", DEPLOYMENT, bodies.DEPLOYMENT))

    wire.finish(wire("DELETE", "onlineEndpoints/ep-one"))

    assert len(runner.stopped) == 1
    wire.emulator.close()
