"""An endpoint that answers: ask it, read its log, delete it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from phi_azure.errors import AzureError, ConfigError, PhiAzureError

if TYPE_CHECKING:
    import requests

    from phi_azure.azure.client import Connection
    from phi_azure.azure.endpoints import Found

Kind = Literal["serverless", "managed"]
Messages = Sequence[Mapping[str, str]]
_COMPLETIONS = "/v1/chat/completions"


@dataclass(frozen=True)
class Answer:
    """What an endpoint answered."""

    text: str
    latency_s: float
    """From the question to the whole answer, repeats of a busy endpoint included."""
    prompt_tokens: int | None = None
    """None where the endpoint does not count."""
    completion_tokens: int | None = None


@dataclass(frozen=True)
class EndpointInfo:
    """One line of a list of endpoints."""

    name: str
    kind: str
    status: str
    scoring_uri: str
    made_by_us: bool


@dataclass(frozen=True)
class Endpoint:
    """A model that answers at an address; made by `Model.deploy`, found by `Workspace.endpoint`."""

    name: str
    kind: Kind
    scoring_uri: str
    status: str
    raw: object = field(repr=False)
    """Azure's own object."""
    _connection: Connection = field(repr=False)

    @classmethod
    def from_azure(cls, connection: Connection, found: Found) -> Endpoint:
        """Wraps what Azure has."""
        kind: Kind = "serverless" if found.kind == "serverless" else "managed"
        return cls(found.name, kind, found.scoring_uri, found.status, found.raw, connection)

    def chat(
        self, message: str | Messages, *, system: str | None = None, max_tokens: int = 256, temperature: float = 0.0
    ) -> str:
        """Asks and returns the text of the answer; `message` is one question or a whole conversation."""
        return self.complete(message, system=system, max_tokens=max_tokens, temperature=temperature).text

    def complete(
        self, message: str | Messages, *, system: str | None = None, max_tokens: int = 256, temperature: float = 0.0
    ) -> Answer:
        """Asks and returns the answer with its time and tokens.

        Raises:
            ConfigError: there is nothing to ask; nothing was sent.
            AzureError: the model behind the endpoint failed.
        """
        from phi_azure.azure import endpoints

        if not (message.strip() if isinstance(message, str) else message):
            raise ConfigError("the message is empty; ask something.")
        url = scoring_url(self.scoring_uri, self.kind)
        body = question(conversation(message, system), max_tokens, temperature, self._shape(url))
        started = time.perf_counter()
        document = endpoints.ask(self._session, url, self._key, body)
        return read_answer(document, time.perf_counter() - started)

    def logs(self, lines: int = 100) -> str:
        """Returns the end of a managed endpoint's log; a serverless one has none."""
        from phi_azure.azure import endpoints

        if self.kind == "serverless":
            raise PhiAzureError(f"{self.name} is serverless; Azure keeps its log.")
        return endpoints.logs(self._connection, self.name, lines)

    def delete(self) -> None:
        """Deletes the endpoint with what is behind it, and waits; the model stays."""
        from phi_azure.azure import endpoints

        endpoints.delete(self._connection, self.name, self.kind)

    def _shape(self, url: str) -> Shape:
        if url.endswith("/completions"):
            return "openai"
        return "flat" if self._as_it_comes else "nested"

    @cached_property
    def _key(self) -> str:
        from phi_azure.azure import endpoints

        return endpoints.key(self._connection, self.name, self.kind)

    @cached_property
    def _session(self) -> requests.Session:
        from phi_azure.azure import endpoints

        return endpoints.session()

    @cached_property
    def _as_it_comes(self) -> bool:
        """A base model's container takes one conversation, a tuned model's score script a list of them."""
        from phi_azure.azure import endpoints

        return endpoints.wears_registry_model(self._connection, self.name)


Shape = Literal["openai", "flat", "nested"]


def scoring_url(uri: str, kind: Kind) -> str:
    """Returns where questions go: Azure's address may be complete, or lack its last part."""
    path = urlsplit(uri).path.rstrip("/")
    if path.endswith(("/score", "/completions")):
        return uri.rstrip("/")
    if kind == "managed":
        return f"{uri.rstrip('/')}/score"
    return uri.rstrip("/").removesuffix("/v1") + _COMPLETIONS


def conversation(message: str | Messages, system: str | None) -> list[dict[str, str]]:
    """Returns the messages to send, the system's first."""
    said = [{"role": "user", "content": message}] if isinstance(message, str) else [dict(turn) for turn in message]
    return [{"role": "system", "content": system}, *said] if system else said


def question(messages: list[dict[str, str]], max_tokens: int, temperature: float, shape: Shape) -> dict[str, object]:
    """Returns the body in the shape that the address takes."""
    if shape == "openai":
        return {"messages": messages, "max_tokens": max_tokens, "temperature": temperature}
    parameters: dict[str, object] = {"max_new_tokens": max_tokens, "do_sample": temperature > 0}
    if temperature > 0:
        parameters["temperature"] = temperature
    if shape == "flat":  # the serving engine passes these on to its OpenAI route, which knows max_tokens only
        parameters |= {"max_tokens": max_tokens, "temperature": temperature}
    return {"input_data": {"input_string": messages if shape == "flat" else [messages], "parameters": parameters}}


def read_answer(document: object, latency_s: float) -> Answer:
    """Reads an answer in any of the shapes that Azure's containers give. Raises AzureError on an error inside a 200."""
    text, usage = _text(document)
    return Answer(text, latency_s, usage.get("prompt_tokens"), usage.get("completion_tokens"))


def _text(document: object) -> tuple[str, dict[str, int]]:
    if isinstance(document, str):
        return document, {}
    if isinstance(document, list) and document:
        return _text(document[0])
    if isinstance(document, dict):
        return _from_object(document)
    raise _strange(document)


def _from_object(document: dict[str, object]) -> tuple[str, dict[str, int]]:
    if document.get("error"):
        raise AzureError(
            f"the model behind the endpoint failed: {document['error']}", remedy="`endpoint.logs()` shows more."
        )
    usage = document.get("usage")
    counted = {key: value for key, value in usage.items() if isinstance(value, int)} if isinstance(usage, dict) else {}
    for key in ("output", "0", "text", "content"):
        if isinstance(document.get(key), str):
            return str(document[key]), counted
    for key in ("choices", "message", "output"):
        if document.get(key):
            return _text(document[key])[0], counted
    raise _strange(document)


def _strange(document: object) -> AzureError:
    return AzureError(f"the endpoint answered in a shape that is not known: {str(document)[:200]}")
