"""`bench`: how fast exported folders are on this machine."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phi_azure.cli.session import Session, shared_options

if TYPE_CHECKING:
    from phi_azure.asking.batch import OnBatchProgress


@click.command(epilog="Example: phi-azure bench edge model --data test.jsonl --limit 100")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--data", type=click.Path(path_type=Path, dir_okay=False), help="Rows to ask [twenty built-in questions]."
)
@click.option("--limit", type=click.IntRange(min=1), help="The first so many rows.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=128, show_default=True, help="Of each answer.")
@click.option("--base", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Of an adapter alone.")
@shared_options
@click.pass_obj
def command(
    session: Session,
    *,
    folders: tuple[Path, ...],
    data: Path | None,
    limit: int | None,
    max_tokens: int,
    base: Path | None,
) -> None:
    """Measure exported folders, offline.

    Each is loaded by a process of its own and asked one question after another: tokens per second, time to the first
    token, memory, size on disk. Any folder that `export` makes, or that came from Azure.
    """
    from phi_azure import display, edge

    with ExitStack() as shown:

        def on_side(side: str) -> OnBatchProgress:
            shown.close()
            session.say(side)
            return shown.enter_context(display.asking(session.words()))

        found = edge.measure(list(folders), edge.Trial(data, limit, max_tokens), base=base, on_side=on_side)
    session.answer(found, lambda: display.show_figures(session.data(), found))
