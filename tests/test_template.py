"""Phi's chat templates: the text that the model sees, to the last character, and what of it is learnt."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phi_azure import ConfigError, catalog, template
from phi_azure.dataset import Message

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.template import Name

CHAT = [Message("system", "Sort."), Message("user", "Hello?"), Message("assistant", "good")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("phi3", "<|system|>\nSort.<|end|>\n<|user|>\nHello?<|end|>\n<|assistant|>\ngood<|end|>\n<|endoftext|>"),
        (
            "phi4",
            (
                "<|im_start|>system<|im_sep|>Sort.<|im_end|><|im_start|>user<|im_sep|>Hello?<|im_end|>"
                "<|im_start|>assistant<|im_sep|>good<|im_end|>"
            ),
        ),
        ("phi4_mini", "<|system|>Sort.<|end|><|user|>Hello?<|end|><|assistant|>good<|end|><|endoftext|>"),
    ],
)
def test_text_is_the_models_own(name: Name, text: str) -> None:
    """Line feeds and end tokens stand where the model's makers put them."""
    assert template.render(CHAT, name) == text


def test_a_model_without_system_role_reads_it_before_the_question() -> None:
    """As Azure does for Phi-3-medium: with an empty line between."""
    text = template.render(CHAT, "phi3", system_role=False)

    assert text == "<|user|>\nSort.\n\nHello?<|end|>\n<|assistant|>\ngood<|end|>\n<|endoftext|>"


def test_only_the_answer_and_its_end_are_learnt() -> None:
    """The question is read, never learnt; without learning the end, a model would not stop."""
    learnt = [piece.text for piece in template.segments(CHAT, "phi4_mini") if piece.is_learnt]

    assert learnt == ["good", "<|end|>", "<|endoftext|>"]


def test_content_in_parts_counts_with_its_text() -> None:
    """Lists of parts are read for their text; a call without text is empty."""
    row = json.dumps({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]})
    from msgspec.json import decode

    assert template.content(decode(row.encode(), type=Message)) == "ab"
    assert template.content(Message("assistant", None)) == ""


@pytest.mark.parametrize(
    "name", ["Phi-3.5-mini-instruct", "Phi-4", "Phi-4-mini-instruct", "Phi-3.5-MoE-instruct"], ids=str
)
def test_own_weights_have_the_template_of_their_tokenizer(name: str, tmp_path: Path) -> None:
    """The number of entries tells whose tokenizer a folder has."""
    row = catalog.model(name)
    assert row is not None
    assert row.dims is not None
    lengths = {"num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16}
    (tmp_path / "config.json").write_text(json.dumps({**lengths, "vocab_size": row.dims.vocab}), encoding="utf-8")
    own = catalog.read_folder(tmp_path)
    assert own is not None

    assert template.of(catalog.as_model("mine", own), "mine") == row.chat_template


@pytest.mark.parametrize("model", [None, catalog.model("microsoft-phi-2")], ids=["unknown", "none"])
def test_a_model_without_a_template_is_refused(model: catalog.PhiModel | None) -> None:
    """Nothing is rendered through another model's."""
    with pytest.raises(ConfigError, match="chat template of mine is not known"):
        template.of(model, "mine")


messages = st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant", "tool"]), st.text()), max_size=5)


@given(messages, st.sampled_from(["phi3", "phi4", "phi4_mini"]))
def test_pieces_are_the_text_and_learning_stays_with_the_assistant(chat: list[Message], name: Name) -> None:
    """Nothing is lost between the pieces, and what no assistant said is not learnt."""
    pieces = template.segments(chat, name)

    assert "".join(piece.text for piece in pieces) == template.render(chat, name)
    answers = [piece.text for piece in pieces if piece.kind == "answer"]
    assert answers == [message.content for message in chat if message.role == "assistant" and message.content]


@pytest.mark.engine
def test_agrees_with_the_engine() -> None:
    """phi-tiny's own chat template, run by the engine, writes the same text and learns the same tokens."""
    from phi_azure.engine import phi_tiny
    from phi_azure.engine.template import load_chat_tokenizer

    chat = [Message("user", "Contoso recovers."), Message("assistant", "negative")]
    engine = load_chat_tokenizer(phi_tiny.path())
    plain = [{"role": message.role, "content": message.content} for message in chat]
    pieces = template.segments(chat, "phi3")
    example = engine.example(plain)
    learnt = engine.tokenizer.decode(
        [token for token, answer in zip(example.ids, example.answer, strict=True) if answer], skip_special_tokens=False
    )

    assert engine.render(plain) == template.render(chat, "phi3")
    # The tokenizer of Phi-3 takes the line feed after its marks away, so it comes back without.
    assert learnt == "".join(piece.text for piece in pieces if piece.is_learnt).replace("\n", "")
