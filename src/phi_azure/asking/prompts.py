"""What a batch asks: texts, conversations, or the rows of a JSONL file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phi_azure.dataset import sources, texts
from phi_azure.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

Messages = Sequence[Mapping[str, str]]
Prompts = Path | str | Iterable[str | Messages]
NO_TEXT = f"holds {texts.HALF}, or bytes that are not UTF-8"
_SHOWN = 20
_SHAPES = 'Write {"prompt": "..."} or {"messages": [{"role": "user", "content": "..."}]}.'


@dataclass(frozen=True)
class Prompt:
    """One question of a batch."""

    index: int
    """Its place among the questions, from 0."""
    id: str | int | None
    """The row's own `id` or `custom_id`."""
    messages: list[dict[str, str]]

    def digest(self, *about: object) -> str:
        """Returns a short name of the question as it is asked, the same each time."""
        text = json.dumps([self.messages, *about], ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def conversation(message: str | Messages, system: str | None = None) -> list[dict[str, str]]:
    """Returns the messages to send, the system's first."""
    said = [{"role": "user", "content": message}] if isinstance(message, str) else [dict(turn) for turn in message]
    return [{"role": "system", "content": system}, *said] if system else said


def is_empty(message: str | Messages) -> bool:
    """Whether there is nothing to ask."""
    return not (message.strip() if isinstance(message, str) else message)


def no_text(message: str | Messages, system: str | None = None) -> bool:
    """Whether a text of it is none that can be sent: half a character, or bytes that were not UTF-8."""
    said = (value for turn in conversation(message, system) for value in turn.values())
    return any(isinstance(value, str) and texts.surrogate(value) for value in said)


def prompts_of(given: Prompts, system: str | None = None) -> list[Prompt]:
    """Returns the questions of a batch, in order.

    Args:
        given: texts and conversations; or the path of a JSONL file whose rows hold `prompt`, or `messages` as training
            rows do: the assistant's answer that ends such a row is what is asked for, and not sent.
        system: a system message for those that have none.

    Raises:
        DataError: with every line that is no question, twenty at most; or there is no such file.
        ConfigError: there is nothing to ask, or one of the questions is empty or no text.
    """
    if system and no_text(system):
        raise ConfigError(f"the system message {NO_TEXT}.")
    if isinstance(given, (str, Path)):
        return _read(Path(given), system)
    made = []
    for index, message in enumerate(given):
        if is_empty(message):
            raise ConfigError(f"question {index + 1} is empty; ask something.")
        if no_text(message):
            raise ConfigError(f"question {index + 1} {NO_TEXT}.")
        made.append(Prompt(index, None, _with_system(conversation(message), system)))
    if not made:
        raise ConfigError("there is nothing to ask.")
    return made


def _with_system(messages: list[dict[str, str]], system: str | None) -> list[dict[str, str]]:
    has_one = any(message["role"] == "system" for message in messages)
    return messages if has_one or not system else [{"role": "system", "content": system}, *messages]


def _read(path: Path, system: str | None) -> list[Prompt]:
    if not path.is_file():
        raise DataError(f"{path} is no file.", remedy="Name a JSONL file with a question a line.")
    made: list[Prompt] = []
    problems: list[str] = []
    for number, line in _lines(path):
        prompt = _prompt(len(made), line, system)
        if isinstance(prompt, Prompt):
            made.append(prompt)
        else:
            problems.append(f"{path}:{number}: {prompt}.")
    if problems:
        more = [f"... and {len(problems) - _SHOWN} more."] if len(problems) > _SHOWN else []
        raise DataError("\n".join(problems[:_SHOWN] + more), remedy=_SHAPES)
    if not made:
        raise DataError(f"{path} has no questions.", remedy=_SHAPES)
    return made


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    for block in sources.blocks(path):
        for number, line in enumerate(block.lines, start=block.first):
            if line.strip():
                yield number, line


def _prompt(index: int, line: bytes, system: str | None) -> Prompt | str:
    """Returns the question of a line, or what is wrong with it."""
    try:
        return _read_row(index, json.loads(line), system)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        return "it is not JSON"
    except ValueError as problem:
        return str(problem)


def _read_row(index: int, row: object, system: str | None) -> Prompt:
    if isinstance(row, str):
        row = {"prompt": row}
    if not isinstance(row, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004  one kind of refusal, whatever is wrong with the row
    own = row.get("id", row.get("custom_id"))
    if own is not None and not isinstance(own, (str, int)):
        raise ValueError("its id is neither a text nor a number")
    messages = conversation(row["prompt"]) if isinstance(row.get("prompt"), str) else _messages(row.get("messages"))
    if not messages or not messages[-1]["content"].strip():
        raise ValueError("there is nothing to ask in it")
    if no_text(messages):
        raise ValueError(f"it {NO_TEXT}")
    return Prompt(index, own, _with_system(messages, system))


def _messages(value: object) -> list[dict[str, str]]:
    if not isinstance(value, list):
        raise ValueError("it has neither a text `prompt` nor a list `messages`")  # noqa: TRY004  as above
    for turn in value:
        good = isinstance(turn, dict) and isinstance(turn.get("role"), str) and isinstance(turn.get("content"), str)
        if not good:
            raise ValueError("a message is no object with the texts `role` and `content`")
    turns = [{"role": turn["role"], "content": turn["content"]} for turn in value]
    return turns[:-1] if turns and turns[-1]["role"] == "assistant" else turns
