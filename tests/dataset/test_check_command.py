"""`phi-azure check`: one object, one exit code, whatever is given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.cli import run
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


def test_managed_compute_sets_rows_aside(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without validation and test data a fifth does not train."""
    _, document = answered(capsys, rows, "--route", "managed")

    assert document["training_rows"] == 32
    assert [problem["code"] for problem in document["problems"]] == ["split"]


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


def test_people_read_what_azure_would_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line says it, and nothing is wider than 80 columns."""
    path = tmp_path / "train.jsonl"
    path.write_bytes(good_lines(12) + b"oops\n" * 9)

    run(["check", str(path)])

    lines = capsys.readouterr().out.replace(str(path), "train.jsonl").splitlines()
    assert max(map(len, lines)) <= 80
    assert "and 6 more" in "\n".join(lines)
    assert "Azure would drop 9 rows" in " ".join(lines[-2:])
