"""A deployment over HTTP, as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.engine

HELLO = [{"role": "user", "content": "Contoso rise"}]


class Served:
    """A running server, its address and its log."""

    def __init__(self, model: Path, home: Path, shape: str) -> None:
        ready = home / "ready.json"
        command = [sys.executable, "-m", "phi_azure.engine", "serve", str(model), "--ready", str(ready)]
        self.log = home / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([*command, "--name", "tiny", "--shape", shape], stdout=log, stderr=log)
        while not ready.exists():
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        self.url = f"http://127.0.0.1:{json.loads(ready.read_text())['port']}"

    def post(self, path: str, body: Any, **options: Any) -> requests.Response:
        """Sends a request."""
        return requests.post(self.url + path, json=body, timeout=60, **options)

    def stop(self) -> int:
        """Ends the server as the emulator does."""
        self.process.terminate()
        return self.process.wait(timeout=5)


@pytest.fixture(scope="module")
def mlflow(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that speaks as a fine-tuned MLflow model does."""
    served = Served(tiny, tmp_path_factory.mktemp("mlflow"), "mlflow")
    yield served
    served.stop()


@pytest.fixture(scope="module")
def foundation(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that speaks as the container of base models does."""
    served = Served(tiny, tmp_path_factory.mktemp("foundation"), "foundation")
    yield served
    served.stop()


def test_both_routes_give_the_same_answer(mlflow: Served) -> None:
    """/score and /v1/chat/completions say the same; the OpenAI shape counts tokens."""
    score = mlflow.post("/score", {"input_data": {"input_string": [HELLO, HELLO], "parameters": {"max_new_tokens": 5}}})
    chat = mlflow.post("/v1/chat/completions", {"messages": HELLO, "max_tokens": 5})

    choice = chat.json()["choices"][0]
    assert score.json() == [{"0": choice["message"]["content"]}] * 2
    usage = chat.json()["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert choice["finish_reason"] in {"stop", "length"}


def test_the_openai_client_streams(mlflow: Served) -> None:
    """The usual client reads a streamed answer to its end."""
    from openai import OpenAI

    client = OpenAI(base_url=f"{mlflow.url}/v1", api_key="none")
    asked: Any = {"model": "tiny", "messages": HELLO, "max_tokens": 8}
    whole = client.chat.completions.create(**asked)

    pieces = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))

    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == whole.choices[0].message.content
    assert pieces[-1].usage == whole.usage


def test_a_stream_ends_in_done(mlflow: Served) -> None:
    """Server-sent events end in data: [DONE]."""
    got = mlflow.post("/chat/completions", {"messages": HELLO, "max_tokens": 3, "stream": True})

    assert got.headers["Content-Type"].startswith("text/event-stream")
    assert got.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/chat/completions", 400), ("/chat/completions", 422), ("/score", 400), ("/nowhere", 404)]
)
def test_refusals_have_a_status_and_a_message(mlflow: Served, path: str, status: int) -> None:
    """A bad request is told so in OpenAI's form, streamed or not."""
    got = mlflow.post(path, {"messages": [], "stream": True})

    assert got.status_code == status
    assert got.json()["error"]["message"]


def test_a_long_prompt_is_refused_before_the_stream_starts(mlflow: Served) -> None:
    """Too long a prompt is a 400, even when a stream was asked for."""
    long = [{"role": "user", "content": "rise " * 200}]

    got = mlflow.post("/v1/chat/completions", {"messages": long, "stream": True})

    assert got.status_code == 400
    assert "maximum context length" in got.json()["error"]["message"]


def test_base_containers_take_flat_messages(foundation: Served) -> None:
    """The foundation shape answers a flat list with an object that holds output."""
    got = foundation.post("/score", {"input_data": {"input_string": HELLO, "parameters": {"max_new_tokens": 5}}})

    assert got.status_code == 200
    assert got.json()["output"] == got.json()["message"]["content"]


def test_base_containers_hide_errors_in_a_200(foundation: Served) -> None:
    """What the engine behind the container refuses comes back as 200 with output null."""
    got = foundation.post("/score", {"input_data": {"input_string": [HELLO]}})

    assert got.status_code == 200
    assert got.json()["output"] is None
    assert got.json()["error"]["status_code"] == 400


def test_answers_do_not_wait_for_delayed_acknowledgements(mlflow: Served) -> None:
    """A kept-alive connection has no 40 ms stall."""
    with requests.Session() as session:
        took = [session.get(f"{mlflow.url}/health", timeout=5).elapsed.total_seconds() for _ in range(20)]

    assert sorted(took)[10] < 0.03


def test_the_log_has_requests_but_no_words(tiny: Path, tmp_path: Path) -> None:
    """The log names route, status, time and tokens, never the prompt; SIGTERM ends the server."""
    served = Served(tiny, tmp_path, "mlflow")
    served.post("/v1/chat/completions", {"messages": HELLO, "max_tokens": 3})

    code = served.stop()

    log = served.log.read_text()
    assert code == 143
    assert "POST /v1/chat/completions 200" in log
    assert "Contoso" not in log
