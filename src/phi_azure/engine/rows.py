"""Chat rows from the files that Azure's pipeline takes, with the line each stands on; what it drops and refuses."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from phi_azure.engine.errors import ProblemsError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phi_azure.engine.spec import Spec

SPLITS = ("train", "validation", "test")
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
MIN_MESSAGES = 2  # Azure drops shorter conversations
MIN_TRAIN_ROWS = 10  # and refuses to train on fewer rows
_COLUMNS = ("messages", "tools")  # Azure drops every other
_SHARE = 0.2  # of the training rows, set aside for the splits that are missing
_SHOWN = 20  # problems said in one error; the rest are counted


@dataclass(frozen=True)
class NotJson:
    """A line or cell that cannot be read."""

    problem: str


@dataclass(frozen=True)
class Row:
    """One conversation and where it stands, as `file:line`."""

    where: str
    messages: list[dict[str, Any]]
    tools: Any = None


@dataclass
class Rows:
    """The rows of one file that can be used, and how many Azure would drop, by reason."""

    kept: list[Row] = field(default_factory=list)
    dropped: dict[str, list[str]] = field(default_factory=dict)

    def drop(self, reason: str, where: str) -> None:
        """Counts a row that is left out."""
        self.dropped.setdefault(reason, []).append(where)

    def notes(self) -> list[str]:
        """Returns one line for each reason why rows were left out."""
        return [f"{len(at)} rows dropped, {why}: {_some(at)}" for why, at in self.dropped.items()]


def split_file(spec: Spec, split: str) -> Path | None:
    """Returns the file of a split ("train", "validation", "test"); an mltable wins over a file."""
    table = spec.path(f"{split}_mltable_path")
    if table:
        return _mltable_file(table)
    path = spec.path(f"{split}_file_path")
    return _one_file(path, split) if path else None


def read_rows(path: Path) -> Rows:
    """Reads a data file; raises with every line that cannot be a conversation."""
    rows, problems = Rows(), list[str]()
    for line, record in _records(path):
        _sort_in(record, f"{path.name}:{line}", rows, problems)
    if problems:
        more = [f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise ProblemsError(problems[:_SHOWN] + more)
    return rows


def require_rows(rows: Rows, split: str, least: int = 1) -> None:
    """Refuses a split with too few rows left."""
    if not rows.kept:
        raise UserError(f"no {split} row is left after dropping. {' '.join(rows.notes())}".strip())
    if len(rows.kept) < least:
        raise UserError(f"{len(rows.kept)} {split} rows are left after splitting and dropping; {least} are needed.")


def set_aside(rows: int, missing: int) -> int:
    """Returns how many training rows go to each split that was not given, by Azure's shares."""
    return round(rows * _SHARE / missing) if missing else 0


def _sort_in(record: Any, where: str, rows: Rows, problems: list[str]) -> None:
    messages = record.get("messages") if isinstance(record, dict) else None
    if isinstance(record, NotJson):
        problems.append(f"{where}: {record.problem}")
    elif isinstance(record, dict) and "messages" not in record:
        problems.append(f'{where}: no "messages"; each row is {{"messages": [{{"role": ..., "content": ...}}, ...]}}.')
    elif not messages:
        rows.drop("empty", where)
    elif problem := _shape_problem(messages):
        problems.append(f"{where}: {problem}")
    elif len(messages) < MIN_MESSAGES:
        rows.drop("fewer than two messages", where)
    else:
        rows.kept.append(Row(where, [_without_nulls(message) for message in messages], record.get("tools")))


def _shape_problem(messages: Any) -> str | None:
    if not isinstance(messages, list):
        return f'"messages" is {_kind(messages)}; it must be a list.'
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            return f"message {number} is {_kind(message)}; it must be an object with role and content."
        if not isinstance(message.get("role"), str):
            return f'message {number} has no "role"; give it system, user, assistant or tool.'
        if not isinstance(message.get("content"), str | list) and not isinstance(message.get("tool_calls"), list):
            return f'message {number} has no "content"; it must be a text.'
    return None


def _without_nulls(message: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in message.items() if value is not None}


def _kind(value: object) -> str:
    names = {
        str: "a text",
        int: "a number",
        float: "a number",
        bool: "true or false",
        dict: "an object",
        list: "a list",
    }
    return names.get(type(value), "null" if value is None else type(value).__name__)


def _some(places: list[str]) -> str:
    return ", ".join(places[:5]) + (", ..." if len(places) > 5 else "")


def _records(path: Path) -> Iterator[tuple[int, Any]]:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise UserError(f'{path.name}: the suffix "{path.suffix}" is not among those Azure reads ({known}).')
    if suffix in {".csv", ".tsv"}:
        return _table(path, "\t" if suffix == ".tsv" else ",")
    if suffix == ".parquet":
        return _parquet(path)
    return _json_list(path) if suffix == ".json" and _is_json_list(path) else _json_lines(path)


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        try:
            yield from ((line, _parsed(text)) for line, text in enumerate(file, 1) if text.strip())
        except UnicodeDecodeError as error:
            raise UserError(f"{path.name}: not UTF-8 (byte {error.start}). Save the file as UTF-8.") from error


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        return NotJson(f"not JSON ({error.msg} at column {error.colno}).")


def _is_json_list(path: Path) -> bool:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return file.read(4096).lstrip().startswith("[")


def _json_list(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        records = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path.name}:{error.lineno}: not JSON ({error.msg} at column {error.colno}).") from error
    return iter(enumerate(records, 1))


def _table(path: Path, delimiter: str) -> Iterator[tuple[int, Any]]:
    """Reads rows whose cells hold JSON."""
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter)
        for record in reader:
            cells = {name: _parsed(record[name]) if record[name] else None for name in _COLUMNS if name in record}
            broken = (cell for cell in cells.values() if isinstance(cell, NotJson))
            yield reader.line_num, next(broken, cells)


def _parquet(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        from pyarrow import parquet  # not one of our dependencies
    except ImportError:
        raise UserError(f"{path.name}: reading parquet needs pyarrow here: pip install pyarrow.") from None
    return iter(enumerate(parquet.read_table(path).to_pylist(), 1))


def _one_file(path: Path, split: str) -> Path:
    if not path.exists():
        raise UserError(f"{split}_file_path: there is no {path}.")
    if path.is_file():
        return path
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
    if len(files) != 1:
        raise UserError(f"{split}_file_path: {path} is a folder with {len(files)} data files; give one file.")
    return files[0]


def _mltable_file(folder: Path) -> Path:
    """Returns the one file that an MLTable folder points to."""
    if not (folder / "MLTable").is_file():
        raise UserError(f"{folder} holds no file called MLTable.")
    table = yaml.safe_load((folder / "MLTable").read_text(encoding="utf-8"))
    listed = [next(iter(entry.values())) for entry in table.get("paths", [])]
    files = sorted(file for name in listed for file in folder.glob(str(name).removeprefix("./")))
    if len(files) != 1:
        raise UserError(f"{folder / 'MLTable'} points to {len(files)} files here; the engine reads tables of one file.")
    return files[0]
