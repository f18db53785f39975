"""What goes in and out of an endpoint: OpenAI's chat shape and Azure's two shapes of POST /score. Values, no HTTP."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phi_azure.engine.chat import Sampling
from phi_azure.engine.errors import UserError

if TYPE_CHECKING:
    from phi_azure.engine.chat import Answer
    from phi_azure.engine.template import Message

ROLES = ("system", "user", "assistant", "tool")
_RANGES = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "frequency_penalty": (-2.0, 2.0),
    "presence_penalty": (-2.0, 2.0),
}
_AZURE_FIELDS = frozenset(
    {
        *("messages", "model", "temperature", "top_p", "frequency_penalty", "presence_penalty", "max_tokens", "stream"),
        *("stop", "seed", "tools", "tool_choice", "response_format", "stream_options"),
    }
)
_DEFAULT_TOKENS = 256


class FieldError(UserError):
    """A field of a request that cannot be used."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


@dataclass(frozen=True)
class ChatRequest:
    """A checked request in the OpenAI chat shape."""

    messages: list[Message]
    sampling: Sampling
    stream: bool
    with_usage: bool


def read_chat(body: Any) -> ChatRequest:
    """Checks a request in the OpenAI chat shape."""
    if not isinstance(body, dict):
        raise FieldError("body", "The request must be a JSON object.")
    options = body.get("stream_options") or {}
    return ChatRequest(
        read_messages(body.get("messages"), "messages"),
        read_sampling(body),
        stream=_flag(body, "stream"),
        with_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def check_azure_chat(body: Any, extra: str) -> None:
    """Keeps the rules of Azure's own route, /chat/completions: narrower ranges, and no field that it does not know.

    `extra` is the header extra-parameters: "drop" or "pass-through" lets unknown fields by, which this server ignores.
    """
    if not isinstance(body, dict):
        return
    _number(body, "temperature", 0.0, 0.0, 1.0)
    unknown = sorted(set(body) - _AZURE_FIELDS)
    if unknown and extra not in {"drop", "pass-through"}:
        raise FieldError(unknown[0], f"Extra fields are not allowed: {', '.join(unknown)}.")


def read_messages(value: Any, field: str) -> list[Message]:
    """Checks a list of messages; content given in parts of text is joined."""
    if not isinstance(value, list) or not value:
        raise FieldError(field, f"{field} must be a list with at least one message.")
    return [_message(item, f"{field}[{i}]") for i, item in enumerate(value)]


def read_sampling(values: dict[str, Any]) -> Sampling:
    """Reads how to choose tokens, in OpenAI's and in Hugging Face's words; greedy unless a temperature is given."""
    for name, (low, high) in _RANGES.items():
        _number(values, name, 0.0, low, high)
    temperature = _number(values, "temperature", 0.0, 0.0, 2.0)
    sample = values.get("do_sample")
    if sample is True and "temperature" not in values:
        temperature = 1.0
    return Sampling(
        temperature=0.0 if sample is False else temperature,
        top_p=_number(values, "top_p", 1.0, 0.0, 1.0),
        max_tokens=_token_limit(values),
        stop=_stop(values.get("stop")),
        seed=values.get("seed") if isinstance(values.get("seed"), int) else None,
    )


def read_score(body: Any) -> tuple[list[Any], dict[str, Any]]:
    """Returns input_string and parameters of a request to /score."""
    data = body.get("input_data") if isinstance(body, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("input_string"), list):
        raise FieldError("input_data", "input_data must be an object with a list input_string.")
    parameters = data.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise FieldError("parameters", "parameters must be an object.")
    return data["input_string"], parameters


def read_conversations(input_string: list[Any]) -> list[list[Message]]:
    """Reads the conversations that a fine-tuned MLflow model takes; one flat conversation will do, as in Azure."""
    flat = bool(input_string) and isinstance(input_string[0], dict)
    conversations = [input_string] if flat else input_string
    if not conversations:
        raise FieldError("input_string", "input_string must hold at least one conversation.")
    return [_conversation(value, f"input_string[{i}]") for i, value in enumerate(conversations)]


def chat_completion(answer: Answer, model: str) -> dict[str, Any]:
    """Returns an answer in the OpenAI shape."""
    return {
        "id": new_id(),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answer.text},
                "logprobs": None,
                "finish_reason": answer.finish_reason,
            }
        ],
        "usage": usage(answer),
    }


def chunk(identity: str, model: str, delta: dict[str, str], finish_reason: str | None) -> dict[str, Any]:
    """Returns one piece of a streamed answer."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": identity,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
    }


def score_output(answer: Answer, model: str) -> dict[str, Any]:
    """Returns an answer as the container of base models gives it."""
    return {
        "output": answer.text,
        "message": {"role": "assistant", "content": answer.text},
        "finish_reason": answer.finish_reason,
        "usage": usage(answer),
        "model": model,
        "id": new_id(),
    }


def usage(answer: Answer) -> dict[str, int]:
    """Returns the tokens read and said."""
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
    }


def new_id() -> str:
    """Returns a new name for an answer."""
    return f"chatcmpl-{uuid.uuid4().hex}"


def _message(item: Any, field: str) -> Message:
    if not isinstance(item, dict):
        raise FieldError(field, f"{field} must be an object with role and content.")
    if item.get("role") not in ROLES:
        raise FieldError(f"{field}.role", f"{field}.role must be one of {', '.join(ROLES)}.")
    content = item.get("content")
    if content is None and item.get("tool_calls"):
        content = ""
    if isinstance(content, list):
        content = "".join(_text_part(part, field) for part in content)
    if not isinstance(content, str):
        raise FieldError(f"{field}.content", f"{field}.content must be a text.")
    return {**item, "content": content}


def _text_part(part: Any, field: str) -> str:
    if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
        raise FieldError(f"{field}.content", f"{field}.content: this model reads text only.")
    return str(part["text"])


def _conversation(value: Any, field: str) -> list[Message]:
    """Keeps the rules of Azure's predictor: a system message first if any, then turns that alternate, the user last."""
    messages = [{**message, "content": message["content"].strip()} for message in read_messages(value, field)]
    turns = messages[1:] if messages[0]["role"] == "system" else messages
    for i, message in enumerate(turns):
        if message["role"] != ("user", "assistant")[i % 2]:
            raise FieldError(field, f"{field}: roles must alternate between user and assistant, from user.")
    if len(turns) % 2 == 0:
        raise FieldError(field, f"{field}: the last role must be user.")
    return messages


def _token_limit(values: dict[str, Any]) -> int:
    names = ("max_completion_tokens", "max_tokens", "max_new_tokens")
    given = next((name for name in names if values.get(name) is not None), None)
    if given is None:
        return _DEFAULT_TOKENS
    limit = values[given]
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise FieldError(given, f"{given} must be a whole number of at least 1.")
    return limit


def _number(values: dict[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = values.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise FieldError(name, f"{name} must be a number from {low} to {high}.")
    return float(value)


def _flag(values: dict[str, Any], name: str) -> bool:
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise FieldError(name, f"{name} must be true or false.")
    return value is True


def _stop(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop for stop in stops):
        raise FieldError("stop", "stop must be a text or a list of texts.")
    return tuple(stops)
