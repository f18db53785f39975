"""`check`: are these rows what the job will learn from?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phi_azure.cli.documents import report_document, tokens_document
from phi_azure.cli.reading import job_of, length_option, model_of, reader_of, tokenizer_option
from phi_azure.cli.session import Session, shared_options

if TYPE_CHECKING:
    from phi_azure import FineTune
    from phi_azure.dataset import Route, Split

BAD_DATA = 3
_MOST = 3  # training, validation, test


@click.command(epilog="Example: phi-azure check train.jsonl --model Phi-4")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--validation", type=click.Path(path_type=Path), help="Rows whose loss is watched.")
@click.option("--test", type=click.Path(path_type=Path), help="Rows that are kept for the end.")
@click.option("--route", type=click.Choice(["serverless", "managed"]), help="Whose rules [the job's, else serverless].")
@click.option("--model", help="The model that is to learn; it says whether there is a system role.")
@tokenizer_option
@length_option
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Problems kept of each kind.")
@shared_options
@click.pass_obj
def command(
    session: Session,
    *,
    files: tuple[Path, ...],
    validation: Path | None,
    test: Path | None,
    route: Route | None,
    model: str | None,
    tokenizer: Path | None,
    max_seq_length: int | None,
    limit: int,
) -> int:
    """Check data files, and name every problem.

    FILE is training data, then validation and test data; or one job file, whose data files are then checked. JSONL
    with one conversation a line; on managed compute also json, csv, tsv and parquet. With --tokenizer tokens are
    counted and rows that get cut are named. Exit code 3: there are errors.
    """
    from phi_azure import dataset, display, tokens
    from phi_azure.plan import missing_files

    given = _given(files, validation, test)
    job = job_of(files[0]) if given[1:] == (None, None) else None
    row = model_of(model, job)
    absent: tuple[Split, ...] | None = None if route else ()  # no word of a job: it may well have other files
    if job:
        given, route = _files_of(files[0], job), route or job.route.kind
        absent = missing_files(job, route)
    report = dataset.check_files(*given, route=route or "serverless", model=row, missing=absent, limit=limit)
    counted = tokens.estimate(report)
    if tokenizer:
        reader = reader_of(row, job, route or "serverless", max_seq_length)
        report, counted = tokens.check(report, tokenizer, reader, limit=limit)
    document = {**report_document(report), "tokens": tokens_document(counted)}
    session.answer(document, lambda: display.show_report(session.data(), report, tokens=counted))
    return 0 if report.ok else BAD_DATA


def _given(
    files: tuple[Path, ...], validation: Path | None, test: Path | None
) -> tuple[Path, Path | None, Path | None]:
    """Puts what was given with an option behind what was given by place."""
    if len(files) > _MOST:
        raise click.UsageError("Three files at most: training, validation and test data.")
    second, third = (files[place] if len(files) > place else None for place in (1, 2))
    for by_place, by_name in ((second, validation), (third, test)):
        if by_place and by_name:
            raise click.UsageError(f"{by_place} and {by_name} are both meant to be the same; keep one.")
    return files[0], second or validation, third or test


def _files_of(file: Path, job: FineTune) -> tuple[Path, Path | None, Path | None]:
    """Returns the files of a job; data assets lie in Azure, not here."""
    from phi_azure.config import is_in_azure

    if is_in_azure(job.training_data):
        raise click.UsageError(f"{file}: its training data is a data asset of Azure; there is no file here to check.")
    validation, test = (None if is_in_azure(path) else path for path in (job.validation_data, job.test_data))
    return job.training_data, validation, test
