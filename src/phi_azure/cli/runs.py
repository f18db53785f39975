"""`runs`: the jobs that were sent, newest first."""

from __future__ import annotations

import click

from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure runs --status Running --limit 5")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many at most.")
@click.option("--status", help="Only those in this state: Running, Completed, Failed, Canceled, Queued ...")
@click.option("--all", "everybodys", is_flag=True, help="Every job of the workspace, not only those of phi_azure.")
@shared_options
@click.pass_obj
def command(session: Session, *, limit: int, status: str | None, everybodys: bool) -> None:
    """List the runs, newest first.

    Those that phi_azure sent, from whatever machine; it knows them by their tag.
    """
    from phi_azure import display
    from phi_azure.status import GOING, OVER

    words = {word.lower(): word for word in [*GOING, *sorted(OVER)]}
    if status is not None and status.lower() not in words:
        raise click.UsageError(f"{status} is no state of a run; there are: {', '.join(words.values())}.")
    with session.workspace() as workspace:
        runs = workspace.runs(limit=limit, everybodys=everybodys, status=status)
    nothing = session.no_runs if status is None else f"No run is {words[status.lower()]}."
    session.answer(runs, lambda: display.show_runs(session.data(), runs, nothing))
