"""A chat template taken apart: what stands before and after each speaker's words, for formats without Jinja."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from phi_azure.engine.errors import UserError

if TYPE_CHECKING:
    from phi_azure.engine.template import ChatTokenizer, Message

_SYSTEM, _ASKED, _SAID, _AGAIN = "SYSTEMWORDS", "ASKEDWORDS", "SAIDWORDS", "AGAINWORDS"


@dataclass(frozen=True)
class Turns:
    """The texts around each speaker's words."""

    system: tuple[str, str] | None
    """None where the template knows no system message."""
    user: tuple[str, str]
    assistant: tuple[str, str]
    opening: str
    """What ends a prompt, so that the assistant speaks next."""

    def render(self, messages: list[Message]) -> str:
        """Returns the text of a conversation, ready for the answer."""
        return "".join(self._turn(message) for message in messages) + self.opening

    def stops(self) -> list[str]:
        """Returns the special tokens among the texts; an answer that comes to one of them is over."""
        texts = "".join([*(self.system or ()), *self.user, *self.assistant, self.opening])
        return list(dict.fromkeys(re.findall(r"<\|[^|<>]+\|>", texts)))

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values."""
        return asdict(self)

    def _turn(self, message: Message) -> str:
        parts = {"system": self.system, "user": self.user, "assistant": self.assistant}.get(str(message["role"]))
        if parts is None:
            raise UserError(f"the model's chat template has no place for a message of {message['role']}.")
        return f"{parts[0]}{message['content']}{parts[1]}"


def of_dict(values: dict[str, Any]) -> Turns:
    """Returns what `Turns.to_dict` gave."""
    system = values["system"]
    return Turns(
        tuple(system) if system else None, tuple(values["user"]), tuple(values["assistant"]), values["opening"]
    )


def take_apart(tokenizer: ChatTokenizer) -> Turns:
    """Reads the parts off a few conversations as the template renders them.

    Raises:
        UserError: the template does more than put texts around words.
    """
    asked = {"role": "user", "content": _ASKED}
    said = {"role": "assistant", "content": _SAID}
    short = tokenizer.render([asked], answer_next=True)
    long = tokenizer.render([asked, said, {"role": "user", "content": _AGAIN}], answer_next=True)
    before, after = _split(short, _ASKED)
    said_before, rest = _split(_split(long, _ASKED)[1], _SAID)
    said_after = _split(rest, _AGAIN)[0].removesuffix(before)
    closes = after.startswith(said_after)
    user = (before, said_after if closes else "")
    turns = Turns(
        _system(tokenizer, asked, short),
        user,
        (said_before.removeprefix(user[1]), said_after),
        after.removeprefix(user[1]),
    )
    _refuse_others(tokenizer, turns)
    return turns


def _system(tokenizer: ChatTokenizer, asked: Message, short: str) -> tuple[str, str] | None:
    try:
        text = tokenizer.render([{"role": "system", "content": _SYSTEM}, asked], answer_next=True)
    except UserError:
        return None
    if _SYSTEM not in text:
        return None
    before, after = _split(text, _SYSTEM)
    return before, after.removesuffix(short)


def _refuse_others(tokenizer: ChatTokenizer, turns: Turns) -> None:
    talk = [("system", "A b. C"), ("user", "d: 1\n2"), ("assistant", "e"), ("user", "f?")]
    messages = [{"role": role, "content": text} for role, text in talk if role != "system" or turns.system]
    if turns.render(messages) != tokenizer.render(messages, answer_next=True):
        raise UserError("the model's chat template does more than put texts around words; this format cannot say it.")


def _split(text: str, word: str) -> tuple[str, str]:
    before, found, after = text.partition(word)
    if not found:
        raise UserError("the model's chat template changes what is said; this format cannot say it.")
    return before, after
