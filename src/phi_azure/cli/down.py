"""`down`: remove what is paid by the hour."""

from __future__ import annotations

import click

from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure down --clusters --yes")
@click.option("--clusters", is_flag=True, help="The GPU clusters too (idle ones cost nothing).")
@shared_options
@click.pass_obj
def command(session: Session, clusters: bool) -> None:
    """Remove what is paid by the hour.

    Lists the endpoints that phi_azure made, asks, and removes them; models, runs and data stay.
    """
    from phi_azure import display

    with session.workspace() as workspace:
        found = workspace.removable(clusters=clusters)
        display.show_removals(session.words(), found)
        if found:
            session.agree("Remove them?")
        removed = workspace.down(clusters=clusters)
    session.answer({"removed": removed}, lambda: click.echo("\n".join(removed)) if removed else None)
