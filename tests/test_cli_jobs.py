"""The verbs against the emulator, through Azure's own client; jobs are scripted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure import testing
from phi_azure.cli import run
from phi_azure.engine.headlines import write_dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Command = Callable[..., tuple[int, str, str]]

JOB = """\
name: tone
training_data: train.jsonl
route:
  kind: {kind}
"""
ROUTES = ("serverless", "managed")


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[testing.Azure]:
    """A folder with config.json, data and a job file for each route, and Azure's answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PHI_AZURE_LOCAL", raising=False)
    write_dataset(tmp_path, train=20, validation=5, test=5)
    for kind in ROUTES:
        (tmp_path / f"{kind}.yaml").write_text(JOB.format(kind=kind), encoding="utf-8")
    with testing.azure() as handle:
        handle.write_config(tmp_path)
        yield handle


@pytest.fixture
def phi(azure: testing.Azure, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs one command and returns its exit code, stdout and stderr."""

    def command(*words: str) -> tuple[int, str, str]:
        code = run(words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.mark.parametrize("route", ROUTES)
def test_a_job_from_file_to_answer(route: str, phi: Command, azure: testing.Azure) -> None:
    """Every verb of a job's life, each with what the one before printed."""
    azure.jobs.script(metrics={"loss": [2.0, 1.0, 0.5]}, log=["it trains"])
    azure.reply(lambda _: "negative")

    code, name, _ = phi("submit", f"{route}.yaml", "--yes", "--wait")
    assert code == 0
    name = name.strip()

    code, out, _ = phi("show", name, "--json")
    assert code == 0
    shown = json.loads(out)
    assert (shown["name"], shown["status"], shown["route"]) == (name, "Completed", route)
    assert shown["metrics"]["loss"]["last"] == 0.5

    code, out, _ = phi("logs", name)
    assert code == 0
    assert "it trains" in out

    code, out, _ = phi("register", name)
    assert (code, out) == (0, "tone 1\n")

    code, out, _ = phi("deploy", "tone", "--endpoint", f"tone-{route}", "--yes")
    assert (code, out) == (0, f"tone-{route}\n")

    code, out, _ = phi("chat", f"tone-{route}", "Contoso recovers from a ransomware attack.")
    assert (code, out) == (0, "negative\n")

    code, out, _ = phi("down", "--yes")
    assert code == 0
    assert f"tone-{route}" in out
    assert json.loads(phi("show", "--json")[1])["endpoints"] == []


def test_plan_looks_up_what_is_there(phi: Command, azure: testing.Azure) -> None:
    """With --look-up a plan says what would be made and what is there; it makes nothing itself."""
    assert "not looked up" in phi("plan", "managed.yaml")[1]
    before = phi("plan", "managed.yaml", "--look-up")[1]
    made = [request for request in azure.requests if request.method == "PUT"]

    phi("submit", "managed.yaml", "--yes", "--wait")
    after = phi("plan", "managed.yaml", "--look-up")[1]

    assert made == []
    assert "not looked up" not in before + after
    assert (before.count("  exists"), after.count("  exists")) == (0, 1)


def test_submit_asks_nobody_and_submits_nothing(phi: Command, azure: testing.Azure) -> None:
    """Where nobody can answer, a job that costs money needs --yes."""
    code, out, err = phi("submit", "serverless.yaml")

    assert code == 2
    assert not out
    assert "--yes" in err
    assert not [request for request in azure.requests if request.method == "PUT"]


def test_submit_says_what_it_would_make_on_stderr(phi: Command) -> None:
    """People read what a job is; programs read its name."""
    _, out, err = phi("submit", "managed.yaml", "--yes")

    assert "20 rows" in err
    assert "managed compute" in err
    assert len(out.splitlines()) == 1


def test_submit_says_once_that_a_job_is_taken_up(phi: Command) -> None:
    """The same job again: one line says what became of it."""
    phi("submit", "managed.yaml", "--yes")

    code, _, err = phi("submit", "managed.yaml", "--yes")

    assert code == 0
    assert err.count("it is taken up, and nothing is paid twice") == 1


def test_submit_counts_the_warnings_of_all_files(phi: Command, tmp_path: Path) -> None:
    """A row that stands in two files does not stop a job, and is not passed over in silence."""
    rows = (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "validation.jsonl").write_text("\n".join(rows[:3]), encoding="utf-8")
    job = JOB.format(kind="serverless") + "validation_data: validation.jsonl\n"
    (tmp_path / "shared.yaml").write_text(job, encoding="utf-8")

    code, _, err = phi("submit", "shared.yaml", "--yes")

    assert code == 0
    assert "3 (leak); phi-azure check shows them" in err


def test_failed_run_exits_1_with_the_reason(phi: Command, azure: testing.Azure) -> None:
    """The exit code of --wait is that of the run."""
    azure.jobs.script(fails_in="chat_completion_finetune", error="CUDA out of memory")

    code, _, err = phi("submit", "managed.yaml", "--yes", "--wait")

    assert code == 1
    assert "CUDA out of memory" in err


def test_remedy_of_a_failed_run_resumes_it_from_the_same_folder(phi: Command, azure: testing.Azure) -> None:
    """Where training had begun on managed compute: the command to go on, ready to copy."""
    azure.jobs.script(fails_in="chat_completion_finetune")

    _, _, err = phi("submit", "managed.yaml", "--yes", "--wait", "--config", "config.json")

    name = phi("runs", "--json")[1].partition('"name": "')[2].partition('"')[0]
    assert f"`phi-azure logs {name} --config config.json` shows more." in err
    assert f"`phi-azure resume {name} --config config.json` goes on" in err


@pytest.mark.parametrize(
    ("route", "script"),
    [
        ("serverless", {"fails_in": "chat_completion_finetune"}),
        ("managed", {"fails_in": "chat_completion_model_import"}),
    ],
)
def test_remedy_of_a_failed_run_does_not_promise_what_cannot_be(
    route: str, script: dict[str, str], phi: Command, azure: testing.Azure
) -> None:
    """Azure keeps no checkpoint of a serverless job, and there is none before training."""
    azure.jobs.script(**script)

    code, _, err = phi("submit", f"{route}.yaml", "--yes", "--wait")

    assert code == 1
    assert "phi-azure logs" in err
    assert "phi-azure resume" not in err


def test_cancelled_run_exits_8(phi: Command, azure: testing.Azure) -> None:
    """`wait` tells a cancelled run from a failed one."""
    azure.jobs.script(runs=3600)
    name = phi("submit", "serverless.yaml", "--yes")[1].strip()

    cancelled, _, _ = phi("cancel", name)
    code, _, _ = phi("wait", name)

    assert (cancelled, code) == (0, 8)


@pytest.mark.parametrize(
    ("ending", "code", "word"), [("Completed", 0, None), ("Failed", 1, "run-failed"), ("Canceled", 8, "run-cancelled")]
)
def test_followed_logs_as_json_are_one_document(
    ending: str, code: int, word: str | None, phi: Command, azure: testing.Azure
) -> None:
    """However the run ends, its lines and its error are one document."""
    azure.jobs.script(status=ending, log=["it trains"])
    name = phi("submit", "managed.yaml", "--yes")[1].strip()

    ended, out, _ = phi("logs", name, "--follow", "--json")

    document = json.loads(out)
    assert ended == code
    assert "it trains" in document["lines"]
    assert document.get("error", {}).get("code") == word


@pytest.mark.parametrize("ending", ["Completed", "Failed", "Canceled"])
def test_cancelling_what_is_over_is_no_failure(ending: str, phi: Command, azure: testing.Azure) -> None:
    """It says how the run ended, asks Azure for nothing, and exits 0."""
    azure.jobs.script(status=ending)
    name = phi("submit", "serverless.yaml", "--yes")[1].strip()
    phi("wait", name)

    code, out, err = phi("cancel", name)

    assert (code, out.strip()) == (0, ending)
    assert f"{name} is {ending} already; there is nothing to cancel." in err
    assert not [request for request in azure.requests if request.path.endswith("/cancel")]


def test_registered_models_are_listed_with_their_versions(phi: Command) -> None:
    """Each version with the run that it came from and its date; or those of one model."""
    runs = [phi("submit", "managed.yaml", "--yes", "--wait", "--again")[1].strip() for _ in range(2)]
    for name in runs:
        phi("register", name)

    listed = phi("models", "--registered")[1].splitlines()
    one = json.loads(phi("models", "tone", "--registered", "--json")[1])

    assert [line.split()[:4] for line in listed[1:]] == [
        ["tone", "2", "managed", runs[1]],
        ["tone", "1", "managed", runs[0]],
    ]
    assert all(line.endswith("ago") for line in listed[1:])
    assert [(model["version"], model["run_name"]) for model in one] == [("2", runs[1]), ("1", runs[0])]
    assert all(model["created"] for model in one)


def test_wait_that_is_too_short_exits_7_and_leaves_the_run(phi: Command, azure: testing.Azure) -> None:
    """A run that is not over yet goes on."""
    azure.jobs.script(runs=3600)
    name = phi("submit", "serverless.yaml", "--yes")[1].strip()

    code, _, _ = phi("wait", name, "--timeout", "0.1")

    assert code == 7
    assert json.loads(phi("show", name, "--json")[1])["status"] not in {"Completed", "Failed", "Canceled"}


@pytest.mark.parametrize("verb", ["show", "runs"])
def test_where_no_run_is_the_command_to_start_one_works_there(verb: str, phi: Command) -> None:
    """The command that is proposed leads to the same workspace."""
    _, _, err = phi(verb, "--config", "config.json")

    assert "No runs yet. Start one: phi-azure submit job.yaml --config config.json" in err


@pytest.mark.parametrize(
    "words",
    [("show", "no-such-run"), ("logs", "no-such-run"), ("register", "no-such-run"), ("chat", "no-such-endpoint", "?"),
     ("download", "no-such-model"), ("deploy", "no-such-model", "--endpoint", "tone", "--yes")],
    ids=lambda words: words[0],
)  # fmt: skip
def test_what_is_not_there_exits_6(words: tuple[str, ...], phi: Command) -> None:
    """A name that nothing has is said to be unknown."""
    code, out, err = phi(*words)

    assert code == 6
    assert not out
    assert err.startswith("error: ")


@pytest.mark.parametrize(
    "words", [("runs",), ("models", "--registered"), ("show",), ("down", "--yes")], ids=lambda words: words[0]
)
def test_an_empty_workspace_is_no_error(words: tuple[str, ...], phi: Command) -> None:
    """Where nothing is, nothing is listed."""
    code, _, _ = phi(*words)

    assert code == 0


@pytest.mark.parametrize(
    "words", [("runs",), ("models", "--registered"), ("show",), ("down",)], ids=lambda words: words[0]
)
def test_json_is_one_document(words: tuple[str, ...], phi: Command) -> None:
    """--json gives stdout one document and nothing else."""
    phi("submit", "serverless.yaml", "--yes")

    _, out, _ = phi(*words, "--json", "--yes")

    json.loads(out)


def test_runs_lists_the_newest_first(phi: Command) -> None:
    """A job that was just submitted is on top."""
    names = [phi("submit", "serverless.yaml", "--yes", "--again")[1].strip() for _ in range(2)]

    listed = [row["name"] for row in json.loads(phi("runs", "--json")[1])]

    assert listed == names[::-1]


def test_no_config_json_says_what_to_do(phi: Command, tmp_path: Path) -> None:
    """Without a workspace the way out is named."""
    (tmp_path / "config.json").unlink()

    code, _, err = phi("runs")

    assert code == 2
    assert "config.json" in err


def test_job_on_a_data_asset_is_not_looked_for_on_disk(phi: Command, tmp_path: Path) -> None:
    """A job file may name an asset of the workspace; one that is not there is said by the service."""
    text = (tmp_path / "serverless.yaml").read_text(encoding="utf-8").replace("train.jsonl", "azureml:nowhere:1")
    (tmp_path / "asset.yaml").write_text(text, encoding="utf-8")

    code, _, err = phi("submit", "asset.yaml", "--yes")

    assert code != 3
    assert "there is no such file" not in err


def test_log_that_is_not_there_is_said_of_step_and_run(phi: Command) -> None:
    """Of a pipeline's step Azure's own id says nothing to anybody."""
    name = phi("submit", "managed.yaml", "--yes", "--wait")[1].strip().splitlines()[0]

    trained = phi("logs", name, "--file", "nope")
    named = phi("logs", name, "--step", "ft_nlp_model_converter", "--file", "nope")

    assert trained[0] == named[0] == 6
    assert f"the step that trains of {name} has no log nope; it has: " in trained[2]
    assert f"the step ft_nlp_model_converter of {name} has no log nope; it has: " in named[2]


def test_logs_are_listed_or_followed(phi: Command) -> None:
    """A list of what is there now has nothing to follow."""
    code, _, err = phi("logs", "tone-1", "--files", "--follow")

    assert code == 2
    assert "--follow is of their lines" in err


@pytest.mark.parametrize("words", [("nope=10",), ("--mirror", "nope=10")], ids=["shift", "mirror"])
def test_traffic_to_a_deployment_that_is_not_there_exits_6(words: tuple[str, ...], phi: Command) -> None:
    """It is not found, as whatever else is not there, and the ones that are there are named."""
    phi("deploy", "Phi-4-mini-instruct", "--base", "--endpoint", "headlines", "--yes")

    code, _, err = phi("traffic", "headlines", *words)

    assert code == 6
    assert "there is no deployment nope; there are: blue" in err


@pytest.mark.parametrize(
    ("course", "says", "remedy"),
    [
        ({"runs": 3600}, "has left no files yet: it is ", "wait"),
        ({"status": "Failed", "queued": 0, "runs": 0}, "has left no files: it is Failed", "show"),
    ],
    ids=["goes on", "failed"],
)
def test_download_of_a_run_without_files_says_why(
    course: dict[str, Any], says: str, remedy: str, phi: Command, azure: testing.Azure
) -> None:
    """A run that goes on, or has failed, is told apart from an address that is wrong."""
    azure.jobs.script(**course)
    name = phi("submit", "managed.yaml", "--yes")[1].strip()

    code, _, err = phi("download", name, "--run", "--to", "out")

    assert code == 6
    assert says in err
    assert f"phi-azure {remedy} {name}" in err


def test_down_of_what_is_past_its_time_names_what_is_not(phi: Command) -> None:
    """With nothing past its time, `down --expired` says so and shows what stays; it does not say that nothing is up."""
    empty = phi("down", "--expired")
    phi("deploy", "Phi-4-mini-instruct", "--base", "--endpoint", "headlines", "--keep", "8h", "--yes")

    code, out, err = phi("down", "--expired")

    assert empty == (0, "", "Nothing that phi_azure made is up.\n")
    assert (code, out) == (0, "")
    assert err.startswith("Nothing is past its time. Still up:\n")
    assert "headlines/" in err


def test_base_model_goes_on_the_machines_that_were_asked_for(phi: Command) -> None:
    """--size and --instances count for --base too: they are what is paid."""
    code, _, err = phi(
        "deploy", "Phi-4-mini-instruct", "--base", "--endpoint", "base", "--size", "Standard_NOPE", "--yes"
    )

    assert code == 5
    assert "Standard_NOPE" in err


def test_download_does_not_write_over_what_is_there(phi: Command, tmp_path: Path) -> None:
    """A folder that holds something is refused before anything is asked of the workspace."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "MLmodel").write_text("mine", encoding="utf-8")

    code, _, err = phi("download", "anything", "--to", "mine")

    assert code == 2
    assert "--force" in err
    assert (tmp_path / "mine" / "MLmodel").read_text(encoding="utf-8") == "mine"


def test_download_that_was_cut_goes_on_with_the_same_command(phi: Command, tmp_path: Path) -> None:
    """What an interrupted download has left is no reason to refuse the next one."""
    _, name, _ = phi("submit", "managed.yaml", "--yes", "--wait")
    assert phi("register", name.strip(), "--name", "tone")[0] == 0
    (tmp_path / "mine" / ".phi-azure-download").mkdir(parents=True)

    code, out, err = phi("download", "tone", "--to", "mine")

    assert (code, out) == (0, "mine\n")
    assert "files, " in err
    assert not (tmp_path / "mine" / ".phi-azure-download").exists()
    assert [file for file in (tmp_path / "mine").rglob("*") if file.is_file()]


@pytest.mark.parametrize("name", ["a/b?c", "../x", "a b"])
def test_what_cannot_be_a_name_is_not_looked_for(name: str, phi: Command) -> None:
    """No name becomes part of the path or the query of a request."""
    codes = [
        phi(*words)[0]
        for words in (("show", name), ("chat", name, "hello"), ("deploy", name, "--endpoint", "tone", "--yes"))
    ]

    assert codes == [6, 2, 6]


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        (("deploy", "tone", "--endpoint", "tone_v1", "--yes"), "tone-v1"),
        (("deploy", "Phi-4", "--base", "--endpoint", "9", "--yes"), "phi-9"),
        (("chat", "my tone", "hello"), "my-tone"),
        (("register", "tone-1", "--name", "my/tone"), "my-tone"),
    ],
    ids=lambda words: words[0],
)
def test_names_that_azure_refuses_are_refused_here(
    words: tuple[str, ...], instead: str, phi: Command, azure: testing.Azure
) -> None:
    """Exit code 2 with a good name, and not one request."""
    before = len(azure.requests)

    code, out, err = phi(*words)

    assert (code, out) == (2, "")
    assert f"remedy: Take {instead}" in err
    assert len(azure.requests) == before


@pytest.mark.parametrize("message", ["", "  \t"])
def test_an_empty_question_is_refused(message: str, phi: Command, azure: testing.Azure) -> None:
    """Before the endpoint is looked for."""
    code, _, err = phi("chat", "tone", message)

    assert code == 2
    assert "MESSAGE is empty" in err
    assert azure.requests == []


@pytest.mark.parametrize("options", [(), ("--yes",)], ids=["asked", "unasked"])
def test_a_retired_model_is_refused_before_any_question(
    options: tuple[str, ...], phi: Command, azure: testing.Azure, tmp_path: Path
) -> None:
    """Neither agreement nor upload comes first, and bad rows do not hide it."""
    job = "name: tone\nmodel: Phi-3-mini-4k-instruct\ntraining_data: none.jsonl\nroute: serverless\n"
    (tmp_path / "old.yaml").write_text(job, encoding="utf-8")

    code, _, err = phi("submit", "old.yaml", *options)

    assert code == 2
    assert "was retired from serverless fine-tuning on 2025-08-30" in err
    assert "Phi-4-mini-instruct" in err
    assert azure.requests == []


@pytest.mark.parametrize("version", ["../1", "a?b", ""])
def test_what_cannot_be_a_version_is_not_looked_for(version: str, phi: Command, azure: testing.Azure) -> None:
    """It would become part of a request's path as well."""
    code, _, err = phi("download", "tone", "--version", version)

    assert code == 6
    assert f"There is no version {version!r}" in err
    assert azure.requests == []
