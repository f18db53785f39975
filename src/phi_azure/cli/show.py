"""`show`: one run with its steps and numbers, or the workspace and what is up in it."""

from __future__ import annotations

import click

from phi_azure.cli.documents import run_document
from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure show headline-sentiment-0a1b2c --local")
@click.argument("run_name", metavar="[RUN]", required=False)
@shared_options
@click.pass_obj
def command(session: Session, run_name: str | None) -> None:
    """Show a run, or the workspace and what is up in it.

    RUN: status, steps, loss. Without it: the workspace, its endpoints and its last runs.
    """
    from phi_azure import display

    with session.workspace() as workspace:
        if run_name is None:
            info, endpoints, runs = workspace.info(), workspace.endpoints(), workspace.runs(limit=5)
            document = {"workspace": info, "endpoints": endpoints, "runs": runs}
            nothing = session.no_runs
            session.answer(document, lambda: display.show_workspace(session.data(), info, endpoints, runs, nothing))
        else:
            run = workspace.run(run_name)
            session.answer(run_document(run), lambda: display.show_run(session.data(), run, run.url))
