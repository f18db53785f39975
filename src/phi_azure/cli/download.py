"""`download`: the files of a model or of a run."""

from __future__ import annotations

from pathlib import Path

import click

from phi_azure.cli.session import FolderPath, Session, shared_options


@click.command(epilog="Example: phi-azure download headline-sentiment --to model")
@click.argument("name", metavar="MODEL")
@click.option("--version", help="The model's version [the newest].")
@click.option("--run", is_flag=True, help="MODEL is a run's name: take its outputs, registered or not.")
@click.option("--to", type=FolderPath(), help="The folder [one of the model's name].")
@click.option("--force", is_flag=True, help="Write into a folder that holds something.")
@shared_options
@click.pass_obj
def command(session: Session, *, name: str, version: str | None, run: bool, to: Path | None, force: bool) -> None:
    """Download a model's files.

    A registered MODEL, or with --run the outputs of a run. Prints the folder. A download that was cut goes on when
    the same command is given again.
    """
    from phi_azure import display
    from phi_azure.azure.transfers import STAGING

    target = to or Path(name)
    if target.is_file():
        raise click.UsageError(f"{target} is a file; name a folder with --to.")
    if target.is_dir() and any(target.iterdir()) and not force and not (target / STAGING).is_dir():
        raise click.UsageError(f"{target} holds something; give another folder with --to, or --force to write into it.")
    with session.workspace() as workspace:
        source = workspace.run(name) if run else workspace.model(name, version)
        with display.copying(session.words()) as on_progress:
            folder = source.download(target, on_progress)
    session.answer({"folder": str(folder)}, lambda: click.echo(str(folder)))
