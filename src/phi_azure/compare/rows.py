"""Rows that were kept apart: what is asked, what is expected, and whether the training file has it too."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from phi_azure import dataset
from phi_azure.compare.metrics import words
from phi_azure.config import is_in_azure
from phi_azure.content import file_hash
from phi_azure.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from phi_azure.dataset.rows import Row

Turns = list[dict[str, str]]


@dataclass(frozen=True)
class Item:
    """One row that was kept apart."""

    line: int
    """In its file, from 1."""
    messages: Turns
    """What is asked: all but the reply."""
    expected: str
    """The reply."""
    leaked: bool = False
    """The training file has the same prompt."""

    @property
    def prompt(self) -> str:
        """The last message of the user."""
        return next((turn["content"] for turn in reversed(self.messages) if turn["role"] == "user"), "")


@dataclass(frozen=True)
class HeldOut:
    """The rows of one file."""

    name: str
    sha256: str
    items: tuple[Item, ...]
    leaks: int | None
    """None where there was no training file to look at."""


def held_out(path: Path, training: Path | None = None, limit: int | None = None) -> HeldOut:
    """Reads the rows that are asked, and looks whether the model has learnt from any of them.

    Args:
        path: JSONL as training rows are: the reply that ends a row is what is expected.
        training: the file that the model learnt from; None, or one in Azure, cannot be looked at.
        limit: the first so many rows.

    Raises:
        DataError: there is no such file, or no row of it ends in a reply.
    """
    if is_in_azure(path):
        raise DataError(f"{path} lies in Azure; name a file of this machine.", remedy="Rows are asked from here.")
    if not path.is_file():
        raise DataError(f"{path} is no file.", remedy="Name the rows that were kept apart: JSONL with messages.")
    found = tuple(islice(_items(path), limit))
    if not found:
        raise DataError(
            f"{path} has no row that ends in an assistant's reply.",
            remedy='A row is {"messages": [..., {"role": "assistant", "content": "what is expected"}]}.',
        )
    leaks: int | None = None
    if training is not None and not is_in_azure(training) and training.is_file():
        learnt = {prompt_key(item.messages) for item in _items(training)}
        found = tuple(Item(one.line, one.messages, one.expected, prompt_key(one.messages) in learnt) for one in found)
        leaks = sum(one.leaked for one in found)
    return HeldOut(path.name, file_hash(path), found, leaks)


def examples_of(training: Path, count: int) -> list[Item]:
    """Returns rows of the training file to show a model: of each expected answer in turn, in the file's order.

    Raises:
        DataError: the file has fewer rows.
    """
    by_answer: dict[str, list[Item]] = {}
    for item in islice(_items(training), 5_000):
        by_answer.setdefault(item.expected.strip(), []).append(item)
    groups, chosen = list(by_answer.values()), list[Item]()
    for turn in range(max(map(len, groups), default=0)):
        chosen += [group[turn] for group in groups if turn < len(group)]
        if len(chosen) >= count:
            return chosen[:count]
    raise DataError(f"{training} has {len(chosen)} rows, fewer than the {count} examples that were asked for.")


def with_examples(messages: Turns, shown: Sequence[Item]) -> Turns:
    """Returns a question with examples before it, as turns of the same conversation, after the system message."""
    system = [turn for turn in messages if turn["role"] == "system"]
    rest = [turn for turn in messages if turn["role"] != "system"]
    turns = [
        turn
        for item in shown
        for turn in (
            *(one for one in item.messages if one["role"] != "system"),
            {"role": "assistant", "content": item.expected},
        )
    ]
    return [*system, *turns, *rest]


def with_prompt(messages: Turns, prompt: str) -> Turns:
    """Returns a question with another system message."""
    return [{"role": "system", "content": prompt}, *(turn for turn in messages if turn["role"] != "system")]


def prompt_key(messages: Turns) -> bytes:
    """Returns what is the same for questions that differ in case, punctuation and space alone; without the system's."""
    said = "\n".join(" ".join(words(turn["content"])) for turn in messages if turn["role"] != "system")
    return hashlib.blake2b(said.encode(), digest_size=16).digest()


def _items(path: Path) -> Iterator[Item]:
    for line, row in dataset.rows(path):
        turns = _turns(row)
        if len(turns) > 1 and turns[-1]["role"] == "assistant" and turns[-1]["content"].strip():
            yield Item(line, turns[:-1], turns[-1]["content"])


def _turns(row: Row) -> Turns:
    """Returns a row's texts; one with parts that are no text has none."""
    if not all(isinstance(message.content, str) for message in row.messages):
        return []
    return [{"role": message.role, "content": str(message.content)} for message in row.messages]
