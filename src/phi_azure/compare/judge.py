"""From answers to a comparison: scores, means, intervals, flips."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from phi_azure.compare.metrics import FREE, read_label
from phi_azure.compare.statistics import bootstrap, mcnemar, mean, percentile, wilson
from phi_azure.compare.values import Comparison, Judged, Pair, Said, Side

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from phi_azure.asking.journal import Answered
    from phi_azure.compare.metrics import Scorer
    from phi_azure.compare.rows import HeldOut

Answers = tuple[str, str, "Sequence[Answered]"]
"""A side's name, its endpoint, and its answers in the order of the rows."""
_NO_LABEL = "none"


def judge(rows: HeldOut, sides: Sequence[Answers], scorer: Scorer, made: datetime) -> Comparison:
    """Scores every answer, and sets the first side beside each of the others.

    A row that some side has no answer to counts for none of them, so that all are judged by the same rows.
    """
    judged = tuple(
        Judged(
            item.line,
            item.prompt,
            item.expected,
            tuple(_said(answers[index], item.expected, scorer) for _, _, answers in sides),
            item.leaked,
        )
        for index, item in enumerate(rows.items)
    )
    counted = [row for row in judged if row.answered]
    return Comparison(
        metric=scorer.name,
        data=rows.name,
        data_sha256=rows.sha256,
        made=made,
        sides=tuple(
            _side(name, what, [(row.expected, row.said[place]) for row in counted], judged, place, scorer)
            for place, (name, what, _) in enumerate(sides)
        ),
        pairs=tuple(_pair(name, counted, place) for place, (name, _, _) in enumerate(sides) if place),
        rows=judged,
        leaks=rows.leaks,
    )


def _said(answered: Answered, expected: str, scorer: Scorer) -> Said:
    text = answered.answer
    if text is None:
        return Said(None, error=answered.error or "no answer")
    return Said(
        text,
        scorer.score(expected, text),
        read_label(text, scorer.labels) if scorer.labels else None,
        answered.latency_s,
        answered.prompt_tokens,
        answered.completion_tokens,
    )


def _side(
    name: str, what: str, counted: list[tuple[str, Said]], rows: Sequence[Judged], place: int, scorer: Scorer
) -> Side:
    scores = [said.score for _, said in counted]
    times = sorted(said.latency_s for _, said in counted if said.latency_s is not None)
    free = {
        metric: mean([score(expected, said.text or "") for expected, said in counted])
        for metric, score in FREE.items()
        if metric != scorer.name
    }
    binary = all(score in {0.0, 1.0} for score in scores)
    return Side(
        name=name,
        what=what,
        scores={scorer.name: mean(scores), **_label_score(counted, scorer), **free},
        interval=wilson(sum(scores), len(scores)) if binary else bootstrap(scores),
        unanswered=sum(row.said[place].error is not None for row in rows),
        latency_s=(percentile(times, 50), percentile(times, 95)) if times else (0.0, 0.0),
        prompt_tokens=_mean_of([said.prompt_tokens for _, said in counted]),
        completion_tokens=_mean_of([said.completion_tokens for _, said in counted]),
        characters=mean([len(said.text or "") for _, said in counted]),
        confusion=_confusion(counted) if scorer.labels else {},
    )


def _label_score(counted: list[tuple[str, Said]], scorer: Scorer) -> dict[str, float]:
    if not scorer.labels or scorer.name == "label":
        return {}
    return {"label": mean([float(said.label == expected.strip()) for expected, said in counted])}


def _confusion(counted: list[tuple[str, Said]]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for expected, said in counted:
        found.setdefault(expected.strip(), Counter())[said.label or _NO_LABEL] += 1
    return {expected: dict(sorted(read.items())) for expected, read in sorted(found.items())}


def _pair(name: str, counted: Sequence[Judged], place: int) -> Pair:
    gained = tuple(row.line for row in counted if row.said[0].right and not row.said[place].right)
    lost = tuple(row.line for row in counted if row.said[place].right and not row.said[0].right)
    differences = [row.said[0].score - row.said[place].score for row in counted]
    return Pair(
        against=name,
        gained=gained,
        lost=lost,
        difference=mean(differences),
        interval=bootstrap(differences),
        p=mcnemar(len(gained), len(lost)),
    )


def _mean_of(counts: Sequence[int | None]) -> float | None:
    known = [count for count in counts if count is not None]
    return mean(known) if known else None
