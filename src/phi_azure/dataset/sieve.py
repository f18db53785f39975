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
_role_of: Callable[[_Message], str] = attrgetter("role")
_content_of: Callable[[_Message], str] = attrgetter("content")


class Sifted(msgspec.Struct):
    """Lines in a row without a finding, or one line with its verdict."""

    first: int
    """Counted from 1."""
    rows: int
    characters: int
    prompts: list[int]
    wholes: list[int]
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
            yield looked_at(first + index, verdict)
        return
    block = b"\n".join(lines)
    rows = _decoded(lines, block)
    if rows is None:
        middle = len(lines) // 2
        yield from sift(lines[:middle], first, rules)
        yield from sift(lines[middle:], first + middle, rules, is_end=is_end)
        return
    yield from _sift_rows(lines, block, rows, first, rules)


def looked_at(number: int, verdict: Verdict) -> Sifted:
    """Wraps the verdict of one line or record."""
    prompts, wholes = ([verdict.keys[0]], [verdict.keys[1]]) if verdict.keys else ([], [])
    return Sifted(number, int(verdict.is_row), verdict.characters, prompts, wholes, verdict)


def _decoded(lines: list[bytes], block: bytes) -> list[_Row] | None:
    """Returns a row for each line, or None where that cannot be said without a closer look."""
    if min(lines) < b"{":  # blank, or begins with a blank; a second row elsewhere could make up for it
        return None
    if b"\\" in block and _ESCAPED_ASCII.search(block):
        return None
    try:
        rows = _decode_lines(block)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return rows if len(rows) == len(lines) else None


def _has_each_key_once(block: bytes, rows: int, messages: int, text: str) -> bool:
    """Whether no key stands twice: each brings a colon, and the rest of the colons must be those of the contents."""
    return block.count(b":") == rows + 2 * messages + text.count(":")


def _sift_rows(lines: list[bytes], block: bytes, rows: list[_Row], first: int, rules: Rules) -> Iterator[Sifted]:
    chats = list(map(_messages_of, rows))
    contents = list(map(_content_of, chain.from_iterable(chats)))
    stops, prompts, wholes = _hashed(chats, contents, rules.system_role)
    if list(map(str.strip, contents)) != contents or not all(contents):
        stops |= {index for index, chat in enumerate(chats) if any(map(_is_loose, chat))}
    text = "\n".join(contents)
    if is_suspicious(text):
        stops |= {index for index, chat in enumerate(chats) if is_suspicious("\n".join(map(_content_of, chat)))}
    if not _has_each_key_once(block, len(rows), len(contents), text):
        stops |= {index for index, chat in enumerate(chats) if not _is_single(lines[index], chat)}
    if not stops:
        yield Sifted(first, len(rows), len(text) - len(contents) + 1, prompts, wholes)
        return
    start = 0
    for stop in [*sorted(stops), len(rows)]:
        if start < stop:
            characters = sum(len(message.content) for chat in chats[start:stop] for message in chat)
            yield Sifted(first + start, stop - start, characters, prompts[start:stop], wholes[start:stop])
        if stop < len(rows):
            yield looked_at(first + stop, judge_line(lines[stop], rules))
        start = stop + 1


def _hashed(
    chats: list[list[_Message]], contents: list[str], system_role: bool
) -> tuple[set[int], list[int], list[int]]:
    """Returns which rows have their roles in a doubtful order, and the two keys of every row.

    Where all conversations are of one length, they are taken as columns, which needs no loop in Python.
    """
    lengths = set(map(len, chats))
    if len(lengths) > 1 or 0 in lengths:
        orders = [tuple([message.role for message in chat]) for chat in chats]
        pairs = [keys(roles, [message.content for message in chat]) for roles, chat in zip(orders, chats, strict=True)]
        prompts, wholes = map(list, zip(*pairs, strict=True))
    else:
        width = lengths.pop()
        roles = list(map(_role_of, chain.from_iterable(chats)))
        orders = list(zip(*(roles[column::width] for column in range(width)), strict=True))
        *asked, told = (contents[column::width] for column in range(width))
        prompts = list(map(hash, zip(*asked, orders, strict=True)))
        wholes = list(map(hash, zip(prompts, told, strict=True)))
    doubtful = {roles for roles in set(orders) if not roles or order(roles, system_role)}
    stops = {index for index, roles in enumerate(orders) if roles in doubtful} if doubtful else set()
    return stops, prompts, wholes


def _is_single(line: bytes, chat: list[_Message]) -> bool:
    return _has_each_key_once(line, 1, len(chat), "".join(map(_content_of, chat)))


def _is_loose(message: _Message) -> bool:
    """Whether a content is blank, or an answer has blanks around it."""
    stripped = message.content.strip()
    return not stripped or (message.role == "assistant" and stripped != message.content)
