"""Rows picked out of a file: the first, those of some lines, some by lot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from phi_azure.dataset import picking, sources
from phi_azure.dataset.rules import Rules
from phi_azure.errors import DataError
from tests.dataset.broken import good, good_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RULES = Rules()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Two hundred good rows, the third line blank."""
    path = tmp_path / "train.jsonl"
    first, second, *rest = good_lines(200).splitlines(keepends=True)
    path.write_bytes(first + second + b"\n" + b"".join(rest))
    return path


def numbers(found: list[picking.Picked]) -> list[int]:
    """Returns the lines that were picked."""
    return [one.number for one in found]


def test_first_rows_pass_over_blank_lines(rows: Path) -> None:
    """Lines keep their numbers."""
    assert numbers(picking.first(rows, 4, RULES)) == [1, 2, 4, 5]


def test_rows_of_lines_come_in_their_order(rows: Path) -> None:
    """However they were asked for, each once."""
    found = picking.at_lines(rows, [201, 2, 201], RULES)

    assert numbers(found) == [2, 201]
    assert found[1].row is not None
    assert found[1].row.messages[1].content == "answer 199"


@pytest.mark.parametrize("line", [3, 202])
def test_a_line_without_a_row_is_refused(rows: Path, line: int) -> None:
    """A blank line, and one behind the end."""
    with pytest.raises(DataError, match=f"no row begins on line {line}"):
        picking.at_lines(rows, [1, line], RULES)


def test_lots_are_those_of_the_seed(rows: Path) -> None:
    """The same seed draws the same rows, another seed others; none twice."""
    drawn = [numbers(picking.by_lot(rows, 20, seed, RULES)) for seed in (7, 7, 8)]

    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == sorted(set(drawn[0]))
    assert len(drawn[0]) == 20


def test_lots_fall_on_every_row_alike(rows: Path) -> None:
    """Of 200 rows each is drawn about 100 times in 1,000 draws of 20; 6 standard deviations are 57."""
    times = dict.fromkeys([1, 2, *range(4, 202)], 0)
    raw = list(picking._raw(rows))

    for seed in range(1000):
        for one in picking._drawn(raw, 20, seed):
            times[one.number] += 1

    assert sum(times.values()) == 20_000
    assert all(abs(count - 100) < 57 for count in times.values())


def test_more_lots_than_rows_are_all_rows(rows: Path) -> None:
    """Nobody is drawn twice to fill up."""
    assert len(picking.by_lot(rows, 999, 0, RULES)) == 200


def test_only_what_is_needed_is_read(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long file three rows cost one block."""
    read = []
    blocks = sources.blocks

    def counted(path: Path) -> Iterator[object]:
        for block in blocks(path, 1000):
            read.append(block)
            yield block

    monkeypatch.setattr(sources, "blocks", counted)
    picking.first(rows, 3, RULES)

    assert len(read) == 1


def _cell(number: int) -> str:
    return '"' + json.dumps(json.loads(good(number))["messages"]).replace('"', '""') + '"'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.json", f"[{good(1)},\n{good(2)}]"),
        ("rows.csv", f"messages\n{_cell(1)}\n{_cell(2)}\n"),
    ],
    ids=["json", "csv"],
)
def test_other_formats_are_picked_from(name: str, text: str, tmp_path: Path) -> None:
    """Rows of an array and of a table are rows too."""
    (tmp_path / name).write_text(text, encoding="utf-8")

    found = picking.first(tmp_path / name, 5, Rules("managed"))

    assert [one.row.messages[0].content for one in found if one.row] == ["question 1?", "question 2?"]


def test_what_is_no_row_keeps_its_reason(tmp_path: Path) -> None:
    """The verdict is that of the check, to the last line that ends in the middle."""
    (tmp_path / "train.jsonl").write_bytes(b"oops\n\xff\xfe\n" + good(1).encode()[:-5])

    found = picking.first(tmp_path / "train.jsonl", 9, RULES)

    assert [one.verdict.findings[0].code for one in found] == ["json", "encoding", "truncated"]
    assert [one.row for one in found] == [None] * 3
    assert found[1].text == r"\xff\xfe"
