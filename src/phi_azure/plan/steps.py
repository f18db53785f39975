"""How many rows are left to learn from, and how often the weights change."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from phi_azure.plan.values import Rows

if TYPE_CHECKING:
    from phi_azure.dataset import Report

ONE_MISSING = 0.2
BOTH_MISSING = 0.1
"""Shares of the training rows that the component sets aside for validation and test where no file is given."""


def rows_on(report: Report, *, splits: bool) -> Rows:
    """Returns what becomes of the rows; `splits` where the route sets rows aside for the files that are missing.

    Managed pipelines do (80/10/10 without both files, 80/20 without one); which rows, and how the counts are
    rounded, the component decides, so that each count may be off by one.
    """
    kept = {"training": 0, "validation": 0, "test": 0}
    for file in report.files:
        kept[file.split] += file.kept
    training, validation, test = kept["training"], kept["validation"], kept["test"]
    if splits and training:
        share = BOTH_MISSING if not validation and not test else ONE_MISSING
        aside = int(training * share)
        training -= aside * ((not validation) + (not test))
        validation, test = validation or aside, test or aside
    return Rows(report.rows, report.dropped, training, validation, test)


def steps(rows: int, per_pass: int, accumulation: int, epochs: int, max_steps: int = -1) -> int:
    """Returns how often the weights change: rows over rows a step, rounded up, for each epoch; or `max_steps`.

    Args:
        rows: that are trained.
        per_pass: batch size x GPUs x machines.
        accumulation: passes that make one step.
        epochs: times through the rows.
        max_steps: ends training, where it is above zero; it may also go through the rows more often.
    """
    if max_steps > 0:
        return max_steps
    return ceil(rows / (per_pass * accumulation)) * epochs


def passes(rows: int, per_step: int, epochs: int, max_steps: int = -1) -> float:
    """Returns how often training goes through the rows: the epochs, or what `max_steps` makes of them."""
    if max_steps > 0:
        return max_steps * per_step / rows if rows else 0.0
    return float(epochs)
