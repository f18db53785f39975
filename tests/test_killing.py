"""The command line killed (kill -9) at every single request, and the same command again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
