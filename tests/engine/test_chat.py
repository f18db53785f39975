"""Answering: the same tokens as transformers' generate, stops, sampling."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.engine.chat import Sampling, cut_at_stop, held_back, load_chat_model
from phi_azure.engine.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.engine.chat import ChatModel

MESSAGES = [{"role": "user", "content": "Contoso recovers from a ransomware attack"}]


@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        ("one two", ("two",), ("one ", True)),
        ("one two", ("two", "one"), ("", True)),
        ("one two", ("three",), ("one two", False)),
        ("one", (), ("one", False)),
    ],
)
def test_text_is_cut_at_the_first_stop(text: str, stops: tuple[str, ...], expected: tuple[str, bool]) -> None:
    """The earliest stop word ends the text."""
    assert cut_at_stop(text, stops) == expected


@pytest.mark.parametrize(
    ("text", "stops", "shown"),
    [
        ("answer: #", ("##",), "answer: "),
        ("answer", ("##",), "answer"),
        ("caf\ufffd", (), "caf"),
        ("ab", ("abc", "b!"), ""),
    ],
)
def test_a_growing_text_holds_back_what_may_change(text: str, stops: tuple[str, ...], shown: str) -> None:
    """Half a character and the beginning of a stop word are not shown yet."""
    assert held_back(text, stops) == shown


@pytest.mark.engine
def test_greedy_answers_are_those_of_generate(tiny: Path) -> None:
    """Without temperature the tokens are those of transformers' own generate."""
    import torch

    chat = load_chat_model(tiny)
    prompt = chat.tokenizer.prompt(MESSAGES)
    ids = torch.tensor([prompt])
    theirs = chat.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False)
    said = theirs[0, len(prompt) :].tolist()

    answer = chat.answer(MESSAGES, Sampling(max_tokens=20))

    said = said[: next((i for i, token in enumerate(said) if token in chat.ends), len(said))]
    assert answer.text == chat.tokenizer.tokenizer.decode(said, skip_special_tokens=True)
    assert answer.prompt_tokens == len(prompt)


@pytest.mark.engine
def test_a_seed_repeats_a_sampled_answer(tiny: Path) -> None:
    """The same seed gives the same answer, another seed another."""
    chat = load_chat_model(tiny)

    answers = [chat.answer(MESSAGES, Sampling(temperature=1.0, seed=seed, max_tokens=20)).text for seed in (1, 1, 2)]

    assert answers[0] == answers[1] != answers[2]


@pytest.mark.engine
def test_the_growing_answer_ends_as_the_whole_one(tiny: Path) -> None:
    """Each piece extends the one before it, and the last is the whole answer."""
    chat = load_chat_model(tiny)
    sampling = Sampling(temperature=1.0, seed=3, max_tokens=20)

    pieces = list(chat.growing(MESSAGES, sampling))

    assert all(after.text.startswith(before.text) for before, after in pairwise(pieces))
    assert pieces[-1] == chat.answer(MESSAGES, sampling)
    assert [piece.finish_reason for piece in pieces[:-1]] == [""] * (len(pieces) - 1)


@pytest.mark.engine
def test_a_prompt_beyond_the_context_is_refused(tiny: Path) -> None:
    """More tokens than the model can read is the user's fault, said in OpenAI's words."""
    chat = load_chat_model(tiny)

    with pytest.raises(UserError, match="maximum context length is 64 tokens"):
        chat.answer([{"role": "user", "content": "rise " * 100}])


def _talk(chat: ChatModel, questions: list[str]) -> list[str]:
    return [chat.answer([{"role": "user", "content": text}], Sampling(max_tokens=24)).text for text in questions]


@pytest.mark.engine
def test_answers_made_together_are_those_made_alone(tiny: Path) -> None:
    """Many ask at once, with prompts and answers of many lengths, some joining late: each gets its own answer."""
    chat = load_chat_model(tiny)
    questions = [f"Contoso {'again and ' * (number % 7)}recovers from attack {number}" for number in range(40)]
    alone = _talk(chat, questions)

    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda text: _talk(chat, [text])[0], questions))

    assert together == alone


@pytest.mark.engine
def test_who_leaves_early_disturbs_nobody(tiny: Path) -> None:
    """An answer that nobody reads to its end stops; the one beside it goes on."""
    chat = load_chat_model(tiny)
    whole = chat.answer(MESSAGES, Sampling(max_tokens=20)).text
    leaving = chat.growing(MESSAGES, Sampling(max_tokens=200))
    staying = chat.growing(MESSAGES, Sampling(max_tokens=20))

    next(leaving)
    next(staying)
    leaving.close()  # type: ignore[attr-defined] # a generator
    *_, last = staying

    assert last.text == whole


@pytest.mark.engine
def test_a_model_that_fails_says_so_to_all_and_goes_on(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was being answered gets the error; the next question is answered."""
    chat = load_chat_model(tiny)
    forward = type(chat.model).forward
    failing = [True]

    def fail_once(*arguments: Any, **named: Any) -> Any:
        if failing.pop() if failing else False:
            raise MemoryError("no room")
        return forward(*arguments, **named)

    monkeypatch.setattr(type(chat.model), "forward", fail_once)

    with pytest.raises(MemoryError):
        chat.answer(MESSAGES)
    answer = chat.answer(MESSAGES, Sampling(max_tokens=3))

    assert answer.completion_tokens == 3
