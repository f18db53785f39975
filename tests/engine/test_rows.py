"""Chat rows from files: what is kept, dropped and refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from phi_azure.engine.errors import ProblemsError, UserError
from phi_azure.engine.rows import read_rows, require_rows, set_aside, split_file
from phi_azure.engine.spec import Spec

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello", "name": None}]}
LINE = json.dumps(GOOD)
CELL = '"' + json.dumps(GOOD["messages"]).replace('"', '""') + '"'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("a.jsonl", f"{LINE}\n\n{LINE}", id="lines, one of them blank"),
        pytest.param("a.jsonl", f"\ufeff{LINE}\n{LINE}\n", id="lines after a byte-order mark"),
        pytest.param("a.json", json.dumps([GOOD, GOOD], indent=1), id="a list"),
        pytest.param("a.json", f"{LINE}\n{LINE}", id="lines in a .json file"),
        pytest.param("a.csv", f"id,messages\n1,{CELL}\n2,{CELL}\n", id="csv"),
        pytest.param("a.tsv", f"id\tmessages\n1\t{CELL}\n2\t{CELL}\n", id="tsv"),
    ],
)
def test_each_format_gives_the_same_rows(tmp_path: Path, name: str, text: str) -> None:
    """Formats that Azure reads give the same conversations, without keys that are null."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")

    rows = read_rows(path)

    assert [row.messages for row in rows.kept] == [[GOOD["messages"][0], {"role": "assistant", "content": "Hello"}]] * 2
    assert rows.dropped == {}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param("{oops", "not JSON", id="not JSON"),
        pytest.param('{"text": "Hi"}', 'no "messages"', id="no messages"),
        pytest.param('{"messages": "Hi"}', '"messages" is a text', id="messages is a text"),
        pytest.param('{"messages": ["Hi", "Ho"]}', "message 1 is a text", id="a message is a text"),
        pytest.param('{"messages": [{"content": "Hi"}]}', 'message 1 has no "role"', id="no role"),
        pytest.param('{"messages": [{"role": "user"}]}', 'message 1 has no "content"', id="no content"),
    ],
)
def test_a_broken_row_is_named_with_its_line(tmp_path: Path, row: str, message: str) -> None:
    """A row that is no conversation stops the job, with file and line."""
    path = tmp_path / "train.jsonl"
    path.write_text(f"{LINE}\n{row}\n", encoding="utf-8")

    with pytest.raises(ProblemsError, match=r"train\.jsonl:2") as caught:
        read_rows(path)

    assert message in str(caught.value)


def test_all_broken_rows_are_said_at_once(tmp_path: Path) -> None:
    """Several broken rows come in one error; beyond twenty they are counted."""
    path = tmp_path / "train.jsonl"
    path.write_text("{}\n" * 25, encoding="utf-8")

    with pytest.raises(ProblemsError) as caught:
        read_rows(path)

    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1] == "... and 5 more"


def test_short_and_empty_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    """Rows that Azure would drop are dropped, with the reason and the lines."""
    path = tmp_path / "train.jsonl"
    one = json.dumps({"messages": GOOD["messages"][:1]})
    path.write_text(f'{LINE}\n{one}\nnull\n{{"messages": []}}\n', encoding="utf-8")

    rows = read_rows(path)

    assert len(rows.kept) == 1
    assert rows.dropped == {"fewer than two messages": ["train.jsonl:2"], "empty": ["train.jsonl:3", "train.jsonl:4"]}


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    """Azure wants ten rows for training."""
    path = tmp_path / "train.jsonl"
    path.write_text(f"{LINE}\n" * 9, encoding="utf-8")

    with pytest.raises(UserError, match=r"9 training rows .* 10 are needed"):
        require_rows(read_rows(path), "training", 10)


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    """A suffix that Azure has no loader for is an error."""
    path = tmp_path / "train.txt"
    path.write_text(LINE, encoding="utf-8")

    with pytest.raises(UserError, match=r"the suffix .\.txt. is not among"):
        read_rows(path)


def test_an_mltable_wins_over_a_file(tmp_path: Path) -> None:
    """An mltable input is used even where a file is given too."""
    (tmp_path / "rows.jsonl").write_text(LINE, encoding="utf-8")
    (tmp_path / "MLTable").write_text("paths:\n  - file: ./rows.jsonl\n", encoding="utf-8")
    given = {"train_mltable_path": str(tmp_path), "train_file_path": str(tmp_path / "other.jsonl")}
    spec = Spec("chat_completion_datapreprocess", given, {}, tmp_path, tmp_path / "events")

    path = split_file(spec, "train")

    assert path == tmp_path / "rows.jsonl"


@pytest.mark.parametrize(("missing", "each"), [(0, 0), (1, 20), (2, 10)])
def test_missing_splits_take_a_fifth_of_the_training_rows(missing: int, each: int) -> None:
    """Azure sets 20% aside: for the one split that is missing, or half each."""
    share = set_aside(100, missing)

    assert share == each
