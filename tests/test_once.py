"""The same job is sent once: what counts as the same, and what happens to the second one who sends it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure import FineTune, Lora, ManagedCompute, RunCancelled, RunFailed, Serverless, Workspace
from phi_azure.cli import run as command_line
from phi_azure.content import content

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.events import Event
    from phi_azure.testing import Azure

ROUTES: dict[str, Serverless | ManagedCompute] = {
    "serverless": Serverless(),
    "managed": ManagedCompute(cluster="gpu-cluster"),
}


def tone(chat: Path, route: Serverless | ManagedCompute | None = None, **fields: Any) -> FineTune:
    """Returns a job."""
    return FineTune(name="tone", training_data=chat, route=route or Serverless(), **fields)


def sent_jobs(emulator: Azure) -> list[str]:
    """Returns the names under which jobs were sent, each as often as it was."""
    puts = [one for one in emulator.requests if one.method == "PUT" and "/jobs/" in one.path]
    return [one.path.rpartition("/")[2] for one in puts]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("status", ["NotStarted", "Running", "Completed"])
def test_the_same_job_is_sent_once(emulator: Azure, workspace: Workspace, chat: Path, route: str, status: str) -> None:
    """While it waits, while it runs and after it ended well, its run is returned, and nothing is made or uploaded."""
    emulator.jobs.script(queued=10, runs=10)
    first = workspace.submit(tone(chat, ROUTES[route]))
    emulator.clock.turn({"NotStarted": 0, "Running": 15, "Completed": 30}[status])
    before = len(emulator.requests)

    second = workspace.submit(tone(chat, ROUTES[route]))

    assert (first.attached, second.attached) == (False, True)
    assert (second.name, second.status) == (first.name, status)
    assert sent_jobs(emulator) == [first.name]
    assert {one.method for one in emulator.requests[before:]} == {"GET"}


def test_another_machine_finds_it(emulator: Azure, workspace: Workspace, chat: Path, tmp_path: Path) -> None:
    """The same rows under another path, in another workspace object, are the same job; who sent it is said."""
    first = workspace.submit(tone(chat))
    (elsewhere := tmp_path / "elsewhere").mkdir()
    copy = chat.rename(elsewhere / "rows.jsonl")
    told: list[Event] = []

    second = Workspace(emulator.subscription_id, emulator.resource_group, emulator.workspace).submit(
        tone(copy), on_event=told.append
    )

    assert second.name == first.name
    assert "was sent by phi_azure emulator on" in told[0].message
    assert "nothing is paid twice" in told[0].message


@pytest.mark.parametrize("route", ROUTES)
def test_again_sends_it_once_more(emulator: Azure, workspace: Workspace, chat: Path, route: str) -> None:
    """`again` makes a run of its own, under the next number, and the newest is found from then on."""
    first = workspace.submit(tone(chat, ROUTES[route]))

    second = workspace.submit(tone(chat, ROUTES[route]), again=True)
    third = workspace.submit(tone(chat, ROUTES[route]), again=True)
    found = workspace.submit(tone(chat, ROUTES[route]))

    assert [second.name, third.name] == [f"{first.name}-2", f"{first.name}-3"]
    assert (found.name, found.attached) == (third.name, True)


def test_a_job_that_failed_is_sent_again(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """It gets the next number, and the reason is said."""
    emulator.jobs.script(status="Failed")
    failed = workspace.submit(tone(chat))
    with pytest.raises(RunFailed):
        failed.wait(poll=0.001)
    told: list[Event] = []

    second = workspace.submit(tone(chat), on_event=told.append)

    assert (second.name, second.attached) == (f"{failed.name}-2", False)
    assert f"{failed.name} is Failed: it is sent again, as {second.name}" in told[0].message


def test_a_job_that_was_cancelled_is_sent_again(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Whoever stops a job and sends it again wants it again."""
    emulator.jobs.script(runs=3600)
    stopped = workspace.submit(tone(chat))
    stopped.cancel()
    with pytest.raises(RunCancelled):
        stopped.wait(poll=0.001)

    assert workspace.submit(tone(chat)).name == f"{stopped.name}-2"


def test_a_resumed_job_is_found(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Resuming is an attempt of the same job: resuming twice, or sending the job then, pays for nothing new."""
    emulator.jobs.script(fails_in="chat_completion_finetune")
    failed = workspace.submit(tone(chat, ManagedCompute()))
    with pytest.raises(RunFailed):
        failed.wait(poll=0.001)
    emulator.jobs.script(runs=3600)

    names = [failed.resume().name, failed.resume().name, workspace.submit(tone(chat, ManagedCompute())).name]

    assert names == [f"{failed.name}-2"] * 3


def test_a_name_that_another_job_bears_is_passed_over(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Six digits can be the same by chance; the whole hash is compared."""
    first = workspace.submit(tone(chat))
    key = f"{emulator.subscription_id}/{emulator.resource_group}/{emulator.workspace}/{first.name}"
    emulator.emulator.store.set_labels(key, "tag", {"phi_azure.content": "another"})

    second = workspace.submit(tone(chat))

    assert (second.name, second.attached) == (f"{first.name}-2", False)


def test_what_would_stop_a_job_does_not_stop_coming_back_to_it(
    emulator: Azure, workspace: Workspace, chat: Path
) -> None:
    """The job itself may have used up the quota."""
    asked = tone(chat, ManagedCompute(cluster="gpu-cluster"))
    first = workspace.submit(asked)
    emulator.emulator.quota["standardNCADSA100v4Family"] = 0

    assert workspace.submit(asked).name == first.name


BASE = ManagedCompute(cluster="gpu-a", lora=Lora(r=8))
SAME: dict[str, dict[str, Any]] = {
    "tags": {"tags": {"team": "soc"}},
    "limits": {"max_price": 5.0, "max_hours": 2.0},
    "experiment": {"experiment": "tones"},
    "idle cluster": {"route": ManagedCompute(cluster="gpu-a", lora=Lora(r=8), idle_minutes=99, max_nodes=7)},
    "a default that is written out": {"route": ManagedCompute(cluster="gpu-a", lora=Lora(r=8), epochs=BASE.epochs)},
}
OTHER: dict[str, dict[str, Any]] = {
    "epochs": {"route": ManagedCompute(cluster="gpu-a", lora=Lora(r=8), epochs=9)},
    "lora": {"route": ManagedCompute(cluster="gpu-a", lora=Lora(r=16))},
    "no lora": {"route": ManagedCompute(cluster="gpu-a", lora=None)},
    "cluster": {"route": ManagedCompute(cluster="gpu-b", lora=Lora(r=8))},
    "nodes": {"route": ManagedCompute(cluster="gpu-a", lora=Lora(r=8), nodes=2)},
    "the other route": {"route": Serverless()},
    "what comes out": {"registered_name": "other"},
}


def hashed(chat: Path, fields: dict[str, Any], model: str = "m:1", size: str = "S", digest: str = "d") -> str:
    """Returns the hash of a job."""
    job = FineTune.model_validate({"name": "tone", "training_data": chat, "route": BASE, **fields})
    return content(job, model, size, {"training": digest})


@pytest.mark.parametrize("name", SAME)
def test_what_does_not_change_the_training_does_not_count(chat: Path, name: str) -> None:
    """The hash stays."""
    assert hashed(chat, SAME[name]) == hashed(chat, {})


@pytest.mark.parametrize("name", OTHER)
def test_what_changes_the_training_is_another_job(chat: Path, name: str) -> None:
    """The hash changes."""
    assert hashed(chat, OTHER[name]) != hashed(chat, {})


def test_model_machines_and_data_count(chat: Path) -> None:
    """Another version, size or content is another job; the case of a size's letters is not."""
    found = [hashed(chat, {}), hashed(chat, {}, model="m:2"), hashed(chat, {}, size="T"), hashed(chat, {}, digest="e")]

    assert len(set(found)) == 4
    assert hashed(chat, {}, size="s") == found[0]


def test_the_command_takes_the_run_up_without_asking(
    emulator: Azure, chat: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody is asked for money that is not spent; `--again` asks."""
    monkeypatch.chdir(chat.parent)
    emulator.write_config(chat.parent)
    (chat.parent / "job.yaml").write_text("name: tone\ntraining_data: train.jsonl\n", encoding="utf-8")
    command_line(["submit", "job.yaml", "--yes", "--json"])
    first = json.loads(capsys.readouterr().out)

    code = command_line(["submit", "job.yaml", "--json"])
    taken = capsys.readouterr()
    asked = command_line(["submit", "job.yaml", "--again"])

    assert (code, json.loads(taken.out)["name"]) == (0, first["name"])
    assert (first["attached"], json.loads(taken.out)["attached"]) == (False, True)
    assert "nothing is paid twice" in taken.err
    assert asked == 2
    assert sent_jobs(emulator) == [first["name"]]
