"""Rows: every problem with its line."""

from __future__ import annotations

import codecs
import json
import os
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

from phi_azure import dataset
from phi_azure.display.reports import outcome
from phi_azure.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

GOOD = '{"messages": [{"role": "user", "content": "%d?"}, {"role": "assistant", "content": "yes"}]}'


def written(folder: Path, *lines: str, good: int = 12) -> Path:
    """Writes good rows, then these."""
    path = folder / "rows.jsonl"
    path.write_text("\n".join([*(GOOD % number for number in range(good)), *lines]), encoding="utf-8")
    return path


def turns(*pairs: tuple[str, object]) -> str:
    """Returns a row of these turns."""
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in pairs]})


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        pytest.param("{nope", "truncated", None, id="broken JSON"),
        pytest.param("[1]", "not-object", None, id="a list"),
        pytest.param('{"prompt": "a", "completion": "b"}', "no-messages", None, id="completion shape"),
        pytest.param('{"messages": {}}', "messages", "messages", id="messages is no list"),
        pytest.param('{"messages": []}', "empty-messages", "messages", id="no messages in it"),
        pytest.param('{"messages": [1]}', "message", "messages[0]", id="message is no object"),
        pytest.param('{"messages": [{"content": "a"}]}', "role", "messages[0].role", id="no role"),
        pytest.param(turns(("bot", "a"), ("assistant", "b")), "role", "messages[0].role", id="unknown role"),
        pytest.param(
            turns(("user", 3), ("assistant", "b")), "content", "messages[0].content", id="content is a number"
        ),
        pytest.param(
            turns(("user", "a"), ("assistant", " ")), "empty-content", "messages[1].content", id="empty answer"
        ),
        pytest.param(turns(("user", "a")), "last-not-assistant", "messages[0].role", id="no answer"),
        pytest.param(turns(("assistant", "a")), "one-message", "messages", id="no question"),
    ],
)
def test_bad_line_is_named(tmp_path: Path, line: str, code: str, field: str | None) -> None:
    """A bad line is one error with its number and its place in the row."""
    report = dataset.check(written(tmp_path, line))

    assert [(problem.code, problem.line, problem.field) for problem in report.errors] == [(code, 13, field)]
    assert not report.ok


@pytest.mark.parametrize(("line", "code"), [("", "blank-line"), (GOOD % 0, "duplicate")])
def test_doubtful_line_is_a_warning(tmp_path: Path, line: str, code: str) -> None:
    """What Azure only skips or repeats does not stop a job."""
    report = dataset.check(written(tmp_path, line, GOOD % 99))

    assert [(problem.code, problem.level, problem.line) for problem in report.problems] == [(code, "warning", 13)]
    assert report.ok


def test_good_rows_pass(tmp_path: Path) -> None:
    """Systems, tools and several turns are fine."""
    tools = json.dumps(
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": None, "tool_calls": [{}]}]}
    )
    report = dataset.check(written(tmp_path, turns(("system", "s"), ("user", "a"), ("assistant", "b")), tools))

    assert (report.rows, report.problems) == (14, ())


def test_too_few_rows(tmp_path: Path) -> None:
    """Nine rows are one too few to train on, and enough to validate with."""
    path = written(tmp_path, good=9)

    assert [problem.code for problem in dataset.check(path).errors] == ["few-rows"]
    assert dataset.check(path, split="validation").ok


def test_byte_order_mark_is_tolerated(tmp_path: Path) -> None:
    """Azure reads UTF-8 with a mark, so we do."""
    path = written(tmp_path)
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())

    assert dataset.check(path).ok


def test_wrong_encoding_names_the_byte(tmp_path: Path) -> None:
    """A Latin-1 letter is found in its line."""
    path = written(tmp_path)
    path.write_bytes(path.read_bytes() + b'\n{"messages": "\xe9"}')

    [problem] = dataset.check(path).errors

    assert (problem.code, problem.line) == ("encoding", 13)
    assert "0xe9" in problem.message


def test_utf16_is_refused_whole(tmp_path: Path) -> None:
    """A file in UTF-16 is one problem, not one for each line."""
    path = tmp_path / "rows.jsonl"
    path.write_text("{}\n{}", encoding="utf-16")

    assert [problem.code for problem in dataset.check(path).problems] == ["encoding"]


@pytest.mark.parametrize(("route", "ok"), [("serverless", False), ("managed", True)])
def test_serverless_wants_jsonl(tmp_path: Path, route: dataset.Route, ok: bool) -> None:
    """The suffix counts on one route only."""
    path = written(tmp_path).rename(tmp_path / "rows.json")

    assert dataset.check(path, route).ok is ok


def test_errors_are_raised_with_their_lines(tmp_path: Path) -> None:
    """The message reads as file, line, what is wrong and what to do."""
    report = dataset.check(written(tmp_path, turns(("system", "s"), ("user", "a"))))

    with pytest.raises(DataError) as caught:
        report.raise_for_errors()

    assert str(caught.value).endswith(
        'rows.jsonl:13: last message is from "user"; the model learns from an "assistant" reply. Add one.'
    )


def test_missing_file(tmp_path: Path) -> None:
    """A path to nothing is a problem like any other."""
    assert [problem.code for problem in dataset.check(tmp_path / "none.jsonl").errors] == ["no-file"]


def test_a_pipe_is_no_regular_file(tmp_path: Path) -> None:
    """It is there, and is not waited for: rows are read more than once before they are sent."""
    os.mkfifo(tmp_path / "rows.jsonl")

    [problem] = dataset.check(tmp_path / "rows.jsonl").errors

    assert (problem.code, problem.message) == ("no-file", "this is no regular file.")


@pytest.mark.parametrize("run", ["x" * 4_000_000, "-eyJ" * 500_000], ids=["letters", "beginnings of tokens"])
def test_a_long_run_of_letters_is_looked_at_once(tmp_path: Path, run: str) -> None:
    """Patterns for secrets and mail take no time that grows with the square of a text: this would take hours."""
    report = dataset.check(written(tmp_path, turns(("user", f"{run} tell@example.com"), ("assistant", "b"))))

    assert [(problem.code, problem.line) for problem in report.problems] == [("personal-data", 13)]


def test_rows_of_parquet_are_looked_at(tmp_path: Path) -> None:
    """Messages may be lists, or JSON text, in a column; a problem has the number of its row."""
    rows = [json.loads(GOOD % number) for number in range(12)] + [json.loads(turns(("bot", "a"), ("assistant", "b")))]
    as_text = [{"messages": json.dumps(row["messages"])} for row in rows]
    for name, table in (("lists", rows), ("text", as_text)):
        parquet.write_table(pa.Table.from_pylist(table), tmp_path / f"{name}.parquet")

    found = [dataset.check(tmp_path / f"{name}.parquet", "managed") for name in ("lists", "text")]

    assert [report.rows for report in found] == [13, 13]
    assert [[(problem.code, problem.line) for problem in report.errors] for report in found] == [[("role", 13)]] * 2


def test_rows_of_an_array_in_one_line_are_told_apart(tmp_path: Path) -> None:
    """Each is named, and one that repeats another is found, though both stand in line 1."""
    rows = [json.loads(GOOD % number) for number in range(12)]
    (tmp_path / "rows.json").write_text(json.dumps([*rows, None, rows[2], 7]), encoding="utf-8")
    (tmp_path / "test.json").write_text(json.dumps([rows[1], rows[4]]), encoding="utf-8")

    report = dataset.check_files(tmp_path / "rows.json", test=tmp_path / "test.json", route="managed", missing=())

    assert [(problem.code, problem.line, problem.message.split(";")[0]) for problem in report.problems] == [
        ("not-object", 1, "row 13: this is no JSON object."),
        ("not-object", 1, "row 15: this is no JSON object."),
        ("duplicate", 1, "row 14: the same row as line 1, row 3."),
        ("leak", 1, f"row 1: the same row as {tmp_path / 'rows.json'}:1, row 2"),
        ("leak", 1, f"row 2: the same row as {tmp_path / 'rows.json'}:1, row 5"),
    ]


def test_without_pyarrow_a_parquet_file_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a warning that says what to install, and nobody claims to know how many rows train."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1")

    report = dataset.check(path, "managed")

    assert [(problem.code, problem.level) for problem in report.problems] == [("not-read", "warning")]
    assert "not looked at" in outcome(report)


def test_a_cut_parquet_file_is_an_error(tmp_path: Path) -> None:
    """What pyarrow says of it is kept."""
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1" + bytes(100))

    report = dataset.check(path, "managed")

    assert [problem.code for problem in report.errors] == ["parquet", "few-rows"]
