"""A grid of settings as one batch: planned, sent once, judged, the best kept, nothing left that costs money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phi_azure import ConfigError, FineTune, Lora, ManagedCompute, OverBudget, Serverless, Workspace, sweep
from phi_azure.cli import run as command_line
from phi_azure.cli import sweep as sweep_verb
from phi_azure.cli.session import Session
from phi_azure.config import Gate
from phi_azure.emulator import ledger
from phi_azure.judging import Exam
from tests.conftest import row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phi_azure.config import Lora as LoraGroup
    from phi_azure.testing import Azure

RATES = [1e-5, 2e-5, 4e-5]


@pytest.fixture
def job(chat: Path, tmp_path: Path) -> FineTune:
    """What the jobs have in common."""
    for name in ("validation", "test"):
        rows = [row(f"{name} {number}.", "neutral") for number in range(12)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return FineTune(
        name="tone",
        training_data=chat,
        validation_data=tmp_path / "validation.jsonl",
        test_data=tmp_path / "test.jsonl",
        route=ManagedCompute(cluster="gpu-cluster", size="Standard_NC24ads_A100_v4", lora=Lora(r=4)),
        gate=Gate(metric="normalised_match", at_least=0.5),
    )


def scripted(
    emulator: Azure, workspace: Workspace, points: Sequence[tuple[Any, FineTune]], losses: Sequence[float]
) -> None:
    """Gives each job of a grid its validation loss."""
    for (_, each), loss in zip(points, losses, strict=True):
        emulator.jobs.script(workspace.prepare(each).run_name, metrics={"eval_loss": [3.0, loss]})


def test_grid_is_every_combination(job: FineTune) -> None:
    """In the order of the values; a dot leads into a group, whose other settings stay."""
    points = sweep.grid(job, {"learning_rate": [1e-5, 2e-5], "lora.alpha": [8, 16]})

    loras: list[LoraGroup | None] = [each.route.lora for _, each in points if isinstance(each.route, ManagedCompute)]
    assert [point for point, _ in points] == [
        {"learning_rate": rate, "lora.alpha": alpha} for rate in (1e-5, 2e-5) for alpha in (8, 16)
    ]
    assert [(lora.r, lora.alpha) for lora in loras if lora] == [(4, 8), (4, 16)] * 2


def test_value_given_twice_is_one_job(job: FineTune) -> None:
    """The same value in other words is the same job, and is planned and paid once."""
    points = sweep.grid(job, {"learning_rate": [1e-3, 0.001, 2e-3]})

    assert [point for point, _ in points] == [{"learning_rate": 1e-3}, {"learning_rate": 2e-3}]


def test_vary_of_one_field_in_parts_is_one_list(tmp_path: Path) -> None:
    """`--vary` twice for a field takes the values of both, with and without the group's name."""
    (tmp_path / "job.yaml").touch()
    words = [str(tmp_path / "job.yaml"), "--vary", "epochs=1,2", "--vary", "route.epochs=3", "--vary", "batch_size=4"]

    context = sweep_verb.command.make_context("sweep", words, obj=Session())

    assert context.params["vary"] == {"epochs": [1, 2, 3], "batch_size": [4]}


@pytest.mark.parametrize(
    ("vary", "says"),
    [
        ({}, "varies something"),
        ({"learning_rate": []}, "varies something"),
        ({"learning_rat": [1e-5]}, "learning_rat"),
        ({"epochs": [1, -1]}, "epochs"),
        ({"epochs": list(range(1, 100))}, "99 jobs are more"),
    ],
    ids=["nothing", "no value", "no field", "no number", "too many"],
)
def test_grid_that_is_none(job: FineTune, vary: dict[str, list[object]], says: str) -> None:
    """What the route does not take is refused before anything is planned."""
    with pytest.raises(ConfigError, match=says):
        sweep.grid(job, vary)


def test_best_loss_is_kept(emulator: Azure, workspace: Workspace, job: FineTune) -> None:
    """The middle rate is best: its model alone is registered, and the table begins with it."""
    points = sweep.grid(job, {"learning_rate": RATES})
    scripted(emulator, workspace, points, [0.9, 0.4, 0.7])

    found = sweep.run(workspace, points, sweep.plan(workspace, [each for _, each in points], None), None)

    assert [one.settings["learning_rate"] for one in found.tried] == [2e-5, 4e-5, 1e-5]
    assert found.best is not None
    assert found.best.model == "tone:1"
    assert [(one.name, one.run_name) for one in workspace.models()] == [("tone", found.best.run)]


def test_metric_decides_where_models_are_judged(emulator: Azure, workspace: Workspace, job: FineTune) -> None:
    """Each is asked the rows that were kept apart; the others' models are archived, and no endpoint is left."""
    points = sweep.grid(job, {"learning_rate": RATES})
    scripted(emulator, workspace, points, [0.4, 0.5, 0.6])
    right = workspace.prepare(points[2][1]).run_name
    emulator.reply(lambda _: "dunno")
    emulator.reply(lambda _: "Neutral.", on=f"sweep-{right}"[:26].rstrip("-") + f"-{right[-4:]}/blue")
    exam = Exam.of_job(job)

    found = sweep.run(workspace, points, sweep.plan(workspace, [each for _, each in points], None), exam)

    assert [one.score for one in found.tried] == [1.0, 0.0, 0.0]
    assert found.best is not None
    assert found.best.run == right
    assert [f"{one.name}:{one.version}" for one in workspace.models("tone")] == [found.best.model]
    assert [one for one in ledger.entries(emulator.emulator) if one.until is None] == []


def test_failed_job_is_one_line(emulator: Azure, workspace: Workspace, job: FineTune) -> None:
    """It comes last, says why, and the others go on."""
    points = sweep.grid(job, {"learning_rate": RATES[:2]})
    name = workspace.prepare(points[0][1]).run_name
    emulator.jobs.script(name, fails_in="chat_completion_finetune", error="CUDA out of memory")
    emulator.jobs.script(workspace.prepare(points[1][1]).run_name, metrics={"eval_loss": [0.5]})

    found = sweep.run(workspace, points, sweep.plan(workspace, [each for _, each in points], None), None)

    assert [one.status for one in found.tried] == ["Completed", "Failed"]
    assert "out of memory" in str(found.tried[1].error)


def test_same_sweep_again_pays_nothing(emulator: Azure, workspace: Workspace, job: FineTune) -> None:
    """Its jobs are taken up, and the best is the same model."""
    points = sweep.grid(job, {"learning_rate": RATES[:2]})
    scripted(emulator, workspace, points, [0.9, 0.4])
    plans = sweep.plan(workspace, [each for _, each in points], None)
    first = sweep.run(workspace, points, plans, None)

    again = sweep.run(workspace, points, plans, None)

    assert again == first
    assert len(emulator.emulator.store.find("job")) == 2


def test_budget_is_for_all_jobs(emulator: Azure, workspace: Workspace, job: FineTune) -> None:
    """Above it nothing is sent; without a price nobody can keep to it."""
    jobs = [each for _, each in sweep.grid(job, {"learning_rate": RATES})]
    free = [FineTune(name="tone", training_data=job.training_data, route=Serverless())]

    with pytest.raises(OverBudget, match=r"3 jobs may cost USD .* above USD 0\.01"):
        sweep.plan(workspace, jobs, 0.01)
    with pytest.raises(OverBudget, match="no known price"):
        sweep.plan(workspace, free, 100.0)

    assert len(sweep.plan(workspace, jobs, 10_000.0)) == 3
    assert emulator.emulator.store.find("job") == []


def test_command(
    emulator: Azure,
    workspace: Workspace,
    job: FineTune,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Shows the table, best first; above the budget it ends with 10, and with nonsense with 2."""
    emulator.write_config(tmp_path)
    (tmp_path / "job.yaml").write_text(job.to_yaml(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    read = FineTune.from_yaml(tmp_path / "job.yaml")
    scripted(emulator, workspace, sweep.grid(read, {"learning_rate": RATES[:2]}), [0.9, 0.4])
    words = ["sweep", "job.yaml", "--vary", "learning_rate=1e-5,2e-5", "--yes"]

    codes = [command_line([*words, "--max-price", "0.01"]), command_line([*words[:3], "nonsense", "--yes"])]
    refused = capsys.readouterr().err
    code = command_line(words)
    shown = capsys.readouterr().out

    assert codes == [10, 2]
    assert "may cost USD" in refused
    assert code == 0
    assert shown.splitlines()[1].startswith("2e-05")
    assert "Kept: tone:1" in shown
