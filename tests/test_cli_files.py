"""`init` and `check`: job files and data files, without Azure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from phi_azure import FineTune
from phi_azure.cli import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("route", ["serverless", "managed"])
def test_init_writes_a_job_that_reads_back(route: str, tmp_path: Path) -> None:
    """The file is valid as it is written, and opens with the command that runs it."""
    run(["init", "job.yaml", "--route", route])

    text = (tmp_path / "job.yaml").read_text(encoding="utf-8")
    assert text.startswith("# phi-azure submit job.yaml --wait\n")
    assert FineTune.from_yaml(tmp_path / "job.yaml").route.kind == route


@pytest.mark.parametrize("route", ["serverless", "managed"])
def test_every_field_of_the_file_says_what_holds_without_it(route: str, tmp_path: Path) -> None:
    """The lines behind a # are the defaults: with the # taken away the job is the same."""
    run(["init", "--route", route])
    text = (tmp_path / "job.yaml").read_text(encoding="utf-8")

    fields = set(FineTune.model_fields) | set(type(FineTune.from_yaml(tmp_path / "job.yaml").route).model_fields)
    named = {line.strip().removeprefix("# ").split(":")[0] for line in text.splitlines() if ":" in line}

    assert fields <= named


def test_init_with_the_example_passes_its_own_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example's data files are there and without a fault."""
    made = run(["init", "jobs/job.yaml", "--route", "managed", "--example", "headlines"])

    checked = run(["check", "jobs/job.yaml"])

    assert (made, checked) == (0, 0)
    assert "1,000 rows" in capsys.readouterr().out
    assert (tmp_path / "jobs" / "test.jsonl").is_file()


def test_init_overwrites_nothing_without_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is there stays as it is."""
    (tmp_path / "job.yaml").write_text("mine", encoding="utf-8")

    refused = run(["init"])
    kept = (tmp_path / "job.yaml").read_text(encoding="utf-8")
    forced = run(["init", "--force"])

    assert (refused, forced) == (2, 0)
    assert kept == "mine"
    assert "--force" in capsys.readouterr().err


def test_check_names_each_bad_line_and_exits_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every problem has its file, its line and what to do."""
    (tmp_path / "bad.jsonl").write_text('{"messages": []}\nnot json\n', encoding="utf-8")

    code = run(["check", "bad.jsonl"])

    out = capsys.readouterr().out
    assert code == 3
    assert "line 1" in out
    assert "line 2" in out


def test_check_as_json_is_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report is data: one object for all files."""
    (tmp_path / "bad.jsonl").write_text("not json\n", encoding="utf-8")

    run(["check", "bad.jsonl", "--json"])

    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["problems"][0]["line"] == 1
    assert set(report["problems"][0]) >= {"code", "level", "file", "line", "field", "message", "fix"}


def test_submit_of_a_wrong_job_file_names_every_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt key and a bad value are both told, before anything is sent."""
    (tmp_path / "job.yaml").write_text(
        "name: tone\ntraining_data: train.jsonl\nroute:\n  kind: serverless\n  epoch: 1\n  batch_size: none\n",
        encoding="utf-8",
    )

    code = run(["submit", "job.yaml", "--local"])

    err = capsys.readouterr().err
    assert code == 2
    assert "job.yaml:5" in err
    assert "job.yaml:6" in err


def test_submit_of_missing_data_exits_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A job whose data is not there goes nowhere."""
    (tmp_path / "job.yaml").write_text("name: tone\ntraining_data: train.jsonl\nroute: serverless\n", encoding="utf-8")

    code = run(["submit", "job.yaml", "--local"])

    assert code == 3
    assert "no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runs", "--local", "--folder", "file"], "file is a file; name a folder"),
        (["runs", "--local", "--folder", "file/x"], "file is a file; file/x cannot be made"),
        (["runs", "--local", "--folder", ""], "it is empty"),
        (["demo", "--folder", "file/x"], "file is a file"),
        (["emulator", "--state", "file/x", "--", "true"], "file is a file"),
        (["emulator", "--weights", "Fi-4=folder", "--", "true"], "no such model; there are: microsoft-phi-1-5, "),
        (["emulator", "--weights", "Phi-4=folder", "--", "true"], "folder holds neither config.json nor MLmodel"),
        (["emulator", "--weights", "Phi-4=nowhere", "--", "true"], "NAME=DIR"),
        (["init", "file/job.yaml"], "file is a file; file/job.yaml cannot be made"),
        (["init", "file/x/job.yaml", "--example", "headlines"], "file is a file"),
        (["download", "tone", "--to", "file", "--local"], "file is a file; name a folder"),
        (["download", "tone", "--to", "file/x", "--local"], "file is a file"),
        (["download", "file", "--local"], "file is a file; name a folder with --to"),
        (["split", "rows.jsonl", "--out", "file/x"], "file is a file"),
        (["schema", "--out", "file/schema.json"], "file/schema.json: not a directory"),
        (["schema", "--out", "nowhere/schema.json"], "nowhere/schema.json: no such file"),
        (["runs", "--config", "nope.json"], "nope.json: no such file"),
        (["runs", "--config", "folder"], "config.json: no such file"),
        (["runs", "--config", "file"], "file is not JSON"),
        (["runs", "--config", "list.json"], "lacks subscription_id, resource_group, workspace_name"),
        (["runs", "--config", "numbers.json"], "it lacks resource_group, workspace_name"),
    ],
    ids=" ".join,
)
def test_paths_that_cannot_be_are_refused_in_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 with the place and the reason; nothing is made."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "list.json").write_text("[]", encoding="utf-8")
    numbers = {"subscription_id": "a", "resource_group": 1, "workspace_name": " "}
    (tmp_path / "numbers.json").write_text(json.dumps(numbers), encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))

    code = run(words)

    captured = capsys.readouterr()
    assert code == 2
    assert captured.err.startswith("error: ")
    assert said in captured.err
    assert "bug" not in captured.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_of_the_environment_that_is_a_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """PHI_AZURE_FOLDER is looked at as --folder is."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("PHI_AZURE_FOLDER", "file")

    code = run(["runs", "--local"])

    assert code == 2
    assert "file is a file" in capsys.readouterr().err
