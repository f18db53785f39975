"""`check`: are these rows what the job will learn from?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phi_azure.cli.documents import report_document
from phi_azure.cli.session import Session, shared_options

if TYPE_CHECKING:
    from phi_azure.dataset import Report, Route

BAD_DATA = 3


@click.command(epilog="Example: phi-azure check train.jsonl --route managed")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--route", type=click.Choice(["serverless", "managed"]), help="Whose rules [the job's, else serverless].")
@shared_options
@click.pass_obj
def command(session: Session, file: Path, route: Route | None) -> int:
    """Check a data file, and name every problem.

    FILE is JSONL with one conversation a line, or a job file, whose data files are then checked. Exit code 3: errors.
    """
    from phi_azure import display

    reports = _reports(file, route)
    session.answer(
        {str(path): report_document(report) for path, report in reports.items()},
        lambda: display.show_reports(session.data(), reports.values()),
    )
    return 0 if all(report.ok for report in reports.values()) else BAD_DATA


def _reports(file: Path, route: Route | None) -> dict[Path, Report]:
    from phi_azure import dataset

    if file.suffix not in {".yaml", ".yml"}:
        return {file: dataset.check(file, route=route or "serverless")}
    from phi_azure import FineTune

    job = FineTune.from_yaml(file)
    rules: Route = route or job.route.kind
    splits: tuple[tuple[Path | None, dataset.Split], ...] = (
        (job.training_data, "training"),
        (job.validation_data, "validation"),
    )
    return {
        path: dataset.check(path, route=rules, split=split)
        for path, split in splits
        if path and not str(path).startswith("azureml:")  # a data asset lies in Azure, not here
    }
