"""`doctor`: would Azure take a job, to the last step?"""

from __future__ import annotations

from pathlib import Path

import click

from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure doctor job.yaml")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@shared_options
@click.pass_obj
def command(session: Session, file: Path | None) -> int:
    """Look at Azure for what would stop a job. Nothing is made.

    Sign-in, workspace, storage, the rights for every step, model, quota to train and to deploy; of the job in FILE, or
    of any. The exit code is that of the first failure.
    """
    from phi_azure import FineTune, display

    job = FineTune.from_yaml(file) if file else None
    with session.workspace() as workspace, display.busy(session.words(), "Looking at Azure"):
        found = workspace.preflight(job)
    session.answer(found.to_dict(), lambda: display.show_preflight(session.data(), found))
    return found.exit_code
