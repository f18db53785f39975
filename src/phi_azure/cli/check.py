"""`check`: are these rows what the job will learn from?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phi_azure.cli.documents import report_document
from phi_azure.cli.session import Session, shared_options

if TYPE_CHECKING:
    from phi_azure.catalog import PhiModel
    from phi_azure.dataset import Report, Route

BAD_DATA = 3
_MOST = 3  # training, validation, test


@click.command(epilog="Example: phi-azure check train.jsonl --model Phi-4")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--validation", type=click.Path(path_type=Path), help="Rows whose loss is watched.")
@click.option("--test", type=click.Path(path_type=Path), help="Rows that are kept for the end.")
@click.option("--route", type=click.Choice(["serverless", "managed"]), help="Whose rules [the job's, else serverless].")
@click.option("--model", help="The model that is to learn; it says whether there is a system role.")
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
    limit: int,
) -> int:
    """Check data files, and name every problem.

    FILE is training data, then validation and test data; or one job file, whose data files are then checked. JSONL
    with one conversation a line; on managed compute also json, csv, tsv and parquet. Exit code 3: there are errors.
    """
    from phi_azure import dataset, display

    given = _given(files, validation, test)
    if files[0].suffix in {".yaml", ".yml"} and given[1:] == (None, None):
        report = _check_job(files[0], route, limit)
    else:
        report = dataset.check_files(given[0], given[1], given[2], route or "serverless", _model(model), limit=limit)
    session.answer(report_document(report), lambda: display.show_report(session.data(), report))
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


def _model(name: str | None) -> PhiModel | None:
    from phi_azure import catalog

    if name is None:
        return None
    row = catalog.model(name.partition(":")[0])
    if row is None:
        meant = catalog.nearest(name)
        raise click.UsageError(f"There is no Phi {name!r}{f'; did you mean {meant}?' if meant else '.'}")
    return row


def _check_job(file: Path, route: Route | None, limit: int) -> Report:
    """Checks the files of a job by its own route and model; data assets lie in Azure, not here."""
    from phi_azure import FineTune, catalog, dataset

    job = FineTune.from_yaml(file)
    paths = (job.training_data, job.validation_data, getattr(job, "test_data", None))
    training, validation, test = (None if path and str(path).startswith("azureml:") else path for path in paths)
    if training is None:
        raise click.UsageError(f"{file}: its training data is a data asset of Azure; there is no file here to check.")
    name = getattr(job, "base_name", None) or str(job.model).partition(":")[0]
    model = catalog.model(name)
    return dataset.check_files(training, validation, test, route=route or job.route.kind, model=model, limit=limit)
