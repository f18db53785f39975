"""Scripted jobs: the clock that a test turns moves them through every state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.emulator.clock import TurnedClock
from phi_azure.emulator.course import Script, Step
from phi_azure.emulator.scripted import ScriptedRunner
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


# What a script may say

WORDS: list[tuple[Any, float]] = [(90, 90), ("90s", 90), ("5m", 300), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400)]


@pytest.mark.parametrize(("said", "seconds"), WORDS, ids=[str(said) for said, _ in WORDS])
def test_duration_is_read(said: Any, seconds: float) -> None:
    """A number of seconds, or hours, minutes and seconds."""
    assert Script(runs=said).runs == seconds


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"runs": "3 hours"}, "'3 hours' is no duration"),
    ({"queued": -1}, "cannot be negative"),
    ({"status": "Succeeded"}, "no status 'Succeeded'; there are NotStarted"),
    ({"runs": [1]}, r"\[1\] is no duration; write seconds"),
    ({"metrics": {"loss": 3.0}}, "the metric 'loss' is 3.0; it takes a list of numbers"),
    ({"metrics": {"loss": ["a"]}}, r"the metric 'loss' is \['a'\]"),
    ({"preempted": -1}, "preempted is -1; it takes a whole number of 0 or more"),
    ({"runs": "1m", "steps": {"chat_completion_finetune": "2m"}}, "the steps run for 120 s, the job for 60 s only"),
]


@pytest.mark.parametrize(("course", "said"), WRONG, ids=[said[:20] for _, said in WRONG])
def test_script_that_no_job_can_follow_is_refused(course: dict[str, Any], said: str) -> None:
    """A misspelt status or duration is an error where it is written."""
    with pytest.raises(ValueError, match=said):
        Script(**course)


@pytest.mark.parametrize("course", [{"fails_in": "finetune"}, {"steps": {"convert": "5m"}}], ids=["fails_in", "steps"])
def test_script_of_a_step_that_the_job_does_not_have_is_refused(course: dict[str, Any], wire: Wire) -> None:
    """A misspelt step is an error where the job comes: before, nobody knows which nodes a pipeline has."""
    Job(wire, "first", bodies.PIPELINE)
    assert isinstance(wire.emulator.runner, ScriptedRunner)
    wire.emulator.runner.script = Script(**course)

    refused = wire("PUT", "jobs/some", bodies.PIPELINE)

    assert refused.status_code == 400
    assert wire("GET", "jobs/some").status_code == 404
    assert "there are ft_nlp_common_validation, chat_completion_model_import" in refused.json["error"]["message"]


def test_log_may_be_a_text() -> None:
    """A text is its lines, not its letters."""
    assert Script(log="one\ntwo").log == ["one", "two"]
    assert Step(log="one").log == ["one"]


# Steps


def _statuses(job: Job) -> dict[str, str]:
    return {step["displayName"].removeprefix("chat_completion_"): step["status"] for step in job.steps()}


def test_step_takes_the_time_of_its_own(wire: Wire) -> None:
    """A step waits and runs as long as it is told; the others share the rest."""
    slow = {"chat_completion_finetune": {"queued": "2h", "runs": "1h"}}
    job = Job(wire, "some", bodies.PIPELINE, runs="1h4m", steps=slow)

    seen = [(job.status(turn), list(_statuses(job).values())[3])[1] for turn in (170, 20, 7190, 3590, 40)]

    assert seen == ["NotStarted", "Queued", "Running", "Running", "Completed"]


def test_step_has_a_log_of_its_own(wire: Wire) -> None:
    """Lines of a step are written while it runs, into its log alone."""
    steps = {"chat_completion_model_import": {"runs": 10, "log": ["taken in"]}}
    job = Job(wire, "some", bodies.PIPELINE, steps=steps, log=["learnt"])
    job.status(11)

    logs = [path.read_text() for path in wire.emulator.store.folder.rglob("std_log.txt")]

    assert sorted(("taken in" in text, "learnt" in text) for text in logs) == [(False, False)] * 5 + [
        (False, True),
        (True, False),
    ]


def test_preempted_step_waits_and_begins_again(wire: Wire) -> None:
    """Its node is lost halfway; when another is there it runs its whole time."""
    steps = dict.fromkeys(
        ("ft_nlp_common_validation", "chat_completion_model_import", "chat_completion_datapreprocess"), 0
    )
    job = Job(wire, "some", bodies.PIPELINE, steps=steps | {"chat_completion_finetune": 100}, preempted=1)

    seen = [(job.status(turn), list(_statuses(job).values())[3])[1] for turn in (49, 2, 290, 10, 95, 10)]

    assert seen == ["Running", "Queued", "Queued", "Running", "Running", "Completed"]


def test_preempted_job_without_steps_goes_back_to_the_queue(wire: Wire) -> None:
    """A fine-tuning job itself is Queued again."""
    job = Job(wire, "some", bodies.FINETUNING, runs=100, preempted=1)

    seen = [job.status(turn) for turn in (49, 2, 300, 100)]

    assert seen == ["Running", "Queued", "Running", "Completed"]


@pytest.mark.parametrize("body", [bodies.FINETUNING, bodies.PIPELINE], ids=["finetuning", "pipeline"])
def test_job_whose_image_cannot_be_built_never_runs(body: bodies.Body, wire: Wire) -> None:
    """It prepares, and fails; no step after it begins."""
    job = Job(wire, "some", body, runs=100, image_build_failed=True)

    seen = [job.status(5), job.status(100)]

    assert seen[-1] == "Failed"
    assert "Image build failed" in str([job.run()["error"], *(run["error"] for run in _below(job))])


def _below(job: Job) -> list[Any]:
    """Returns the steps of a job, none for a fine-tuning job."""
    return [step for _ in job.run("/children")["value"] for step in job.steps()]


def test_parent_does_not_say_why_its_child_failed(wire: Wire) -> None:
    """Only the child of the child has the error; what is above it names it, as Azure does."""
    job = Job(wire, "some", bodies.PIPELINE, runs=100, fails_in="chat_completion_finetune", error="CUDA out of memory")
    job.status(100)

    (node,) = job.run("/children")["value"]

    said = [one["error"]["error"]["message"] for one in (job.run(), node)]
    assert [("failed child jobs" in text, "CUDA" in text) for text in said] == [(True, False), (True, False)]
    assert "CUDA out of memory" in str([step["error"] for step in job.steps()])


def test_step_in_which_a_job_ends_early_ends_alike(wire: Wire) -> None:
    """A job that does not respond has a step that does not, and none after it."""
    job = Job(wire, "some", bodies.PIPELINE, runs=100, status="NotResponding")
    job.status(100)

    assert list(_statuses(job).values()) == [*["Completed"] * 3, "NotResponding", "Canceled"]


@pytest.mark.parametrize("status", ["Provisioning", "Finalizing", "Unknown"])
def test_job_can_stay_in_a_status_for_ever(status: str, wire: Wire) -> None:
    """A word that is no end is where a job stays."""
    job = Job(wire, "some", bodies.FINETUNING, runs=10, status=status)

    assert [job.status(11), job.status(1_000_000)] == [status, status]


JOB_FAULTS = [
    ("preempted_node", ["Queued", "Completed"]),
    ("not_responding", ["Running", "NotResponding"]),
    ("image_build_failed", ["Preparing", "Failed"]),
]


@pytest.mark.parametrize(("fault", "expected"), JOB_FAULTS, ids=[name for name, _ in JOB_FAULTS])
def test_fault_happens_to_the_next_job_of_a_name(fault: str, expected: list[str], wire: Wire) -> None:
    """Faults of jobs are queued as those of requests are; the script is otherwise as it was."""
    wire.emulator.faults.add(fault, on="so*")
    job = Job(wire, "some", bodies.FINETUNING, runs=100)
    other = Job(wire, "other", changed(bodies.FINETUNING, "properties/displayName", "other"), runs=100)

    seen = [job.status(51), job.status(1000)]

    assert seen == expected
    assert other.status() == "Completed"
    assert wire.emulator.faults.unmet() == []


def test_clock_does_not_run_backwards() -> None:
    """A turned clock only goes on."""
    clock = TurnedClock(100.0)

    with pytest.raises(ValueError, match="cannot be negative: -1"):
        clock.turn(-1)

    assert clock.now() == 100.0


def test_clock_turns_by_words_too() -> None:
    """What a script says, the clock understands."""
    clock = TurnedClock(100.0)

    clock.turn("1h30m")

    assert clock.now() == 5500.0
