"""`runs`: the jobs of the workspace, newest first."""

from __future__ import annotations

import click

from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure runs --local --limit 5")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many at most.")
@shared_options
@click.pass_obj
def command(session: Session, limit: int) -> None:
    """List the runs, newest first."""
    from phi_azure import display

    with session.workspace() as workspace:
        runs = workspace.runs(limit=limit)
    session.answer(runs, lambda: display.show_runs(session.data(), runs, session.again("submit", "job.yaml")))
