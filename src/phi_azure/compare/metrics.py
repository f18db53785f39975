"""Scores of an answer against the expected one, from 0 to 1."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phi_azure.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phi_azure.config.gate import Metric

MOST_LABELS = 20
"""Rows with more different answers than that are no classification."""


@dataclass(frozen=True)
class Scorer:
    """How answers are scored, and which labels are read from them."""

    name: str
    score: Callable[[str, str], float]
    """Takes the expected answer, then the answer."""
    labels: tuple[str, ...] = ()
    """Empty where the rows are no classification."""


def scorer(metric: Metric, expected: Sequence[str]) -> Scorer:
    """Returns what scores by a metric. Raises ConfigError where its file is missing or is not what it should be.

    Args:
        metric: which one, with its settings.
        expected: every expected answer of the rows; few different ones are labels.
    """
    labels = metric.labels or _labels_of(expected)
    if metric.metric == "label":
        if not labels:
            raise ConfigError(
                f"metric label: the rows have more than {MOST_LABELS} different answers.",
                remedy="Name the labels in `labels`, or take another metric.",
            )
        _refuse_strangers(labels, expected)
    return Scorer(metric.metric, _score(metric, labels), labels)


def exact_match(expected: str, answer: str) -> float:
    """Says whether it is the same text, but for space around it."""
    return float(expected.strip() == answer.strip())


def normalised_match(expected: str, answer: str) -> float:
    """Says whether it is the same words, whatever case, punctuation and space."""
    return float(words(expected) == words(answer))


def rouge_l(expected: str, answer: str) -> float:
    """Returns ROUGE-L: F1 of the longest common subsequence of words (Lin 2004)."""
    left, right = words(expected), words(answer)
    if not left or not right:
        return float(left == right)
    common = _longest_common(left, right)
    return 2 * common / (len(left) + len(right))


FREE = {"exact_match": exact_match, "normalised_match": normalised_match, "rouge_l": rouge_l}
"""Metrics without settings: each comparison gives them too."""


def read_label(answer: str, labels: Sequence[str]) -> str | None:
    """Returns the one label that an answer is or names; None where it names none or several."""
    said = words(answer)
    named = [label for label in labels if _names(said, words(label))]
    # a label inside of another, such as "negative" in "very negative", is not named by itself
    whole = [one for one in named if not any(one != other and _names(words(other), words(one)) for other in named)]
    return whole[0] if len(whole) == 1 else None


def words(text: str) -> list[str]:
    """Returns the words of a text in one spelling: compatibility forms and case folded, no punctuation."""
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def _labels_of(expected: Sequence[str]) -> tuple[str, ...]:
    found = sorted({one.strip() for one in expected})
    return tuple(found) if 2 <= len(found) <= MOST_LABELS else ()


def _refuse_strangers(labels: Sequence[str], expected: Sequence[str]) -> None:
    strangers = sorted({one.strip() for one in expected} - set(labels))
    if strangers:
        shown = ", ".join(repr(one[:40]) for one in strangers[:5])
        raise ConfigError(f"metric label: rows expect answers that are none of the labels: {shown}.")


def _score(metric: Metric, labels: tuple[str, ...]) -> Callable[[str, str], float]:
    if metric.metric == "label":
        return lambda expected, answer: float(read_label(answer, labels) == expected.strip())
    if metric.metric == "regex":
        return _by_pattern(re.compile(metric.pattern or "", re.DOTALL))
    if metric.metric == "json_schema":
        return _by_schema(Path(metric.json_schema or ""))
    if metric.metric == "function":
        return _by_function(metric.function or "")
    return FREE[metric.metric]


def _by_pattern(pattern: re.Pattern[str]) -> Callable[[str, str], float]:
    def score(expected: str, answer: str) -> float:
        found = pattern.search(answer)
        if not found or not pattern.groups:
            return float(found is not None)
        return float((found[1] or "").strip() == expected.strip())

    return score


def _by_schema(path: Path) -> Callable[[str, str], float]:
    import jsonschema

    try:
        schema = json.loads(path.read_text("utf-8"))
        kind = jsonschema.validators.validator_for(schema)
        kind.check_schema(schema)
    except OSError as error:
        raise ConfigError(f"json_schema: {path} cannot be read: {error.strerror}.") from error
    except (ValueError, jsonschema.SchemaError) as error:
        raise ConfigError(f"json_schema: {path} is no JSON Schema: {str(error).splitlines()[0]}.") from error
    validator = kind(schema)

    def score(expected: str, answer: str) -> float:  # noqa: ARG001  any JSON of the form is right
        try:
            return float(validator.is_valid(json.loads(answer)))
        except ValueError:
            return 0.0

    return score


def _by_function(place: str) -> Callable[[str, str], float]:
    file, _, name = place.rpartition(":")
    function = getattr(_module(Path(file)), name, None)
    if not callable(function):
        raise ConfigError(f"function: {file} has no function {name}.")

    def score(expected: str, answer: str) -> float:
        value = function(expected, answer)
        if not isinstance(value, (bool, int, float)) or not 0 <= value <= 1 or math.isnan(value):
            raise ConfigError(f"function: {place} returned {value!r}; it is to be a number from 0 to 1, or a bool.")
        return float(value)

    return score


def _module(path: Path) -> object:
    if not path.is_file():
        raise ConfigError(f"function: {path} is no file.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"function: {path} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # it is the user's code: whatever it raises is told as theirs
        raise ConfigError(f"function: {path} cannot be loaded: {type(error).__name__}: {error}.") from error
    return module


def _names(said: Sequence[str], label: Sequence[str]) -> bool:
    size = len(label)
    return bool(size) and any(list(said[at : at + size]) == list(label) for at in range(len(said) - size + 1))


def _longest_common(left: Sequence[str], right: Sequence[str]) -> int:
    row = [0] * (len(right) + 1)
    for word in left:
        above, row = row, [0]
        for place, other in enumerate(right):
            row.append(above[place] + 1 if word == other else max(above[place + 1], row[-1]))
    return row[-1]
