"""Two lists of answers are held against each other."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from phi_azure.edge import Proof, Questions, Spoken, Subject, questions_of
from phi_azure.edge.parity import agreement
from phi_azure.edge.proof import figures
from tests.conftest import row

if TYPE_CHECKING:
    from pathlib import Path

END = 9


def said(text: str, *ids: int, prompt: int = 1, seconds: float = 0.2) -> Spoken:
    """Returns an answer of these tokens; the first comes at half time."""
    return Spoken(text, seconds, ids, (prompt,), ids[-1] == END, seconds / 2)


ASKED = Questions(
    "rows", None, tuple([{"role": "user", "content": one}] for one in "abc"), ("up", "down", "up"), ("down", "up")
)
REFERENCE = [said("up", 1, END), said("it is down", 2, 3, END), said("up and", 1, 4)]
EXPORT = [said("up", 1, END), said("it was down", 2, 5, END), said("up", 1, END, prompt=2)]


def test_agreement_counts_each_thing_by_itself() -> None:
    """Tokens, text, label, end, prompt and what is expected are told apart; the first difference has its token."""
    found = agreement(ASKED, REFERENCE, EXPORT)

    assert (found.exact, found.text, found.label, found.end_token, found.template) == (1, 1, 3, 2, 2)
    assert found.right == (3, 3)
    assert [(one.question, one.token) for one in found.differences] == [(2, 2), (3, 2)]
    assert found.rate == 1.0


def test_an_answer_that_goes_on_differs_where_the_other_ends() -> None:
    """The place of the first difference is after the last common token."""
    (difference,) = agreement(
        Questions("", None, ASKED.asked[:1], None), [said("a", 1)], [said("a b", 1, 2)]
    ).differences

    assert difference.token == 2


def test_answers_without_a_label_agree_only_in_the_same_words() -> None:
    """Two answers that name no label have not agreed on one."""
    found = agreement(ASKED, [said("up", 1), said("x", 2), said("y", 3)], [said("up", 1), said("x", 2), said("z", 3)])

    assert found.label == 2


def test_an_endpoint_is_compared_by_text() -> None:
    """It tells no tokens, so what needs them stays open."""
    found = agreement(ASKED, [Spoken(one.text, 0.1) for one in REFERENCE], EXPORT)

    assert (found.by, found.exact, found.end_token, found.template) == ("text", 1, None, None)


@pytest.mark.parametrize(("required", "passed"), [(None, None), (1.0, True)])
def test_proof_is_written_as_values_and_as_a_page(tmp_path: Path, required: float | None, passed: bool | None) -> None:
    """Both hold the counts, the figures and the verdict."""
    left, right = figures(Subject("merged", "torch"), REFERENCE), figures(Subject("edge", "onnx"), EXPORT)
    made = datetime(2026, 1, 2, tzinfo=timezone.utc)
    proof = Proof(made, ASKED, 64, left, right, agreement(ASKED, REFERENCE, EXPORT), required)

    proof.write(tmp_path)

    document, page = json.loads((tmp_path / "parity.json").read_text()), (tmp_path / "parity.md").read_text()
    assert (document["rate"], document["rate_of"], document["passed"]) == (1.0, "label", passed)
    assert document["export"]["tokens"] == 7
    assert "1 of 3 (33.3 %) the same tokens to the end" in page
    assert "first difference at token 2 of question 2: 'it is down', not 'it was down'" in page
    assert ("required 100 % (label): 100.0 %, passed" in page) is bool(passed)


def test_figures_are_sums_and_middles() -> None:
    """Tokens per second count all the time; those after the first leave out what reading the question took."""
    found = figures(Subject("x", "y"), [said("a", 1, 2, END, seconds=0.2), said("b", 1, END, seconds=0.4)])

    assert found.tokens == 5
    assert found.tokens_per_s == pytest.approx(5 / 0.6)
    assert found.later_tokens_per_s == pytest.approx(3 / 0.3)
    assert found.answer_s == pytest.approx((0.3, 0.4))


def test_labels_are_the_few_expected_answers_of_the_rows(tmp_path: Path) -> None:
    """Rows of a classification are told by their answers; built-in questions have none."""
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(row(f"Row {number}", "yes" if number % 2 else "no") for number in range(6)))

    rows, built_in = questions_of(path, 4), questions_of(None)

    assert (rows.labels, len(rows.asked), rows.expected) == (("no", "yes"), 4, ("no", "yes", "no", "yes"))
    assert (built_in.labels, built_in.expected, len(built_in.asked)) == ((), None, 20)
