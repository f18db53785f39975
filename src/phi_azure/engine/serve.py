"""One deployment as an HTTP server on this machine: /score in Azure's two shapes, and the OpenAI chat routes."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cheroot.wsgi import Server
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from phi_azure.engine.chat import Answer, ChatModel, load_chat_model
from phi_azure.engine.errors import UserError
from phi_azure.engine.events import log
from phi_azure.engine.folders import write_whole
from phi_azure.engine.scoring import (
    ChatRequest,
    FieldError,
    chat_completion,
    check_azure_chat,
    chunk,
    new_id,
    read_chat,
    read_conversations,
    read_messages,
    read_sampling,
    read_score,
    score_output,
    usage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_THREADS = 32  # questions at once, answered together
_QUEUE = 512  # that wait to be taken on; beyond it a Unix socket refuses at once
_LOOK = 2.0  # seconds between two looks for the file that says where the server is

_ROUTES = Map(
    [
        Rule("/", endpoint="health", methods=["GET"]),
        Rule("/health", endpoint="health", methods=["GET"]),
        Rule("/score", endpoint="score", methods=["POST"]),
        Rule("/v1/chat/completions", endpoint="chat", methods=["POST"]),
        Rule("/chat/completions", endpoint="azure_chat", methods=["POST"]),
        Rule("/v1/models", endpoint="models", methods=["GET"]),
    ]
)


@dataclass
class Reply:
    """A response on its way, and what the log says about it; a streamed one knows its tokens only at the end."""

    response: Response
    tokens: str = "-"


@dataclass(frozen=True)
class Deployment:
    """A model behind HTTP: the WSGI application."""

    model: ChatModel
    name: str
    shape: str

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers one request, and logs it without a word of its content."""
        request = Request(environ)
        began = time.perf_counter()
        response = self._answered(request, began)
        return response(environ, start_response)

    def _answered(self, request: Request, began: float) -> Response:
        try:
            endpoint, _ = _ROUTES.bind_to_environ(request.environ).match()
            reply: Reply = getattr(self, f"_{endpoint}")(request)
        except HTTPException as error:
            reply = Reply(_error(error.code or 500, error.name, "invalid_request_error", None))
        except FieldError as error:
            reply = Reply(_error(self._refusal(request), str(error), "invalid_request_error", error.field))
        except UserError as error:
            reply = Reply(_error(400, str(error), "invalid_request_error", "messages"))
        if reply.response.is_streamed:
            reply.response.call_on_close(lambda: _log(request, reply, began))
        else:
            _log(request, reply, began)
        return reply.response

    def _refusal(self, request: Request) -> int:
        """Azure's own chat route refuses a bad field with 422, OpenAI's with 400."""
        return 422 if request.path == "/chat/completions" else 400

    def _health(self, _request: Request) -> Reply:
        return Reply(_json({"status": "Healthy", "model": self.name}))

    def _models(self, _request: Request) -> Reply:
        card = {"id": self.name, "object": "model", "created": 0, "owned_by": "phi_azure"}
        return Reply(_json({"object": "list", "data": [card]}))

    def _score(self, request: Request) -> Reply:
        input_string, parameters = read_score(_body(request))
        if self.shape == "foundation":
            return self._score_flat(input_string, parameters)
        sampling = read_sampling(parameters)
        answers = [self.model.answer(messages, sampling) for messages in read_conversations(input_string)]
        return Reply(_json([{"0": answer.text} for answer in answers]), _tokens(answers))

    def _score_flat(self, input_string: list[Any], parameters: dict[str, Any]) -> Reply:
        """Answers as the container of base models: what its engine refuses comes back as 200 with a null output."""
        try:
            answer = self.model.answer(read_messages(input_string, "input_string"), read_sampling(parameters))
        except UserError as error:
            body = {"message": str(error), "type": "BadRequestError", "code": 400}
            return Reply(_json({"output": None, "error": {"status_code": 400, "body": body}}))
        return Reply(_json(score_output(answer, self.name)), _tokens([answer]))

    def _chat(self, request: Request) -> Reply:
        asked = read_chat(_body(request))
        if asked.stream:
            return self._streamed(asked)
        answer = self.model.answer(asked.messages, asked.sampling)
        return Reply(_json(chat_completion(answer, self.name)), _tokens([answer]))

    def _azure_chat(self, request: Request) -> Reply:
        check_azure_chat(_body(request), request.headers.get("extra-parameters", "error"))
        return self._chat(request)

    def _streamed(self, asked: ChatRequest) -> Reply:
        growing = self.model.growing(asked.messages, asked.sampling)
        first = next(growing)  # a refusal must come before the status is sent
        reply = Reply(Response(mimetype="text/event-stream"))
        reply.response.response = self._events(first, growing, asked, reply)
        return reply

    def _events(self, first: Answer, growing: Iterator[Answer], asked: ChatRequest, reply: Reply) -> Iterator[bytes]:
        identity, shown, answer = new_id(), "", first
        yield _event(chunk(identity, self.name, {"role": "assistant", "content": ""}, None))
        for answer in _with_first(first, growing):
            if answer.text != shown:
                yield _event(chunk(identity, self.name, {"content": answer.text[len(shown) :]}, None))
                shown = answer.text
        yield _event(chunk(identity, self.name, {}, answer.finish_reason))
        if asked.with_usage:
            yield _event({**chunk(identity, self.name, {}, None), "choices": [], "usage": usage(answer)})
        reply.tokens = _tokens([answer])
        yield b"data: [DONE]\n\n"


def run(folder: Path, ready: Path | None, address: tuple[str, int] | str, name: str, shape: str) -> None:
    """Loads the model and serves it, at a host and port or on a Unix socket, until a signal ends the process."""
    began = time.perf_counter()
    model = load_chat_model(folder)
    app = Deployment(model, name, shape)
    server = Server(address, app, numthreads=_THREADS, request_queue_size=_QUEUE, server_name="phi-azure")
    server.shutdown_timeout = 0.5
    server.prepare()
    serving = threading.Thread(target=server.serve, daemon=True)
    serving.start()
    here = {"socket": address} if isinstance(address, str) else {"port": server.bind_addr[1]}
    where = "a Unix socket" if isinstance(address, str) else f"127.0.0.1:{server.bind_addr[1]}"
    log(f"serving {name} ({shape}) on {where}, loaded in {time.perf_counter() - began:.1f} s")
    if ready:
        write_whole(ready, json.dumps({**here, "pid": os.getpid()}))
    try:
        while serving.is_alive() and (ready is None or ready.exists()):  # its folder is gone: nobody asks any more
            serving.join(_LOOK)
    finally:
        server.stop()
        log("stopped")


def _body(request: Request) -> Any:
    try:
        return json.loads(request.get_data())
    except ValueError as error:
        raise FieldError("body", f"The request is not JSON: {error}") from error


def _with_first(first: Answer, rest: Iterator[Answer]) -> Iterator[Answer]:
    yield first
    yield from rest


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value, ensure_ascii=False), status=status, mimetype="application/json")


def _error(status: int, message: str, kind: str, field: str | None) -> Response:
    return _json({"error": {"message": message, "type": kind, "param": field, "code": status}}, status)


def _event(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


def _tokens(answers: list[Answer]) -> str:
    return f"{sum(a.prompt_tokens for a in answers)}+{sum(a.completion_tokens for a in answers)}"


def _log(request: Request, reply: Reply, began: float) -> None:
    ms = (time.perf_counter() - began) * 1000
    log(f"{request.method} {request.path} {reply.response.status_code} {ms:.1f} ms {reply.tokens} tokens")
