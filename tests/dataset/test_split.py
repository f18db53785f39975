"""Files that are parted: nothing lost, nothing twice, equal prompts together."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from phi_azure import dataset
from phi_azure.cli import run
from phi_azure.dataset.writing import new_files
from phi_azure.errors import DataError
from tests.dataset.broken import good, good_lines, turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write_csv(path: Path, chats: list[dict[str, Any]]) -> None:
    """Writes the messages as JSON text in a cell."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["messages"], *([json.dumps(chat["messages"])] for chat in chats)])


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], object]] = {
    "json": lambda path, chats: path.write_text(json.dumps(chats, indent=1)),
    "csv": write_csv,
    "parquet": lambda path, chats: parquet.write_table(pa.Table.from_pylist(chats), path),
}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A hundred good rows."""
    path = tmp_path / "all.jsonl"
    path.write_bytes(good_lines(100))
    return path


def test_split_keeps_every_row_once(rows: Path, tmp_path: Path) -> None:
    """The parts hold the lines of the whole, in their order, by the shares."""
    parts = dataset.split(rows, tmp_path / "data", validation=0.2, test=0.1)

    lines = [part.path.read_text().splitlines() for part in parts]
    whole = rows.read_text().splitlines()
    assert [part.rows for part in parts] == [len(part) for part in lines] == [70, 20, 10]
    assert sorted(sum(lines, [])) == sorted(whole)  # noqa: RUF017  three lists
    assert lines[0] == [line for line in whole if line in set(lines[0])]


@pytest.mark.parametrize("suffix", ["json", "csv", "parquet"])
def test_split_reads_what_check_reads(rows: Path, tmp_path: Path, suffix: str) -> None:
    """The same rows in another format are parted alike."""
    other = tmp_path / f"all.{suffix}"
    chats = [json.loads(line) for line in rows.read_text().splitlines()]
    WRITERS[suffix](other, chats)

    parts = dataset.split(other, tmp_path / "other", test=0.2)

    assert dataset.check(other, "managed").ok
    same = dataset.split(rows, tmp_path / "same", test=0.2)
    assert [part.path.read_text() for part in parts] == [part.path.read_text() for part in same]


def test_split_names_an_element_that_is_no_row(tmp_path: Path) -> None:
    """With the line on which it begins."""
    (tmp_path / "all.json").write_text(f"[{good(1)},\n{good(2)}\n{good(3)}]", encoding="utf-8")

    with pytest.raises(DataError, match=r"all\.json:3: this is no row"):
        dataset.split(tmp_path / "all.json", tmp_path / "data")


def test_split_is_the_same_for_a_seed(rows: Path, tmp_path: Path) -> None:
    """The seed decides, and nothing else."""
    same = [dataset.split(rows, tmp_path / name, seed=7)[1].path.read_bytes() for name in "ab"]
    other = dataset.split(rows, tmp_path / "c", seed=8)[1].path.read_bytes()

    assert same[0] == same[1] != other


def test_equal_prompts_stay_on_one_side(tmp_path: Path) -> None:
    """A check of both sides finds no prompt that is shared."""
    path = tmp_path / "all.jsonl"
    answers = (turns(("user", f"q{number % 20}"), ("assistant", f"a{number}")) for number in range(100))
    path.write_text("\n".join(answers), encoding="utf-8")

    training, validation = dataset.split(path, tmp_path / "data")

    counts = dataset.check_files(training.path, validation.path).counts
    assert "contradiction" in counts
    assert not {"leak", "leaked-prompt"} & set(counts)


def test_split_overwrites_nothing(rows: Path, tmp_path: Path) -> None:
    """A file that is there stays, and no other is written beside it."""
    (tmp_path / "validation.jsonl").write_text("mine")

    with pytest.raises(DataError, match=r"validation\.jsonl is there already"):
        dataset.split(rows, tmp_path)

    assert (tmp_path / "validation.jsonl").read_text() == "mine"
    assert not (tmp_path / "train.jsonl").exists()


def test_split_names_a_line_that_is_no_row(rows: Path, tmp_path: Path) -> None:
    """Nothing is written then."""
    rows.write_bytes(rows.read_bytes() + b"oops\n")

    with pytest.raises(DataError, match=r"all\.jsonl:101: this is no row"):
        dataset.split(rows, tmp_path / "data")

    assert not (tmp_path / "data").exists()


def test_split_of_one_prompt_is_refused(tmp_path: Path) -> None:
    """Where a side would stay empty, neither a file nor a new folder is left behind."""
    path = tmp_path / "all.jsonl"
    path.write_text(f"{good(1)}\n{good(1)}\n", encoding="utf-8")

    with pytest.raises(DataError, match="no row for train"):
        dataset.split(path, tmp_path / "data" / "deep")

    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("share", [float("nan"), float("inf"), -0.1, 1.0])
def test_shares_that_leave_nothing_are_refused(share: float, rows: Path, tmp_path: Path) -> None:
    """So is what is no number."""
    with pytest.raises(DataError, match="leave nothing to train on"):
        dataset.split(rows, tmp_path / "data", validation=share)


def test_nothing_is_left_of_interrupted_files(tmp_path: Path) -> None:
    """Ctrl-C while rows are written leaves no half file, and what was there stays."""
    (tmp_path / "mine").touch()

    def interrupted() -> None:
        with new_files([tmp_path / "data" / "train.jsonl", tmp_path / "test.jsonl"]) as files:
            files[0].write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]


def test_split_on_the_command_line(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the files with their rows."""
    code = run(["split", str(rows), "--validation", "0.1", "--out", str(tmp_path / "data")])

    assert code == 0
    assert "validation.jsonl: 10 rows" in capsys.readouterr().out
