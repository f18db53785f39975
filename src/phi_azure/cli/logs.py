"""`logs`: what a run wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from phi_azure.cli.session import Session, shared_options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phi_azure.run import Run


@click.command(epilog="Example: phi-azure logs headline-sentiment-0a1b2c --follow --local")
@click.argument("run_name", metavar="RUN")
@click.option("--step", help="One step of a pipeline, by name [the one that trains].")
@click.option("--file", help="One log by name; --files lists them [the first process's].")
@click.option("--all-files", is_flag=True, help="All logs: of every process and machine, and Azure's own.")
@click.option("--files", is_flag=True, help="List the logs that there are, and print none.")
@click.option("--follow", "-f", is_flag=True, help="Stay and print what comes until the run is over.")
@shared_options
@click.pass_obj
def command(
    session: Session, *, run_name: str, step: str | None, file: str | None, all_files: bool, files: bool, follow: bool
) -> None:
    """Print a run's log.

    With --follow the exit code says how the run ended, as that of `wait`; with --json its error is beside the lines.
    """
    if sum((file is not None, all_files, files)) > 1:
        raise click.UsageError("--file, --all-files and --files exclude each other.")
    if files and follow:
        raise click.UsageError("--files lists the logs that there are now; --follow is of their lines.")
    with session.workspace() as workspace:
        run = workspace.run(run_name)
        if files:
            names = run.log_files(step)
            session.answer({"run": run_name, "step": step, "files": names}, lambda: _print(names))
            return
        session.watched = run_name if follow else None
        _show(session, run, step, run.logs(step, file=file, every=all_files, follow=follow), ending=follow)
        session.watched = None


def _show(session: Session, run: Run, step: str | None, lines: Iterable[str], *, ending: bool) -> None:
    """Prints the lines, and with `ending` raises what became of the run, which may have ended badly."""
    from phi_azure.display import harmless, redact

    clean = (harmless(redact(line)) for line in lines)
    if session.json:
        session.found = {"run": run.name, "step": step, "lines": list(clean)}
    else:
        _print(clean)
    if ending:
        run.raise_for_status(log_lines=0)
    session.answer(session.found, lambda: None)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
