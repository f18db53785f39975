"""`preview`: rows as the model reads them, with what is trained."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phi_azure.cli.reading import JOB_FILES, job_of, length_option, model_of, reader_of, tokenizer_option
from phi_azure.cli.session import Session, shared_options

if TYPE_CHECKING:
    from phi_azure import FineTune
    from phi_azure.dataset import Route
    from phi_azure.preview import Preview

_COUNT = click.IntRange(min=1, max=10_000)


@click.command(epilog="Example: phi-azure preview train.jsonl --rows 5 --html rows.html")
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--rows", metavar="N", type=_COUNT, help="Show the first rows [3].")
@click.option("--line", "lines", metavar="N", multiple=True, type=click.IntRange(min=1), help="Show this line's row.")
@click.option("--sample", metavar="N", type=_COUNT, help="Show rows drawn by lot.")
@click.option("--seed", default=0, show_default=True, help="Another one draws others.")
@click.option("--route", type=click.Choice(["serverless", "managed"]), help="Whose rules [the job's, else serverless].")
@click.option("--model", help="Whose chat template [the job's, else that of Phi-4-mini-instruct].")
@tokenizer_option
@length_option
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page that needs no network.")
@click.option("--force", is_flag=True, help="Overwrite the page that is there.")
@shared_options
@click.pass_obj
def command(
    session: Session,
    *,
    files: tuple[Path, ...],
    rows: int | None,
    lines: tuple[int, ...],
    sample: int | None,
    seed: int,
    route: Route | None,
    model: str | None,
    tokenizer: Path | None,
    max_seq_length: int | None,
    html: Path | None,
    force: bool,
) -> None:
    """Show rows as the model reads them.

    FILE is data, or one job file, whose training data, model and length are taken. Rows go through the model's own
    chat template; what is trained is marked, and so is what Azure cuts. Rows that Azure leaves out are shown with
    the reason. Without --tokenizer the number of tokens is an estimate, and the place of the cut is not known.
    """
    from phi_azure import display
    from phi_azure.preview import Choice, preview

    if sum(map(bool, (rows, lines, sample))) > 1:
        raise click.UsageError("--rows, --line and --sample say three different things; keep one.")
    if html and html.exists() and not force:
        raise click.UsageError(f"{html} is there; --force overwrites.")
    if len(files) > 1 and any(file.suffix in JOB_FILES for file in files):
        raise click.UsageError("A job file stands alone; it brings its training data.")
    job = job_of(files[0])
    there = route or (job.route.kind if job else "serverless")
    reader = reader_of(model_of(model, job), job, there, max_seq_length)
    data = (_training_of(files[0], job),) if job else files
    made = preview(data, reader, there, Choice(rows or 3, lines, sample, seed), tokenizer)
    if html:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(display.preview_page(made), encoding="utf-8")
        session.say(f"{html}: {len(made.rows)} rows")
    if session.json:  # in ASCII: rows may hold what steers a terminal
        click.echo(json.dumps(_document(made, html), indent=2))
    elif not html:
        display.show_preview(session.data(), made)


def _training_of(file: Path, job: FineTune) -> Path:
    from phi_azure.config import is_in_azure
    from phi_azure.errors import DataError

    if is_in_azure(job.training_data):
        raise click.UsageError(f"{file}: its training data is a data asset of Azure; there is no file here to show.")
    if not job.training_data.is_file():
        raise DataError(f"{job.training_data}: there is no such file.", remedy=f"Correct training_data in {file}.")
    return job.training_data


def _document(made: Preview, html: Path | None) -> dict[str, object]:
    return {
        "model": made.reader.model,
        "template": made.reader.template,
        "max_seq_length": made.reader.max_seq_length,
        "exact": made.exact,
        "html": str(html) if html else None,
        "rows": [asdict(row) for row in made.rows],
    }
