"""Requests to an endpoint: what is read, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from phi_azure.engine.scoring import FieldError, check_azure_chat, read_chat, read_conversations, read_score

USER = {"role": "user", "content": "Hi"}


def test_openai_fields_are_read() -> None:
    """Sampling, stops and streaming come from OpenAI's fields; text parts are joined."""
    parts = [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]
    body = {
        "messages": [{"role": "user", "content": parts}],
        "max_tokens": 9,
        "temperature": 0.5,
        "stop": "x",
        "stream": True,
    }

    asked = read_chat(body)

    assert asked.messages == [USER]
    assert asked.stream
    assert (asked.sampling.max_tokens, asked.sampling.temperature, asked.sampling.stop) == (9, 0.5, ("x",))


@pytest.mark.parametrize(
    ("fields", "temperature"),
    [
        ({}, 0.0),
        ({"do_sample": False, "temperature": 0.7}, 0.0),
        ({"do_sample": True}, 1.0),
        ({"temperature": 0.7}, 0.7),
    ],
)
def test_greedy_unless_a_temperature_is_asked_for(fields: dict[str, Any], temperature: float) -> None:
    """do_sample and temperature together decide whether to sample."""
    assert read_chat({"messages": [USER], **fields}).sampling.temperature == temperature


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"role": "bot", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
        ({"messages": [USER], "temperature": 3}, "temperature"),
        ({"messages": [USER], "top_p": "1"}, "top_p"),
        ({"messages": [USER], "max_tokens": 0}, "max_tokens"),
        ({"messages": [USER], "stream": "yes"}, "stream"),
        ({"messages": [USER], "stop": [1]}, "stop"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_field_is_named(body: Any, field: str) -> None:
    """What cannot be used is refused with the field's name."""
    with pytest.raises(FieldError) as caught:
        read_chat(body)

    assert caught.value.field == field


@pytest.mark.parametrize("extra", ["error", "drop"])
def test_azures_own_route_knows_its_fields(extra: str) -> None:
    """An unknown field is refused unless the header lets it by; temperature ends at 1."""
    check_azure_chat({"messages": [USER], "top_k": 3}, "drop")

    with pytest.raises(FieldError):
        check_azure_chat({"messages": [USER], "temperature": 1.5} | ({"top_k": 3} if extra == "error" else {}), extra)


@pytest.mark.parametrize(
    "input_string",
    [
        [],
        [[]],
        [[{"role": "assistant", "content": "Hi"}]],
        [[USER, USER]],
        [[USER, {"role": "assistant", "content": "a"}]],
    ],
    ids=["empty", "empty conversation", "assistant first", "two users", "assistant last"],
)
def test_conversations_keep_the_rules_of_azures_predictor(input_string: list[Any]) -> None:
    """Turns alternate from user to user, after at most one system message."""
    with pytest.raises(FieldError):
        read_conversations(input_string)


@pytest.mark.parametrize("body", [None, {}, {"input_data": []}, {"input_data": {"input_string": "Hi"}}])
def test_score_needs_a_list(body: Any) -> None:
    """input_data must be an object with a list input_string."""
    with pytest.raises(FieldError, match="input_string"):
        read_score(body)
