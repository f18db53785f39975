"""The command line killed (kill -9) at every single request, and the same command again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phi_azure.emulator import ledger
from phi_azure.emulator.course import Script
from phi_azure.engine.headlines import write_dataset
from tests.killing import KILLED, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.killing import Case

JOB = """\
name: tone
training_data: train.jsonl
validation_data: validation.jsonl
route:
  kind: {route}{more}
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An emulator for a command that will be killed."""
    with Stage(tmp_path) as opened:
        yield opened


def test_each_request_is_a_case(stage: Stage, subtests: pytest.Subtests) -> None:
    """A command that only reads has a case for each of its requests, dies in it, and works the second time."""
    names = []

    for case in stage.each_request(["runs", "--json"], nothing):
        names.append(case.name)
        with subtests.test(case.name):
            assert (case.killed.code, case.again.code, case.again.out) == (KILLED, 0, "[]\n")

    assert len(names) >= 3
    assert names[-1] == f"{len(names)} GET management .../local/jobs unheard"


@pytest.mark.killing
@pytest.mark.parametrize(
    ("route", "options"),
    [("serverless", ()), ("managed", ("--no-preflight",))],  # the preflight only reads: once is enough
    ids=["serverless", "managed"],
)
def test_submit_sends_one_job_wherever_it_was_killed(
    stage: Stage, subtests: pytest.Subtests, route: str, options: tuple[str, ...]
) -> None:
    """One job under one name, each file up once and as one data asset, one cluster, whatever came between."""
    names = set()

    for case in stage.each_request(["submit", f"{route}.yaml", "--yes", *options], job_files):
        names.add(case.again.out)
        kept = case.emulator.store
        with subtests.test(case.name):
            assert (case.killed.code, case.again.code) == (KILLED, 0), case.again.err
            assert [f"{job['name']}\n" for job in kept.find("job")] == [case.again.out]
            assert len(kept.find("data")) == 2
            assert uploads(case) == ["train.jsonl", "validation.jsonl"]
            assert [one["name"] for one in kept.find("compute")] == ["gpu-cluster"][: route == "managed"]
            assert not leftovers(case)

    assert len(names) == 1


@pytest.mark.killing
def test_deploy_makes_one_deployment_wherever_it_was_killed(stage: Stage, subtests: pytest.Subtests) -> None:
    """One endpoint with one deployment that gets all the traffic, paid once."""
    words = ["deploy", "Phi-4-mini-instruct", "--base", "--endpoint", "headlines", "--yes"]

    for case in stage.each_request(words, nothing):
        with subtests.test(case.name):
            assert (case.killed.code, case.again.code) == (KILLED, 0), case.again.err
            assert traffic(case) == {"headlines": {"blue": 100}}
            assert paid(case) == ["headlines/blue"]


@pytest.mark.killing
def test_second_deployment_is_made_once_wherever_it_was_killed(stage: Stage, subtests: pytest.Subtests) -> None:
    """The live one stays, beside it is one other, and the traffic is divided as it was asked for."""
    words = ["deploy", "Phi-4", "--base", "--endpoint", "headlines", "--yes"]

    for case in stage.each_request(words, live_endpoint):
        with subtests.test(case.name):
            assert (case.killed.code, case.again.code) == (KILLED, 0), case.again.err
            assert traffic(case) == {"headlines": {"green": 100}}
            assert paid(case) == ["headlines/blue", "headlines/green"]


@pytest.mark.killing
def test_serverless_endpoint_is_made_once_wherever_it_was_killed(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """A tuned model is behind one endpoint, paid once."""
    with Stage(tmp_path, Script(queued=0, runs=0)) as stage:
        for case in stage.each_request(["deploy", "tone", "--endpoint", "headlines", "--yes"], tuned_model):
            with subtests.test(case.name):
                assert (case.killed.code, case.again.code) == (KILLED, 0), case.again.err
                assert [one["name"] for one in case.emulator.store.find("serverless")] == ["headlines"]
                assert paid(case) == ["headlines"]


@pytest.mark.killing
def test_down_leaves_nothing_wherever_it_was_killed(stage: Stage, subtests: pytest.Subtests) -> None:
    """Nothing is there and nothing is paid, and the second time is no error."""
    for case in stage.each_request(["down", "--yes"], two_endpoints):
        with subtests.test(case.name):
            assert (case.killed.code, case.again.code) == (KILLED, 0), case.again.err
            assert traffic(case) == {}
            assert paid(case) == []


def traffic(case: Case) -> dict[str, dict[str, int]]:
    """Returns the traffic of each managed endpoint, by deployment."""
    found = case.emulator.store.find("endpoint")
    return {
        one["name"]: {name: share for name, share in one["properties"]["traffic"].items() if share} for one in found
    }


def paid(case: Case) -> list[str]:
    """Returns what the emulator bills now, without the workspace in front of it."""
    return sorted(one.resource.split("/", 3)[3] for one in ledger.entries(case.emulator) if one.until is None)


def live_endpoint(stage: Stage, folder: Path) -> None:
    """Puts a base model behind an endpoint."""
    begin(stage, "deploy", "Phi-4-mini-instruct", "--base", "--endpoint", "headlines", "--yes")


def two_endpoints(stage: Stage, folder: Path) -> None:
    """Puts base models behind two."""
    live_endpoint(stage, folder)
    begin(stage, "deploy", "Phi-4", "--base", "--endpoint", "others", "--yes")


def tuned_model(stage: Stage, folder: Path) -> None:
    """Tunes a model serverlessly and registers it."""
    job_files(stage, folder)
    run = begin(stage, "submit", "serverless.yaml", "--yes").strip()
    begin(stage, "wait", run)
    begin(stage, "register", run)


def begin(stage: Stage, *words: str) -> str:
    """Runs a command that has to work, and returns what it prints."""
    ended = stage.run(words)
    assert ended.code == 0, ended.err
    return ended.out


def job_files(stage: Stage, folder: Path) -> None:
    """Writes data, and a job file for each route."""
    write_dataset(folder, train=20, validation=5, test=5)
    for route, more in {"serverless": "", "managed": "\n  cluster: gpu-cluster"}.items():
        (folder / f"{route}.yaml").write_text(JOB.format(route=route, more=more), encoding="utf-8")


def uploads(case: Case) -> list[str]:
    """Returns the names of the files whose content the service was sent whole, each as often as it was."""
    sent = [one for one in case.emulator.requests if one.method == "PUT" and "/LocalUpload/" in one.path]
    return sorted(one.path.rpartition("/")[2] for one in sent if one.status == 201 and "comp" not in one.query)


def leftovers(case: Case) -> list[Path]:
    """Returns what a command that was killed has left half done in its folder."""
    return [file for file in case.folder.rglob("*") if file.suffix in {".part", ".tmp"} or file.name == "sending"]


def nothing(stage: Stage, folder: Path) -> None:
    """Prepares nothing."""
