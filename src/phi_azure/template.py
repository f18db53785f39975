"""Phi's chat templates: one row as the text that the model sees, and which part of it is learnt.

The forms are those of the chat templates that Microsoft publishes with the models (phi3: Phi-3 and Phi-3.5; phi4: Phi-4
and Phi-4-reasoning; phi4_mini: Phi-4-mini and multimodal). What is learnt is Azure's rule: the loss counts on what the
assistant says, and on the token that ends it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from phi_azure.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phi_azure.catalog import PhiModel
    from phi_azure.dataset import Message

Name = Literal["phi3", "phi4", "phi4_mini"]
Kind = Literal["special", "prompt", "answer", "end"]


@dataclass(frozen=True)
class Form:
    """How a template writes one message."""

    before: str
    """Stands before the content; `{role}` is the message's role."""
    after: str
    """Stands behind it; of an assistant's message it is learnt."""
    last: str
    """Ends the whole row."""
    roles: tuple[str, ...] | None
    """Roles that it writes; messages of others vanish without a word. None writes any."""


FORMS: dict[Name, Form] = {
    "phi3": Form("<|{role}|>\n", "<|end|>\n", "<|endoftext|>", ("system", "user", "assistant")),
    "phi4": Form("<|im_start|>{role}<|im_sep|>", "<|im_end|>", "", ("system", "user", "assistant")),
    "phi4_mini": Form("<|{role}|>", "<|end|>", "<|endoftext|>", None),
}
LEARNT: frozenset[Kind] = frozenset({"answer", "end"})
MARKS = 3
"""Tokens that a template puts around one message, one more or less."""


class Segment(NamedTuple):
    """A piece of the text: `special` and `prompt` are read, `answer` and `end` are learnt."""

    text: str
    kind: Kind

    @property
    def is_learnt(self) -> bool:
        """Whether the loss counts here."""
        return self.kind in LEARNT


def segments(messages: Sequence[Message], name: Name, *, system_role: bool = True) -> list[Segment]:
    """Returns a row as its template writes it, in pieces.

    Args:
        messages: the conversation; contents that are lists count with their text parts.
        name: the template.
        system_role: False puts a system text before the first user's, with an empty line between, as Azure does for
            models without that role.
    """
    form = FORMS[name]
    turns = [(message.role, content(message)) for message in messages]
    if not system_role:
        turns = _without_system(turns)
    pieces: list[Segment] = []
    for role, text in turns:
        if form.roles is not None and role not in form.roles:
            continue
        learnt = role == "assistant"
        pieces.append(Segment(form.before.format(role=role), "special"))
        if text:
            pieces.append(Segment(text, "answer" if learnt else "prompt"))
        pieces.append(Segment(form.after, "end" if learnt else "special"))
    if form.last:
        last_is_learnt = bool(pieces) and pieces[-1].kind == "end"
        pieces.append(Segment(form.last, "end" if last_is_learnt else "special"))
    return pieces


def render(messages: Sequence[Message], name: Name, *, system_role: bool = True) -> str:
    """Returns a row as one text."""
    return "".join(piece.text for piece in segments(messages, name, system_role=system_role))


def of(model: PhiModel | None, name: str) -> Name:
    """Returns a model's template. Raises ConfigError where it has none, or nobody knows it."""
    if model is None or model.chat_template is None:
        raise ConfigError(
            f"the chat template of {name} is not known here, so its rows cannot be rendered or counted.",
            remedy="Name a Phi that reads rows alike: --model Phi-4-mini-instruct, say. phi-azure models lists them.",
        )
    return model.chat_template


def left_out(messages: Sequence[Message], name: Name) -> list[str]:
    """Returns the roles whose messages a template passes over without a word."""
    written = FORMS[name].roles
    return sorted({message.role for message in messages if written is not None and message.role not in written})


def marks(name: Name) -> list[str]:
    """Returns the special tokens that a template writes around an answer; a tokenizer that lacks one is not its."""
    form = FORMS[name]
    return re.findall(r"<\|.+?\|>", f"{form.before.format(role='assistant')}{form.after}{form.last}")


def content(message: Message) -> str:
    """Returns the text of a message; of a list its text parts, of a call without text nothing."""
    if isinstance(message.content, str):
        return message.content
    import msgspec

    parts = [msgspec.json.decode(part) for part in message.content or []]
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def _without_system(turns: list[tuple[str, str]]) -> list[tuple[str, str]]:
    if not turns or turns[0][0] != "system":
        return turns
    text, rest = turns[0][1], turns[1:]
    first = next((index for index, (role, _) in enumerate(rest) if role == "user"), None)
    if first is None:
        return rest
    return [*rest[:first], ("user", f"{text}\n\n{rest[first][1]}"), *rest[first + 1 :]]
