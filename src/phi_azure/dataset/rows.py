"""Chat rows as values, and a stream of the good ones in a file."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from phi_azure.dataset import sources

if TYPE_CHECKING:
    from collections.abc import Iterator

_NONE = msgspec.Raw(b"null")


class Message(msgspec.Struct):
    """One turn of a conversation."""

    role: str
    content: str | list[msgspec.Raw] | None = None
    tool_calls: list[msgspec.Raw] | None = None


class Row(msgspec.Struct):
    """One example: a conversation that ends in the reply to learn."""

    messages: list[Message]
    tools: msgspec.Raw = _NONE

    @property
    def has_tools(self) -> bool:
        """Whether the row describes tools, or calls some."""
        described = bytes(self.tools) not in {b"null", b"[]", b'""'}
        return described or any(message.tool_calls for message in self.messages)


decode_row = msgspec.json.Decoder(Row).decode


def rows(path: Path | str) -> Iterator[tuple[int, Row]]:
    """Yields each row of a file that can be read, with its line number from 1; passes over the others.

    Raises:
        OSError: where the file cannot be opened.
        ImportError: where it is parquet, and pyarrow is missing.
    """
    if (records := sources.records(Path(path))) is not None:
        for record in records:
            if (row := as_row(record.row)) is not None:
                yield record.number, row
        return
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            try:
                yield number, decode_row(text)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue


def as_row(values: object) -> Row | None:
    """Returns what was read of a row as one; None where it has another shape."""
    try:
        return decode_row(msgspec.json.encode(values))
    except (msgspec.DecodeError, UnicodeError, TypeError, ValueError, RecursionError):
        return None
