"""Questions and answers in the shapes of Azure's containers."""

from __future__ import annotations

import pytest

from phi_azure import AzureError
from phi_azure.asking.answers import (
    Kind,
    Piece,
    Question,
    body,
    events,
    openai_base,
    read_answer,
    read_event,
    scoring_url,
)
from phi_azure.asking.prompts import conversation


@pytest.mark.parametrize(
    ("uri", "kind", "expected"),
    [
        ("https://e.inference.ml.azure.com/score", "managed", "https://e.inference.ml.azure.com/score"),
        ("https://e.inference.ml.azure.com", "managed", "https://e.inference.ml.azure.com/score"),
        ("https://e.models.ai.azure.com", "serverless", "https://e.models.ai.azure.com/v1/chat/completions"),
        ("https://e.models.ai.azure.com/v1/", "serverless", "https://e.models.ai.azure.com/v1/chat/completions"),
        ("https://e.x/v1/chat/completions", "serverless", "https://e.x/v1/chat/completions"),
    ],
)
def test_scoring_address_is_completed(uri: str, kind: Kind, expected: str) -> None:
    """Azure's address may lack its last part."""
    assert scoring_url(uri, kind) == expected


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"output": "negative"}, id="foundation model"),
        pytest.param({"output": "negative", "error": None, "finish_reason": "stop"}, id="foundation model, long"),
        pytest.param([{"0": "negative"}], id="list of records"),
        pytest.param(["negative"], id="list of texts"),
        pytest.param("negative", id="text"),
        pytest.param({"output": ["negative"]}, id="list inside"),
        pytest.param({"choices": [{"message": {"role": "assistant", "content": "negative"}}]}, id="chat completion"),
        pytest.param({"output": None, "message": {"content": "negative"}}, id="only the message"),
    ],
)
def test_reads_every_shape(document: object) -> None:
    """The text is found wherever a container puts it."""
    assert read_answer(document).text == "negative"


def test_reads_the_tokens() -> None:
    """Tokens are counted where the endpoint counts."""
    answer = read_answer(
        {"choices": [{"message": {"content": "a"}}], "usage": {"prompt_tokens": 7, "completion_tokens": 1}}
    )

    assert (answer.prompt_tokens, answer.completion_tokens) == (7, 1)


@pytest.mark.parametrize(
    "document", [{"output": None, "error": {"status_code": 500, "body": "cuda"}}, {}, [], {"output": None}]
)
def test_an_error_inside_a_success_is_an_error(document: object) -> None:
    """A container may answer 200 and mean no."""
    with pytest.raises(AzureError):
        read_answer(document)


def test_questions_in_their_shapes() -> None:
    """A base model's container takes one conversation, a tuned model's script a list of them."""
    messages = conversation("Hi", "Be short.")

    assert messages == [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}]
    assert body(Question(messages, 5), "openai") == {"messages": messages, "max_tokens": 5, "temperature": 0.0}
    assert body(Question(messages, 5), "nested")["input_data"] == {
        "input_string": [messages],
        "parameters": {"max_new_tokens": 5, "do_sample": False},
    }
    assert body(Question(messages, 5, 0.5), "flat")["input_data"] == {
        "input_string": messages,
        "parameters": {"max_new_tokens": 5, "do_sample": True, "temperature": 0.5, "max_tokens": 5},
    }


def test_address_for_clients_of_openai() -> None:
    """They add /chat/completions themselves."""
    uris = ["https://e.x", "https://e.x/", "https://e.x/v1", "https://e.x/score", "https://e.x/v1/chat/completions"]

    assert {openai_base(uri) for uri in uris} == {"https://e.x/v1"}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_read_however_the_bytes_are_cut(size: int) -> None:
    """A cut may fall into a line, a pair of line ends, or a letter of several bytes."""
    text = ': a comment\r\ndata: {"a": "Grüße"}\r\n\r\nevent: x\ndata:one\ndata: two\n\ndata: [DONE]'.encode()

    found = list(events(text[at : at + size] for at in range(0, len(text), size)))

    assert found == ['{"a": "Grüße"}', "one\ntwo", "[DONE]"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param('{"choices": [{"delta": {"content": "a"}}]}', Piece("a"), id="words"),
        pytest.param('{"choices": [{"delta": {"role": "assistant"}}]}', Piece(), id="beginning"),
        pytest.param('{"choices": [{"delta": {}, "finish_reason": "stop"}]}', Piece("", "stop"), id="end"),
        pytest.param(
            '{"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 1}}', Piece("", None, 7, 1), id="tokens"
        ),
        pytest.param("[DONE]", None, id="over"),
    ],
)
def test_events_of_a_stream(data: str, expected: Piece | None) -> None:
    """An event adds words, an end, or the tokens."""
    assert read_event(data) == expected


@pytest.mark.parametrize("data", ['{"error": {"message": "cuda"}}', "no json", "[1]"])
def test_an_error_inside_a_stream_is_an_error(data: str) -> None:
    """The status was 200 long before the model failed."""
    with pytest.raises(AzureError):
        read_event(data)
