"""`emulator`: Azure's answers on this machine, for programs that know nothing of phi_azure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from phi_azure.cli.session import FolderPath, Session, shared_options, weight_folders

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    epilog="Example: phi-azure emulator -- python train_with_azure_ai_ml.py",
    context_settings={"allow_interspersed_args": False},  # what follows COMMAND is its own
)
@click.option("--state", type=FolderPath(), help="Where it keeps everything [what --local uses].")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 takes a free one.")
@click.option("--weights", multiple=True, metavar="NAME=DIR", help="Real weights for a model, instead of phi-tiny.")
@click.option("--runner", type=click.Choice(["engine", "scripted"]), default="engine", show_default=True)
@click.argument("command_line", metavar="[-- COMMAND ...]", nargs=-1, type=click.UNPROCESSED)
@shared_options
@click.pass_obj
def command(
    session: Session,
    *,
    state: Path | None,
    port: int,
    weights: tuple[str, ...],
    runner: str,
    command_line: tuple[str, ...],
) -> int:
    """Answer Azure's requests on this machine.

    Runs COMMAND with the environment that leads it here; without COMMAND, prints it and serves until Ctrl-C. Serves a
    page to look at as well: jobs with their curves and logs, those of --local too, and requests as they come.
    """
    from phi_azure.emulator.command import run_server
    from phi_azure.workspace import check_weights

    folders = weight_folders(weights)
    check_weights(folders)
    return run_server((state or session.folder / "azure").absolute(), port, folders, runner, list(command_line))
