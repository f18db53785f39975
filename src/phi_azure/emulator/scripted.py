"""The runner for tests: jobs take the course that the test gives, at once or by the clock that it turns.

Nothing is trained. Every job says so in its property `phi_azure.emulator.runner` and in its log, so that nobody takes
its numbers for results.
"""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from phi_azure.emulator import jobs, runs
from phi_azure.emulator.blobs import DEFAULT_CONTAINER
from phi_azure.emulator.wire import WireError, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from phi_azure.emulator.runners import State
    from phi_azure.emulator.store import Document
    from phi_azure.emulator.wire import Call

_NOTICE = "This job is scripted by a test: nothing is trained, and its numbers are the test's own."
_MLMODEL = """\
flavors:
  python_function:
    loader_module: mlflow.transformers
metadata:
  note: scripted, no model inside
"""


@dataclass(frozen=True)
class Script:
    """The course of a job.

    With neither `queued` nor `runs` the job moves on one state with each read: NotStarted, Running, Completed.
    """

    queued: float | None = None  # seconds before it starts
    runs: float | None = None  # seconds that it runs
    metrics: Mapping[str, Sequence[float]] = field(default_factory=dict)  # spread evenly over the time that it runs
    log: Sequence[str] = ()  # likewise
    fails_in: str | None = None  # the step that fails, at the end of its time
    error: str = "The script of the test says that this step fails."
    status: str = "Completed"  # how it ends when no step fails: any status that the service knows


class ScriptedRunner:
    """Plays the script of each job, and answers questions with a function of the test's."""

    name = "scripted"

    def __init__(self) -> None:
        self.script = Script()
        self.by_name: dict[str, Script] = {}
        self.reply: Callable[[list[dict[str, Any]]], str] = _echo

    # Jobs

    def start_job(self, call: Call, job: Document) -> None:
        """Writes the notice into the job's log."""
        script = self.by_name.get(job["name"], self.script)
        plain = dataclasses.asdict(script)
        call.emulator.store.change(
            "job", call.scope.key + job["name"], lambda doc: doc.update(script=plain, reads=0, shown={})
        )
        for run in runs.of_job(call.emulator.store, call.scope.key, job["name"]):
            runs.write_log(call.emulator.store, run, _NOTICE)

    def settle_job(self, call: Call, job: Document) -> None:
        """Moves a job on to where its script says that it is by now."""
        with call.emulator.store.transaction():
            current = call.emulator.store.get("job", call.scope.key + job["name"])
            if current and "script" in current:
                Course(call, current).advance()

    def cancel_job(self, call: Call, job: Document) -> None:
        """Ends a job at once."""
        for run in runs.of_job(call.emulator.store, call.scope.key, job["name"]):
            runs.set_status(call.emulator.store, run, "Canceled", call.now)

    # Deployments

    def start_deployment(self, call: Call, deployment: Document) -> None:
        """Has nothing to start."""

    def deployment_state(self, call: Call, deployment: Document) -> State:  # noqa: ARG002
        """Is always ready."""
        return "Succeeded", None

    def stop_deployment(self, call: Call, deployment: Document) -> None:
        """Has nothing to end."""

    def deployment_log(self, call: Call, deployment: Document) -> str:  # noqa: ARG002
        """Says what it is."""
        return "scripted inference server ready\n"

    def score(self, call: Call, deployment: Document, path: str) -> Response:
        """Answers with the test's function, in the shape that the path and the deployment have."""
        body = call.json() if call.request.method == "POST" else {}
        if path == "/score":
            return self._score(deployment, body)
        if path in {"/v1/chat/completions", "/chat/completions"}:
            return self._chat(body)
        if path in {"/", "/health"}:
            return answer({"status": "healthy"})
        raise WireError(404, "NotFound", f"The container has no route {path}.")

    def _score(self, deployment: Document, body: dict[str, Any]) -> Response:
        conversations = (body.get("input_data") or {}).get("input_string")
        if not isinstance(conversations, list) or not conversations:
            raise WireError(400, "BadRequest", "input_data must be an object with a list input_string.")
        if isinstance(conversations[0], dict):
            return answer({"output": self.reply(conversations)})
        if deployment["shape"] == "foundation":
            raise WireError(400, "BadRequest", "input_string must be a list of messages.")
        return answer([{"0": self.reply(conversation)} for conversation in conversations])

    def _chat(self, body: dict[str, Any]) -> Response:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise WireError(422, "ValidationError", "messages must be a list of at least one message.")
        text = self.reply(messages)
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        head = {"id": "chatcmpl-scripted", "created": int(time.time()), "model": "scripted"}
        if body.get("stream"):
            counted = usage if (body.get("stream_options") or {}).get("include_usage") else None
            return Response(_events(head, text, counted), content_type="text/event-stream")
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        return answer(head | {"object": "chat.completion", "choices": [choice], "usage": usage})

    def close(self) -> None:
        """Has nothing to end."""


class Course:
    """Where one job is on its way."""

    def __init__(self, call: Call, job: Document) -> None:
        self.call = call
        self.job = job
        self.script: dict[str, Any] = job["script"]
        self.store = call.emulator.store
        self.runs = runs.of_job(self.store, call.scope.key, job["name"])

    def advance(self) -> None:
        """Shows what has come to pass since the last look."""
        looks = 0 if self._is_second_half() else 1
        key, version = self.call.scope.key + self.job["name"], self.call.request.args.get("api-version")
        self.store.change("job", key, lambda doc: doc.update(reads=doc["reads"] + looks, version=version))
        share = self._share() if looks else None
        if share is None:
            return
        own = self.runs[0]
        for run in self.runs:
            if run["type"] != runs.RUN_TYPES["step"]:
                runs.set_status(self.store, run, "Running", self._moment(0.0))
        self._show(own, share)
        failed = self._steps(share)
        if failed or share >= 1.0:
            self._finish(failed)

    def _is_second_half(self) -> bool:
        """Says whether this is no look of its own: the client gets a fine-tuning job in both versions, old first."""
        return (
            self.job["type"] == "FineTuning"
            and self.job.get("version") == jobs.OLD
            and self.call.request.args.get("api-version") == jobs.NEW
        )

    def _share(self) -> float | None:
        """Returns how much of its running time is over, None before it starts."""
        queued, running = self.script["queued"], self.script["runs"]
        if queued is None and running is None:
            reads = self.job["reads"]  # the answer to the PUT is the first read
            return None if reads == 0 else min(1.0, 0.5 * reads)
        passed = self.call.now - self.job["created"] - (queued or 0.0)
        if passed < 0:
            return None
        return 1.0 if not running else min(1.0, passed / running)

    def _moment(self, share: float) -> float:
        """Returns the time at a share of the run."""
        if self.script["queued"] is None and self.script["runs"] is None:
            return self.call.now
        created: float = self.job["created"]
        return created + (self.script["queued"] or 0.0) + share * (self.script["runs"] or 0.0)

    def _show(self, own: Document, share: float) -> None:
        shown: dict[str, int] = dict(self.job["shown"])
        finetune = next((run for run in self.runs if run["step"] == "chat_completion_finetune"), own)
        keys = {(self.call.scope.key + run["id"]).lower() for run in (own, finetune)}
        for name, values in self.script["metrics"].items():
            until = int(len(values) * share)
            points = [
                (name, float(values[i]), i, int(self._moment((i + 1) / len(values)) * 1000))
                for i in range(shown.get(name, 0), until)
            ]
            for key in keys:
                self.store.add_metrics(key, points)
            shown[name] = until
        until = int(len(self.script["log"]) * share)
        for line in self.script["log"][shown.get("", 0) : until]:
            runs.write_log(self.store, finetune, line)
        shown[""] = until
        self.store.change("job", self.call.scope.key + self.job["name"], lambda doc: doc.update(shown=shown))

    def _steps(self, share: float) -> Document | None:
        """Moves the steps on, each with an equal part of the time; returns the one that failed."""
        steps = [run for run in self.runs if run["step"]]
        for number, run in enumerate(steps):
            begin, end = number / len(steps), (number + 1) / len(steps)
            if share >= begin:
                runs.set_status(self.store, run, "Running", self._moment(begin))
            if share < end:
                return None
            if run["step"] == self.script["fails_in"]:
                runs.set_status(
                    self.store, run, "Failed", self._moment(end), runs.user_error("UserError", self.script["error"])
                )
                runs.write_log(self.store, run, self.script["error"])
                return run
            runs.set_status(self.store, run, "Completed", self._moment(end))
        return None

    def _finish(self, failed: Document | None) -> None:
        status = (
            "Failed"
            if failed or (self.script["fails_in"] and not any(r["step"] for r in self.runs))
            else self.script["status"]
        )
        if status == "Completed":
            self._leave_outputs()
        error = None
        if status != "Completed":
            node = self.job["plan"]["node"]
            said = (
                f"Pipeline has failed child jobs. Failed nodes: /{node}/{failed['title']}."
                if failed
                else self.script["error"]
            )
            error = runs.user_error("UserError", said)
        for run in self.runs:
            closing = status if run["type"] != runs.RUN_TYPES["step"] else "Canceled"  # steps that never began
            runs.set_status(self.store, run, closing, self._moment(1.0), error if closing == status else None)

    def _leave_outputs(self) -> None:
        places: dict[str, list[str]] = {}
        for target in self.job["plan"]["outputs"].values():
            prefix = f"azureml/{self.job['name']}/{target}"
            self.call.emulator.blobs.put_bytes(DEFAULT_CONTAINER, f"{prefix}/MLmodel", _MLMODEL.encode())
            self.call.emulator.blobs.put_bytes(DEFAULT_CONTAINER, f"{prefix}/data/model/README.md", _NOTICE.encode())
            places[target] = [DEFAULT_CONTAINER, prefix]
        jobs.leave_outputs(self.call, self.job, places)


def _echo(messages: list[dict[str, Any]]) -> str:
    return f"scripted answer to: {messages[-1].get('content', '')}"


def _events(head: dict[str, Any], text: str, usage: dict[str, int] | None) -> Iterator[bytes]:
    for number, word in enumerate(text.split(" ")):
        delta = {"content": word if number == 0 else f" {word}"}
        chunk = head | {
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
        }
        yield f"data: {json.dumps(chunk)}\n\n".encode()
    last = head | {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    yield f"data: {json.dumps(last)}\n\n".encode()
    if usage:
        counted = head | {"object": "chat.completion.chunk", "choices": [], "usage": usage}
        yield f"data: {json.dumps(counted)}\n\n".encode()
    yield b"data: [DONE]\n\n"
