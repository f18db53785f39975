"""Chat rows as values, and a stream of the good ones in a file."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator


class Message(msgspec.Struct):
    """One turn of a conversation."""

    role: str
    content: str | list[msgspec.Raw] | None = None
    tool_calls: list[msgspec.Raw] | None = None


class Row(msgspec.Struct):
    """One example: a conversation that ends in the reply to learn."""

    messages: list[Message]


decode_row = msgspec.json.Decoder(Row).decode


def rows(path: Path | str) -> Iterator[tuple[int, Row]]:
    """Yields each row of a JSONL file that can be read, with its line number from 1; passes over the others.

    Raises:
        OSError: where the file cannot be opened.
    """
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            try:
                yield number, decode_row(text)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
