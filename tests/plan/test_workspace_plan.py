"""`Workspace.plan`: the same plan with what Azure says, in reads alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phi_azure import DataError, FineTune, ManagedCompute

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.testing import Azure
    from phi_azure.workspace import Workspace


def test_a_first_plan_makes_everything_new_and_nothing_now(workspace: Workspace, emulator: Azure, chat: Path) -> None:
    """Only reads are sent, and what is not there is new."""
    made = workspace.plan(FineTune(name="tone", training_data=chat, route=ManagedCompute(cluster="gpus")))

    assert {item.state for item in made.creates} == {"new"}
    assert {request.method for request in emulator.requests} <= {"GET", "HEAD", "POST"}
    assert not [request for request in emulator.requests if request.method == "PUT"]


def test_after_a_submission_its_data_and_cluster_are_there(workspace: Workspace, chat: Path) -> None:
    """What the job made is found again, by content; the cluster gives the size."""
    route = ManagedCompute(cluster="gpus", size="Standard_NC48ads_A100_v4")
    workspace.submit(FineTune(name="tone", training_data=chat, route=route))
    made = workspace.plan(FineTune(name="tone", training_data=chat, route=ManagedCompute(cluster="gpus")))

    states = {item.kind: item.state for item in made.creates}
    assert states == {"data": "exists", "cluster": "exists", "job": "new", "model": "new"}
    assert made.managed.machine is not None
    assert (made.managed.machine.size, made.managed.machine.chosen_by) == ("Standard_NC48ads_A100_v4", "cluster")


def test_bad_rows_have_no_plan(workspace: Workspace, tmp_path: Path) -> None:
    """As at submission."""
    (tmp_path / "bad.jsonl").write_text("{}\n" * 12, encoding="utf-8")

    with pytest.raises(DataError):
        workspace.plan(FineTune(name="tone", training_data=tmp_path / "bad.jsonl"))
