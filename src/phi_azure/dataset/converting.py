"""Rewrites rows of other tools as chats: prompt and completion, instruction and output, ShareGPT, Gemini."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from phi_azure.dataset import reading, sources
from phi_azure.dataset.arrays import elements
from phi_azure.dataset.rules import MIN_MESSAGES, ROLES, meant_role
from phi_azure.dataset.texts import HALF, surrogate
from phi_azure.dataset.writing import new_files
from phi_azure.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

Shape = Literal["prompt", "alpaca", "sharegpt", "gemini"]
SHAPES: dict[Shape, tuple[tuple[str, ...], ...]] = {
    "prompt": (("prompt", "completion"), ("prompt", "response"), ("question", "answer")),
    "alpaca": (("instruction", "output"), ("instruction", "response")),
    "sharegpt": (("conversations",), ("conversation",)),
    "gemini": (("contents",),),
}
"""The keys by which each shape is known."""
_SHOWN = 20


def convert(path: Path | str, out: Path | str, *, shape: Shape | None = None, system: str | None = None) -> int:
    """Writes each row of a file as a chat, and returns how many there are.

    Args:
        path: what other tools wrote: JSONL, a JSON array, csv or tsv with a header, or parquet.
        out: JSONL; it must not be there yet, and it is not written unless every row can be.
        shape: None means that the first row tells.
        system: a system message for rows that have none.

    Raises:
        DataError: with every line that cannot be rewritten, twenty at most; or the file cannot be read.
        ConfigError: the system message is empty, or no text that a file can hold.
    """
    if system is not None and (not system.strip() or surrogate(system)):
        what = f"holds {HALF}" if system.strip() else "is empty"
        raise ConfigError(f"the system message {what}.", remedy="Write it, or leave it out.")
    path = Path(path)
    problems: list[str] = []
    rows = 0
    with new_files([Path(out)]) as [file]:
        for number, row in _rows(path, problems):
            shape = shape or _shape(path, number, row)
            try:
                messages = _messages(row, shape)
            except ValueError as error:
                problems.append(f"{path}:{number}: {error}.")
                continue
            if system is not None and messages[0]["role"] != "system":
                messages.insert(0, {"role": "system", "content": system})
            rows += 1
            file.write(json.dumps({"messages": messages}, ensure_ascii=False).encode() + b"\n")
        if problems or not rows:
            raise _refusal(path, problems)
    return rows


def _refusal(path: Path, problems: list[str]) -> DataError:
    more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    said = "\n".join([*problems[:_SHOWN], *more]) or f"{path}: there are no rows."
    return DataError(said, remedy="Mend or remove these rows; nothing was written.")


def _rows(path: Path, problems: list[str]) -> Iterator[tuple[int, object]]:
    with sources.reads(path):
        for number, row, wrong in _read(path):
            if wrong:
                problems.append(f"{path}:{number}: {wrong}")
            else:
                yield number, row


def _read(path: Path) -> Iterator[tuple[int, object, str | None]]:
    """Yields line, row, and why there is none; an array is known by its bracket, whatever its suffix."""
    records = elements(path) if sources.begins_with_bracket(path) else sources.records(path)
    if records is not None:
        for record in records:
            yield record.number, record.row, record.finding.message if record.finding else None
        return
    for block in sources.blocks(path):
        for number, line in enumerate(block.lines, start=block.first):
            if line.strip():
                try:
                    yield number, json.loads(line), None
                except (ValueError, RecursionError) as error:
                    yield number, None, f"not JSON: {reading.why(error)}."


def _shape(path: Path, number: int, row: object) -> Shape:
    for shape, choices in SHAPES.items():
        if isinstance(row, dict) and any(set(keys) <= row.keys() for keys in choices):
            return shape
    if isinstance(row, dict) and "messages" in row:
        raise DataError(f"{path}:{number}: these are chats already.", remedy=f"phi-azure check {path}")
    known = "; ".join(" and ".join(choices[0]) for choices in SHAPES.values())
    raise DataError(
        f"{path}:{number}: no shape that is known: {known}.", remedy="Write the chats yourself, or say --from."
    )


def _messages(row: object, shape: Shape) -> list[dict[str, str]]:
    """Raises ValueError with what is missing."""
    if not isinstance(row, dict):
        raise ValueError("the row is no object")  # noqa: TRY004  all that is wrong with a row is of one kind
    if shape == "sharegpt":
        return _turns(_first(row, ("conversations", "conversation")), ("from", "role"), ("value", "content"))
    if shape == "gemini":
        turns = _turns(_first(row, ("contents",)), ("role",), ("parts",))
        instruction = row.get("systemInstruction")
        return [{"role": "system", "content": _text(instruction["parts"])}, *turns] if instruction else turns
    keys = next((keys for keys in SHAPES[shape] if set(keys) <= row.keys()), None)
    if keys is None:
        raise ValueError(f"there is no {' and '.join(SHAPES[shape][0])}")
    question, answer = (_text(row[key]) for key in keys)
    if shape == "alpaca" and row.get("input"):
        question = f"{question}\n\n{_text(row['input'])}"
    system = [{"role": "system", "content": _text(row["system"])}] if row.get("system") else []
    return [*system, {"role": "user", "content": question.strip()}, {"role": "assistant", "content": answer.strip()}]


def _turns(turns: object, role_keys: tuple[str, ...], text_keys: tuple[str, ...]) -> list[dict[str, str]]:
    if isinstance(turns, str):  # a cell of csv
        turns = _from_cell(turns)
    if not isinstance(turns, list) or len(turns) < MIN_MESSAGES:
        raise ValueError("the conversation has fewer than two turns")
    messages = []
    for index, turn in enumerate(turns):
        if not isinstance(turn, dict):
            raise ValueError(f"turn {index} is no object")  # noqa: TRY004  as above
        role = str(_first(turn, role_keys))
        known = role if role in ROLES else meant_role(role)
        if known is None:
            raise ValueError(f"turn {index} is from {role!r}, which is no role")
        messages.append({"role": known, "content": _text(_first(turn, text_keys)).strip()})
    if messages[-1]["role"] != "assistant":
        raise ValueError(f"the last turn is from {messages[-1]['role']!r}; the model learns from an assistant's reply")
    return messages


def _from_cell(cell: str) -> object:
    try:
        return cast("object", json.loads(cell))
    except (ValueError, RecursionError) as error:
        raise ValueError("the conversation is text that is not JSON") from error


def _first(row: dict[str, Any], names: tuple[str, ...]) -> object:
    for name in names:
        if name in row:
            return cast("object", row[name])
    raise ValueError(f"there is no {' or '.join(names)}")


def _text(value: object) -> str:
    if isinstance(value, list) and all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in value):
        value = "".join(part["text"] for part in value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text is missing or empty")
    if surrogate(value):
        raise ValueError(f"a text is not UTF-8, or holds {HALF}")
    return value
