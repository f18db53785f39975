"""`down`: remove what is paid by the hour."""

from __future__ import annotations

import click

from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure down --expired --yes")
@click.option("--clusters", is_flag=True, help="The GPU clusters too (idle ones cost nothing).")
@click.option("--expired", is_flag=True, help="Only what is past its time, and jobs that run over their budget.")
@shared_options
@click.pass_obj
def command(session: Session, clusters: bool, expired: bool) -> None:
    """Remove what is paid by the hour.

    Lists the endpoints that phi_azure made, with what they cost, asks, removes them, and looks that they are gone.
    Models, runs and data stay. --expired also stops jobs that run longer than `max_hours` and `max_price` allow.
    """
    from phi_azure import display

    with session.workspace() as workspace:
        found = workspace.removable(clusters=clusters, expired=expired)
        still_up = workspace.removable() if expired and not found.lines else None
        display.show_removals(session.words(), found, still_up)
        if found.lines:
            session.agree("Remove them?")
        removed = workspace.down(found)
    session.answer({"removed": removed}, lambda: click.echo("\n".join(removed)) if removed else None)
