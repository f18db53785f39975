"""`models`: the registered models of the workspace."""

from __future__ import annotations

import click

from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure models --local")
@shared_options
@click.pass_obj
def command(session: Session) -> None:
    """List the registered models, newest first."""
    from phi_azure import display

    with session.workspace() as workspace:
        models = workspace.models()
    session.answer(models, lambda: display.show_models(session.data(), models))
