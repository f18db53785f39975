"""Flips, means, confusion, leaks and the gate, on rows small enough to reckon by hand."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from phi_azure import DataError, GateNotPassed
from phi_azure.asking.journal import Answered
from phi_azure.compare import Comparison, decide, held_out, judge, scorer
from phi_azure.compare.rows import examples_of, with_examples, with_prompt
from phi_azure.config import Gate, Metric
from tests.conftest import row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOW = datetime(2026, 11, 26, tzinfo=timezone.utc)
EXPECTED = ["negative", "negative", "positive", "neutral"]


def write(path: Path, answers: Sequence[str], first: int = 0) -> Path:
    """Writes a row for each answer."""
    path.write_text("\n".join(row(f"Headline {first + n}.", said) for n, said in enumerate(answers)), encoding="utf-8")
    return path


def answered(*texts: str | None) -> list[Answered]:
    """Returns answers; None is a question without one."""
    return [
        Answered(index, None, text, None if text is None else 0.1 * (index + 1), 10, 2, error=None if text else "gone")
        for index, text in enumerate(texts)
    ]


def compared(
    tmp_path: Path, tuned: Sequence[str | None], base: Sequence[str | None], gate: Gate | None = None
) -> Comparison:
    """Judges answers to the four rows."""
    rows = held_out(write(tmp_path / "test.jsonl", EXPECTED))
    metric = gate or Metric()
    sides = [("tuned", "h/green", answered(*tuned)), ("base", "h/blue", answered(*base))]
    return decide(judge(rows, sides, scorer(metric, EXPECTED), NOW), gate)


def test_flips_are_the_rows_that_changed(tmp_path: Path) -> None:
    """Line 1 was wrong and is right, line 3 was right and is wrong; both right, or both wrong, is no flip."""
    found = compared(tmp_path, ["negative", "negative", "negative", "x"], ["so sad", "negative", "positive", "y"])

    pair = found.pairs[0]
    assert (pair.gained, pair.lost, pair.difference, pair.p) == ((1,), (3,), 0.0, 1.0)
    assert [side.scores["exact_match"] for side in found.sides] == [0.5, 0.5]
    assert pair.interval[0] < 0 < pair.interval[1]


def test_confusion_counts_what_was_read(tmp_path: Path) -> None:
    """By expected label; an answer that names none is counted as such."""
    found = compared(tmp_path, ["Negative.", "positive", "positive", "hm"], EXPECTED)

    assert found.sides[0].confusion == {
        "negative": {"negative": 1, "positive": 1},
        "neutral": {"none": 1},
        "positive": {"positive": 1},
    }
    assert found.sides[0].scores == {
        "exact_match": 0.25,
        "label": 0.5,
        "normalised_match": 0.5,
        "rouge_l": 0.5,
    }


def test_row_without_an_answer_counts_for_nobody(tmp_path: Path) -> None:
    """All sides are judged by the same rows, and the gate says that some are missing."""
    found = compared(tmp_path, ["negative", None, "positive", "neutral"], EXPECTED, Gate(at_least=0.5))

    assert found.counted == 3
    assert [side.unanswered for side in found.sides] == [1, 0]
    assert found.sides[1].scores["exact_match"] == 1.0
    assert found.verdict is not None
    assert found.verdict.reasons == ("1 of 4 rows have no answer from some side; ask again",)


def test_times_and_tokens(tmp_path: Path) -> None:
    """Median, 95th percentile, means."""
    side = compared(tmp_path, EXPECTED, EXPECTED).sides[0]

    assert side.latency_s == pytest.approx((0.25, 0.385))
    assert (side.prompt_tokens, side.completion_tokens, side.characters) == (10, 2, 7.75)


@pytest.mark.parametrize(
    ("gate", "reason"),
    [
        (Gate(at_least=0.5), None),
        (Gate(at_least=0.6), "exact_match is 0.500 on 4 rows, below 0.6"),
        (Gate(better_than="base"), "not shown to be better than base: +0.000"),
        (Gate(max_lost=1), None),
        (Gate(max_lost=0), "1 answers that base has right are wrong now, more than 0"),
        (Gate(metric="label", at_least=0.5, max_lost=1), None),
    ],
    ids=str,
)
def test_gate(tmp_path: Path, gate: Gate, reason: str | None) -> None:
    """Each condition by itself, met and missed."""
    found = compared(tmp_path, ["negative", "negative", "negative", "x"], ["so sad", "negative", "positive", "y"], gate)

    assert found.verdict is not None
    assert found.verdict.passed == (reason is None)
    assert reason is None or reason in found.verdict.reasons[0]


def test_all_reasons_at_once(tmp_path: Path) -> None:
    """They stand in the error, whose exit code is 9."""
    found = compared(tmp_path, ["x", "x", "x", "x"], EXPECTED, Gate(at_least=0.9, better_than="all", max_lost=2))

    with pytest.raises(GateNotPassed, match=r"below 0\.9") as caught:
        found.raise_for_gate()
    assert "better than base: -1.000" in str(caught.value)
    assert "4 answers that base has right" in str(caught.value)
    assert caught.value.exit_code == 9


def test_rows_of_the_training_file_are_leaks(tmp_path: Path) -> None:
    """The same prompt, whatever its case and space, with whichever answer; the gate does not pass over it."""
    training = write(tmp_path / "train.jsonl", ["negative", "positive"], first=2)
    test = tmp_path / "test.jsonl"
    test.write_text("\n".join([row("headline  3", "neutral"), row("Headline 9.", "neutral")]), encoding="utf-8")

    rows = held_out(test, training)
    found = decide(
        judge(rows, [("tuned", "t", answered("neutral", "neutral"))], scorer(Metric(), ["neutral"]), NOW),
        Gate(at_least=0.1),
    )

    assert [item.leaked for item in rows.items] == [True, False]
    assert found.verdict is not None
    assert "1 of 2 rows stand in the training file" in found.verdict.reasons[0]


def test_rows_that_are_none(tmp_path: Path) -> None:
    """No file, and no row with a reply, are said before anything is asked."""
    (tmp_path / "empty.jsonl").write_text('{"messages": [{"role": "user", "content": "hi"}]}\n', encoding="utf-8")

    with pytest.raises(DataError, match="no row that ends in an assistant's reply"):
        held_out(tmp_path / "empty.jsonl")
    with pytest.raises(DataError, match="is no file"):
        held_out(tmp_path / "none.jsonl")


def test_examples_take_turns_of_each_answer(tmp_path: Path) -> None:
    """They stand as turns between the system message and the question; too few rows are an error."""
    training = write(tmp_path / "train.jsonl", ["negative", "negative", "positive", "neutral"])

    shown = examples_of(training, 3)
    asked = with_examples([{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}], shown)

    assert [item.expected for item in shown] == ["negative", "positive", "neutral"]
    assert [turn["role"] for turn in asked] == ["system", *["user", "assistant"] * 3, "user"]
    assert with_prompt(asked[-1:], "P")[0] == {"role": "system", "content": "P"}
    with pytest.raises(DataError, match="4 rows, fewer than the 9"):
        examples_of(training, 9)


def test_comparison_is_plain_json(tmp_path: Path) -> None:
    """All of it can be kept in a file."""
    document = compared(tmp_path, EXPECTED, EXPECTED, Gate(at_least=1.0)).to_dict()

    assert document["verdict"] == {"gate": "exact_match at least 1", "passed": True, "reasons": ()}
    assert document["rows"][0]["said"][0]["text"] == "negative"
