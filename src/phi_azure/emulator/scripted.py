"""The runner for tests: jobs take the course that the test gives, at once or by the clock that it turns.

Nothing is trained. Every job says so in its property `phi_azure.emulator.runner` and in its log, so that nobody takes
its numbers for results.
"""

from __future__ import annotations

import dataclasses
import json
import time
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from phi_azure.emulator import containers, runs
from phi_azure.emulator.course import NOTICE, Course, Script, is_untimed
from phi_azure.emulator.wire import WireError, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phi_azure.emulator.runners import State
    from phi_azure.emulator.store import Document
    from phi_azure.emulator.wire import Call

    Reply = Callable[[list[dict[str, Any]]], str]
    """From the messages of a question to its answer."""


class ScriptedRunner:
    """Plays the script of each job, and answers questions with a function of the test's."""

    name = "scripted"

    def __init__(self) -> None:
        self.script = Script()
        self.by_name: dict[str, Script] = {}
        self._scripts: dict[str, Document] = {}  # of jobs, by key: what the store has, read once
        self._settled: dict[str, float] = {}  # when each job was last moved on: while time stands still nothing happens
        self._played: set[str] = set()  # names of scripts that a job has followed; "" is the one for all jobs
        self.reply: Reply = _echo
        self.reply_of: dict[str, Reply] = {}  # by ENDPOINT/DEPLOYMENT, or ENDPOINT

    # Jobs

    def check_job(self, name: str, plan: Document) -> None:
        """Refuses a job whose script names steps that it does not have."""
        steps = [step["name"] for step in plan["steps"]]
        if strangers := self._script_of(name).strangers(steps):
            said = f"The script of the test is wrong: there is no step {strangers[0]!r}; there are {', '.join(steps)}."
            raise WireError(400, "UserError", said, inner="ScriptInvalid")

    def start_job(self, call: Call, job: Document) -> None:
        """Gives a job its script, with the faults that are to happen to it, and writes the notice into its log."""
        name = job["name"]
        self._played.add(name if name in self.by_name else "")
        script = self._script_of(name).with_faults(call.emulator.faults.take("job", name))
        key = call.scope.key + name
        # not in the job's own document, which every request reads and many write
        self._scripts[key.lower()] = call.emulator.store.put("script", key, dataclasses.asdict(script))
        call.emulator.store.change("job", key, lambda doc: doc.update(reads=0, shown={}))
        for run in runs.of_job(call.emulator.store, call.scope.key, name):
            runs.write_log(call.emulator.store, run, NOTICE)

    def _script_of(self, name: str) -> Script:
        return self.by_name.get(name, self.script)

    def settle_job(self, call: Call, job: Document) -> None:
        """Moves a job on to where its script says that it is by now."""
        key = call.scope.key + job["name"]
        script = self._kept(call, key)
        if script is None:
            return
        now = call.now
        if self._settled.get(key.lower()) == now and not is_untimed(script):
            return
        with call.emulator.store.transaction():
            if current := call.emulator.store.get("job", key):
                Course(call, current, script).advance()
        self._settled[key.lower()] = now

    def job_due(self, call: Call, job: Document) -> float | None:
        """Returns when a job will be over; None where it moves on with each look at it, or has no script."""
        script = self._kept(call, call.scope.key + job["name"])
        if script is None or is_untimed(script):
            return None
        begins: float = job["created"] + (script["queued"] or 0.0)
        return begins + Course(call, job, script).length

    def _kept(self, call: Call, key: str) -> Document | None:
        """Returns the script that a job was given; the store is asked for it once."""
        script = self._scripts.get(key.lower()) or call.emulator.store.get("script", key)
        if script is not None:
            self._scripts[key.lower()] = script
        return script

    def cancel_job(self, call: Call, job: Document) -> None:
        """Ends a job at once."""
        for run in runs.of_job(call.emulator.store, call.scope.key, job["name"]):
            runs.set_status(call.emulator.store, run, "Canceled", call.now)

    def unplayed(self) -> list[str]:
        """Returns the scripts that no job has followed, in words."""
        missing = [f"the script of job {name!r}" for name in self.by_name if name not in self._played]
        if self.script != Script() and "" not in self._played:
            missing.append("the script of all jobs that no other names")
        return missing

    # Deployments

    def start_deployment(self, call: Call, deployment: Document) -> None:
        """Has nothing to start; a fault that a test has queued goes with the deployment from here on."""
        kind, name = containers.place(deployment)
        faults = call.emulator.faults.take("deployment", name)
        changes = {"fault": faults[0] if faults else None, "made": call.now}
        call.emulator.store.change(kind, call.scope.key + name, lambda doc: doc.update(changes))

    def deployment_state(self, call: Call, deployment: Document) -> State:
        """Is ready at once, or goes the way of its fault."""
        return containers.state(deployment, call.now)

    def deployment_due(self, deployment: Document) -> float | None:
        """Returns when the fault of a deployment shows; None without one."""
        return containers.due(deployment)

    def stop_deployment(self, call: Call, deployment: Document) -> None:
        """Has nothing to end."""

    def deployment_log(self, call: Call, deployment: Document) -> str:  # noqa: ARG002
        """Says what it is, or what went wrong."""
        return containers.log(deployment)

    def score(self, call: Call, deployment: Document, path: str) -> Response:
        """Answers with the test's function, in the shape that the path and the deployment have."""
        body = call.json() if call.request.method == "POST" else {}
        reply = self.reply_of.get(containers.place(deployment)[1], self.reply)
        if path == "/score":
            return _score(deployment, body, reply)
        if path in {"/v1/chat/completions", "/chat/completions"}:
            return _chat(body, reply)
        if path in {"/", "/health"}:
            return answer({"status": "healthy"})
        raise WireError(404, "NotFound", f"The container has no route {path}.")

    def close(self) -> None:
        """Has nothing to end."""


def _score(deployment: Document, body: dict[str, Any], reply: Reply) -> Response:
    data = body.get("input_data")
    conversations = data.get("input_string") if isinstance(data, dict) else None
    if not isinstance(conversations, list) or not conversations:
        raise WireError(400, "BadRequest", "input_data must be an object with a list input_string.")
    if isinstance(conversations[0], dict):
        return answer({"output": reply(_messages(conversations, "input_string", 400, "BadRequest"))})
    if deployment["shape"] == "foundation":
        raise WireError(400, "BadRequest", "input_string must be a list of messages.")
    asked = [_messages(one, f"input_string[{i}]", 400, "BadRequest") for i, one in enumerate(conversations)]
    return answer([{"0": reply(messages)} for messages in asked])


def _messages(value: object, field: str, status: int, code: str) -> list[dict[str, Any]]:
    """Returns a conversation; refuses what a container could not read as one."""
    if not isinstance(value, list) or not value:
        raise WireError(status, code, f"{field} must be a list of at least one message.")
    for i, message in enumerate(value):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise WireError(status, code, f"{field}[{i}] must be an object with role and content.")
    return value


def _chat(body: dict[str, Any], reply: Reply) -> Response:
    text = reply(_messages(body.get("messages"), "messages", 422, "ValidationError"))
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    head = {"id": "chatcmpl-scripted", "created": int(time.time()), "model": "scripted"}
    if body.get("stream"):
        options = body.get("stream_options")
        counted = usage if isinstance(options, dict) and options.get("include_usage") else None
        return Response(_events(head, text, counted), content_type="text/event-stream")
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    return answer(head | {"object": "chat.completion", "choices": [choice], "usage": usage})


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
