"""Chat messages to token ids as the model's own chat template says, and which of those ids are the assistant's.

Needs `tokenizers` and `jinja2`, not torch: a step that only prepares data starts in a fraction of a second. A test
holds the ids against `AutoTokenizer.apply_chat_template`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from phi_azure.engine.errors import UserError
from phi_azure.engine.folders import huggingface_folder, read_json, tokenizer_folder

if TYPE_CHECKING:
    from pathlib import Path

    from jinja2 import Template
    from jinja2.nodes import Node
    from jinja2.parser import Parser

Message = dict[str, Any]

_ENDLESS = 10**9  # tokenizers that know no limit say 1e30


@dataclass(frozen=True)
class Tokens:
    """One conversation as token ids; `answer[i]` tells whether the model learns to say `ids[i]`."""

    ids: list[int]
    answer: list[bool]


class ChatTokenizer:
    """A model's tokenizer with its chat template."""

    def __init__(self, tokenizer: Tokenizer, template: str, special: dict[str, str], context: int) -> None:
        self.tokenizer = tokenizer
        self.context = context
        self.source = template
        self._special = special
        self._template = _compile(template)

    def render(self, messages: list[Message], tools: object = None, answer_next: bool = False) -> str:
        """Returns the text that the model sees; `answer_next` ends it where the assistant is to speak."""
        try:
            text = self._template.render(
                messages=messages, tools=tools, documents=None, add_generation_prompt=answer_next, **self._special
            )
        except (TemplateError, TypeError, KeyError, AttributeError, ValueError) as error:
            raise UserError(f"the model's chat template cannot render the messages: {error}") from error
        return str(text)

    def prompt(self, messages: list[Message], tools: object = None) -> list[int]:
        """Returns the ids after which the assistant is to speak."""
        return list(self._encode(self.render(messages, tools, answer_next=True)).ids)

    def example(self, messages: list[Message], tools: object = None) -> Tokens:
        """Returns a whole conversation, with the assistant's own tokens marked."""
        text = self.render(messages, tools)
        encoding = self._encode(text)
        spans = self._answer_spans(messages, tools, text)
        answer = [any(start <= a < b <= end for start, end in spans) for a, b in encoding.offsets]
        return Tokens(encoding.ids, answer)

    def _encode(self, text: str) -> Any:
        return self.tokenizer.encode(text, add_special_tokens=False)

    def _answer_spans(self, messages: list[Message], tools: object, text: str) -> list[tuple[int, int]]:
        """Finds what each assistant message adds to the text, from the end of its prompt to the next message."""
        spans = []
        for i, message in enumerate(messages):
            if message.get("role") != "assistant":
                continue
            start = _shared(self.render(messages[:i], tools, answer_next=True), text)
            end = len(text) if i + 1 == len(messages) else _shared(self.render(messages[: i + 1], tools), text)
            spans.append((start, max(start, end)))
        return spans


def load_chat_tokenizer(folder: Path, template: str | None = None) -> ChatTokenizer:
    """Reads tokenizer and chat template of a model folder; `template` takes the place of the model's own."""
    home = tokenizer_folder(folder)
    tokenizer = _tokenizer(home / "tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    config = read_json(home / "tokenizer_config.json")
    chat_template = template or _own_template(home, config)
    return ChatTokenizer(tokenizer, chat_template, _special_tokens(home, config), _context(folder, config))


def _tokenizer(file: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:
        raise UserError(f"{file} is no tokenizer: {error}") from error


def _own_template(home: Path, config: dict[str, Any]) -> str:
    if (home / "chat_template.jinja").is_file():
        return (home / "chat_template.jinja").read_text(encoding="utf-8")
    template = config.get("chat_template") or read_json(home / "chat_template.json").get("chat_template")
    if isinstance(template, list):  # several, by name
        template = {entry["name"]: entry["template"] for entry in template}.get("default")
    if not isinstance(template, str):
        raise UserError(
            f"{home} has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json)."
        )
    return template


def _special_tokens(home: Path, config: dict[str, Any]) -> dict[str, str]:
    known = {**read_json(home / "special_tokens_map.json"), **config}
    names = ("bos_token", "eos_token", "unk_token", "pad_token")
    values = {name: known.get(name) for name in names}
    texts = {name: value["content"] if isinstance(value, dict) else value for name, value in values.items()}
    return {name: text for name, text in texts.items() if isinstance(text, str)}


def _context(folder: Path, config: dict[str, Any]) -> int:
    """Returns how many tokens fit, the smaller of what the tokenizer and the model say."""
    model = read_json(huggingface_folder(folder) / "config.json")
    limits = [config.get("model_max_length"), model.get("max_position_embeddings"), model.get("n_positions")]
    return min((int(limit) for limit in limits if limit), default=_ENDLESS)


def _shared(prefix: str, text: str) -> int:
    """Returns how many leading characters two texts share."""
    if text.startswith(prefix):
        return len(prefix)
    return next(i for i, (a, b) in enumerate(zip(prefix + "\0", text + "\1", strict=False)) if a != b)


class _Generation(Extension):
    """Lets a template mark the assistant's words with {% generation %}, as transformers does; it changes nothing."""

    tags = {"generation"}  # noqa: RUF012  jinja2 reads the class attribute

    def parse(self, parser: Parser) -> list[Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _compile(template: str) -> Template:
    """Compiles a template in a sandbox with the settings and the functions that transformers gives it."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = _now
    try:
        return environment.from_string(template)
    except TemplateError as error:
        raise UserError(f"the model's chat template is no Jinja template: {error}") from error


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)  # noqa: DTZ005  templates mean the local day
