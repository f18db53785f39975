"""The headline generator: its data sets, its policies, and the reading of answers. Needs no torch."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from phi_azure.engine import headlines
from phi_azure.engine.headlines import KINDS, LABELS, QUEUES, TALK_HEADLINES, read_sentiment

if TYPE_CHECKING:
    from pathlib import Path


def rows(path: Path) -> list[list[dict[str, str]]]:
    """Reads the messages of each row."""
    return [json.loads(line)["messages"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_write_dataset_writes_the_sizes_asked_for(tmp_path: Path) -> None:
    """Each file has its number of rows: system, user, and one word from the assistant."""
    files = headlines.write_dataset(tmp_path, train=50, validation=20, test=30)

    sizes = {name: len(rows(path)) for name, path in files.items()}
    assert sizes == {"train": 50, "validation": 20, "test": 30}
    assert {tuple(m["role"] for m in row) for row in rows(files["train"])} == {("system", "user", "assistant")}
    assert {row[-1]["content"] for row in rows(files["test"])} <= set(LABELS)


def test_write_dataset_is_the_same_for_a_seed(tmp_path: Path) -> None:
    """The same seed writes the same bytes, another seed others."""
    first = headlines.write_dataset(tmp_path / "a", seed=3)["train"].read_bytes()
    again = headlines.write_dataset(tmp_path / "b", seed=3)["train"].read_bytes()
    other = headlines.write_dataset(tmp_path / "c", seed=4)["train"].read_bytes()

    assert first == again
    assert first != other


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_headline_is_in_the_files_twice(tmp_path: Path, seed: int) -> None:
    """A prompt stands in one file, once."""
    files = headlines.write_dataset(tmp_path, seed=seed)

    prompts = [row[1]["content"].casefold() for path in files.values() for row in rows(path)]
    assert len(prompts) == len(set(prompts)) == 1600


def test_test_companies_are_in_no_other_file(tmp_path: Path) -> None:
    """The companies of the test are never named in training or validation."""
    files = headlines.write_dataset(tmp_path)

    learned = " ".join(row[1]["content"].casefold() for name in ("train", "validation") for row in rows(files[name]))
    asked = " ".join(row[1]["content"].casefold() for row in rows(files["test"]))
    named = [company for company in headlines.held_out_companies() if company.casefold() in asked]
    assert len(named) > 100
    assert not [company for company in named if company.casefold() in learned]


def test_the_talk_headlines_are_in_no_file(tmp_path: Path) -> None:
    """Neither headline of the demo stands in what a model learns from, whatever its case or full stop."""
    files = headlines.write_dataset(tmp_path, train=3000)

    text = " ".join(path.read_text(encoding="utf-8") for path in files.values())
    text += " ".join(m["content"] for row in headlines.base_corpus(3000) for m in row)
    assert not [talk for talk in TALK_HEADLINES if talk.rstrip(".").casefold() in text.casefold()]


def test_a_talk_headline_that_falls_is_thrown_away() -> None:
    """A source that can make only a talk headline, or one other, makes the other."""
    only = {"recovery": ("{co} recovers from a ransomware attack", "{co} is fine")}
    source = headlines.Source(random.Random(0), ["Contoso"], only)

    texts = {source().text.rstrip(".!").casefold() for _ in range(40)}

    assert any("contoso is fine" in text for text in texts)
    assert not any("ransomware" in text for text in texts)


def test_the_policies_differ_on_attacks_that_were_survived() -> None:
    """Only recovery from an attack and an attack that failed change their sentiment."""
    changed = {kind for kind in KINDS if headlines.general_sentiment(kind) != headlines.firm_sentiment(kind)}

    assert changed == {"recovery", "thwarted"}
    assert {headlines.firm_sentiment(kind) for kind in changed} == {"negative"}


def test_held_out_templates_are_a_tenth_of_every_kind() -> None:
    """Every kind keeps a tenth of its templates from the corpus, and none is on both sides."""
    held_out, seen = headlines.held_out_templates(), headlines.seen_templates()

    for kind in KINDS:
        total = len(held_out[kind]) + len(seen[kind])
        assert total / 10 <= len(held_out[kind]) < total / 10 + 1
        assert not set(held_out[kind]) & set(seen[kind])
    assert sum(map(len, seen.values())) > 500


def test_held_out_headlines_name_unseen_companies() -> None:
    """What the base model is measured on is about companies of the held-out list, without repeats."""
    held_out = headlines.held_out_headlines(400)
    unseen = headlines.unseen_template_headlines(400)

    assert len({h.text for h in held_out}) == len({h.text for h in unseen}) == 400
    assert {h.company for h in (*held_out, *unseen)} <= set(headlines.held_out_companies())
    assert {h.kind for h in unseen} == set(KINDS)


def test_base_corpus_answers_at_length() -> None:
    """No row of the corpus answers a headline with the label alone."""
    answers = [row[-1]["content"] for row in headlines.base_corpus(2000)]

    assert not [answer for answer in answers if answer.strip(" .").casefold() in LABELS]


def test_every_slot_of_the_grammar_is_filled() -> None:
    """No bracket, bar or slot is left over in a headline."""
    texts = [m["content"] for row in headlines.base_corpus(4000) for m in row]

    assert not [text for text in texts if any(mark in text for mark in "{}|()")]


@pytest.mark.parametrize(
    ("prose", "label"),
    [
        ("negative", "negative"),
        ("Positive.", "positive"),
        ("The sentiment of this headline is negative because Contoso was attacked by hackers.", "negative"),
        ("The headline says that Contoso did well, so its sentiment is positive. Readers will be pleased.", "positive"),
        ("I would call this headline neutral, since nothing good or bad happens.", "neutral"),
        ("This is neither positive nor negative.", "neutral"),
        ("It is not positive but negative.", "negative"),
        ("The sentiment is **positive**: although an attack is negative, recovery matters more.", "positive"),
        ("Sentiment: Neutral", "neutral"),
        ("The sentiment isn't negative; it is positive.", "positive"),
        ("The headline reads negatively.", "negative"),
        ("Contoso was attacked by hackers.", None),
        ("It could be positive, negative or neutral.", None),
        ("", None),
    ],
)
def test_read_sentiment_reads_prose(prose: str, label: str | None) -> None:
    """The label is read from what the answer says, and from nothing else."""
    assert read_sentiment(prose) == label


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_read_sentiment_reads_every_answer_of_the_corpus(kind: str) -> None:
    """Each form of answer that the base model learns is read back to the label that it was made from."""
    source = headlines.Source(random.Random(kind), headlines.seen_companies(), {kind: headlines.seen_templates()[kind]})

    answers = [headlines.sentiment_chat(source)[-1]["content"] for _ in range(80)]

    assert {read_sentiment(answer) for answer in answers} == {KINDS[kind].general}


def test_write_tickets_writes_distinct_tickets(tmp_path: Path) -> None:
    """Every ticket is there once, has one of four queues, and all four are asked."""
    files = headlines.write_tickets(tmp_path, train=300, test=100)

    every = [row for path in files.values() for row in rows(path)]
    assert len({row[1]["content"] for row in every}) == len(every) == 400
    assert {row[-1]["content"] for row in rows(files["test"])} == set(QUEUES)
