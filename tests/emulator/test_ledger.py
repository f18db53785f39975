"""The emulator's own bill: what costs by the hour, from when to when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.emulator import ledger
from phi_azure.emulator.clock import TurnedClock
from phi_azure.emulator.course import Script
from phi_azure.emulator.scripted import ScriptedRunner
from tests.emulator import bodies
from tests.emulator.wire import GPU, SCOPE

if TYPE_CHECKING:
    from tests.emulator.wire import Wire

RATE = 3.673  # USD an hour of the size that the bodies name


def turn(wire: Wire, seconds: float) -> None:
    """Moves the emulator's time on."""
    assert isinstance(wire.emulator.clock, TurnedClock)
    wire.emulator.clock.turn(seconds)


def cost(wire: Wire) -> float:
    """Returns the whole bill so far, in US dollars."""
    return sum(entry.cost(wire.emulator.clock.now()) for entry in ledger.entries(wire.emulator))


def test_deployment_is_billed_from_its_making_to_its_end(wire: Wire) -> None:
    """Two hours of one machine cost twice its price, and nothing more after the endpoint is gone."""
    deploy(wire)
    turn(wire, 7200)

    wire.finish(wire("DELETE", "onlineEndpoints/news"))
    turn(wire, 7200)

    (entry,) = ledger.entries(wire.emulator)
    assert (entry.kind, entry.what, entry.count) == ("deployment", GPU, 1)
    assert entry.resource == f"{SCOPE.key}news/blue"
    assert cost(wire) == pytest.approx(2 * RATE)


def test_more_machines_go_on_a_new_line(wire: Wire) -> None:
    """A deployment that grows from one machine to three is billed for each stretch by itself."""
    deploy(wire)
    turn(wire, 3600)

    deploy(wire, capacity=3)
    turn(wire, 3600)

    assert [entry.count for entry in ledger.entries(wire.emulator)] == [1, 3]
    assert cost(wire) == pytest.approx(4 * RATE)


def test_same_deployment_again_is_billed_once(wire: Wire) -> None:
    """A request that is sent twice makes one line."""
    deploy(wire)

    deploy(wire)

    assert len(ledger.entries(wire.emulator)) == 1


def test_job_is_billed_step_by_step_while_it_runs(wire: Wire) -> None:
    """A pipeline of five equal steps on one cluster costs its running time, not its time in the queue."""
    start(wire, "tone", queued=3600.0, runs=7200.0)

    turn(wire, 3600 + 3600)
    half = (wire("GET", "jobs/tone"), cost(wire))[1]
    turn(wire, 7200)
    wire("GET", "jobs/tone")

    assert half == pytest.approx(RATE, rel=0.25)
    assert cost(wire) == pytest.approx(2 * RATE)


def test_cluster_shows_the_machines_of_the_job_that_runs(wire: Wire) -> None:
    """While a step runs the cluster has its machines; afterwards it has none."""
    start(wire, "tone", queued=0.0, runs=7200.0)

    turn(wire, 600)
    busy = (wire("GET", "jobs/tone"), nodes(wire))[1]
    turn(wire, 7200)
    idle = (wire("GET", "jobs/tone"), nodes(wire))[1]

    assert (busy, idle) == (1, 0)


def start(wire: Wire, name: str, **course: Any) -> None:
    """Sends a pipeline job of one course to a cluster."""
    assert isinstance(wire.emulator.runner, ScriptedRunner)
    bodies.upload(wire.emulator)
    wire("PUT", "computes/gpu", bodies.COMPUTE)
    wire.emulator.runner.by_name[name] = Script(**course)
    wire("PUT", f"jobs/{name}", bodies.PIPELINE)


def nodes(wire: Wire) -> int:
    """Returns how many machines the cluster has."""
    found: int = wire("GET", "computes/gpu").json["properties"]["properties"]["currentNodeCount"]
    return found


def deploy(wire: Wire, capacity: int = 1) -> None:
    """Makes an endpoint with one deployment, or changes how many machines it has."""
    wire.finish(wire("PUT", "onlineEndpoints/news", bodies.ENDPOINT))
    body = bodies.DEPLOYMENT | {"sku": {"name": "Default", "capacity": capacity}}
    wire.finish(wire("PUT", "onlineEndpoints/news/deployments/blue", body))
