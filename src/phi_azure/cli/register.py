"""`register`: make a model of what a run has trained."""

from __future__ import annotations

import click

from phi_azure.cli.documents import model_document
from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure register headline-sentiment-0a1b2c --name headlines")
@click.argument("run_name", metavar="RUN")
@click.option("--name", help="The model's name [the job's].")
@shared_options
@click.pass_obj
def command(session: Session, run_name: str, name: str | None) -> None:
    """Register the model that a run has trained.

    Prints its name and version.
    """
    from phi_azure import names

    if name is not None:
        names.refuse_model(name)
    with session.workspace() as workspace:
        model = workspace.run(run_name).register(name)
        session.answer(model_document(model), lambda: click.echo(f"{model.name} {model.version}"))
