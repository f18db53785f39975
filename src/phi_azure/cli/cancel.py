"""`cancel`: stop a run."""

from __future__ import annotations

import click

from phi_azure.cli.documents import run_document
from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure cancel headline-sentiment-0a1b2c")
@click.argument("run_name", metavar="RUN")
@shared_options
@click.pass_obj
def command(session: Session, run_name: str) -> None:
    """Stop a run; what it wrote so far stays."""
    with session.workspace() as workspace:
        run = workspace.run(run_name)
        if not run.cancel():
            session.say(f"{run.name} is {run.status} already; there is nothing to cancel.")
        session.answer(run_document(run), lambda: click.echo(run.status))
