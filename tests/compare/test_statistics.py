"""The statistics agree with scipy's and statsmodels' on random tables, and are right where a hand can reckon."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.proportion import proportion_confint

from phi_azure.compare.statistics import bootstrap, mcnemar, mean, percentile, wilson


@pytest.mark.parametrize("seed", range(40))
def test_mcnemar_is_statsmodels(seed: int) -> None:
    """The exact test, on flips of every proportion."""
    dice = random.Random(seed)
    gained, lost = dice.randint(0, 200), dice.randint(0, 200)

    theirs = their_mcnemar([[5, gained], [lost, 7]], exact=True).pvalue

    assert mcnemar(gained, lost) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_wilson_is_statsmodels(seed: int) -> None:
    """The interval of a share, at its ends too."""
    dice = random.Random(seed)
    rows = dice.randint(1, 500)
    right = dice.choice([0, rows, dice.randint(0, rows)])

    theirs = proportion_confint(right, rows, alpha=0.05, method="wilson")

    assert wilson(right, rows) == pytest.approx(tuple(float(bound) for bound in theirs), abs=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_bootstrap_is_scipys(seed: int) -> None:
    """The percentile interval of a mean difference; both draw, so they agree within what drawing leaves open."""
    dice = np.random.default_rng(seed)
    differences = dice.choice([-1.0, 0.0, 1.0], size=200, p=[0.1, 0.6, 0.3])

    theirs = stats.bootstrap(
        (differences,), np.mean, n_resamples=10_000, method="percentile", random_state=dice
    ).confidence_interval

    spread = float(np.std(differences)) / math.sqrt(200)
    assert bootstrap([float(one) for one in differences]) == pytest.approx((theirs.low, theirs.high), abs=spread / 5)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("percent", [0, 2.5, 50, 95, 97.5, 100])
def test_percentile_is_numpys(seed: int, percent: float) -> None:
    """It lies between two values as numpy's does."""
    values = sorted(random.Random(seed).random() for _ in range(37))

    assert percentile(values, percent) == pytest.approx(float(np.percentile(values, percent)))


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (2, 0, 0.5), (6, 0, 0.03125), (5, 1, 0.21875), (3, 3, 1.0)],
)
def test_mcnemar_by_hand(gained: int, lost: int, p: float) -> None:
    """Six of six flips to one side: 2 in 64."""
    assert mcnemar(gained, lost) == p
    assert mcnemar(lost, gained) == p


def test_edges() -> None:
    """Nothing, and the same everywhere, have an answer too; the same seed gives the same interval."""
    assert (bootstrap([]), bootstrap([0.25] * 9), mean([]), wilson(0, 0)) == ((0, 0), (0.25, 0.25), 0, (0, 1))
    assert bootstrap([0, 1, 1, 0, 1], seed=3) == bootstrap([0, 1, 1, 0, 1], seed=3)
