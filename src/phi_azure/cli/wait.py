"""`wait`: stay with a run until it is over."""

from __future__ import annotations

import click

from phi_azure.cli.documents import run_document
from phi_azure.cli.following import follow
from phi_azure.cli.report import receipt_at_end
from phi_azure.cli.session import Number, Session, shared_options


@click.command(epilog="Example: phi-azure wait headline-sentiment-0a1b2c --timeout 3600")
@click.argument("run_name", metavar="RUN")
@click.option("--timeout", type=Number(min=0), help="Seconds to wait; then exit 7, and the run goes on.")
@shared_options
@click.pass_obj
def command(session: Session, run_name: str, timeout: float | None) -> None:
    """Show a run's progress until it is over.

    The exit code says how it ended: 0 completed, 1 failed, 7 not yet, 8 cancelled, 11 not responding, 12 paused.
    Azure may be away for ten minutes; Ctrl-C leaves the run going.
    """
    with session.workspace() as workspace:
        run = workspace.run(run_name)
        with receipt_at_end(session, workspace, run):
            follow(session, run, timeout)
        session.answer(run_document(run), lambda: click.echo(run.status))
