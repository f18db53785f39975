"""`watch`: see what a run does, until it is over."""

from __future__ import annotations

import click

from phi_azure.cli.documents import run_document
from phi_azure.cli.following import follow
from phi_azure.cli.session import Session, shared_options

_LOG_LINES = 6


@click.command(epilog="Example: phi-azure watch headline-sentiment-0a1b2c")
@click.argument("run_name", metavar="RUN")
@click.option("--lines", type=click.IntRange(0, 40), default=_LOG_LINES, show_default=True, help="Lines of the log.")
@shared_options
@click.pass_obj
def command(session: Session, run_name: str, lines: int) -> None:
    """See a run's steps, loss and log until it is over.

    `wait` with more to look at: the loss as a plot, and the last lines of the log. Ctrl-C leaves the run going. The
    exit code is that of `wait`.
    """
    with session.workspace() as workspace:
        run = workspace.run(run_name)
        follow(session, run, log_lines=lines)
        session.answer(run_document(run), lambda: click.echo(run.status))
