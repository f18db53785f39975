"""Scores: each metric on cases worked by hand, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phi_azure import ConfigError
from phi_azure.compare import scorer
from phi_azure.compare.metrics import read_label, rouge_l
from phi_azure.config import Gate, Metric

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ("negative", "neutral", "positive")


@pytest.mark.parametrize(
    ("metric", "expected", "answer", "score"),
    [
        (Metric(), "negative", " negative\n", 1.0),
        (Metric(), "negative", "Negative", 0.0),
        (Metric(metric="normalised_match"), "negative", "Negative.", 1.0),
        (Metric(metric="normalised_match"), "Ünïcode ﬁne", "ÜNÏCODE  FINE!", 1.0),
        (Metric(metric="normalised_match"), "negative", "very negative", 0.0),
        (Metric(metric="label", labels=LABELS), "negative", "I would call this negative, because of the breach.", 1.0),
        (Metric(metric="label", labels=LABELS), "negative", "negative or neutral", 0.0),
        (Metric(metric="label", labels=LABELS), "negative", "no idea", 0.0),
        (Metric(metric="regex", pattern=r"\bneg"), "negative", "it is negative", 1.0),
        (Metric(metric="regex", pattern=r"answer: (\w+)"), "negative", "The answer: negative.", 1.0),
        (Metric(metric="regex", pattern=r"answer: (\w+)"), "negative", "The answer: positive.", 0.0),
        (Metric(metric="rouge_l"), "the cat sat on the mat", "the cat lay on a mat", 8 / 12),
        (Metric(metric="rouge_l"), "one two three", "three two one", 2 / 6),
        (Metric(metric="rouge_l"), "one", "", 0.0),
    ],
    ids=str,
)
def test_score(metric: Metric, expected: str, answer: str, score: float) -> None:
    """Each answer has the score that a person would give it by the metric's description."""
    assert scorer(metric, [expected, "positive", "neutral"]).score(expected, answer) == pytest.approx(score)


def test_json_is_right_by_its_schema(tmp_path: Path) -> None:
    """JSON of the form is right; another form, and what is no JSON, is not."""
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object", "required": ["label"]}', encoding="utf-8")
    made = scorer(Metric(metric="json_schema", json_schema=schema), ["{}"])

    assert [made.score("", said) for said in ('{"label": 1}', '{"other": 1}', "label")] == [1.0, 0.0, 0.0]


def test_function_of_the_users(tmp_path: Path) -> None:
    """It is loaded from its file, and its bools and numbers are scores."""
    (tmp_path / "own.py").write_text(
        "def close(expected, answer):\n    return len(answer) == len(expected)\n"
        "def half(expected, answer):\n    return 0.5\n",
        encoding="utf-8",
    )
    close, half = (
        scorer(Metric(metric="function", function=f"{tmp_path}/own.py:{name}"), []) for name in ("close", "half")
    )

    assert (close.score("abc", "xyz"), close.score("abc", "x"), half.score("", "")) == (1.0, 0.0, 0.5)


@pytest.mark.parametrize(
    ("place", "body", "says"),
    [
        ("own.py:missing", "x = 1", "no function missing"),
        ("none.py:score", None, "is no file"),
        ("own.py:score", "raise RuntimeError('broken')", "cannot be loaded: RuntimeError: broken"),
    ],
)
def test_function_that_cannot_be_loaded(tmp_path: Path, place: str, body: str | None, says: str) -> None:
    """The error names the file and what is wrong with it."""
    if body:
        (tmp_path / "own.py").write_text(body, encoding="utf-8")

    with pytest.raises(ConfigError, match=says):
        scorer(Metric(metric="function", function=f"{tmp_path}/{place}"), [])


def test_function_that_returns_nonsense_is_named(tmp_path: Path) -> None:
    """A score beyond 0 to 1 ends the comparison; it would make the mean a lie."""
    (tmp_path / "own.py").write_text("def score(expected, answer):\n    return 7\n", encoding="utf-8")

    with pytest.raises(ConfigError, match="returned 7"):
        scorer(Metric(metric="function", function=f"{tmp_path}/own.py:score"), []).score("", "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is no JSON Schema"),
        ('{"type": "nonsense"}', "is no JSON Schema"),
        (None, "cannot be read"),
    ],
)
def test_schema_that_is_none(tmp_path: Path, text: str | None, says: str) -> None:
    """It is refused before anything is asked."""
    if text is not None:
        (tmp_path / "schema.json").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError, match=says):
        scorer(Metric(metric="json_schema", json_schema=tmp_path / "schema.json"), [])


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("Negative!", "negative"),
        ("not negative but neutral", None),
        ("It is very negative.", "very negative"),
        ("positively", None),
        ("", None),
    ],
)
def test_label_is_read_where_one_is_named(answer: str, label: str | None) -> None:
    """Whole words count; a label inside of a longer one is not named by itself; two are none."""
    assert read_label(answer, ("negative", "neutral", "positive", "very negative")) == label


def test_labels_come_from_the_rows() -> None:
    """Few different answers are labels, many are none; answers that no label is are named."""
    assert scorer(Metric(), ["b", "a", "b"]).labels == ("a", "b")
    assert scorer(Metric(), [str(number) for number in range(50)]).labels == ()
    with pytest.raises(ConfigError, match="more than 20 different answers"):
        scorer(Metric(metric="label"), [str(number) for number in range(50)])
    with pytest.raises(ConfigError, match="none of the labels: 'c'"):
        scorer(Metric(metric="label", labels=("a", "b")), ["a", "c"])


@given(st.text(max_size=30), st.text(max_size=30))
def test_rouge_is_symmetric_and_bounded(left: str, right: str) -> None:
    """F1 does not know which side was expected, and stays between 0 and 1."""
    assert 0 <= rouge_l(left, right) <= 1
    assert rouge_l(left, right) == rouge_l(right, left)
    assert rouge_l(left, left) == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"metric": "regex"}, "needs pattern"),
        ({"metric": "regex", "pattern": "("}, "no regular expression"),
        ({"metric": "json_schema"}, "needs json_schema"),
        ({"metric": "function"}, "needs function"),
        ({"pattern": "x"}, "belongs to metric regex"),
        ({"labels": ("a", "b")}, "belongs to metric label"),
    ],
)
def test_metric_without_what_it_needs(settings: dict[str, object], says: str) -> None:
    """What is missing, and what belongs to another metric, is said when it is written down."""
    with pytest.raises(ConfigError, match=says):
        Metric(**settings)


def test_gate_asks_for_something() -> None:
    """A gate that everything passes is a mistake."""
    with pytest.raises(ConfigError, match="asks for nothing"):
        Gate(metric="rouge_l")
