"""`logs`: what a run wrote."""

from __future__ import annotations

import click

from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure logs headline-sentiment-0a1b2c --follow --local")
@click.argument("run_name", metavar="RUN")
@click.option("--step", help="One step of a pipeline, by name [the one that trains].")
@click.option("--follow", "-f", is_flag=True, help="Stay and print what comes until the run is over.")
@shared_options
@click.pass_obj
def command(session: Session, run_name: str, step: str | None, follow: bool) -> None:
    """Print a run's log."""
    from phi_azure.display import redact

    with session.workspace() as workspace:
        session.watched = run_name if follow else None
        lines = (redact(line) for line in workspace.run(run_name).logs(step=step, follow=follow))
        if session.json:
            session.answer({"run": run_name, "step": step, "lines": list(lines)}, lambda: None)
            return
        for line in lines:
            click.echo(line)
