"""Watching a run: how often Azure is asked, what is told on the way, and what a wait survives."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml.operations._job_ops_helper import _wait_before_polling

from phi_azure import (
    FineTune,
    ManagedCompute,
    NotFoundError,
    RunFailed,
    Serverless,
    Workspace,
)
from phi_azure.azure.runs import Record
from phi_azure.emulator.blobs import ARTIFACT_CONTAINER
from phi_azure.looking import Pace
from phi_azure.outcome import failure, first_failed
from phi_azure.progress import Point, seconds_left, share, standstill
from phi_azure.usual import reckon

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.emulator.store import Document
    from phi_azure.run import Run, Update
    from phi_azure.testing import Azure

HOURS = 3600.0
TRAINING = "chat_completion_finetune"
ROUTES = pytest.mark.parametrize("route", [Serverless(), ManagedCompute()], ids=lambda route: route.kind)
POINTS = 300
LOSSES = {"loss": [3 / (step + 1) for step in range(POINTS)], "epoch": [(step + 1) / POINTS for step in range(POINTS)]}


def send(workspace: Workspace, chat: Path, route: Serverless | ManagedCompute | None = None) -> Run:
    """Sends a job."""
    return workspace.submit(FineTune(name="tone", training_data=chat, route=route or ManagedCompute()), preflight=False)


def document_of(emulator: Azure, run_id: str) -> Document:
    """Returns the run that the emulator keeps, of a job by its name or of a step."""
    [found] = [doc for doc in emulator.emulator.store.find("run") if run_id in {doc["id"], doc["step"]}]
    return found


def change(emulator: Azure, run_id: str, **values: Any) -> None:
    """Has the service say something else of a run."""
    document = document_of(emulator, run_id)
    emulator.emulator.store.put("run", document["prefix"] + document["id"], {**document, **values})


def write_log(emulator: Azure, run_id: str, name: str, text: str) -> None:
    """Writes one more log of a run."""
    path = f"ExperimentRun/dcid.{document_of(emulator, run_id)['id']}/{name}"
    emulator.emulator.blobs.put_bytes(ARTIFACT_CONTAINER, path, text.encode())


# How often


def polls_of_azures_client(seconds: float) -> int:
    """Returns how often azure-ai-ml's `jobs.stream` asks in so much time, each log read from its start each time."""
    asked, passed = 1, 0.0
    while passed < seconds:
        passed += max(2, _wait_before_polling(passed))  # its shortest wait, which another test may have set to 0
        asked += 1
    return asked


@ROUTES
def test_three_hours_take_no_more_looks_than_azures_client_polls(
    emulator: Azure, workspace: Workspace, chat: Path, route: Serverless | ManagedCompute
) -> None:
    """Looks no more than its polls, requests no more than its polls with one log each; and nothing is missed."""
    emulator.jobs.script(runs=3 * HOURS, metrics=LOSSES, log=[f"line {number}" for number in range(POINTS)])
    run = send(workspace, chat, route)
    before = len(emulator.requests)
    updates: list[Update] = []

    run.wait(on_update=updates.append)

    polls = polls_of_azures_client(3 * HOURS)
    assert len(updates) <= polls
    assert len(emulator.requests) - before <= 2 * polls
    assert sorted(point.step for update in updates for point in update.new_metrics.get("loss", [])) == list(
        range(POINTS)
    )
    lines = [line for update in updates for line in update.new_log_lines]
    assert [line for line in lines if line.startswith("line")] == [f"line {number}" for number in range(POINTS)]
    assert updates[-1].progress == 1.0


def test_the_pace_is_quick_at_first_and_after_a_change() -> None:
    """A look each half second at first, and soon after something happened; never more than 90 s apart."""
    pace = Pace(None, local=False)

    pauses = [next(pace) for _ in range(30)]
    pace.quicken()
    soon = next(pace)

    assert pauses[0] == 0.5
    assert pauses == sorted(pauses)
    assert pauses[-1] == 90.0
    assert soon == 5.0


@pytest.mark.parametrize(
    ("poll", "local", "pause"), [(2.0, False, 2.0), (None, True, 0.5)], ids=["asked for", "this machine"]
)
def test_a_fixed_pace_stays(poll: float | None, local: bool, pause: float) -> None:
    """On this machine, and where somebody asked for it."""
    pace = Pace(poll, local=local)

    assert {next(pace) for _ in range(50)} == {pause}


def test_the_log_is_never_read_again_from_its_start(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Each request for it begins where the last one ended."""
    emulator.jobs.script(runs=3 * HOURS, log=["x" * 1000] * 200)
    run = send(workspace, chat)

    run.wait()

    ranges = [
        int(request.headers["X-Ms-Range"].removeprefix("bytes=").partition("-")[0])
        for request in emulator.requests
        if request.path.endswith("std_log.txt") and "X-Ms-Range" in request.headers
    ]
    assert ranges == sorted(ranges)
    assert ranges.count(0) <= 2
    assert ranges[-1] > 150_000


# What is told on the way


def test_progress_and_time_left_come_from_the_steps_done(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Half of the epochs done in half of the time leaves the other half."""
    emulator.jobs.script(runs=HOURS, metrics={"epoch": [(step + 1) / 100 for step in range(100)]})
    run = send(workspace, chat, Serverless())
    updates: list[Update] = []

    run.wait(poll=10, on_update=updates.append)

    middle = next(update for update in updates if update.progress and update.progress >= 0.5)
    assert middle.progress == pytest.approx(0.5, abs=0.02)
    assert middle.seconds_left is not None
    ended = next(update.time for update in updates if update.progress == 1.0)
    assert (ended - middle.time).total_seconds() == pytest.approx(middle.seconds_left, rel=0.1)


def test_a_state_has_its_age_from_azures_times(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Who comes later sees since when it runs, not since when they look."""
    emulator.jobs.script(queued=600, runs=HOURS)
    run = send(workspace, chat)
    emulator.clock.turn(1800)

    update = next(workspace.run(run.name).events())

    assert update.status == "Running"
    assert update.since is not None
    assert (update.time - update.since).total_seconds() == pytest.approx(1200, abs=1)
    assert workspace.run(run.name).since == update.since


def test_a_run_that_waits_is_said_with_azures_reason(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """The queue's own words, as soon as there are any."""
    emulator.jobs.script(queued=HOURS, runs=60)
    run = send(workspace, chat)
    reason = {"code": "QuotaReached", "message": "vCPUs of standardNCADSA100v4Family are used up.", "other": None}
    change(emulator, TRAINING, queueing=reason)

    notes = [update.note or "" for update in run.events()]

    assert "vCPUs of standardNCADSA100v4Family are used up" in notes[0]
    assert any(note.startswith("NotStarted for 45 min") for note in notes)
    assert not notes[-1]


def test_a_cluster_without_machines_says_why(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Where the run itself has no reason, its cluster is asked, every ten minutes."""
    emulator.jobs.script(queued=HOURS, runs=60)
    run = send(workspace, chat, ManagedCompute(cluster="gpu", size="Standard_NC24ads_A100_v4"))
    [cluster] = [doc for doc in emulator.emulator.store.find("compute") if doc["name"].lower() == "gpu"]
    cluster["properties"]["properties"]["errors"] = [{"error": {"code": "Quota", "message": "No cores are left."}}]
    key = next(key for key in keys_of(emulator, "compute") if key.endswith("gpu"))
    emulator.emulator.store.put("compute", key, cluster)
    before = len(emulator.requests)

    notes = [update.note or "" for update in run.events()]

    asked = [request for request in emulator.requests[before:] if "/computes/gpu" in request.path]
    assert any("cluster gpu: No cores are left" in note for note in notes)
    assert 0 < len(asked) <= 6


def keys_of(emulator: Azure, kind: str) -> list[str]:
    """Returns the keys of the documents of one kind."""
    rows = emulator.emulator.store.connection().execute("SELECT key FROM documents WHERE kind = ?", (kind,))
    return [key for (key,) in rows]


def test_a_silent_training_is_said(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Neither a log line nor a number for ten minutes."""
    emulator.jobs.script(runs=2 * HOURS)
    run = send(workspace, chat, Serverless())

    notes = [update.note or "" for update in run.events()]

    assert any(note.startswith("no log line and no number for 1 h") for note in notes)
    assert not notes[0]
    assert not notes[-1]


@pytest.mark.parametrize(
    ("word", "waited", "silent", "said", "note"),
    [
        ("Running", 9000, 30, None, None),
        ("Running", 9000, 720, None, "no log line and no number for 12 min"),
        ("Running", 9000, 720, "A node was lost.", "no log line and no number for 12 min; A node was lost"),
        ("Queued", 60, 0, None, None),
        ("Queued", 720, 0, None, "Queued for 12 min (waits for machines); Azure gives no reason"),
        ("Queued", 60, 0, "Quota is used up.", "Queued for 1 min (waits for machines): Quota is used up"),
        ("Preparing", 4000, 0, None, "Preparing for 1 h 06 min (image and data are prepared); Azure gives no reason"),
        ("Completed", 0, 9000, None, None),
    ],
)
def test_standstills_in_words(word: str, waited: float, silent: float, said: str | None, note: str | None) -> None:
    """What is told, and when nothing is."""
    assert standstill(word, waited, silent, {"run": said}) == note


def test_time_left_is_not_made_up() -> None:
    """With one point, none, or an end behind it, nothing is known."""
    start = datetime(2026, 11, 23, tzinfo=timezone.utc)
    points = [Point(1, 0.5, start), Point(2, 1.0, start.replace(hour=1))]

    assert seconds_left(2, points[:1], start) is None
    assert seconds_left(1, points, start.replace(hour=1)) is None
    assert seconds_left(2, points, start.replace(hour=1, minute=30)) == 5400
    assert share(0, points) is None
    assert share(2, points) == 0.5


def test_what_runs_usually_take_comes_of_earlier_ones(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Medians of the same job in this workspace; nothing where there is none."""
    emulator.jobs.script(queued=300, runs=1800)
    first = send(workspace, chat)
    assert first.usual() is None
    first.wait()

    usual = workspace.submit(
        FineTune(name="tone", training_data=chat, route=ManagedCompute(epochs=2)), preflight=False
    ).usual()

    assert usual is not None
    assert (usual.of, usual.alike) == (1, "this job")
    assert (usual.of_state("Queued"), usual.of_state("Running")) == pytest.approx((300, 1800))
    assert usual.of_state("Finalizing") is None


def test_runs_without_times_tell_nothing_usual() -> None:
    """A run that was never started has no length."""
    assert reckon([Record("a", "a", "Completed", "FineTuning")], "this job") is None


# Logs


def test_logs_of_all_processes_are_there(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """The first process's by itself, each by name, all with their names, Azure's own last."""
    emulator.jobs.script(runs=60)
    run = send(workspace, chat).wait()
    for number in (1, 10, 2):
        write_log(emulator, TRAINING, f"user_logs/std_log_process_{number}.txt", f"hello from {number}")
    write_log(emulator, TRAINING, "system_logs/lifecycler.log", "machines are there")

    assert run.log_files() == [
        "user_logs/std_log.txt",
        *(f"user_logs/std_log_process_{number}.txt" for number in (1, 2, 10)),
        "system_logs/lifecycler.log",
    ]
    assert "hello from 1" not in "\n".join(run.logs())
    assert list(run.logs(file="std_log_process_10.txt")) == ["hello from 10"]
    assert "[std_log_process_2.txt] hello from 2" in list(run.logs(every=True))
    assert "[system_logs/lifecycler.log] machines are there" in list(run.logs(every=True))
    with pytest.raises(NotFoundError, match=r"no log nothing\.txt; it has: user_logs/std_log\.txt"):
        list(run.logs(file="nothing.txt"))


def test_a_log_that_begins_anew_is_read_anew(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """A machine that was taken back leaves the log to the next one, which writes from the start."""
    emulator.jobs.script(runs=HOURS, log=["a first line that is rather long"] * 50)
    run = send(workspace, chat, Serverless())
    lines = run.logs(follow=True)
    first = next(lines)

    write_log(emulator, run.name, "user_logs/std_log.txt", "begun anew\n")
    rest = list(lines)

    assert first.startswith("This job is scripted")
    assert "begun anew" in rest


# How it failed


def test_the_first_line_names_the_step_and_its_reason(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Not the pipeline's word that some child has failed; that one is kept below."""
    emulator.jobs.script(runs=60, fails_in=TRAINING, error="The process ended with exit code 1.", log=["epoch 0.5"])
    run = send(workspace, chat)
    write_log(emulator, TRAINING, "user_logs/std_log.txt", "step 9\ntorch.OutOfMemoryError: CUDA out of memory.\n")

    with pytest.raises(RunFailed) as caught:
        run.wait()

    lines = str(caught.value).splitlines()
    assert lines[0] == f"{run.name} failed in step {TRAINING}: The process ended with exit code 1."
    assert lines[1] == "known cause: The GPU has too little memory for what each step holds."
    assert "Pipeline has failed child jobs" in lines[-1]
    assert (caught.value.remedy or "").startswith("Set batch_size to 1")
    assert caught.value.failure is not None
    assert caught.value.failure.cause is not None
    assert (caught.value.failure.step, caught.value.failure.cause.name) == (TRAINING, "gpu-memory")


def test_the_end_of_a_long_log_is_read_without_its_beginning(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Two requests, 64 kB each at most, whatever its length."""
    emulator.jobs.script(runs=60, fails_in=TRAINING)
    run = send(workspace, chat)
    with pytest.raises(RunFailed):
        run.wait()
    write_log(emulator, TRAINING, "user_logs/std_log.txt", "".join(f"line {number}\n" for number in range(500_000)))

    found = run.failure()

    assert found is not None
    assert found.log[-1] == "line 499999"
    assert len(found.log) == 200


def step(name: str, status: str, depth: int, ended: int | None = None, error: str | None = None) -> Record:
    """Returns a step of a job, in the order of a tree."""
    time = None if ended is None else datetime(2026, 11, 23, 12, ended, tzinfo=timezone.utc)
    return Record(name, name, status, "azureml.StepRun", ended=time, error=error, depth=depth)


@pytest.mark.parametrize(
    ("steps", "blamed"),
    [
        (
            [step("outer", "Failed", 0, 9), step("inner", "Failed", 1, 8), step("innermost", "Failed", 2, 7)],
            "innermost",
        ),
        ([step("a", "Failed", 0, 9), step("b", "Failed", 0, 3)], "b"),
        ([step("a", "Completed", 0, 1), step("b", "Canceled", 0, 2)], None),
        ([step("outer", "Failed", 0, 9), step("fine", "Completed", 1, 8), step("next", "Failed", 0, 10)], "outer"),
        ([step("first", "Failed", 0), step("second", "Failed", 0, 4)], "second"),
    ],
    ids=["child of a child", "first to end", "none", "fails itself", "without a time"],
)
def test_the_first_that_failed_is_blamed(steps: list[Record], blamed: str | None) -> None:
    """As deep as it lies; what fails because of it is not."""
    found = first_failed(steps)

    assert (found.title if found else None) == blamed


def test_what_azure_said_is_kept_word_for_word() -> None:
    """Of the job and of each step that failed, once each."""
    job = Record("job", "job", "Failed", "azureml.PipelineRun", error="Some child failed.")
    steps = [step("a", "Failed", 0, 1, "Said A."), step("b", "Failed", 0, 2, "Some child failed.")]

    found = failure(job, steps, lambda run_id: [f"log of {run_id}"])

    assert found.said == ("Some child failed.", "Said A.")
    assert (found.step, found.reason, found.log) == ("a", "Said A.", ("log of a",))


# Lists


def test_runs_are_those_of_phi_azure_from_any_machine(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """By their tag, asked for on the wire; others with everybody's."""
    ours = send(workspace, chat, Serverless()).name
    theirs = send(workspace, chat, ManagedCompute()).name
    emulator.emulator.store.remove_label((document_of(emulator, theirs)["prefix"] + theirs).lower(), "tag", "phi_azure")

    listed = [run.name for run in workspace.runs()]

    assert emulator.last("GET", "/jobs").query["tag"] == "phi_azure"
    assert listed == [ours]
    assert {run.name for run in workspace.runs(everybodys=True)} == {ours, theirs}


def test_a_long_list_is_paged_and_bounded(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """A page of a hundred at a time, and no more pages than are needed."""
    name = send(workspace, chat, Serverless()).wait().name
    store, key = emulator.emulator.store, next(key for key in keys_of(emulator, "job") if key.endswith(name))
    job, run = store.get("job", key), document_of(emulator, name)
    for number in range(250):
        copy = f"{name}-{number:03}"
        store.put("run", run["prefix"] + copy, {**run, "id": copy, "root": copy})
        store.put("job", run["prefix"] + copy, {**(job or {}), "name": copy})
        store.set_labels((run["prefix"] + copy).lower(), "tag", {"phi_azure": "1"})
    before = len(emulator.requests)

    some, all_of_them = workspace.runs(limit=120), workspace.runs(limit=1000, status="completed")

    assert [one.name for one in some[:2]] == [f"{name}-249", f"{name}-248"]
    assert (len(some), len(all_of_them)) == (120, 251)
    assert len([request for request in emulator.requests[before:] if request.path.endswith("/jobs")]) == 2 + 3
