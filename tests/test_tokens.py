"""Tokens of rows: an estimate that says that it is one, and a count by the tokenizer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from phi_azure import ConfigError, dataset, tokens

if TYPE_CHECKING:
    from pathlib import Path

PHI3 = tokens.Reader("phi3")


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    """Twenty rows, the last one long."""
    texts = [f"Contoso reports attack {number}." for number in range(19)] + ["attack " * 200]
    lines = [
        json.dumps({"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "negative"}]})
        for text in texts
    ]
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_an_estimate_is_a_range_and_says_so(chats: Path) -> None:
    """The bounds are characters by five and by three, and the template's own tokens."""
    report = dataset.check(chats)

    found = tokens.estimate(report)

    assert not found.exact
    assert found.low == round(report.characters / 5) + 6 * 20
    assert found.high == round(report.characters / 3) + 12 * 20
    assert found.low < found.total < found.high


def test_an_empty_report_has_no_tokens(tmp_path: Path) -> None:
    """Nothing is divided by no row."""
    (tmp_path / "empty.jsonl").touch()

    assert tokens.estimate(dataset.check(tmp_path / "empty.jsonl")).total == 0


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path, chats: Path) -> None:
    """The message says what to give."""
    with pytest.raises(ConfigError, match=r"no tokenizer\.json there"):
        tokens.count([chats], tmp_path, PHI3)


@pytest.mark.engine
def test_a_count_is_that_of_transformers(chats: Path) -> None:
    """The real class of Phi's tokenizer, with the model's own template, comes to the same number in each row."""
    from transformers import AutoTokenizer

    from phi_azure.engine import phi_tiny

    theirs = AutoTokenizer.from_pretrained(phi_tiny.path())
    lengths = []
    for line in chats.read_text(encoding="utf-8").splitlines():
        text = theirs.apply_chat_template(json.loads(line)["messages"], tokenize=False)
        lengths.append(len(theirs(text, add_special_tokens=False)["input_ids"]))

    found = tokens.count([chats], phi_tiny.path(), PHI3)

    assert (found.rows, found.total, found.max) == (20, sum(lengths), max(lengths))
    assert found.exact
    assert found.median == sorted(lengths)[10]


@pytest.mark.engine
def test_a_cut_is_counted(chats: Path) -> None:
    """Of the long row nothing that is learnt is left; the line is named."""
    from phi_azure.engine import phi_tiny

    whole = tokens.count([chats], phi_tiny.path(), PHI3)
    found = tokens.count([chats], phi_tiny.path(), tokens.Reader("phi3", max_seq_length=64))

    assert (found.cut_rows, found.cut_tokens) == (1, whole.max - 64)
    assert (found.no_answer, found.end_cut) == (1, 1)
