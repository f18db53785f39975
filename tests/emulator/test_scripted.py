"""Scripted jobs: the clock that a test turns moves them through every state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.emulator.clock import TurnedClock
from phi_azure.emulator.scripted import Script, ScriptedRunner
from tests.emulator import bodies
from tests.emulator.bodies import changed
from tests.emulator.wire import SCOPE

if TYPE_CHECKING:
    from tests.emulator.wire import Wire

HISTORY = f"/history/v1.0{SCOPE.id}"
API = f"/mlflow/v2.0{SCOPE.id}/api/2.0/mlflow"
HOST = "eastus2.api.azureml.ms"


class Job:
    """A job of one course, and the clock by which it goes."""

    def __init__(self, wire: Wire, name: str, body: bodies.Body, **course: Any) -> None:
        assert isinstance(wire.emulator.runner, ScriptedRunner)
        assert isinstance(wire.emulator.clock, TurnedClock)
        self.wire = wire
        self.name = name
        self.clock = wire.emulator.clock
        bodies.upload(wire.emulator)
        wire("PUT", "computes/gpu", bodies.COMPUTE)
        wire.emulator.runner.by_name[name] = Script(**course)
        wire("PUT", f"jobs/{name}", body)

    def status(self, turn: float = 0.0) -> str:
        """Turns the clock and returns the job's status."""
        self.clock.turn(turn)
        found: str = self.wire("GET", f"jobs/{self.name}").json["properties"]["status"]
        return found

    def run(self, path: str = "") -> Any:
        """Returns the job's run from run history, or what lies below it."""
        return self.wire("GET", f"{HISTORY}/runs/{self.name}{path}", host=HOST, version="v1.0").json

    def steps(self) -> list[Any]:
        """Returns the runs of the component's steps."""
        (node,) = self.run("/children")["value"]
        found: list[Any] = self.wire("GET", f"{HISTORY}/runs/{node['runId']}/children", host=HOST, version="v1.0").json[
            "value"
        ]
        return found

    def metric(self, name: str) -> list[float]:
        """Returns the values of a metric so far."""
        query = {"run_id": self.name, "metric_key": name}
        points = self.wire("GET", f"{API}/metrics/get-history", query=query, host=HOST).json["metrics"]
        return [point["value"] for point in points]


def test_job_goes_by_the_clock(wire: Wire) -> None:
    """It waits, runs and ends when its script says so, and not by being looked at."""
    job = Job(wire, "some", bodies.FINETUNING, queued=60, runs=600)

    states = [job.status(), job.status(), job.status(59), job.status(2), job.status(598), job.status(2)]

    assert states == ["NotStarted", "NotStarted", "NotStarted", "Running", "Running", "Completed"]


def test_times_are_those_of_the_script(wire: Wire) -> None:
    """A job that nobody looked at for a day ended when it ended."""
    job = Job(wire, "some", bodies.FINETUNING, queued=60, runs=600)
    job.status(86_400)

    run = job.run()

    assert run["duration"].startswith("00:10:00")


def test_metrics_appear_over_time(wire: Wire) -> None:
    """The points of a metric are spread over the time that the job runs."""
    job = Job(wire, "some", bodies.FINETUNING, runs=100, metrics={"loss": [4.0, 3.0, 2.0, 1.0]})

    seen = [(job.clock.turn(turn), job.metric("loss"))[1] for turn in (0, 26, 25, 100)]

    assert seen == [[], [4.0], [4.0, 3.0], [4.0, 3.0, 2.0, 1.0]]


def test_log_appears_over_time(wire: Wire) -> None:
    """Lines of the log too."""
    job = Job(wire, "some", bodies.FINETUNING, runs=100, log=["first", "second"])
    address = next(iter(job.run("/details")["logFiles"].values()))
    blob = address.partition(".net/")[2].partition("?")[0]

    seen = [(job.status(turn), wire.blob("GET", blob).text)[1] for turn in (0, 51, 100)]

    assert ["first" in text for text in seen] == [False, True, True]
    assert ["second" in text for text in seen] == [False, False, True]


def test_steps_follow_one_another(wire: Wire) -> None:
    """Each of the five steps has a fifth of the time."""
    job = Job(wire, "some", bodies.PIPELINE, runs=100)

    job.status(50)

    assert [step["status"] for step in job.steps()] == ["Completed", "Completed", "Running", "NotStarted", "NotStarted"]


def test_step_that_fails_ends_the_job(wire: Wire) -> None:
    """The steps after it never begin; the job names it."""
    job = Job(wire, "some", bodies.PIPELINE, runs=100, fails_in="chat_completion_finetune", error="out of memory")

    status = job.status(100)

    failed = {step["displayName"]: step for step in job.steps() if step["status"] == "Failed"}
    assert status == "Failed"
    assert failed["chat_completion_finetune"]["error"]["error"]["message"] == "out of memory"
    assert "chat_completion_finetune" in job.run()["error"]["error"]["message"]
    assert job.steps()[-1]["status"] == "Canceled"


@pytest.mark.parametrize("status", ["Completed", "Failed", "Canceled", "NotResponding", "Paused"])
@pytest.mark.parametrize("body", [bodies.FINETUNING, bodies.PIPELINE], ids=["finetuning", "pipeline"])
def test_job_ends_as_it_is_told(body: bodies.Body, status: str, wire: Wire) -> None:
    """Every status with which a job can end is reached, and is the last."""
    job = Job(wire, "some", body, queued=0, runs=10, status=status)

    states = [job.status(11), job.status(1000)]

    assert states == [status, status]


def test_only_a_completed_job_leaves_a_model(wire: Wire) -> None:
    """A job that fails registers nothing."""
    Job(
        wire, "bad", changed(bodies.FINETUNING, "properties/displayName", "bad"), queued=0, runs=0, status="Failed"
    ).status()
    Job(wire, "good", bodies.FINETUNING, queued=0, runs=0).status()

    found = wire("GET", "models/tuned/versions").json["value"]

    assert [model["properties"]["jobName"] for model in found] == ["good"]


def test_same_model_name_gets_the_next_version(wire: Wire) -> None:
    """A second job of the same output makes a second version."""
    for name in ("one", "two"):
        Job(wire, name, bodies.FINETUNING, queued=0, runs=0).status()

    found = wire("GET", "models/tuned/versions").json["value"]

    assert [model["name"] for model in found] == ["2", "1"]


def test_job_without_a_script_moves_with_each_look(wire: Wire) -> None:
    """Without times a job is over after a few looks, and no test waits."""
    job = Job(wire, "some", bodies.FINETUNING)

    assert [job.status(), job.status(), job.status()] == ["Running", "Completed", "Completed"]


def test_cancelled_job_stays_cancelled(wire: Wire) -> None:
    """No script moves a job on that was cancelled."""
    job = Job(wire, "some", bodies.PIPELINE, runs=100)
    job.status(50)

    wire("POST", "jobs/some/cancel", version="2023-04-01-preview")

    assert job.status(100) == "Canceled"
    assert {step["status"] for step in job.steps()} == {"Completed", "Canceled"}


def test_scripted_job_says_what_it_is(wire: Wire) -> None:
    """Nobody takes the numbers of a scripted job for results."""
    Job(wire, "some", bodies.FINETUNING)

    properties = wire("GET", "jobs/some").json["properties"]["properties"]

    assert properties["phi_azure.emulator.runner"] == "scripted"


def test_clock_does_not_run_backwards() -> None:
    """A turned clock only goes on."""
    clock = TurnedClock(100.0)

    with pytest.raises(ValueError, match="turned back by 1"):
        clock.turn(-1)

    assert clock.now() == 100.0
