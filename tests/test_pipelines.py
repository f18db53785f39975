"""The job files to take away: each is checked, planned, submitted and followed; Azure's own are read by its client."""

from __future__ import annotations

import hashlib
import json
import re
import runpy
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
import yaml

from phi_azure import FineTune, GateNotPassed, testing
from phi_azure.cli import group, run
from phi_azure.cli.session import Session
from phi_azure.engine.headlines import write_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[1] / "pipelines"
JOBS = sorted(path.name for path in FOLDER.glob("*.yaml") if path.name != "scheduled-retraining.yaml")
WORKFLOWS = sorted((FOLDER / "github").glob("*.yaml"))
TRAINING = FOLDER / "train-compare-register"


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[testing.Azure]:
    """A repository with the job files, rows beside them and a config.json, and Azure's answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PHI_AZURE_LOCAL", raising=False)
    shutil.copytree(FOLDER, tmp_path / "pipelines")
    write_dataset(tmp_path / "pipelines", train=20, validation=5, test=20)
    with testing.azure() as handle:
        ids = {"subscription_id": handle.subscription_id, "resource_group": handle.resource_group}
        config = {**ids, "workspace_name": handle.workspace}
        (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
        yield handle


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0]


def _parses(line: str) -> bool:
    """Tells whether a command of phi-azure has a verb and options that there are."""
    _, verb, *words = shlex.split(line)
    command = group.get_command(click.Context(group), verb)
    return command is not None and command.make_context(verb, words, obj=Session()) is not None


@pytest.mark.parametrize("name", JOBS)
def test_job_is_checked_planned_submitted_and_followed(
    name: str, azure: testing.Azure, capsys: pytest.CaptureFixture[str]
) -> None:
    """It fits its machine and its limits, and the command of its first line leads to a run that ended well."""
    azure.jobs.script(metrics={"loss": [2.0, 1.0]})
    submit = shlex.split(_first_line(FOLDER / name).removeprefix("# "))

    codes = [run(["check", f"pipelines/{name}"])]
    capsys.readouterr()
    codes.append(run(["plan", f"pipelines/{name}", "--json"]))
    plan = json.loads(capsys.readouterr().out)
    codes.append(run([*submit[1:], "--yes"]))
    run_name = capsys.readouterr().out.strip()
    run(["show", run_name, "--json"])

    assert submit == ["phi-azure", "submit", f"pipelines/{name}", "--wait"]
    assert codes == [0, 0, 0]
    assert plan["managed"]["machine"]["fits"]
    shown = json.loads(capsys.readouterr().out)
    assert (shown["status"], shown["name"]) == ("Completed", run_name)


def test_stated_comments_hold(azure: testing.Azure, capsys: pytest.CaptureFixture[str]) -> None:
    """The low-cost file names the machine that `plan` finds the cheapest that fits."""
    text = (FOLDER / "low-cost-one-gpu.yaml").read_text(encoding="utf-8")
    Path("pipelines/cheap.yaml").write_text(text.replace("NV36ads_A10_v5", "NC4as_T4_v3"), encoding="utf-8")

    run(["plan", "pipelines/cheap.yaml"])

    assert "cheapest machine that fits: Standard_NV36ads_A10_v5" in capsys.readouterr().out


def test_pipeline_and_schedule_are_read_by_azure(azure: testing.Azure) -> None:
    """azure-ai-ml reads the component, the pipeline and the schedule, and finds nothing to complain of."""
    from azure.ai.ml import load_component, load_job
    from azure.ai.ml.entities._load_functions import load_schedule

    job = load_job(TRAINING / "pipeline.yaml")
    component = load_component(TRAINING / "judge.yaml")
    schedule = load_schedule(FOLDER / "scheduled-retraining.yaml")

    assert job._validate().error_messages == {}
    assert component._validate().error_messages == {}
    assert schedule._validate().error_messages == {}
    assert set(job.jobs) == set(schedule.create_job.jobs) == {"training", "judging"}
    assert schedule.create_job.inputs["training_rows"].path.startswith("azureml://datastores/")


def test_pipeline_trains_what_the_job_file_says(azure: testing.Azure, capsys: pytest.CaptureFixture[str]) -> None:
    """The inputs of the training are those that `render` prints, but for the rows, which the pipeline's inputs name."""
    run(["render", "pipelines/train-compare-register/job.yaml"])

    rendered = yaml.safe_load(capsys.readouterr().out)["jobs"]["training"]
    written = yaml.safe_load((TRAINING / "pipeline.yaml").read_text(encoding="utf-8"))["jobs"]["training"]
    rows = {name for name, value in written["inputs"].items() if "parent.inputs" in value}
    assert rows == {"train_file_path", "validation_file_path", "test_file_path"}
    assert _without(written, rows) == _without(rendered, rows)


def _without(node: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {**node, "inputs": {name: value for name, value in node["inputs"].items() if name not in names}}


@pytest.mark.parametrize("tuned", ["passes", "fails"])
def test_judging_step_registers_what_passes_and_leaves_no_endpoint(
    tuned: str, azure: testing.Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step of the pipeline, as its machine runs it: a model that passes is registered, one that fails is not."""
    expected = {row["messages"][-2]["content"]: row["messages"][-1]["content"] for row in _rows("test.jsonl")}
    azure.reply(lambda _: "I cannot say.")
    assert run(["submit", "pipelines/train-compare-register/job.yaml", "--yes", "--wait"]) == 0
    (job,) = azure.state.jobs
    _be_a_machine_of_azure(azure, monkeypatch, job.name)
    folder = Path("model")
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n", encoding="utf-8")
    endpoint = _endpoint_of(job.name)
    answers = expected if tuned == "passes" else {}
    azure.reply(lambda messages: answers.get(messages[-1]["content"], "all is well"), on=f"{endpoint}/green")
    main = runpy.run_path("pipelines/train-compare-register/judge.py")["main"]
    words = ["--model", "model", "--training-rows", "pipelines/train.jsonl", "--test-rows", "pipelines/test.jsonl"]

    if tuned == "passes":
        main([*words, "--verdict", "verdict"])
    else:
        with pytest.raises(GateNotPassed):
            main([*words, "--verdict", "verdict"])

    names = sorted(model.name for model in azure.state.models)
    assert names == (["headlines", "headlines-candidate"] if tuned == "passes" else ["headlines-candidate"])
    assert azure.state.endpoints == []
    assert json.loads(Path("verdict/comparison.json").read_text(encoding="utf-8"))["sides"]


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("pipelines", name).read_text(encoding="utf-8").splitlines()]


def _endpoint_of(run_name: str) -> str:
    return f"judge-{hashlib.sha256(run_name.encode()).hexdigest()[:12]}"


def _be_a_machine_of_azure(azure: testing.Azure, monkeypatch: pytest.MonkeyPatch, run_name: str) -> None:
    monkeypatch.setenv("AZUREML_ROOT_RUN_ID", run_name)
    monkeypatch.setenv("AZUREML_ARM_SUBSCRIPTION", azure.subscription_id)
    monkeypatch.setenv("AZUREML_ARM_RESOURCEGROUP", azure.resource_group)
    monkeypatch.setenv("AZUREML_ARM_WORKSPACE_NAME", azure.workspace)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_signs_in_without_a_secret_and_its_commands_exist(path: Path, azure: testing.Azure) -> None:
    """It is YAML of GitHub's form, asks for an identity token where it signs in, and says only what phi-azure knows."""
    text = path.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    steps = [(name, job, step) for name, job in workflow["jobs"].items() for step in job["steps"]]
    lines = [line for _, _, step in steps for line in step.get("run", "").splitlines() if line.startswith("phi-azure")]
    lines = [line.replace('"$JOB"', workflow.get("env", {}).get("JOB", "")) for line in lines]
    signed_in = [
        job.get("permissions", workflow["permissions"]) for _, job, step in steps if "azure/login" in str(step)
    ]

    assert {True, "jobs", "permissions"} <= set(workflow)  # YAML 1.1 reads `on` as true
    assert all(permissions["id-token"] == "write" for permissions in signed_in)
    assert "secrets." not in text
    assert lines
    assert all(_parses(line) for line in lines)


def test_workflow_submits_and_removes(azure: testing.Azure, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands of both workflows, one after the other, with the emulator in Azure's place."""
    texts = "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    job = "pipelines/managed-lora-one-a100.yaml"
    lines = [line.partition("#")[0] for line in re.findall(r"run: (phi-azure .*)", texts)]

    codes = {line: run(shlex.split(line.replace('"$JOB"', job))[1:]) for line in lines}

    assert set(codes.values()) == {0}, codes
    assert [found.name.rpartition("-")[0] for found in azure.state.jobs] == ["headlines-lora"]


def test_cron_line_parses() -> None:
    """The line for crontab holds a command that there is."""
    (line,) = re.findall(r"^#\s+17 \* \* \* \* .*?&& \S*(phi-azure .*)$", WORKFLOWS[1].read_text("utf-8"), re.MULTILINE)

    assert line.startswith("phi-azure down --expired --yes")
    assert _parses(line)


def test_every_file_opens_with_its_command_and_stands_in_the_table() -> None:
    """A comment with the command comes first; the README of the folder leaves no file out."""
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    files = sorted(FOLDER.rglob("*.yaml"))

    assert [
        path.name for path in files if not re.match(r"# (phi-azure|az ml|gh workflow run) ", _first_line(path))
    ] == []
    assert [path.name for path in files if path.parent != TRAINING and path.name not in table] == []
    assert FineTune.from_yaml(TRAINING / "job.yaml").gate is not None
