"""`resume`: go on from a run's last checkpoint."""

from __future__ import annotations

import click

from phi_azure.cli.documents import run_document
from phi_azure.cli.following import follow
from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure resume headline-sentiment-0a1b2c --wait --local")
@click.argument("run_name", metavar="RUN")
@click.option("--wait", is_flag=True, help="Stay and show the progress until the new run is over.")
@shared_options
@click.pass_obj
def command(session: Session, run_name: str, wait: bool) -> None:
    """Go on from the last checkpoint of a run.

    It failed or was cancelled; the run that goes on is a new one, whose name is printed.
    """
    if not session.local:
        session.agree(f"This costs money. Go on from {run_name}?")
    with session.workspace() as workspace:
        run = workspace.run(run_name).resume()
        if wait:
            follow(session, run)
        session.answer(run_document(run), lambda: click.echo(run.name))
