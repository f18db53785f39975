"""`convert`: rewrites rows of other tools as chats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phi_azure.cli.session import Session, shared_options

if TYPE_CHECKING:
    from phi_azure.dataset import Shape


@click.command(epilog="Example: phi-azure convert alpaca.json --out train.jsonl")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The JSONL file to write.")
@click.option(
    "--from", "shape", type=click.Choice(["prompt", "alpaca", "sharegpt", "gemini"]), help="[the first row tells]"
)
@click.option("--system", help="A system message for rows that have none.")
@shared_options
@click.pass_obj
def command(session: Session, *, file: Path, out: Path, shape: Shape | None, system: str | None) -> None:
    """Rewrite rows of other tools as chats.

    FILE is JSONL, a JSON array, csv, tsv or parquet of prompt and completion, question and answer, instruction and
    output, ShareGPT or Gemini. Nothing is written unless every row can be; nothing is overwritten.
    """
    from phi_azure import dataset

    rows = dataset.convert(file, out, shape=shape, system=system)
    session.answer({"file": str(out), "rows": rows}, lambda: click.echo(f"{out}: {rows:,} rows"))
