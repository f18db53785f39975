"""Questions and answers in the shapes of Azure's containers, whole and streamed."""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from phi_azure.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Kind = Literal["serverless", "managed"]
Shape = Literal["openai", "flat", "nested"]
"""Chat completions; a base model's container, which takes one conversation; a tuned model's script: a list of them."""
COMPLETIONS = "/v1/chat/completions"
_LOGS = "`endpoint.logs()` shows more."


@dataclass(frozen=True)
class Answer:
    """What an endpoint answered."""

    text: str
    latency_s: float
    """From the question to the whole answer; repeats of a busy endpoint are not counted."""
    prompt_tokens: int | None = None
    """None where the endpoint does not count."""
    completion_tokens: int | None = None
    first_s: float | None = None
    """From the question to the first words; None where the answer came whole."""
    finish_reason: str | None = None
    """`stop`, or `length` where `max_tokens` cut it; None where the endpoint does not say."""
    deployment: str | None = None
    """Which deployment of a managed endpoint answered."""


@dataclass(frozen=True)
class Question:
    """What is asked, in no container's shape yet."""

    messages: list[dict[str, str]]
    max_tokens: int = 256
    temperature: float = 0.0
    deployment: str | None = None
    """None leaves it to the traffic."""


@dataclass(frozen=True)
class Piece:
    """What one event of a streamed answer adds."""

    text: str = ""
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def scoring_url(uri: str, kind: Kind) -> str:
    """Returns where questions go: Azure's address may be complete, or lack its last part."""
    path = urlsplit(uri).path.rstrip("/")
    if path.endswith(("/score", "/completions")):
        return uri.rstrip("/")
    if kind == "managed":
        return f"{uri.rstrip('/')}/score"
    return uri.rstrip("/").removesuffix("/v1") + COMPLETIONS


def openai_base(uri: str) -> str:
    """Returns the address under which clients of OpenAI's find `/chat/completions`."""
    bare = uri.rstrip("/")
    for end in ("/score", "/chat/completions", "/v1"):
        bare = bare.removesuffix(end)
    return f"{bare}/v1"


def body(question: Question, shape: Shape) -> dict[str, object]:
    """Returns a question in the shape that the address takes."""
    most, temperature = question.max_tokens, question.temperature
    if shape == "openai":
        return {"messages": question.messages, "max_tokens": most, "temperature": temperature}
    parameters: dict[str, object] = {"max_new_tokens": most, "do_sample": temperature > 0}
    if temperature > 0:
        parameters["temperature"] = temperature
    if shape == "flat":  # the serving engine passes these on to its OpenAI route, which knows max_tokens only
        parameters |= {"max_tokens": most, "temperature": temperature}
    messages = question.messages if shape == "flat" else [question.messages]
    return {"input_data": {"input_string": messages, "parameters": parameters}}


def read_answer(document: object) -> Piece:
    """Reads an answer in any of the shapes that Azure's containers give. Raises AzureError on an error inside a 200."""
    if isinstance(document, str):
        return Piece(document)
    if isinstance(document, list) and document:
        return read_answer(document[0])
    if isinstance(document, dict):
        return _from_object(document)
    raise _strange(document)


def _from_object(document: dict[str, object]) -> Piece:
    _refuse_error(document)
    reason = document.get("finish_reason")
    for key in ("output", "0", "text", "content"):
        if isinstance(document.get(key), str):
            return Piece(str(document[key]), reason if isinstance(reason, str) else None, *_counted(document))
    for key in ("choices", "message", "output"):
        if document.get(key):
            inner = read_answer(_first(document[key]))
            return Piece(inner.text, inner.finish_reason or (reason if isinstance(reason, str) else None),
                         *_counted(document))  # fmt: skip
    raise _strange(document)


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else value


def _counted(document: dict[str, object]) -> tuple[int | None, int | None]:
    usage = document.get("usage")
    found = usage if isinstance(usage, dict) else {}
    read, said = (found.get(f"{which}_tokens") for which in ("prompt", "completion"))
    return read if isinstance(read, int) else None, said if isinstance(said, int) else None


def _refuse_error(document: dict[str, object]) -> None:
    if document.get("error"):
        raise AzureError(f"the model behind the endpoint failed: {document['error']}", remedy=_LOGS)


def read_event(data: str) -> Piece | None:
    """Reads one event of a stream of chat completions; None is the end. Raises AzureError on an error inside it."""
    if data == "[DONE]":
        return None
    try:
        document = json.loads(data)
    except ValueError as error:
        raise AzureError(f"the endpoint streamed something that is not JSON: {data[:200]!r}") from error
    if not isinstance(document, dict):
        raise _strange(document)
    _refuse_error(document)
    choice = _first(document.get("choices"))
    if not isinstance(choice, dict):  # the tokens come in an event of their own, without a choice
        return Piece("", None, *_counted(document))
    delta, reason = choice.get("delta"), choice.get("finish_reason")
    text = delta.get("content") if isinstance(delta, dict) else None
    return Piece(
        text if isinstance(text, str) else "", reason if isinstance(reason, str) else None, *_counted(document)
    )


def events(blocks: Iterable[bytes]) -> Iterator[str]:
    """Yields the data of each server-sent event, however the bytes are cut."""
    decoder, rest, data = codecs.getincrementaldecoder("utf-8")("replace"), "", list[str]()
    for block in chain(blocks, [b"\n\n"]):  # the last blank line may be missing
        *lines, rest = (rest + decoder.decode(block)).split("\n")
        for line in lines:
            field, _, value = line.removesuffix("\r").partition(":")
            if field == "data":
                data.append(value.removeprefix(" "))
            elif not field and not value and data:
                yield "\n".join(data)
                data = []


def _strange(document: object) -> AzureError:
    return AzureError(f"the endpoint answered in a shape that is not known: {str(document)[:200]}")
