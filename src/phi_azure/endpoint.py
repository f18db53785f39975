"""An endpoint that answers: ask it, read its log, delete it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi_azure.asking.answers import Answer, Kind, Question
from phi_azure.asking.pace import Pace
from phi_azure.asking.prompts import NO_TEXT, conversation, is_empty, no_text, prompts_of
from phi_azure.errors import ConfigError, ConflictError, GateNotPassed, NotFoundError, PhiAzureError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai import OpenAI

    from phi_azure.asking.batch import OnBatchProgress
    from phi_azure.asking.journal import Answered
    from phi_azure.asking.prompts import Messages, Prompts
    from phi_azure.asking.streams import Stream
    from phi_azure.azure.asker import Asker
    from phi_azure.azure.client import Connection
    from phi_azure.azure.endpoints import Found
    from phi_azure.azure.rollout import Deployment

__all__ = ["Answer", "Endpoint", "EndpointInfo", "Kind"]
_AT_ONCE = 64  # questions of one program, from all its threads
_BATCH_PATIENCE_S = 600.0  # that one question of a batch waits among 429s


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
        self,
        message: str | Messages,
        *,
        system: str | None = None,
        max_tokens: int = 256,
        temperature: float = 0.0,
        deployment: str | None = None,
    ) -> str:
        """Asks and returns the text of the answer; `message` is one question or a whole conversation."""
        asked = _question(message, system, max_tokens, temperature, deployment)
        return self._pace.ask(lambda: self._asker.ask(asked)).text

    def complete(
        self,
        message: str | Messages,
        *,
        system: str | None = None,
        max_tokens: int = 256,
        temperature: float = 0.0,
        deployment: str | None = None,
    ) -> Answer:
        """Asks and returns the answer with its time and tokens.

        An endpoint that is busy (429, 503) or hangs up is asked again, for two minutes at most.

        Args:
            message: one question, or a whole conversation.
            system: a system message before it.
            max_tokens: how long the answer may be.
            temperature: 0 takes the likeliest word each time.
            deployment: asks this one of a managed endpoint's deployments, whatever the traffic.

        Raises:
            ConfigError: there is nothing to ask; nothing was sent.
            NotFoundError: there is no such deployment.
            AzureError: the model behind the endpoint failed.
        """
        asked = _question(message, system, max_tokens, temperature, deployment)
        return self._pace.ask(lambda: self._asker.ask(asked))

    def stream(
        self,
        message: str | Messages,
        *,
        system: str | None = None,
        max_tokens: int = 256,
        temperature: float = 0.0,
        deployment: str | None = None,
    ) -> Stream:
        """Asks and returns the words of the answer as they come; arguments and errors are those of `complete`.

        Serverless endpoints stream, and base models on managed ones. The score script of a tuned model on a managed
        endpoint cannot: its answer comes whole, as one piece.
        """
        asked = _question(message, system, max_tokens, temperature, deployment)
        return self._pace.ask(lambda: self._asker.stream(asked))

    def batch(
        self,
        prompts: Prompts,
        *,
        out: Path | str | None = None,
        concurrency: int = 8,
        system: str | None = None,
        max_tokens: int = 256,
        temperature: float = 0.0,
        deployment: str | None = None,
        on_progress: OnBatchProgress | None = None,
    ) -> list[Answered]:
        """Asks many questions, several at once, and returns the answers in the order of the questions, each once.

        What is busy (429, 503) or hangs up is asked again, with growing waits or as `Retry-After` orders; a 429 slows
        all down. A question that finds no answer all the same has its `error` in its place.

        Args:
            prompts: texts or conversations; or the path of a JSONL file whose rows hold `prompt`, or `messages` as
                training rows do (the answer that ends such a row is not sent).
            out: JSONL, an answer a line; called again after an interruption, it goes on where it was, and asks again
                what has an error. While it is written it is called `OUT.part`.
            concurrency: questions at once.
            system: a system message for questions without one.
            max_tokens: how long each answer may be.
            temperature: 0 takes the likeliest word each time.
            deployment: as in `complete`.
            on_progress: is told five times a second how far it is.

        Raises:
            DataError: the file has rows that are no questions, or `out` holds answers to others. Nothing was sent.
            ConfigError: there is nothing to ask.
            SignInError, RightsError, NotFoundError, QuotaError: what every question would meet.
        """
        from phi_azure.asking.batch import Batch
        from phi_azure.asking.journal import Journal

        if concurrency < 1:
            raise ConfigError("concurrency must be at least 1.")
        asked = {
            prompt.index: (prompt, Question(prompt.messages, max_tokens, temperature, deployment))
            for prompt in prompts_of(prompts, system)
        }
        about = (self.name, deployment, max_tokens, temperature)
        journal = Journal(Path(out), {index: one.digest(*about) for index, (one, _) in asked.items()}) if out else None
        pace = Pace(self._connection.clock, concurrency, _BATCH_PATIENCE_S)
        batch = Batch([one for one, _ in asked.values()], lambda one: self._asker.ask(asked[one.index][1]), pace)
        return batch.run(concurrency, journal, on_progress)

    def openai(self, *, deployment: str | None = None, **options: Any) -> OpenAI:
        """Returns a client of the package openai that asks this endpoint; serverless ones, and base models on managed.

        `model` may be any word for a serverless endpoint, `azureai` in Azure's own examples.

        Args:
            deployment: as in `complete`.
            options: the client's own, such as `timeout` and `max_retries`.

        Raises:
            ConfigError: the package is missing, or the endpoint has no such routes.
        """
        from phi_azure.azure import openai_client

        url, key = self._asker.base_url(deployment)
        return openai_client.client(url, key, deployment, through_requests=self._connection.local, **options)

    def logs(self, lines: int = 100, *, deployment: str | None = None) -> str:
        """Returns the end of a deployment's log, of that with most traffic if none is named; serverless has none."""
        from phi_azure.azure import endpoints

        if self.kind == "serverless":
            raise PhiAzureError(f"{self.name} is serverless; Azure keeps its log.")
        if deployment is None:
            found = self.deployments()
            if not found:
                raise NotFoundError(f"{self.name} has no deployment.")
            deployment = max(found, key=lambda one: one.traffic).name
        return endpoints.logs(self._connection, self.name, deployment, lines)

    def deployments(self) -> list[Deployment]:
        """Lists what stands behind a managed endpoint, with its share of the traffic."""
        from phi_azure.azure import rollout

        self._refuse_serverless()
        return rollout.deployments(self._connection, self.name)

    def shift(self, traffic: Mapping[str, int], *, despite_gate: bool = False) -> list[Deployment]:
        """Divides the questions among the deployments, in percent; what is left goes to the one that is not named.

        Args:
            traffic: percent by deployment.
            despite_gate: give more to one that has not passed its gate.

        Raises:
            NotFoundError: a deployment that is not there.
            ConfigError: shares that do not make a hundred.
            GateNotPassed: one that has not passed its gate would get more.
        """
        from phi_azure.azure import rollout

        found = self.deployments()
        wanted = rollout.checked(traffic, found)
        if not despite_gate:
            _refuse_gated(self.name, wanted, found)
        rollout.shift(self._connection, self.name, wanted, _nothing)
        return self._changed()

    def mirror(self, shares: Mapping[str, int]) -> list[Deployment]:
        """Asks a deployment a share of the questions too, 50 percent at most, and lets nobody see its answers.

        Raises:
            NotFoundError: a deployment that is not there.
            ConfigError: a share that Azure does not take.
        """
        from phi_azure.azure import rollout

        checked = rollout.checked(shares, self.deployments(), most=50)
        rollout.mirror(self._connection, self.name, checked, _nothing)
        return self._changed()

    def rollback(self) -> list[Deployment]:
        """Goes back to the traffic before the last change, by one request that changes something.

        Raises:
            ConflictError: there was no other, or what it went to is gone.
        """
        from phi_azure.azure import rollout

        found = {one.name for one in self.deployments()}
        before = rollout.before(self._connection, self.name)
        if gone := sorted(set(before) - found):
            raise ConflictError(f"{', '.join(gone)} is gone; there is nothing to go back to.")
        rollout.shift(self._connection, self.name, before, _nothing)
        return self._changed()

    def retire(self) -> list[str]:
        """Deletes the deployments that get no traffic, which are paid all the same; returns their names."""
        from phi_azure.azure import rollout

        self._refuse_serverless()
        removed = rollout.retire(self._connection, self.name, _nothing)
        self._asker.forget()
        return removed

    def _changed(self) -> list[Deployment]:
        self._asker.forget()
        return self.deployments()

    def _refuse_serverless(self) -> None:
        if self.kind == "serverless":
            raise ConfigError(f"{self.name} is serverless: it has one model and no deployments to choose from.")

    def delete(self) -> None:
        """Deletes the endpoint with what is behind it, and waits; the model stays."""
        from phi_azure.azure import endpoints

        endpoints.delete(self._connection, self.name, self.kind)

    @cached_property
    def _asker(self) -> Asker:
        from phi_azure.azure.asker import Asker

        return Asker(self._connection, self.name, self.kind, self.scoring_uri)

    @cached_property
    def _pace(self) -> Pace:
        return Pace(self._connection.clock, most=_AT_ONCE)


@dataclass(frozen=True)
class Speaker:
    """An endpoint, or one of its deployments."""

    endpoint: Endpoint
    deployment: str | None = None

    def __str__(self) -> str:
        """Returns it as it is written."""
        return f"{self.endpoint.name}/{self.deployment}" if self.deployment else self.endpoint.name


def _question(
    message: str | Messages, system: str | None, max_tokens: int, temperature: float, deployment: str | None
) -> Question:
    if is_empty(message):
        raise ConfigError("the message is empty; ask something.")
    if no_text(message, system):
        raise ConfigError(f"the question {NO_TEXT}.")
    return Question(conversation(message, system), max_tokens, temperature, deployment)


def _refuse_gated(endpoint: str, wanted: Mapping[str, int], found: list[Deployment]) -> None:
    closed = [one for one in found if one.gate in {"waiting", "refused"} and wanted.get(one.name, 0) > one.traffic]
    if closed:
        said = {"waiting": "has not been compared yet", "refused": "did not pass its gate"}
        raise GateNotPassed(
            "\n".join(
                f"{one.name} of {endpoint} {said[one.gate]}; its traffic stays {one.traffic} %." for one in closed
            ),
            remedy=f"`phi-azure compare {endpoint}/{closed[0].name}` opens it; --despite-gate passes it by.",
        )


def _nothing(kind: str, message: str) -> None:
    """Tells nobody."""
