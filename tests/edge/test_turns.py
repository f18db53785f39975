"""A chat template is taken apart for formats that have none of their own."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer, models

from phi_azure.engine.errors import UserError
from phi_azure.engine.export.gguf import modelfile
from phi_azure.engine.export.turns import Turns, of_dict, take_apart
from phi_azure.engine.template import ChatTokenizer

PHI_3 = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
PHI_4_MINI = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"
)
PHI_4 = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '<|im_sep|>' + m['content'] + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
    "{{ '[' + m['role'] + ']' + m['content'] }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
)
TALK: list[dict[str, Any]] = [
    {"role": "user", "content": "Q"},
    {"role": "assistant", "content": "A"},
    {"role": "user", "content": "R"},
]


def tokenizer(template: str) -> ChatTokenizer:
    """Returns a tokenizer that has nothing but a template."""
    return ChatTokenizer(Tokenizer(models.BPE()), template, {"eos_token": "<|endoftext|>"}, 512)


@pytest.mark.parametrize("template", [PHI_3, PHI_4_MINI, PHI_4, NO_SYSTEM], ids=["3", "4-mini", "4", "no system"])
def test_parts_render_what_the_template_renders(template: str) -> None:
    """A conversation comes out the same, character for character, and so after a round trip through JSON."""
    chat = tokenizer(template)

    turns = take_apart(chat)

    assert turns.render(TALK) == chat.render(TALK, answer_next=True)
    assert of_dict(turns.to_dict()) == turns
    assert (turns.system is None) == (template == NO_SYSTEM)


def test_a_template_that_changes_words_is_refused() -> None:
    """A format that cannot say it does not pretend to."""
    with pytest.raises(UserError, match="changes what is said"):
        take_apart(tokenizer(PHI_3.replace("m['content']", "m['content'].lower()")))


def test_a_template_that_knows_the_first_message_is_refused() -> None:
    """Texts around words are all that such a format has."""
    first = PHI_3.replace("'<|end|>\n' }}", "'<|end|>\n' }}{% if loop.index == 4 %}!{% endif %}")

    with pytest.raises(UserError, match="does more"):
        take_apart(tokenizer(first))


def test_modelfile_says_the_template_in_ollamas_words() -> None:
    """System and question are optional there; the tokens of the template end an answer."""
    turns = Turns(
        ("<|system|>\n", "<|end|>\n"), ("<|user|>\n", "<|end|>\n"), ("<|assistant|>\n", "<|end|>\n"), "<|assistant|>\n"
    )

    text = modelfile("phi.gguf", turns, 4096)

    assert text == (
        'FROM ./phi.gguf\nTEMPLATE """{{ if .System }}<|system|>\n{{ .System }}<|end|>\n{{ end }}'
        "{{ if .Prompt }}<|user|>\n{{ .Prompt }}<|end|>\n{{ end }}<|assistant|>\n{{ .Response }}<|end|>\n"
        '"""\nPARAMETER stop "<|system|>"\nPARAMETER stop "<|end|>"\nPARAMETER stop "<|user|>"\n'
        'PARAMETER stop "<|assistant|>"\nPARAMETER temperature 0\nPARAMETER num_ctx 4096\n'
    )
