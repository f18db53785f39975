"""One line of JSONL, looked at closely: why it is no JSON, or what is wrong with its row."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phi_azure.dataset import reading
from phi_azure.dataset.finding import Finding, error, warning
from phi_azure.dataset.rules import fate, row_findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phi_azure.dataset.report import Route
    from phi_azure.dataset.rules import Rules

Keys = tuple[int, int]
_FRAGMENT = re.compile(r'[\]}{\[],?|"[^"]*"\s*:.*|.*[\[{,]', re.DOTALL)
_SINGLE_QUOTES = re.compile(r"[{\[,]\s*'[^']*'\s*:")


@dataclass(frozen=True)
class Verdict:
    """What was found in one line or record."""

    findings: tuple[Finding, ...] = ()
    is_row: bool = True
    """False for a blank line."""
    dropped: bool = False
    characters: int = 0
    keys: Keys | None = None
    """Stand for the prompt and for the whole row; equal rows have equal keys within one process."""


def judge_line(line: bytes, rules: Rules, *, last: bool = False) -> Verdict:
    """Looks at one line without its end; `last` where none follows. Never raises, whatever the bytes."""
    try:
        text = line.decode()
    except UnicodeDecodeError as problem:
        bad = line[problem.start]
        message = f"byte {problem.start + 1} (0x{bad:02x}) is not UTF-8."
        return Verdict((error("encoding", None, message, "Save the file as UTF-8.", "fails"),))
    if not text.strip():
        return Verdict((warning("blank-line", None, "the line is blank; Azure skips it.", "Remove it."),), is_row=False)
    doubtful: list[Finding] = []
    try:
        row = reading.decoder(doubtful).decode(text)
    except (ValueError, RecursionError) as problem:
        return _broken(text.strip(), problem, rules.route, last=last)
    return judge_row(row, rules, tuple(doubtful))


def judge_row(row: object, rules: Rules, before: tuple[Finding, ...] = ()) -> Verdict:
    """Looks at a row that was read, whatever the file's format."""
    try:
        findings = (*before, *row_findings(row, rules))
    except RecursionError:  # nested so deep that not even its type can be shown
        return Verdict((*before, error("json", None, "the row is nested too deep.", "Flatten it.", "fails")))
    effect = fate(row, rules.route)
    messages = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(messages, list) or not messages:
        return Verdict(findings, dropped=effect == "drops")
    return Verdict(
        findings, True, effect == "drops", _characters(messages) if effect != "drops" else 0, _keys(messages)
    )


def _characters(messages: list[Any]) -> int:
    contents = (message.get("content") for message in messages if isinstance(message, dict))
    return sum(len(content) for content in contents if isinstance(content, str))


def _keys(messages: list[Any]) -> Keys | None:
    if not all(isinstance(message, dict) for message in messages):
        return None
    roles = tuple(_plain(message.get("role")) for message in messages)
    contents = [_told(message) for message in messages]
    return keys(roles, contents)


def keys(roles: tuple[object, ...], contents: Sequence[object]) -> Keys:
    """Returns what stands for the prompt (roles and all but the last content) and for the whole row."""
    if not contents:
        return 0, 0
    prompt = hash((*contents[:-1], roles))
    return prompt, hash((prompt, contents[-1]))


def _told(message: dict[str, Any]) -> object:
    """Returns the content, with the calls of tools where there are any."""
    content = _plain(message.get("content"))
    return (content, repr(message["tool_calls"])) if message.get("tool_calls") else content


def _plain(value: object) -> object:
    return value if isinstance(value, str) else repr(value)


def _broken(text: str, problem: Exception, route: Route, *, last: bool) -> Verdict:
    """Says why a line is no JSON; the serverless import passes over it, the loader of managed compute fails."""
    code, message, fix = _reason(text, problem, last=last)
    skipped = " Azure would leave the row out." if route == "serverless" else ""
    effect: Any = "drops" if route == "serverless" else "fails"
    return Verdict((error(code, None, message + skipped, fix, effect),), dropped=route == "serverless")


def _reason(text: str, problem: Exception, *, last: bool) -> tuple[str, str, str]:  # noqa: C901, PLR0911  a list of cases
    one = "Write one JSON object a line."
    if isinstance(problem, RecursionError):
        return "json", "nested too deep to be read.", "Flatten it."
    if text.startswith("\ufeff"):
        return "bom", "a byte-order mark in the middle of the file.", "Remove it; files were probably joined."
    if text.startswith("[{") or text in {"[", "]"}:
        return "json-array", "the file is a JSON array, not a line for each row.", one
    if text.endswith(",") and _is_object(text[:-1]):
        return "trailing-comma", "a comma after the object.", "Remove it; each line stands alone."
    if _SINGLE_QUOTES.search(text):
        return "single-quotes", "single quotes, as Python prints them.", "Write it with json.dumps."
    if several := _several(text):
        return "several-objects", f"{several} objects on one line.", one
    if re.search(r",\s*[}\]]", text):
        return "trailing-comma", "a comma before a closing bracket.", "Remove the comma."
    if last and text.startswith("{") and not text.endswith("}") and _is_cut(problem):
        return "truncated", "the last line ends in the middle; the file seems cut off.", "Write the file again."
    if _FRAGMENT.fullmatch(text) and not text.startswith('{"messages"'):
        return "object-over-lines", "a piece of an object that goes over several lines.", one
    if not isinstance(problem, json.JSONDecodeError):
        return "json", f"{reading.why(problem)}.", "Write it as text, or remove it."
    return "json", f"not JSON: {reading.why(problem)} at character {problem.pos + 1}.", one


def _is_cut(problem: Exception) -> bool:
    """Whether the object did not end before the text did; "extra data" is what Python finds behind a whole one."""
    return not (isinstance(problem, json.JSONDecodeError) and problem.msg == "Extra data")


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _several(text: str) -> int:
    """Returns how many JSON objects follow each other, or 0 if that is not what it is."""
    found = sum(1 for _ in _objects(text))
    return found if found > 1 else 0


def _objects(text: str) -> Iterator[object]:
    decoder, place = json.JSONDecoder(), 0
    while place < len(text) and text[place] == "{":
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            return
        yield value
        while place < len(text) and text[place] in " \t\r,":
            place += 1
