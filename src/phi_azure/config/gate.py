"""What a tuned model has to show before questions go to it, and how its answers are scored."""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003  pydantic reads it
from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from phi_azure.config.strict import Strict

MetricName = Literal["exact_match", "normalised_match", "label", "regex", "json_schema", "rouge_l", "function"]
_NEEDS = {"regex": "pattern", "json_schema": "json_schema", "function": "function"}
OPTIONS = {"pattern": "regex", "json_schema": "json_schema", "function": "function", "labels": "label"}
"""Fields that one metric alone has."""


class Metric(Strict):
    """How an answer is scored against the expected one: from 0 to 1."""

    metric: MetricName = "exact_match"
    """exact_match: the same text, but for space around it; normalised_match: the same words, whatever case and
    punctuation; label: the one label named in the answer is the expected one; regex: `pattern` is found; json_schema:
    it is JSON of that form; rouge_l: F1 of the longest common subsequence of words; function: your own."""
    labels: tuple[str, ...] | None = Field(default=None, min_length=2)
    """Of metric label; None takes every expected answer for one."""
    pattern: str | None = None
    """Of metric regex. With a group, what the group matches has to be the expected answer."""
    json_schema: Path | None = None
    """Of metric json_schema: the file with the schema."""
    function: str | None = Field(default=None, pattern=r"^.+\.py:[A-Za-z_]\w*$")
    """Of metric function: FILE.py:NAME; it takes the expected answer and the answer, and returns 0 to 1, or a bool."""

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        problems = []
        need = _NEEDS.get(self.metric)
        if need and getattr(self, need) is None:
            problems.append(f"metric {self.metric} needs {need}")
        problems += [
            f"{option} belongs to metric {metric}, not to {self.metric}"
            for option, metric in OPTIONS.items()
            if getattr(self, option) is not None and metric != self.metric
        ]
        if self.pattern is not None and (wrong := _no_pattern(self.pattern)):
            problems.append(f"pattern is no regular expression: {wrong}")
        if problems:
            raise ValueError("\n".join(problems))
        return self


class Gate(Metric):
    """What a comparison on rows that were kept apart has to show; without it a tuned model gets no traffic."""

    at_least: float | None = Field(default=None, ge=0, le=1)
    """The tuned model's mean score."""
    better_than: Literal["base", "all"] | None = None
    """base: the whole 95 % interval of the gain over the base model is above zero; all: over every other way too, such
    as the base model with examples."""
    max_lost: int | None = Field(default=None, ge=0)
    """How many answers that the base model has right may be wrong now."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if self.at_least is None and self.better_than is None and self.max_lost is None:
            raise ValueError("it asks for nothing; give at_least, better_than or max_lost")
        return self

    def __str__(self) -> str:
        """Says it in words, short enough for a tag."""
        parts = [
            f"{self.metric} at least {self.at_least:g}" if self.at_least is not None else "",
            f"{self.metric} better than {self.better_than}" if self.better_than else "",
            f"at most {self.max_lost} lost" if self.max_lost is not None else "",
        ]
        return ", ".join(part for part in parts if part)


def _no_pattern(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except re.error as error:
        return str(error)
    return None
