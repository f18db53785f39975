"""`rollback`: back to the traffic before the last change."""

from __future__ import annotations

from dataclasses import asdict

import click

from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure rollback headlines")
@click.argument("name", metavar="ENDPOINT")
@shared_options
@click.pass_obj
def command(session: Session, *, name: str) -> None:
    """Go back to the traffic before an endpoint's last change."""
    from phi_azure import display

    with session.workspace() as workspace:
        found = workspace.endpoint(name).rollback()
    session.answer([asdict(one) for one in found], lambda: display.show_deployments(session.data(), found))
