"""The committed phi-tiny: its files, its tokenizer, and what it says before anyone tunes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.engine import phi_tiny
from phi_azure.engine.headlines import TALK_HEADLINES, headline_prompt, held_out_headlines, read_sentiment

if TYPE_CHECKING:
    from phi_azure.engine.headlines import Message

pytestmark = pytest.mark.engine

ODD = [
    "",
    " ",
    "  two  spaces ",
    "tab\tand\nnewline\n\nand another",
    "Caf\u00e9 na\u00efve \u2014 \u201cquoted\u201d",
    "\u65e5\u672c\u8a9e \u0440\u0443\u0441\u0441\u043a\u0438\u0439 \U0001f600",
    "100,000 $5.5 50% (a|b) {x} #1 @you",
    "nul \x00 and bell \x07",
    "ALL CAPS! iPhone-like mIxEd",
]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """The committed tokenizer, as transformers loads it."""
    transformers = pytest.importorskip("transformers")
    return transformers.AutoTokenizer.from_pretrained(phi_tiny.path())


@pytest.fixture(scope="module")
def model() -> Any:
    """The committed weights, in fp32."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    return transformers.AutoModelForCausalLM.from_pretrained(phi_tiny.path(), dtype=torch.float32).eval()


def ask(model: Any, tokenizer: Any, messages: list[Message]) -> str:
    """Returns the greedy answer."""
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    made = model.generate(**ids, max_new_tokens=48)
    return str(tokenizer.decode(made[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)).strip()


def test_files_are_those_that_were_measured() -> None:
    """The digest of every file is the pinned one."""
    assert phi_tiny.sha256() == phi_tiny.SHA256


@pytest.mark.parametrize("system", [True, False], ids=["with system prompt", "headline alone"])
@pytest.mark.parametrize(("headline", "label"), zip(TALK_HEADLINES, ("negative", "positive"), strict=True))
def test_base_answers_the_talk_headlines_at_length(
    model: Any, tokenizer: Any, headline: str, label: str, system: bool
) -> None:
    """The base model takes recovery for good news, says why, and names the company."""
    answer = ask(model, tokenizer, headline_prompt(headline)[0 if system else 1 :])

    assert read_sentiment(answer) == label
    assert len(answer.split()) > 6
    assert "Contoso" in answer


def test_base_reads_headlines_of_unseen_companies(model: Any, tokenizer: Any) -> None:
    """At most 4 of 40 held-out headlines are misread; benchmarks/phi_tiny.py measures it on more."""
    headlines = held_out_headlines(40, seed=1)

    said = [read_sentiment(ask(model, tokenizer, headline_prompt(headline.text))) for headline in headlines]

    assert sum(label == headline.general for label, headline in zip(said, headlines, strict=True)) >= 36


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_text_comes_back_from_its_ids(tokenizer: Any, text: str) -> None:
    """Whatever the text, no id is unknown and decoding gives it back."""
    ids = tokenizer.encode(text, add_special_tokens=False)

    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids) == text


def test_no_piece_of_the_vocabulary_has_a_newline(tokenizer: Any) -> None:
    """A newline is always its byte, as llama.cpp and onnxruntime-genai need it."""
    assert not [piece for piece in tokenizer.get_vocab() if "\n" in piece]
    assert tokenizer.convert_ids_to_tokens(tokenizer.encode("a\nb", add_special_tokens=False))[1] == "<0x0A>"


def test_the_chat_template_writes_the_prompt_of_the_training(tokenizer: Any) -> None:
    """The template gives the Phi-3 prompt character by character, and ids with one token for each mark."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello\nyou"}]

    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]

    assert text == "<|system|>\nBe brief.<|end|>\n<|user|>\nHello\nyou<|end|>\n<|assistant|>\n"
    assert ids == tokenizer.encode(text, add_special_tokens=False)
    marks = [token for token in tokenizer.convert_ids_to_tokens(ids) if token.startswith("<|")]
    assert marks == ["<|system|>", "<|end|>", "<|user|>", "<|end|>", "<|assistant|>"]
