"""How many rows are left to learn from, and how often the weights change."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from phi_azure.config import ManagedCompute
from phi_azure.dataset import set_aside
from phi_azure.plan.values import Rows

if TYPE_CHECKING:
    from phi_azure.config import FineTune
    from phi_azure.dataset import Report, Split
    from phi_azure.plan.values import RouteName


def missing_files(job: FineTune, route: RouteName | None = None) -> tuple[Split, ...]:
    """Returns the files that the job has not, and for which Azure sets training rows aside; None takes its own route.

    A pipeline does so for validation and test. A fine-tuning job does not for a test: Azure's code behind it hands the
    training file on as test file (azureml-assets, finetune_run.py of the environment acpt, read 2026-11).
    """
    own = job.route.job if isinstance(job.route, ManagedCompute) else "pipeline"
    pipeline = (route or job.route.kind) == "managed" and own == "pipeline"
    served: list[tuple[Split, object]] = [("validation", job.validation_data)]
    if pipeline:
        served.append(("test", job.test_data))
    return tuple(split for split, path in served if path is None)


def rows_on(report: Report, absent: tuple[Split, ...]) -> Rows:
    """Returns what becomes of the rows, when some of them are set aside for the files that are absent."""
    kept = {"training": 0, "validation": 0, "test": 0}
    for file in report.files:
        kept[file.split] += file.kept
    aside = set_aside(kept["training"], len(absent))
    for split in absent:
        kept[split] = aside
        kept["training"] -= aside
    return Rows(report.rows, report.dropped, **kept)


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
