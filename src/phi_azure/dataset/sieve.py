"""Finds, in whole blocks of lines and at C speed, the rows that need no closer look.

What the sieve lets pass has no finding: every rule of `rules`, `texts` and `lines` leaves a trace that one of the few
passes here meets. What it stops is only looked at closely; a needless stop costs time, not truth.
"""

from __future__ import annotations

import re
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

import msgspec

from phi_azure.dataset.lines import Verdict, judge_line, keys
from phi_azure.dataset.rules import order
from phi_azure.dataset.texts import is_suspicious

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phi_azure.dataset.lines import Keys
    from phi_azure.dataset.rules import Rules

_FEW = 8  # lines that are not halved any more


class _Message(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["system", "user", "assistant"]
    content: str


class _Row(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    messages: list[_Message]


_ESCAPED_ASCII = re.compile(rb"\\u00[2-7]")  # a key may hide behind it
_decode_lines = msgspec.json.Decoder(_Row).decode_lines
_messages_of: Callable[[_Row], list[_Message]] = attrgetter("messages")
_content_of: Callable[[_Message], str] = attrgetter("content")


class Sifted(msgspec.Struct):
    """Lines in a row without a finding, or one line with its verdict."""

    first: int
    """Counted from 1."""
    rows: int
    characters: int
    keys: list[Keys]
    verdict: Verdict | None = None


def sift(lines: list[bytes], first: int, rules: Rules, *, is_end: bool = False) -> Iterator[Sifted]:
    """Yields the lines in order: clean ones by the thousand, others one by one.

    Args:
        lines: without their ends.
        first: number of the first line.
        rules: what counts.
        is_end: whether the last of these lines is the last of the file.
    """
    if len(lines) <= _FEW:
        for index, line in enumerate(lines):
            verdict = judge_line(line, rules, last=is_end and index == len(lines) - 1)
            yield _looked_at(first + index, verdict)
        return
    rows = _decoded(lines)
    if rows is None:
        middle = len(lines) // 2
        yield from sift(lines[:middle], first, rules)
        yield from sift(lines[middle:], first + middle, rules, is_end=is_end)
        return
    yield from _sift_rows(lines, rows, first, rules)


def _looked_at(number: int, verdict: Verdict) -> Sifted:
    return Sifted(number, int(verdict.is_row), verdict.characters, [verdict.keys] if verdict.keys else [], verdict)


def _decoded(lines: list[bytes]) -> list[_Row] | None:
    """Returns a row for each line, or None where one has not just the keys that it needs, each once."""
    block = b"\n".join(lines)
    try:
        rows = _decode_lines(block)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    messages = sum(map(len, map(_messages_of, rows)))
    alone = len(rows) == len(lines) == block.count(b'"messages"') and min(lines) >= b"{"  # blank lines sort below
    if b"\\" in block and _ESCAPED_ASCII.search(block):
        return None
    return rows if alone and messages == block.count(b'"role"') == block.count(b'"content"') else None


def _sift_rows(lines: list[bytes], rows: list[_Row], first: int, rules: Rules) -> Iterator[Sifted]:
    contents = list(map(_content_of, chain.from_iterable(map(_messages_of, rows))))
    text = "\n".join(contents)
    stops = _doubtful_orders(rows, rules)
    if list(map(str.strip, contents)) != contents or not all(contents):
        stops |= {index for index, row in enumerate(rows) if not all(map(_is_tight, map(_content_of, row.messages)))}
    if is_suspicious(text):
        stops |= {index for index, row in enumerate(rows) if is_suspicious("\n".join(map(_content_of, row.messages)))}
    start = 0
    for stop in sorted(stops):
        if start < stop:
            yield _clean(rows[start:stop], first + start)
        yield _looked_at(first + stop, judge_line(lines[stop], rules))
        start = stop + 1
    if start == 0:
        yield Sifted(first, len(rows), len(text) - len(contents) + 1, _keys(rows))
    elif start < len(rows):
        yield _clean(rows[start:], first + start)


def _is_tight(content: str) -> bool:
    return content == content.strip() and content != ""


def _doubtful_orders(rows: list[_Row], rules: Rules) -> set[int]:
    system = rules.system_role
    return {
        index
        for index, row in enumerate(rows)
        if not (messages := row.messages) or order(tuple([message.role for message in messages]), system)
    }


def _clean(rows: list[_Row], first: int) -> Sifted:
    characters = sum(len(message.content) for row in rows for message in row.messages)
    return Sifted(first, len(rows), characters, _keys(rows))


def _keys(rows: list[_Row]) -> list[Keys]:
    return [
        keys(tuple([message.role for message in messages]), [message.content for message in messages])
        for messages in map(_messages_of, rows)
    ]
