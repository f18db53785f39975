"""Chat rows on disk: reads them as a stream and says, with line numbers, what a job could not learn from."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from phi_azure.dataset.report import LIMIT, FileReport, Notes, Problem, Report, Route, Split
from phi_azure.dataset.rows import Message, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure import catalog


ROLES = ("system", "user", "assistant", "tool")
MIN_TRAINING_ROWS = 10  # below it, Azure's import refuses the file
MAX_SERVERLESS_BYTES = 512 * 1024 * 1024
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def check(
    path: Path | str,
    route: Route = "serverless",
    split: Split = "training",
    *,
    model: catalog.PhiModel | None = None,  # noqa: ARG001  until the rules that need it are in
    limit: int = LIMIT,
) -> Report:
    """Reads a JSONL file once and reports every problem with its line.

    Args:
        path: a file of one JSON object a line, each with `messages`.
        route: whose limits count; serverless jobs take files under 512 MiB, named .jsonl.
        split: training data needs ten rows; validation data needs one.
        model: the model that is to learn, where known.
        limit: problems of one code that are kept.
    """
    notes = Notes(limit)
    return _report([_check_file(Path(path), route, split, notes)], notes)


def check_files(
    training: Path | str,
    validation: Path | str | None = None,
    test: Path | str | None = None,
    route: Route = "serverless",
    model: catalog.PhiModel | None = None,  # noqa: ARG001  until the rules that need it are in
    *,
    limit: int = LIMIT,
) -> Report:
    """Checks the files of a job together; arguments and answer as of `check`."""
    given: tuple[tuple[Path | str | None, Split], ...] = (
        (training, "training"),
        (validation, "validation"),
        (test, "test"),
    )
    notes = Notes(limit)
    return _report([_check_file(Path(path), route, split, notes) for path, split in given if path is not None], notes)


def _report(files: list[FileReport], notes: Notes) -> Report:
    trained = sum(file.kept for file in files if file.split == "training")
    return Report(tuple(files), tuple(notes.kept), dict(notes.counts), dict(notes.levels), trained)


def _check_file(path: Path, route: Route, split: Split, notes: Notes) -> FileReport:
    if refusal := _unreadable(path, route):
        notes.add(refusal)
        return FileReport(str(path), split)
    rows, dropped, characters = 0, 0, 0
    seen: dict[int, int] = {}
    for number, line in _lines(path):
        found = list(_check_line(str(path), number, line, seen))
        for problem in found:
            notes.add(problem)
        rows += not any(problem.code == "blank-line" for problem in found)
        characters += len(line)
    for problem in _check_count(str(path), rows, split):
        notes.add(problem)
    return FileReport(str(path), split, rows, dropped, path.stat().st_size, characters)


def _unreadable(path: Path, route: Route) -> Problem | None:
    """Returns the problem that makes reading the lines pointless."""
    name = str(path)
    if not path.is_file():
        return Problem("no-file", "error", name, None, None, "there is no such file.", "Give the path of a JSONL file.")
    with path.open("rb") as file:
        start = file.read(2)
    if start in _UTF16:
        return Problem("encoding", "error", name, None, None, "the file is UTF-16.", "Save it as UTF-8.")
    if route == "serverless" and path.suffix.lower() != ".jsonl":
        return Problem(
            "suffix",
            "error",
            name,
            None,
            None,
            f'serverless jobs take .jsonl only, not "{path.suffix}".',
            "Rename or convert it.",
        )
    if route == "serverless" and path.stat().st_size >= MAX_SERVERLESS_BYTES:
        return Problem(
            "too-large", "error", name, None, None, "serverless jobs take files under 512 MiB.", "Use fewer rows."
        )
    return None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yields numbered lines without their end, and without the byte-order mark that Azure tolerates."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            yield number, (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).strip(b"\r\n\t ")


_decode_row = msgspec.json.Decoder(Row).decode
_decode_any = msgspec.json.Decoder().decode


def _check_line(file: str, number: int, line: bytes, seen: dict[int, int]) -> Iterator[Problem]:
    if not line:
        yield Problem("blank-line", "warning", file, number, None, "the line is blank; Azure skips it.", "Remove it.")
        return
    first = seen.setdefault(hash(line), number)
    if first != number:
        yield Problem(
            "duplicate", "warning", file, number, None, f"the same row as line {first}.", "Remove one of them."
        )
    try:
        row = _decode_row(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        yield from _explain(file, number, line)
        return
    yield from _check_row(file, number, row)


def _explain(file: str, number: int, line: bytes) -> Iterator[Problem]:
    """Says why a line is no row; it is read again without types, which costs time only on bad lines."""
    try:
        line.decode()
    except UnicodeDecodeError as error:
        bad = line[error.start]
        yield Problem(
            "encoding",
            "error",
            file,
            number,
            None,
            f"byte {error.start + 1} (0x{bad:02x}) is not UTF-8.",
            "Save the file as UTF-8.",
        )
        return
    try:
        value = _decode_any(line)
    except msgspec.DecodeError as error:
        yield Problem(
            "json", "error", file, number, None, f"not JSON: {_reason(error)}.", "Write one JSON object a line."
        )
        return
    yield from _check_shape(file, number, value)


def _reason(error: msgspec.DecodeError) -> str:
    return str(error).removeprefix("JSON is malformed: ")


def _check_shape(file: str, number: int, value: object) -> Iterator[Problem]:
    """Names what differs from an object with a list of messages, each an object with a role and content."""
    if not isinstance(value, dict):
        yield Problem(
            "not-object", "error", file, number, None, "the line is no JSON object.", 'Write {"messages": [...]}.'
        )
        return
    messages = value.get("messages")
    if not isinstance(messages, list):
        yield _no_messages(file, number, value)
        return
    for index, message in enumerate(messages):
        yield from _check_message_shape(file, number, f"messages[{index}]", message)


def _no_messages(file: str, number: int, row: dict[str, object]) -> Problem:
    if "messages" in row:
        return Problem(
            "messages", "error", file, number, "messages", "`messages` is no list.", "Make it a list of objects."
        )
    if "prompt" in row and "completion" in row:
        fix = 'Write the prompt as {"role": "user", ...} and the completion as {"role": "assistant", ...}.'
    else:
        fix = 'Write {"messages": [{"role": "user", "content": ...}, {"role": "assistant", "content": ...}]}.'
    return Problem("no-messages", "error", file, number, None, "the row has no `messages`.", fix)


def _check_message_shape(file: str, number: int, field: str, message: object) -> Iterator[Problem]:
    if not isinstance(message, dict):
        yield Problem("message", "error", file, number, field, f"{field} is no object.", "Give it a role and content.")
        return
    if not isinstance(message.get("role"), str):
        yield Problem(
            "role", "error", file, number, f"{field}.role", f"{field} has no role.", f"Use one of {_either(ROLES)}."
        )
    content = message.get("content")
    if not isinstance(content, str | list | None):
        kind = type(content).__name__
        yield Problem(
            "content",
            "error",
            file,
            number,
            f"{field}.content",
            f"the content of {field} is {kind}, not text.",
            "Write it as text.",
        )
    if not isinstance(message.get("tool_calls"), list | None):
        yield Problem(
            "tool-calls",
            "error",
            file,
            number,
            f"{field}.tool_calls",
            f"tool_calls of {field} is no list.",
            "Make it one.",
        )


def _check_row(file: str, number: int, row: Row) -> Iterator[Problem]:
    if not row.messages:
        yield Problem(
            "empty-messages",
            "error",
            file,
            number,
            "messages",
            "`messages` is empty.",
            "Add a question and its answer.",
        )
        return
    for index, message in enumerate(row.messages):
        yield from _check_message(file, number, f"messages[{index}]", message)
    last = row.messages[-1].role
    if last in ROLES and last != "assistant":
        yield Problem(
            "last-not-assistant", "error", file, number, f"messages[{len(row.messages) - 1}].role",
            f'last message is from "{last}"; the model learns from an "assistant" reply.', "Add one.",
        )  # fmt: skip
    elif len(row.messages) == 1:
        yield Problem(
            "one-message", "error", file, number, "messages", "a single message; Azure drops rows of fewer than two.",
            "Put the question before it.",
        )  # fmt: skip


def _check_message(file: str, number: int, field: str, message: Message) -> Iterator[Problem]:
    if message.role not in ROLES:
        yield Problem(
            "role",
            "error",
            file,
            number,
            f"{field}.role",
            f'unknown role "{message.role}" in {field}.',
            f"Use one of {_either(ROLES)}.",
        )
    blank = not message.content or (isinstance(message.content, str) and not message.content.strip())
    if blank and not message.tool_calls:
        yield Problem(
            "empty-content", "error", file, number, f"{field}.content",
            f"the content of {field} ({message.role}) is empty.", "Write it, or remove the row.",
        )  # fmt: skip


def _check_count(file: str, rows: int, split: Split) -> Iterator[Problem]:
    least = MIN_TRAINING_ROWS if split == "training" else 1
    if rows < least:
        yield Problem(
            "few-rows",
            "error",
            file,
            None,
            None,
            f"{rows} row{'' if rows == 1 else 's'}; Azure needs {least} or more.",
            "Add more.",
        )


def _either(words: tuple[str, ...]) -> str:
    return ", ".join(words[:-1]) + f" or {words[-1]}"
