"""`report`: the receipt of a run, as a page that needs no network."""

from __future__ import annotations

import webbrowser
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phi_azure.cli.session import Session, shared_options
from phi_azure.errors import PhiAzureError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure import Run, Workspace


@click.command(epilog="Example: phi-azure report headline-sentiment-0a1b2c --open")
@click.argument("run_name", metavar="RUN")
@click.option("--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write the page there.")
@click.option("--open", "show", is_flag=True, help="Show it in the browser.")
@shared_options
@click.pass_obj
def command(session: Session, *, run_name: str, out: Path | None, show: bool) -> None:
    """Write the receipt of a run, as a page.

    Curves, steps, plan beside cost, settings and who set them, data, lineage. Everything is read from Azure, from any
    machine; who set each value, the plan and examples of rows are added where the job was sent. Without --out it goes
    to .phi-azure/receipts/RUN, with the metrics as JSON and CSV beside it.
    """
    with session.workspace() as workspace:
        page = workspace.report(run_name, out)
    if show:
        webbrowser.open(page.absolute().as_uri())
    session.answer({"run": run_name, "page": str(page)}, lambda: click.echo(str(page)))


@contextmanager
def receipt_at_end(session: Session, workspace: Workspace, run: Run) -> Iterator[None]:
    """Writes the receipt of a run that was waited for, however it ended; one that cannot be written is no failure."""
    try:
        yield
    finally:
        if run.over:
            try:
                session.say(f"receipt: {workspace.report(run)}")
            except (OSError, PhiAzureError) as error:
                session.say(f"the receipt could not be written: {error}")
