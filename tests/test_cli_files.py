"""`init`, `check` and `preview`: job files and data files, without Azure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure import FineTune
from phi_azure.cli import run
from phi_azure.engine import phi_tiny

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


@pytest.fixture
def headlines(tmp_path: Path) -> Path:
    """A job with the example's data."""
    run(["init", "job.yaml", "--route", "managed", "--example", "headlines"])
    return tmp_path / "job.yaml"


def _previewed(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["preview", *map(str, words), "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_preview_of_a_job_takes_its_data_model_and_length(headlines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the file says is what is shown; an option goes before it."""
    text = headlines.read_text("utf-8").replace("# max_seq_length: -1", "max_seq_length: 20")
    headlines.write_text(text.replace("model: Phi-4-mini-instruct", "model: Phi-4"), "utf-8")

    made = _previewed(capsys, headlines)
    other = _previewed(capsys, headlines, "--model", "Phi-3.5-mini-instruct", "--max-seq-length", 30)

    assert (made["model"], made["template"], made["max_seq_length"]) == ("Phi-4", "phi4", 20)
    assert (other["model"], other["template"], other["max_seq_length"]) == ("Phi-3.5-mini-instruct", "phi3", 30)
    assert [row["line"] for row in made["rows"]] == [1, 2, 3]
    assert {row["file"].rpartition("/")[2] for row in made["rows"]} == {"train.jsonl"}
    assert "".join(piece["text"] for piece in made["rows"][0]["pieces"] if piece["trained"]).endswith("<|im_end|>")


@pytest.mark.parametrize(
    ("words", "count"),
    [([], 6), (["--rows", 5], 10), (["--line", 7, "--line", 9], 4), (["--sample", 4, "--seed", 1], 8)],
    ids=["first three", "first five", "two lines", "by lot"],
)
def test_preview_shows_the_rows_asked_for(
    words: list[object], count: int, headlines: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of each file given."""
    made = _previewed(capsys, headlines.with_name("train.jsonl"), headlines.with_name("test.jsonl"), *words)

    assert len(made["rows"]) == count
    assert {row["file"].rpartition("/")[2] for row in made["rows"]} == {"train.jsonl", "test.jsonl"}


def test_preview_counts_with_a_tokenizer(headlines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The screen says that tokens were counted, and what is cut."""
    words = ["preview", str(headlines), "--tokenizer", str(phi_tiny.path()), "--max-seq-length", "20"]

    assert run(words) == 0

    out = capsys.readouterr().out
    assert "tokens are counted" in " ".join(out.split())
    assert "\n  x " in out
    assert max(map(len, out.replace(str(headlines.parent), "").splitlines())) <= 80


def test_preview_shows_bad_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are what one wants to look at."""
    (tmp_path / "bad.jsonl").write_text('{"messages": []}\nnot json\n', encoding="utf-8")

    code = run(["preview", "bad.jsonl"])

    out = capsys.readouterr().out
    assert code == 0
    assert out.count("Azure leaves this row out.") == 2
    assert "  ! not json" in out


def test_preview_as_json_is_ascii_and_exact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row may hold what steers a terminal; the document says the same in numbers."""
    text = json.dumps(
        {"messages": [{"role": "user", "content": "\x9b1m\u202e"}, {"role": "assistant", "content": "a"}]}
    )
    (tmp_path / "odd.jsonl").write_text(text, encoding="utf-8")

    run(["preview", "odd.jsonl", "--json"])

    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out)["rows"][0]["pieces"][1]["text"] == "\x9b1m\u202e"


def test_preview_writes_a_page_and_overwrites_none(headlines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only --force does."""
    page = headlines.with_name("rows.html")
    words = ["preview", str(headlines), "--html", str(page)]
    page.write_text("mine", "utf-8")

    refused = run(words)
    kept = page.read_text("utf-8")
    forced = run([*words, "--force"])

    assert (refused, kept, forced) == (2, "mine", 0)
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["train.jsonl", "--rows", "2", "--sample", "2"], 2, "keep one"),
        (["train.jsonl", "--line", "1001"], 3, "no row begins on line 1001"),
        (["train.jsonl", "--model", "Phi-4-mini-instrukt"], 2, "did you mean Phi-4-mini-instruct"),
        (["train.jsonl", "--model", "microsoft-phi-2"], 2, "chat template of microsoft-phi-2 is not known"),
        (["train.jsonl", "--tokenizer", "."], 2, "no tokenizer.json there"),
        (["none.jsonl"], 2, "does not exist"),
        (["lost.yaml"], 3, "there is no such file"),
        (["asset.yaml"], 2, "data asset of Azure"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_preview_says_what_it_cannot_show(
    words: list[str], code: int, said: str, headlines: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with its exit code."""
    folder = headlines.parent
    (folder / "lost.yaml").write_text("name: tone\ntraining_data: lost.jsonl\n", "utf-8")
    (folder / "asset.yaml").write_text("name: tone\ntraining_data: azureml:tone:1\n", "utf-8")

    assert run(["preview", *words]) == code

    assert said in " ".join(capsys.readouterr().err.split())


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
