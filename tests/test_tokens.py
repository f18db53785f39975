"""Tokens of rows: an estimate that says that it is one, and a count by the tokenizer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from phi_azure import ConfigError, FineTune, ManagedCompute, Serverless, catalog, dataset, template, tokens
from phi_azure.dataset import Message
from phi_azure.engine import phi_tiny
from phi_azure.engine.template import load_chat_tokenizer
from tests.dataset.broken import turns

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

    theirs = AutoTokenizer.from_pretrained(phi_tiny.path())
    lengths = []
    for line in chats.read_text(encoding="utf-8").splitlines():
        text = theirs.apply_chat_template(json.loads(line)["messages"], tokenize=False)
        lengths.append(len(theirs(text, add_special_tokens=False)["input_ids"]))

    found = tokens.count([chats], phi_tiny.path(), PHI3)

    assert (found.rows, found.total, found.max) == (20, sum(lengths), max(lengths))
    assert found.exact
    assert found.median == sorted(lengths)[10]


def test_a_cut_is_counted(chats: Path) -> None:
    """Of the long row nothing that is learnt is left."""
    whole = tokens.count([chats], phi_tiny.path(), PHI3)
    found = tokens.count([chats], phi_tiny.path(), tokens.Reader("phi3", max_seq_length=64))

    assert (found.cut_rows, found.cut_tokens) == (1, whole.max - 64)
    assert (found.no_answer, found.end_cut) == (1, 1)
    assert found.after_cut(None) == (whole.total, whole.total)
    assert found.after_cut(64) == whole.after_cut(64) == (whole.total - whole.max + 64,) * 2


ENGINE = load_chat_tokenizer(phi_tiny.path())
ENCODER = tokens.load(phi_tiny.path(), "phi3")
contents = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=20)
chat = st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), contents), min_size=1, max_size=5)


@given(chat, st.integers(1, 80))
@example([Message("user", "q "), Message("assistant", " \n answer \n")], 80)  # the mark takes the blanks along
@example([Message("user", "q<|end|>\n<|assistant|>\nno"), Message("assistant", "😀")], 80)
def test_what_is_trained_is_what_the_engine_trains(messages: list[Message], limit: int) -> None:
    """Token by token, cut or not; the engine goes through the tokenizer's own template and marks by itself."""
    example = ENGINE.example([{"role": one.role, "content": str(one.content)} for one in messages])

    pieces = template.segments(messages, "phi3")
    encoding = ENCODER.encode("".join(piece.text for piece in pieces), add_special_tokens=False)
    found = tokens.lengths(pieces, encoding, limit)

    assert encoding.ids == example.ids
    assert found.trained == sum(example.answer[:limit])
    assert found.cut == max(0, len(example.ids) - limit)


@pytest.mark.parametrize(
    ("limit", "codes"),
    [
        (9, []),
        (8, ["tokens-cut"]),  # the token that ends the text, behind the one that ends the answer
        (7, ["tokens-cut", "end-token-cut"]),
        (6, ["tokens-cut", "end-token-cut", "no-trained-token"]),
    ],
)
def test_each_loss_has_its_problem(limit: int, codes: list[str], tmp_path: Path) -> None:
    """Nine tokens: user, three of the question, end, assistant, the answer, its end, the end of all."""
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(turns(("user", "market rises"), ("assistant", "positive")) for _ in range(12)), "utf-8")
    report = dataset.check(path)

    checked, count = tokens.check(report, phi_tiny.path(), tokens.Reader("phi3", max_seq_length=limit), limit=5)

    new = [problem for problem in checked.problems if problem not in report.problems]
    assert sorted({problem.code for problem in new}) == sorted(codes)
    assert all(checked.counts[code] >= 12 for code in codes)
    assert [problem.line for problem in new if problem.code == "tokens-cut"] == ([1, 2, 3, 4, 5] if codes else [])
    assert (count.rows, count.max) == (12, 9)


def test_a_file_that_teaches_nothing_is_an_error(chats: Path) -> None:
    """Azure refuses a training set without one token of an assistant; of a validation file it is said row by row."""
    report = dataset.check_files(chats, chats.with_name("train.jsonl"))

    checked, _ = tokens.check(report, phi_tiny.path(), tokens.Reader("phi3", max_seq_length=3))

    errors = [(problem.code, problem.line, problem.effect) for problem in checked.problems if problem.level == "error"]
    assert errors == [("no-trained-token", None, "fails")]
    assert not checked.ok
    assert report.ok


def test_rows_that_azure_drops_are_not_counted(tmp_path: Path) -> None:
    """A single message, a null, a broken line: nobody learns from them."""
    path = tmp_path / "train.jsonl"
    lines = [
        turns(("user", "q")),
        turns(("user", None), ("assistant", "a")),
        "oops",
        turns(("user", "q"), ("assistant", "a")),
    ]
    path.write_text("\n".join(lines), "utf-8")

    assert tokens.count([path], phi_tiny.path(), PHI3).rows == 1


def test_other_formats_are_counted(chats: Path, tmp_path: Path) -> None:
    """The same rows as a JSON array come to the same."""
    array = tmp_path / "train.json"
    array.write_text("[" + ",\n".join(chats.read_text("utf-8").splitlines()) + "]", "utf-8")

    counts = [tokens.count([path], phi_tiny.path(), PHI3) for path in (chats, array)]

    assert counts[0] == counts[1]


def test_chunks_change_nothing(chats: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows are encoded at once, sums and quantiles are the same."""
    whole = tokens.count([chats], phi_tiny.path(), PHI3)
    monkeypatch.setattr(tokens, "_CHUNK", 3)

    assert tokens.count([chats], phi_tiny.path(), PHI3) == whole


def test_a_tokenizer_of_another_family_is_refused() -> None:
    """phi-tiny knows the marks of Phi-3, not those of Phi-4."""
    with pytest.raises(ConfigError, match=r"does not know <\|im_start\|>, <\|im_sep\|>, <\|im_end\|>"):
        tokens.load(phi_tiny.path(), "phi4")


@pytest.mark.parametrize(
    ("model", "route", "limit"),
    [
        ("Phi-4", Serverless(), 8192),
        ("Phi-4", Serverless(max_seq_length=99_999), 16_384),
        ("Phi-3-mini-4k-instruct", Serverless(), 4096),
        ("Phi-4", ManagedCompute(), 16_384),
        ("Phi-3.5-mini-instruct", ManagedCompute(), 16_384),  # of 131,072: Azure's samples set it for this model
        ("Phi-4", ManagedCompute(max_seq_length=512), 512),
        ("Phi-4", ManagedCompute(job="finetuning", cluster="gpu"), 8192),
        ("someone/else", ManagedCompute(), None),
    ],
    ids=str,
)
def test_the_length_is_the_files_within_the_models(
    model: str, route: Serverless | ManagedCompute, limit: int | None
) -> None:
    """The service reads 8,192 tokens where nothing is said, the pipeline all that the model takes."""
    given_model = {"huggingface": model} if "/" in model else model
    job = FineTune.model_validate({"name": "tone", "model": given_model, "training_data": "a.jsonl", "route": route})

    assert tokens.length_limit(job, catalog.model(model)) == limit
