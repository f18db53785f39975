"""A run from sending it to what came out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phi_azure import (
    ConfigError,
    ConflictError,
    FineTune,
    ManagedCompute,
    NotFinished,
    NotFoundError,
    RunCancelled,
    RunFailed,
    Serverless,
    Workspace,
)
from phi_azure.emulator.clock import TurnedClock

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.run import Run, Update
    from phi_azure.testing import Azure

ROUTES = pytest.mark.parametrize("route", [Serverless(), ManagedCompute()], ids=lambda route: route.kind)
TRAINING = "chat_completion_finetune"


def send(workspace: Workspace, chat: Path, route: Serverless | ManagedCompute) -> Run:
    """Sends a job."""
    return workspace.submit(FineTune(name="tone", training_data=chat, route=route))


@ROUTES
def test_progress_arrives_once(
    emulator: Azure, workspace: Workspace, chat: Path, route: Serverless | ManagedCompute
) -> None:
    """Metrics and lines come as they are written, each a single time, and the last update has the end."""
    emulator.jobs.script(
        runs=100.0, metrics={"loss": [3.0, 2.0, 1.0], "epoch": [0.3, 0.6, 1.0]}, log=["one", "two", "three"]
    )
    assert isinstance(emulator.clock, TurnedClock)
    run = send(workspace, chat, route)
    updates: list[Update] = []

    for update in run.events(poll=0.001):
        updates.append(update)
        emulator.clock.turn(30)

    losses = [point.value for update in updates for point in update.new_metrics.get("loss", [])]
    lines = [line for update in updates for line in update.new_log_lines]
    assert losses == [3.0, 2.0, 1.0]
    assert [line for line in lines if line in {"one", "two", "three"}] == ["one", "two", "three"]
    assert updates[-1].status == "Completed"
    assert updates[-1].progress == 1.0


@ROUTES
def test_metrics_and_logs_afterwards(
    emulator: Azure, workspace: Workspace, chat: Path, route: Serverless | ManagedCompute
) -> None:
    """Who comes later, in another process, reads the same."""
    emulator.jobs.script(metrics={"loss": [3.0, 2.0, 1.0]}, log=["one", "two"])
    name = send(workspace, chat, route).wait(poll=0.001).name

    later = workspace.run(name)

    assert [point.value for point in later.metrics("loss")["loss"]] == [3.0, 2.0, 1.0]
    assert list(later.logs())[-2:] == ["one", "two"]
    assert later.route == route.kind


def test_steps_of_a_pipeline(workspace: Workspace, chat: Path) -> None:
    """The five steps are there, in order, with their times."""
    run = send(workspace, chat, ManagedCompute()).wait(poll=0.001)

    steps = run.steps()

    assert [step.name for step in steps][3] == TRAINING
    assert {step.status for step in steps} == {"Completed"}
    assert all(step.started and step.ended for step in steps)


def test_a_failed_run_says_why(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """The step, Azure's reason and the end of the log are in the error."""
    emulator.jobs.script(fails_in=TRAINING, error="CUDA out of memory", log=["loading", "step 1"])
    run = send(workspace, chat, ManagedCompute())

    with pytest.raises(RunFailed) as caught:
        run.wait(poll=0.001)

    assert TRAINING in str(caught.value)
    assert "CUDA out of memory" in str(caught.value)
    assert "step 1" in str(caught.value)


def test_a_cancelled_run_raises(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Cancelling works, and waiting for what was cancelled says so."""
    emulator.jobs.script(runs=1000.0)
    run = send(workspace, chat, ManagedCompute())

    run.cancel()

    with pytest.raises(RunCancelled):
        run.wait(poll=0.001)


def test_waiting_ends_in_time(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """The time to wait is kept, and the run goes on."""
    emulator.jobs.script(runs=1000.0)
    run = send(workspace, chat, Serverless())

    with pytest.raises(NotFinished):
        run.wait(timeout=0, poll=0.001)

    assert run.refresh().status == "Running"


def test_a_model_has_its_lineage(workspace: Workspace, chat: Path) -> None:
    """The model knows the run, the base model and the data; registering twice makes one."""
    run = send(workspace, chat, ManagedCompute()).wait(poll=0.001)
    assert run.model is None

    model = run.register()

    assert (model.name, model.version, model.run_name, model.kind) == ("tone", "1", run.name, "managed")
    assert model.tags["phi_azure.base_model"] == "Phi-4-mini-instruct"
    assert len(model.tags["phi_azure.data"]) == 64
    assert run.register().version == "1"
    assert workspace.model("tone").run_name == run.name


def test_a_serverless_run_registers_by_itself(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Azure has registered the model; nothing is registered twice."""
    run = send(workspace, chat, Serverless()).wait(poll=0.001)

    model = run.register()

    assert (model.name, model.kind, model.run_name) == ("tone", "serverless", run.name)
    assert not [request for request in emulator.requests if request.method == "PUT" and "/models/" in request.path]


def test_only_a_completed_run_is_registered(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """There is no model before the end."""
    emulator.jobs.script(runs=1000.0)

    with pytest.raises(ConflictError, match=r"Running|NotStarted"):
        send(workspace, chat, ManagedCompute()).register()


def test_a_bad_model_name_is_refused_before_anything_is_sent(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Azure would say so only after the model's files were copied."""
    run = workspace.submit(FineTune(name="tone", training_data=chat)).wait()
    before = len(emulator.requests)

    with pytest.raises(ConfigError, match="cannot name a model"):
        run.register("my/tone")

    assert len(emulator.requests) == before


@ROUTES
def test_downloads_whole_files(
    workspace: Workspace, chat: Path, tmp_path: Path, route: Serverless | ManagedCompute
) -> None:
    """The run's output and the registered model are the same files, and no half file is left."""
    run = send(workspace, chat, route).wait(poll=0.001)

    of_run = run.download(tmp_path / "run")
    of_model = run.register().download(tmp_path / "model")

    assert (of_model / "MLmodel").read_bytes() == (of_run / "MLmodel").read_bytes()
    assert not list(tmp_path.rglob("*.part"))


def test_resume_sends_the_job_again(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """The new run takes the checkpoint of the old one, and its name begins alike."""
    emulator.jobs.script(fails_in=TRAINING)
    failed = send(workspace, chat, ManagedCompute(epochs=2))
    with pytest.raises(RunFailed):
        failed.wait(poll=0.001)
    emulator.jobs.script()

    again = failed.resume()

    sent = emulator.last("PUT", f"/jobs/{again.name}").json["properties"]
    [node] = sent["jobs"].values()
    assert sent["tags"]["phi_azure.resumes"] == failed.name
    assert node["inputs"]["resume_from_checkpoint"]["value"] == "true"
    assert node["inputs"]["num_train_epochs"]["value"] == "2"
    assert again.wait(poll=0.001).register().run_name == again.name


def test_resume_refuses_what_it_cannot(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """A run that ended well needs none, and a serverless one has no checkpoint to give."""
    done = send(workspace, chat, ManagedCompute()).wait(poll=0.001)
    emulator.jobs.script(status="Failed")
    serverless = send(workspace, chat, Serverless())
    with pytest.raises(RunFailed):
        serverless.wait(poll=0.001)

    with pytest.raises(ConflictError, match="Completed"):
        done.resume()
    with pytest.raises(ConfigError, match="no checkpoint"):
        serverless.resume()


def test_unknown_names_are_named(workspace: Workspace, chat: Path) -> None:
    """What is not there is said with the name that was asked for."""
    run = send(workspace, chat, ManagedCompute()).wait(poll=0.001)

    with pytest.raises(NotFoundError, match="nobody"):
        workspace.run("nobody")
    with pytest.raises(NotFoundError, match="it has: ft_nlp_common_validation"):
        list(run.logs("nothing"))
    with pytest.raises(NotFoundError, match="nothing"):
        workspace.model("nothing")
