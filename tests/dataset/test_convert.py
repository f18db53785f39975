"""Rows of other tools become chats, or are refused with their line."""

# ruff: noqa: E501  a table reads best with a row on a line

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

from phi_azure import dataset
from phi_azure.cli import run
from phi_azure.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pathlib import Path

QA = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param({"prompt": "q", "completion": " a"}, QA, id="prompt and completion"),
        pytest.param({"question": "q", "answer": "a"}, QA, id="question and answer"),
        pytest.param({"instruction": "q", "input": "", "output": "a"}, QA, id="alpaca"),
        pytest.param(
            {"instruction": "do", "input": "this", "output": "a"},
            [{"role": "user", "content": "do\n\nthis"}, QA[1]],
            id="alpaca with input",
        ),
        pytest.param(
            {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}, QA, id="ShareGPT"
        ),
        pytest.param(
            {"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "q"},
                               {"from": "gpt", "value": "a"}]},
            [{"role": "system", "content": "s"}, *QA],
            id="ShareGPT with system",
        ),
        pytest.param(
            {"contents": [{"role": "user", "parts": [{"text": "q"}]}, {"role": "model", "parts": [{"text": "a"}]}]},
            QA,
            id="Gemini",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_array", [False, True], ids=["lines", "array"])
def test_row_becomes_a_chat(tmp_path: Path, row: dict[str, object], expected: list[object], as_array: bool) -> None:
    """What comes out passes the check, whichever tool it came from."""
    path, out = tmp_path / "other.json", tmp_path / "train.jsonl"
    path.write_text(json.dumps([row] * 2, indent=1) if as_array else f"{json.dumps(row)}\n" * 2, encoding="utf-8")

    count = dataset.convert(path, out)

    assert count == 2
    assert [json.loads(line)["messages"] for line in out.read_text().splitlines()] == [expected] * 2
    assert dataset.check(out, split="validation").ok


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("id,prompt,completion\n7,q,a\n\n8,q, a\n", id="prompt and completion"),
        pytest.param("question,answer\nq,a\nq,a\n", id="question and answer"),
        pytest.param('instruction,input,output\nq,,a\n"q","",a\n', id="alpaca"),
        pytest.param(
            "conversations\n"
            + 2 * '"[{""from"": ""human"", ""value"": ""q""}, {""from"": ""gpt"", ""value"": ""a""}]"\n',
            id="ShareGPT",
        ),
    ],
)
def test_rows_of_csv_become_chats(tmp_path: Path, text: str) -> None:
    """The header names the columns, as the remedy of `check` promises."""
    (tmp_path / "other.csv").write_text(text, encoding="utf-8-sig")

    dataset.convert(tmp_path / "other.csv", tmp_path / "train.jsonl")

    lines = (tmp_path / "train.jsonl").read_text().splitlines()
    assert [json.loads(line)["messages"] for line in lines] == [QA] * 2


def test_rows_of_tsv_and_parquet_become_chats(tmp_path: Path) -> None:
    """Whatever `check` reads, can be converted."""
    (tmp_path / "other.tsv").write_text("prompt\tresponse\nq\ta\n", encoding="utf-8")
    parquet.write_table(pa.Table.from_pylist([{"prompt": "q", "response": "a"}]), tmp_path / "other.parquet")

    for suffix in ("tsv", "parquet"):
        dataset.convert(tmp_path / f"other.{suffix}", tmp_path / f"{suffix}.jsonl")

    assert (tmp_path / "tsv.jsonl").read_bytes() == (tmp_path / "parquet.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("data", "place"),
    [
        pytest.param(b"prompt,completion\nq,a\nq\n", r"csv:3: there is no prompt and completion", id="short row"),
        pytest.param(b"prompt,completion\nq,caf\xe9\n", r"csv:2: a text is not UTF-8", id="latin-1"),
        pytest.param(b"conversations\noops\n", r"csv:2: the conversation is text that is not JSON", id="cell"),
        pytest.param(b"a,b\n1,2\n", r"csv:2: no shape that is known", id="other columns"),
    ],
)
def test_row_of_csv_that_cannot_be_converted_is_named(tmp_path: Path, data: bytes, place: str) -> None:
    """With its line in the file."""
    (tmp_path / "other.csv").write_bytes(data)

    with pytest.raises(DataError, match=place):
        dataset.convert(tmp_path / "other.csv", tmp_path / "out.jsonl")


def test_system_message_is_added_where_none_is(tmp_path: Path) -> None:
    """It comes first."""
    (tmp_path / "other.jsonl").write_text('{"prompt": "q", "completion": "a"}', encoding="utf-8")

    dataset.convert(tmp_path / "other.jsonl", tmp_path / "out.jsonl", system="Be brief.")

    [row] = (tmp_path / "out.jsonl").read_text().splitlines()
    assert json.loads(row)["messages"] == [{"role": "system", "content": "Be brief."}, *QA]


@pytest.mark.parametrize("system", ["", " \n", "\ud800"], ids=["empty", "blank", "half a character"])
def test_a_system_message_that_check_would_refuse_is_refused(tmp_path: Path, system: str) -> None:
    """Nothing is written that could not be trained on."""
    (tmp_path / "other.jsonl").write_text('{"prompt": "q", "completion": "a"}', encoding="utf-8")

    with pytest.raises(ConfigError, match="the system message"):
        dataset.convert(tmp_path / "other.jsonl", tmp_path / "out.jsonl", system=system)

    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param("oops", "not JSON", id="no JSON"),
        pytest.param("9" * 5000, r"more than the 4,300 digits that Python reads\.", id="huge number"),
        pytest.param("3", "no object", id="no object"),
        pytest.param('{"conversations": []}', "fewer than two", id="no turns"),
        pytest.param('{"conversations": [{"from": "human", "value": "q"}, {"from": "xyzzy", "value": "a"}]}', "xyzzy", id="role"),
        pytest.param('{"conversations": [{"from": "gpt", "value": "a"}, {"from": "human", "value": "q"}]}', "last turn", id="last"),
        pytest.param('{"conversations": [{"from": "human"}, {"from": "gpt", "value": "a"}]}', "value or content", id="no text"),
        pytest.param('{"conversations": [{"from": "human", "value": ""}, {"from": "gpt", "value": "a"}]}', "empty", id="empty"),
    ],
)  # fmt: skip
def test_row_that_cannot_be_converted_is_named(tmp_path: Path, line: str, message: str) -> None:
    """The line is told, and nothing is written."""
    good = '{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}'
    (tmp_path / "other.jsonl").write_text(f"{good}\n{line}\n", encoding="utf-8")

    with pytest.raises(DataError, match=rf"other\.jsonl:2: .*{message}"):
        dataset.convert(tmp_path / "other.jsonl", tmp_path / "out.jsonl")

    assert [path.name for path in tmp_path.iterdir()] == ["other.jsonl"]


def test_chats_are_not_converted_again(tmp_path: Path) -> None:
    """They are good already, or the check says what is not."""
    (tmp_path / "chats.jsonl").write_text('{"messages": []}', encoding="utf-8")

    with pytest.raises(DataError, match="chats already"):
        dataset.convert(tmp_path / "chats.jsonl", tmp_path / "out.jsonl")


@pytest.mark.parametrize("name", ["none.jsonl", "none.csv"])
def test_a_file_that_is_not_there_has_a_remedy(tmp_path: Path, name: str) -> None:
    """Like all that is refused."""
    with pytest.raises(DataError, match="cannot be read: No such file") as caught:
        dataset.convert(tmp_path / name, tmp_path / "out.jsonl")

    assert caught.value.remedy == "Correct the path."


def test_convert_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the file with its rows."""
    (tmp_path / "other.jsonl").write_text('{"prompt": "q", "completion": "a"}', encoding="utf-8")

    code = run(["convert", str(tmp_path / "other.jsonl"), "--out", str(tmp_path / "out.jsonl"), "--from", "prompt"])

    assert code == 0
    assert "out.jsonl: 1 rows" in capsys.readouterr().out
