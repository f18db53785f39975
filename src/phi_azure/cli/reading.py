"""What `check`, `plan` and `preview` are given: job files or data files, a model's name, a length."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from phi_azure import FineTune
    from phi_azure.catalog import PhiModel
    from phi_azure.dataset import Route
    from phi_azure.tokens import Reader

JOB_FILES = (".yaml", ".yml")
tokenizer_option = click.option(
    "--tokenizer",
    metavar="DIR",
    type=click.Path(exists=True, path_type=Path),
    help="Count tokens with it: a model's folder, or tokenizer.json.",
)
length_option = click.option(
    "--max-seq-length", metavar="N", type=click.IntRange(min=1), help="Tokens of a row that count [the job's]."
)


def job_of(file: Path) -> FineTune | None:
    """Reads a job file; None where it is a data file."""
    from phi_azure import FineTune

    return FineTune.from_yaml(file) if file.suffix in JOB_FILES else None


def model_of(name: str | None, job: FineTune | None = None) -> PhiModel | None:
    """Returns the row of the model that was named, else of the job's; None where nothing is known of it."""
    from phi_azure import catalog
    from phi_azure.plan import row_of

    if name is None:
        return row_of(job) if job else None
    row = catalog.model(name.partition(":")[0])
    if row is None:
        meant = catalog.nearest(name)
        raise click.UsageError(f"There is no Phi {name!r}{f'; did you mean {meant}?' if meant else '.'}")
    return row


def reader_of(row: PhiModel | None, job: FineTune | None, route: Route, asked: int | None = None) -> Reader:
    """Returns how the model reads rows: that of the row, of the job, or the one that jobs take when none is named.

    Args:
        row: the model, where the catalogue has it.
        job: what the job file says; None where a data file was given.
        route: whose default length counts without a job file.
        asked: a length that counts instead of the job's.
    """
    from phi_azure import catalog, template
    from phi_azure.tokens import Reader, cut_length, length_limit

    if row is None and job is None:
        row = catalog.model(catalog.DEFAULT_MODEL)
    name = row.name if row else job.base_name if job else catalog.DEFAULT_MODEL
    if job and asked is None:
        limit = length_limit(job, row)
    else:
        limit = cut_length(asked, row, by_service=route == "serverless")
    return Reader(template.of(row, name), row is None or row.system_role, limit, name)
