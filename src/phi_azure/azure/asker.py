"""Asks one endpoint, and remembers what it takes: its key, the shapes of its deployments, whether they stream."""

from __future__ import annotations

import math
import random
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from phi_azure.asking import answers, streams
from phi_azure.asking.answers import Answer
from phi_azure.azure import endpoints, scoring
from phi_azure.azure.scoring import Target
from phi_azure.errors import AzureError, ConfigError, NotFoundError, SignInError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from phi_azure.asking.answers import Kind, Piece, Question, Shape
    from phi_azure.asking.streams import Stream
    from phi_azure.azure.client import Connection
    from phi_azure.azure.endpoints import Layout

T = TypeVar("T")
_LOOK_AGAIN_S = 30.0  # between two looks at whether a refusal comes of a change behind our back


@dataclass(frozen=True)
class _Way:
    """How one question goes."""

    url: str
    shape: Shape
    deployment: str | None = None


class Asker:
    """Asks one endpoint; threads may share it.

    Args:
        connection: to the endpoint's workspace, for its key and its deployments.
        name: the endpoint's.
        kind: the endpoint's.
        uri: where Azure says that it answers.
    """

    def __init__(self, connection: Connection, name: str, kind: Kind, uri: str) -> None:
        self._connection = connection
        self._name = name
        self._kind = kind
        self._uri = uri
        self._session = scoring.session()
        self._lock = threading.RLock()
        self._secret: str | None = None
        self._layout: Layout | None = None
        self._looked_again = -math.inf
        self._silent: set[str | None] = set()
        """The deployments that turned out not to stream."""
        self._counts = True
        """Whether the endpoint tells the tokens of a stream when it is asked to."""

    def ask(self, question: Question) -> Answer:
        """Asks once. Raises Later where the same question may be asked again."""
        return self._adapting(question, self._ask)

    def stream(self, question: Question) -> Stream:
        """Asks once, and returns when the answer begins; one that cannot be streamed comes as one piece."""
        return self._adapting(question, self._stream)

    def base_url(self, deployment: str | None = None) -> tuple[str, str]:
        """Returns address and key for clients of OpenAI's. Raises ConfigError where the container has no /v1."""
        if self._way(deployment).shape == "nested":
            raise ConfigError(
                f"{self._name} serves a tuned model by a score script, which has no /v1.",
                remedy="Ask it by `endpoint.chat`, `stream` and `batch`; a serverless endpoint takes OpenAI's clients.",
            )
        return answers.openai_base(self._uri), self._key()

    def forget(self) -> None:
        """Forgets what stands behind the endpoint; to be called when it was changed."""
        with self._lock:
            self._layout = None
            self._silent.clear()

    def _adapting(self, question: Question, ask: Callable[[Question, _Way], T]) -> T:
        """Asks; once more where somebody has changed what stands behind the endpoint, and it shows in the refusal."""
        way = self._way(question.deployment)
        try:
            return ask(question, way)
        except (AzureError, ConfigError, NotFoundError):
            if self._kind == "serverless" or not self._has_changed():
                raise
        return ask(question, self._way(question.deployment))

    def _ask(self, question: Question, way: _Way) -> Answer:
        body = answers.body(question, way.shape)
        began = time.perf_counter()
        document, deployment = self._signed(lambda key: scoring.ask(self._session, self._target(way, key), body))
        piece = answers.read_answer(document)
        took = time.perf_counter() - began
        return Answer(
            piece.text,
            took,
            piece.prompt_tokens,
            piece.completion_tokens,
            finish_reason=piece.finish_reason,
            deployment=deployment,
        )

    def _stream(self, question: Question, way: _Way) -> Stream:
        if way.shape == "nested" or way.deployment in self._silent:
            return streams.at_once(self._ask(question, way))
        target = _Way(f"{answers.openai_base(self._uri)}/chat/completions", "openai", way.deployment)
        began = time.perf_counter()
        try:
            line = self._signed(lambda key: self._line(target, key, question))
        except scoring.NoRouteError:
            self._silent.add(way.deployment)
            return streams.at_once(self._ask(question, way))
        return streams.Stream(_heard(line), began=began, deployment=line.deployment)

    def _line(self, way: _Way, key: str, question: Question) -> scoring.Line:
        body = answers.body(question, "openai") | {"stream": True}
        counting = {"stream_options": {"include_usage": True}} if self._counts else {}
        try:
            return scoring.stream(self._session, self._target(way, key), body | counting)
        except ConfigError as error:
            if not (counting and "stream_options" in str(error)):
                raise
        self._counts = False
        return scoring.stream(self._session, self._target(way, key), body)

    def _target(self, way: _Way, key: str) -> Target:
        return Target(way.url, key, way.deployment)

    def _signed(self, ask: Callable[[str], T]) -> T:
        """Asks with the key; once more with a fresh one, since keys are replaced and tokens end."""
        known = self._secret
        try:
            return ask(self._key())
        except SignInError:
            if known is None:
                raise
        with self._lock:
            if self._secret == known:
                self._secret = None
        return ask(self._key())

    def _key(self) -> str:
        with self._lock:
            if self._secret is None:
                self._secret = endpoints.key(self._connection, self._name, self._kind)
            return self._secret

    def _way(self, deployment: str | None) -> _Way:
        url = answers.scoring_url(self._uri, self._kind)
        if self._kind == "serverless":
            if deployment:
                raise ConfigError(f"{self._name} is serverless; it has no deployments to name.")
            return _Way(url, "openai")
        if url.endswith("/completions"):
            return _Way(url, "openai", deployment)
        layout = self._known(deployment)
        live = [name for name, percent in layout.traffic.items() if percent]
        chosen = deployment or _chosen(layout, live)
        shape = _shape(layout, chosen or next(iter(live), None))
        return _Way(url, shape, chosen)

    def _known(self, deployment: str | None) -> Layout:
        """Returns what stands behind the endpoint, read once. Raises NotFoundError for an unknown deployment."""
        with self._lock:
            if self._layout is None or (deployment and deployment not in self._layout.deployments):
                self._look()
            layout = self._layout
        if layout is None or (deployment and deployment not in layout.deployments):
            there = ", ".join(sorted(layout.deployments)) if layout and layout.deployments else "none"
            raise NotFoundError(f"{self._name} has no deployment {deployment}; there are: {there}.")
        return layout

    def _look(self) -> None:
        self._layout = endpoints.layout(self._connection, self._name)

    def _has_changed(self) -> bool:
        with self._lock:
            before, now = self._layout, self._connection.clock.now()
            if before is None or now - self._looked_again < _LOOK_AGAIN_S:
                return False
            self._looked_again = now
            self._look()
            return self._layout != before


def _shape(layout: Layout, deployment: str | None) -> Shape:
    return "flat" if deployment in layout.base else "nested"


def _chosen(layout: Layout, live: list[str]) -> str | None:
    """Names the deployment where those behind the traffic take different shapes: then the endpoint must not choose."""
    if len({_shape(layout, name) for name in live}) < 2:
        return None
    return random.choices(live, weights=[layout.traffic[name] for name in live])[0]  # noqa: S311  a share, no secret


def _heard(line: scoring.Line) -> Generator[Piece, None, None]:
    with closing(line.blocks()) as blocks:
        yield from streams.spoken(blocks)
