"""Chat templates and tokens: the same ids as transformers, and the assistant's own tokens marked."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.engine.errors import UserError
from phi_azure.engine.template import Tokens, load_chat_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

CHATS: list[list[dict[str, Any]]] = [
    [{"role": "user", "content": "Contoso rise"}, {"role": "assistant", "content": "positive"}],
    [
        {"role": "system", "content": "One word."},
        {"role": "user", "content": "a\nb  c\t<|end|> é 漢字 🙂"},
        {"role": "assistant", "content": " neutral \n"},
        {"role": "user", "content": "   "},
        {"role": "assistant", "content": "naïve ﬁ"},
    ],
    [{"role": "assistant", "content": "first"}, {"role": "user", "content": "last"}],
]


def learnt(words: Path, messages: list[dict[str, Any]], template: str | None = None) -> list[str]:
    """Returns the runs of text that the model learns to say."""
    tokenizer = load_chat_tokenizer(words, template)
    tokens: Tokens = tokenizer.example(messages)
    runs: list[list[int]] = [[]]
    for token, answer in zip(tokens.ids, tokens.answer, strict=True):
        runs = [*runs[:-1], [*runs[-1], token]] if answer else [*runs, []]
    return [tokenizer.tokenizer.decode(run, skip_special_tokens=False) for run in runs if run]


def test_only_the_assistant_is_learnt(words_folder: Path) -> None:
    """Each answer is learnt with its end mark, and nothing else is."""
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Contoso"},
        {"role": "assistant", "content": "positive"},
        {"role": "user", "content": "Fabrikam"},
        {"role": "assistant", "content": "negative"},
    ]

    runs = learnt(words_folder, chat)

    assert runs == ["positive<|end|>", "negative<|end|><|endoftext|>"]


def test_a_template_that_trims_still_marks_the_answer(words_folder: Path) -> None:
    """Answers are found where a template changes the text of the messages."""
    template = (
        "{% for m in messages %}[{{ m.role }}]{% generation %}{{ m.content | trim }}{% endgeneration %}{% endfor %}"
    )

    runs = learnt(
        words_folder, [{"role": "user", "content": " a "}, {"role": "assistant", "content": " rise "}], template
    )

    assert [run.strip() for run in runs] == ["[assistant]rise"]


def test_what_the_template_refuses_is_the_users_fault(words_folder: Path) -> None:
    """raise_exception in a template comes out as a UserError with its words."""
    tokenizer = load_chat_tokenizer(words_folder, "{{ raise_exception('no tools here') }}")

    with pytest.raises(UserError, match="no tools here"):
        tokenizer.prompt([{"role": "user", "content": "Hi"}])


def test_a_template_cannot_reach_into_python(words_folder: Path) -> None:
    """The template runs in a sandbox."""
    tokenizer = load_chat_tokenizer(words_folder, "{{ messages.__class__.__mro__[1].__subclasses__() }}")

    with pytest.raises(UserError, match="unsafe"):
        tokenizer.prompt([{"role": "user", "content": "Hi"}])


@pytest.mark.parametrize("home", ["chat_template.jinja", "named list"])
def test_the_template_is_found_wherever_it_stands(words_folder: Path, tmp_path: Path, home: str) -> None:
    """A template may be a file of its own, or one of several in the tokenizer's configuration."""
    folder = tmp_path / "model"
    shutil.copytree(words_folder, folder)
    path = folder / "tokenizer_config.json"
    named = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "yes"}]
    path.write_text(json.dumps({"chat_template": named}))
    if home == "chat_template.jinja":
        (folder / home).write_text("yes")

    text = load_chat_tokenizer(folder).render([])

    assert text == "yes"


@pytest.mark.engine
@pytest.mark.parametrize("chat", CHATS, ids=["short", "odd characters", "assistant first"])
@pytest.mark.parametrize("answer_next", [True, False])
def test_ids_are_those_of_transformers(words_folder: Path, chat: list[dict[str, Any]], answer_next: bool) -> None:
    """AutoTokenizer.apply_chat_template gives the same ids."""
    from transformers import AutoTokenizer

    ours = load_chat_tokenizer(words_folder)
    theirs = AutoTokenizer.from_pretrained(str(words_folder))

    ids = ours.prompt(chat) if answer_next else ours.example(chat).ids

    expected = theirs.apply_chat_template(chat, tokenize=True, add_generation_prompt=answer_next, return_dict=False)
    assert ids == list(expected)
