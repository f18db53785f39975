"""`phi-azure check`: one object, one exit code, whatever is given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.cli import run
from phi_azure.engine import phi_tiny
from tests.dataset.broken import good_lines, turns

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Forty good rows."""
    path = tmp_path / "train.jsonl"
    path.write_bytes(good_lines(40))
    return path


def answered(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    """Runs `check --json` and returns exit code and document."""
    code = run(["check", *map(str, arguments), "--json"])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, document


@pytest.mark.parametrize("name", ["none.jsonl", "."])
def test_what_is_no_file_is_a_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """A missing file and a folder give the same object as any broken file."""
    code, document = answered(capsys, tmp_path / name)

    assert code == 3
    assert [(problem["code"], problem["line"]) for problem in document["problems"]] == [("no-file", None)]


def test_good_file_gives_zero(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All counts are there."""
    code, document = answered(capsys, rows)

    assert (code, document["ok"], document["rows"], document["training_rows"]) == (0, True, 40, 40)
    assert document["problems"] == []


def test_rows_shared_by_two_files_are_named(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second file's line, and the line of the first that it repeats."""
    (tmp_path / "validation.jsonl").write_text(
        turns(("user", "question 4?"), ("assistant", "other")) + "\n" + good_lines(1).decode(), encoding="utf-8"
    )

    code, document = answered(capsys, rows, "--validation", tmp_path / "validation.jsonl")

    assert code == 0
    found = [(problem["code"], problem["line"]) for problem in document["problems"]]
    assert found == [("leaked-prompt", 1), ("leak", 2)]
    assert "train.jsonl:5" in document["problems"][0]["message"]


@pytest.mark.parametrize(
    ("route", "told"), [("managed", "no validation and no test file"), ("serverless", "no validation file")]
)
def test_rows_are_set_aside(rows: Path, capsys: pytest.CaptureFixture[str], route: str, told: str) -> None:
    """A fifth does not train: for validation and test in a pipeline, for validation alone in a fine-tuning job."""
    _, document = answered(capsys, rows, "--route", route)

    assert document["training_rows"] == 32
    assert [problem["code"] for problem in document["problems"]] == ["split"]
    assert document["problems"][0]["message"].startswith(f"{told}: Azure sets about 8 of 40 rows aside")


def test_model_without_a_system_role(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same rows are fine for one model and doubtful for another."""
    path = tmp_path / "train.jsonl"
    chats = (turns(("system", "s"), ("user", f"q{number}"), ("assistant", "a")) for number in range(12))
    path.write_text("\n".join(chats), encoding="utf-8")

    with_role = answered(capsys, path, "--model", "Phi-4-mini-instruct")[1]["counts"]
    without = answered(capsys, path, "--model", "Phi-3-medium-4k-instruct")[1]["counts"]

    assert (with_role, without) == ({}, {"system-role": 12})


def test_problems_are_capped_and_counts_are_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two of thirty are shown, thirty are counted."""
    path = tmp_path / "train.jsonl"
    path.write_text("oops\n" * 30, encoding="utf-8")

    code, document = answered(capsys, path, "--limit", 2)

    assert (code, document["counts"]["json"], document["dropped"]) == (3, 30, 30)
    assert [problem["line"] for problem in document["problems"] if problem["code"] == "json"] == [1, 2]


def test_without_a_tokenizer_the_estimate_says_so(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A range, and null for what nobody knows."""
    _, document = answered(capsys, rows)
    run(["check", str(rows)])

    found = document["tokens"]
    assert not found["exact"]
    assert found["low"] < found["total"] < found["high"]
    assert [found[name] for name in ("min", "median", "p95", "max", "trained", "cut")] == [None] * 6
    assert "estimated from characters; --tokenizer DIR counts them" in " ".join(capsys.readouterr().out.split())


def test_with_a_tokenizer_tokens_are_counted(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How rows are spread, what is trained; nothing is cut at the model's own length."""
    code, document = answered(capsys, rows, "--tokenizer", phi_tiny.path())
    run(["check", str(rows), "--tokenizer", str(phi_tiny.path())])

    found = document["tokens"]
    assert (code, found["exact"], found["rows"], found["low"], found["high"]) == (0, True, 40, *(found["total"],) * 2)
    assert found["min"] <= found["median"] <= found["p95"] <= found["max"] < found["total"]
    assert 40 * 3 <= found["trained"] < found["total"]
    assert found["max_seq_length"] == 8192
    assert found["cut"] == {"rows": 0, "tokens": 0, "end_cut": 0, "no_trained_token": 0}
    assert f"tokens: {found['total']:,}, counted" in capsys.readouterr().out


def test_rows_that_are_cut_are_problems(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its line; where nothing is left to learn, Azure fails, and so does the check."""
    each = answered(capsys, rows, "--tokenizer", phi_tiny.path())[1]["tokens"]["min"]
    shorter = answered(capsys, rows, "--tokenizer", phi_tiny.path(), "--max-seq-length", each - 1)
    nothing = answered(capsys, rows, "--tokenizer", phi_tiny.path(), "--max-seq-length", 2)

    assert (shorter[0], shorter[1]["counts"]["tokens-cut"]) == (0, 40)
    assert (nothing[0], nothing[1]["ok"]) == (3, False)
    assert nothing[1]["counts"] == {"tokens-cut": 40, "end-token-cut": 40, "no-trained-token": 41}
    last = nothing[1]["problems"][-1]
    assert (last["code"], last["level"], last["line"], last["effect"]) == ("no-trained-token", "error", None, "fails")


def test_a_job_brings_its_own_length(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """max_seq_length of the file counts, and the option above it."""
    job = tmp_path / "job.yaml"
    job.write_text("name: tone\ntraining_data: train.jsonl\nroute: {kind: managed, max_seq_length: 12}\n", "utf-8")

    found = answered(capsys, job, "--tokenizer", phi_tiny.path())[1]["tokens"]
    other = answered(capsys, job, "--tokenizer", phi_tiny.path(), "--max-seq-length", 9)[1]["tokens"]

    assert (found["max_seq_length"], other["max_seq_length"]) == (12, 9)
    assert 0 < found["cut"]["tokens"] < other["cut"]["tokens"]


def test_people_read_what_azure_would_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line says it, and nothing is wider than 80 columns."""
    path = tmp_path / "train.jsonl"
    path.write_bytes(good_lines(12) + b"oops\n" * 9)

    run(["check", str(path)])

    lines = capsys.readouterr().out.replace(str(path), "train.jsonl").splitlines()
    assert max(map(len, lines)) <= 80
    assert "and 6 more" in "\n".join(lines)
    assert "Azure would drop 9 rows" in " ".join(lines[-2:])
