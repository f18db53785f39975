"""The job files to take away: each is checked, planned, submitted and followed; Azure's own are read by its client."""

from __future__ import annotations

import hashlib
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from phi_azure import FineTune, GateNotPassed, Workspace, testing
from phi_azure.cli import run
from phi_azure.emulator.blobs import DEFAULT_CONTAINER
from phi_azure.emulator.clock import TurnedClock
from phi_azure.engine.headlines import write_dataset
from tests import az

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
        handle.write_config(tmp_path)
        yield handle


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0]


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


@pytest.fixture
def client(azure: testing.Azure) -> Any:
    """Azure's own client."""
    return az.ml_client(azure)


def test_pipeline_is_submitted_and_followed_to_its_end(
    client: Any, azure: testing.Azure, capsys: pytest.CaptureFixture[str]
) -> None:
    """It trains, then judges; the verdict, the model and the log of each node are there, and phi-azure shows it all."""
    azure.jobs.script(queued="5m", runs="1h", steps={"judging": {"runs": "10m", "log": ["better than base"]}})

    job = az.create_job(client)
    seen = []
    for minutes in (0, 6, 50, 10):
        azure.clock.turn(60 * minutes)
        states = [node.status for node in az.nodes(client, job.name).values()]
        seen.append((client.jobs.get(job.name).status, states))
    judging = az.nodes(client, job.name)["judging"].name
    client.jobs.download(judging, output_name="verdict", download_path="verdict")
    client.jobs.download(job.name, output_name="trained_model", download_path="model")
    client.jobs.download(judging, download_path="judging")

    assert seen == [
        ("NotStarted", ["NotStarted", "NotStarted"]),
        ("Running", ["Running", "NotStarted"]),
        ("Running", ["Completed", "Running"]),
        ("Completed", ["Completed", "Completed"]),
    ]
    assert [path.name for path in Path("verdict").rglob("*.*")] == ["README.md"]
    assert list(Path("model").rglob("MLmodel"))
    assert "better than base" in Path("judging/artifacts/user_logs/std_log.txt").read_text(encoding="utf-8")
    capsys.readouterr()
    for words in (["show"], ["wait"], ["logs", "--step", "judging"]):
        assert run([words[0], job.name, *words[1:]]) == 0
    shown = capsys.readouterr()
    assert "better than base" in shown.out
    assert "judging" in shown.out.replace("better than base", "")


def test_gate_that_says_no_fails_the_pipeline(
    client: Any, azure: testing.Azure, capsys: pytest.CaptureFixture[str]
) -> None:
    """The node is named, what was trained is there, and nobody promises to go on from a checkpoint of it."""
    azure.jobs.script(
        queued=0, runs=0, fails_in="judging", error="GateNotPassed: label 0.71, at least 0.9 was asked for"
    )

    job = az.create_job(client)
    ended = client.jobs.get(job.name)
    code = run(["wait", job.name])

    assert ended.status == "Failed"
    assert {name: node.status for name, node in az.nodes(client, job.name).items()} == {
        "training": "Completed",
        "judging": "Failed",
    }
    said = capsys.readouterr().err
    assert code == 1
    assert f"{job.name} failed in step judging: GateNotPassed: label 0.71" in said
    assert "Failed nodes: /judging." in said
    assert "resume" not in said
    assert client.jobs.download(job.name, output_name="trained_model", download_path="model") is None
    assert list(Path("model").rglob("MLmodel"))


def test_pipeline_is_cancelled_with_its_nodes(client: Any, azure: testing.Azure) -> None:
    """By `phi-azure cancel`, as any run."""
    azure.jobs.script(queued=0, runs="1h")
    job = az.create_job(client)

    code = run(["cancel", job.name])

    assert code == 0
    assert client.jobs.get(job.name).status == "Canceled"
    assert {node.status for node in az.nodes(client, job.name).values()} == {"Canceled"}


def test_schedule_is_made_and_makes_jobs(client: Any, azure: testing.Azure) -> None:
    """Every Monday at three one job, until it is disabled; shown, listed, triggered by hand, enabled, deleted."""
    from azure.core.exceptions import ResourceNotFoundError

    for name in ("train", "validation", "test"):
        rows = Path(f"pipelines/{name}.jsonl").read_bytes()
        azure.emulator.blobs.put_bytes(DEFAULT_CONTAINER, f"headlines/{name}.jsonl", rows)

    schedule = az.create_schedule(client)
    at_once = list(client.jobs.list())
    azure.clock.turn(14 * 24 * 3600)
    there = len(azure.state.jobs)
    made = list(client.jobs.list())
    ended = client.jobs.get(made[-1].name), az.nodes(client, made[-1].name)
    by_hand = client.schedules.trigger("headlines-weekly").job_name
    client.schedules.begin_disable("headlines-weekly").result()
    off = list(client.schedules.list()), client.schedules.get("headlines-weekly").is_enabled
    azure.clock.turn(7 * 24 * 3600)
    later = {job.name for job in client.jobs.list()} - {job.name for job in made}
    client.schedules.begin_enable("headlines-weekly").result()
    on = [one.name for one in client.schedules.list()]
    client.schedules.begin_disable("headlines-weekly").result()
    client.schedules.begin_delete("headlines-weekly").result()

    assert (schedule.provisioning_state, schedule.display_name) == ("Succeeded", "Headlines, trained anew every Monday")
    assert (at_once, there) == ([], 2)
    due = [datetime.strptime(job.display_name, "headlines-weekly-%Y%m%dT%H%M%S%z") for job in made]
    assert [(at.strftime("%A"), at.hour, at.minute) for at in due] == [("Monday", 3, 0)] * 2
    assert (ended[0].status, list(ended[1])) == ("Running", ["training", "judging"])
    assert off == ([], False)
    assert later == {by_hand}
    assert on == ["headlines-weekly"]
    with pytest.raises(ResourceNotFoundError):
        client.schedules.get("headlines-weekly")


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
def test_workflow_signs_in_without_a_secret(path: Path) -> None:
    """It is YAML of GitHub's form, and asks for an identity token where it signs in."""
    text = path.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    jobs = workflow["jobs"].values()
    signed_in = [job.get("permissions", workflow["permissions"]) for job in jobs if "azure/login" in str(job["steps"])]

    assert {True, "jobs", "permissions"} <= set(workflow)  # YAML 1.1 reads `on` as true
    assert signed_in
    assert all(permissions["id-token"] == "write" for permissions in signed_in)
    assert "secrets." not in text


def test_workflows_run_as_github_runs_them(azure: testing.Azure, machine: Machine) -> None:
    """Each script in a shell of its own, with the emulator in Azure's place: submitted once, however often started."""
    Path("config.json").unlink()
    workflow, _ = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in WORKFLOWS)

    for _ in range(2):
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                machine.github(step, workflow["env"])

    assert [found.name.rpartition("-")[0] for found in azure.state.jobs] == ["headlines-lora"]
    assert json.loads(Path("config.json").read_text(encoding="utf-8"))["workspace_name"] == azure.workspace


@pytest.fixture
def endpoints(azure: testing.Azure) -> None:
    """Two endpoints that were made two hours ago, one for an hour and one for nine."""
    place = (azure.subscription_id, azure.resource_group, azure.workspace)
    before = Workspace(*place, credential=azure.credential, clock=TurnedClock(time.time() - 2 * 3600))
    before.deploy_base(name="past", keep="1h")
    before.deploy_base(name="kept", keep="9h")


@pytest.mark.usefixtures("endpoints")
def test_workflow_removes_what_is_past_its_time(azure: testing.Azure, machine: Machine) -> None:
    """Its scripts, as GitHub runs them."""
    workflow = yaml.safe_load(WORKFLOWS[1].read_text(encoding="utf-8"))

    for step in workflow["jobs"]["down"]["steps"]:
        machine.github(step, {})

    assert [endpoint.name for endpoint in azure.state.endpoints] == ["kept"]


@pytest.mark.usefixtures("endpoints")
def test_cron_line_removes_what_is_past_its_time(azure: testing.Azure, machine: Machine) -> None:
    """The line for crontab, as cron runs it: by sh, with hardly an environment."""
    (line,) = re.findall(r"^#\s+17 \* \* \* \* (.*)$", WORKFLOWS[1].read_text("utf-8"), re.MULTILINE)

    machine.sh(line.replace("/srv/phi", str(Path.cwd())))

    assert [endpoint.name for endpoint in azure.state.endpoints] == ["kept"]


class Machine:
    """Runs scripts with phi-azure at hand and the emulator in Azure's place, in the folder of the test."""

    def __init__(self, azure: testing.Azure) -> None:
        names = {
            "AZURE_SUBSCRIPTION_ID": azure.subscription_id,
            "AZURE_RESOURCE_GROUP": azure.resource_group,
            "AZURE_WORKSPACE": azure.workspace,
        }
        self._said = {f"${{{{ vars.{name} }}}}": value for name, value in names.items()}
        tools = Path(sys.executable).parent
        source = {"PYTHONPATH": str(FOLDER.parent / "src"), "PATH": f"{tools}:/usr/bin:/bin", "HOME": str(Path.cwd())}
        self._environment = source | azure.environment()
        Path(".venv").symlink_to(tools.parent)

    def github(self, step: dict[str, Any], variables: dict[str, str]) -> None:
        """Runs a step as GitHub does, with `bash -e`; one that installs or is an action of others is left out."""
        script = step.get("run", "")
        for name, value in self._said.items():
            script = script.replace(name, value)
        if not script.startswith("pip install"):
            self._run(["bash", "-e", "-c", script], variables)

    def sh(self, script: str) -> None:
        """Runs a line as cron does."""
        self._run(["/bin/sh", "-c", script], {})

    def _run(self, command: list[str], variables: dict[str, str]) -> None:
        done = subprocess.run(
            command, env=self._environment | variables, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"


@pytest.fixture
def machine(azure: testing.Azure) -> Machine:
    """A machine beside the emulator."""
    return Machine(azure)


def test_every_file_opens_with_its_command_and_stands_in_the_table() -> None:
    """A comment with the command comes first; the README of the folder leaves no file out."""
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    files = sorted(FOLDER.rglob("*.yaml"))

    assert [
        path.name for path in files if not re.match(r"# (phi-azure|az ml|gh workflow run) ", _first_line(path))
    ] == []
    assert [path.name for path in files if path.parent != TRAINING and path.name not in table] == []
    assert FineTune.from_yaml(TRAINING / "job.yaml").gate is not None
