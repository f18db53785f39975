"""Intervals and tests for rows that two models have answered; pure, seeded, standard library alone."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_Z = 1.959963984540054  # 95 %
_DRAWS = 3_000_000  # values drawn in all: a second
_RESAMPLES = (1_000, 10_000)


def mcnemar(gained: int, lost: int) -> float:
    """Returns the p of McNemar's exact test: twice the smaller tail of a fair coin thrown once for each flip."""
    thrown = gained + lost
    tail = sum(math.comb(thrown, heads) for heads in range(min(gained, lost) + 1))
    return min(1.0, float(2 * tail / 2**thrown))


def wilson(right: float, rows: int) -> tuple[float, float]:
    """Returns Wilson's 95 % interval of a share; of nothing it is all from 0 to 1."""
    if not rows:
        return 0.0, 1.0
    share, square = right / rows, _Z**2 / rows
    middle = (share + square / 2) / (1 + square)
    half = _Z * math.sqrt(share * (1 - share) / rows + square / (4 * rows)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Returns the 95 % percentile interval of a mean, from resamples of the rows; the same seed gives the same.

    Of paired values it is called with their differences. 10,000 resamples, fewer from 300 rows on, 1,000 at least.
    """
    if not values:
        return 0.0, 0.0
    if len(set(values)) == 1:
        return values[0], values[0]
    dice, count = random.Random(seed), len(values)  # noqa: S311  statistics, no secret
    least, most = _RESAMPLES
    resamples = max(least, min(most, _DRAWS // count))
    means = sorted(math.fsum(dice.choices(values, k=count)) / count for _ in range(resamples))
    return percentile(means, 2.5), percentile(means, 97.5)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Returns a percentile of ordered values, between two of them where it falls between."""
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def mean(values: Sequence[float]) -> float:
    """Returns the mean; of nothing it is 0."""
    return math.fsum(values) / len(values) if values else 0.0
