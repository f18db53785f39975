"""`submit`: send a job file to Azure, or to this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phi_azure.cli.documents import job_facts, run_document
from phi_azure.cli.following import follow
from phi_azure.cli.report import receipt_at_end
from phi_azure.cli.session import Session, shared_options, weight_folders

if TYPE_CHECKING:
    from phi_azure import FineTune, Workspace


@click.command(epilog="Example: phi-azure submit job.yaml --local --wait")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--wait", is_flag=True, help="Stay and show the progress until the job is over.")
@click.option("--again", is_flag=True, help="Send it although the same job goes on, or has ended well.")
@click.option("--no-preflight", is_flag=True, help="Do not look first for what would stop it.")
@click.option(
    "--weights", multiple=True, metavar="NAME=DIR", help="With --local: real weights for a model, instead of phi-tiny."
)
@shared_options
@click.pass_obj
def command(
    session: Session, *, file: Path, wait: bool, again: bool, no_preflight: bool, weights: tuple[str, ...]
) -> None:
    """Start the job that a file describes, once.

    Checks the data, then Azure (as `doctor` does), says what would be made, asks where it costs money, and prints the
    run's name. While the same job (settings, model, data) goes on, and after it has ended well, its run is taken up,
    and nothing is paid twice; one that failed is sent again.
    """
    from phi_azure import FineTune, display
    from phi_azure.workspace import check_data

    if weights and not session.local:
        raise click.UsageError("--weights are for this machine; add --local.")
    folders = weight_folders(weights)
    job = FineTune.from_yaml(file)
    report = check_data(job)
    display.show_facts(session.words(), job_facts(job, report, session))
    with session.workspace(narrated=True, weights=folders) as workspace:
        prepared = workspace.prepare(job, report, again=again, preflight=not no_preflight)
        if prepared.before:
            session.say(prepared.before)
        if not prepared.is_sent:
            agreed(session, workspace, job, preflight=not no_preflight)
        with display.copying(session.words()) as on_progress:
            run = prepared.send(workspace.on_event, on_progress)
        if wait:
            with receipt_at_end(session, workspace, run):
                follow(session, run)
        session.answer({**run_document(run), "attached": run.attached}, lambda: click.echo(run.name))


def agreed(session: Session, workspace: Workspace, job: FineTune, *, preflight: bool) -> None:
    """Looks at Azure's side, and asks, before a job is sent that will be paid for."""
    if preflight:
        look(session, workspace, job)
    if not session.local:
        session.agree("This costs money. Submit it?")


def look(session: Session, workspace: Workspace, job: FineTune) -> None:
    """Says what is not well on Azure's side; raises what would stop the job."""
    from phi_azure import display

    found = workspace.preflight(job)
    found.raise_for_errors()
    display.show_preflight(session.words(), found, only_trouble=True)
