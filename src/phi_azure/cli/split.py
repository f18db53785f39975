"""`split`: parts a file of rows for training, validation and test."""

from __future__ import annotations

from pathlib import Path

import click

from phi_azure.cli.session import FolderPath, Number, Session, shared_options

_SHARE = Number(min=0, max=1, max_open=True)


@click.command(epilog="Example: phi-azure split all.jsonl --validation 0.1 --seed 0 --out data")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--validation", type=_SHARE, default=0.1, show_default=True, help="Share of the rows.")
@click.option("--test", type=_SHARE, default=0.0, show_default=True, help="Share of the rows.")
@click.option("--seed", default=0, show_default=True, help="Another one parts otherwise.")
@click.option("--out", type=FolderPath(), default=".", help="Folder [this one].")
@shared_options
@click.pass_obj
def command(session: Session, *, file: Path, validation: float, test: float, seed: int, out: Path) -> None:
    """Part a data file into training, validation and test.

    FILE, in any format that check reads, becomes train.jsonl, validation.jsonl and, with --test, test.jsonl. Rows with
    equal prompts stay on one side. Nothing is overwritten.
    """
    from phi_azure import dataset

    parts = dataset.split(file, out, validation=validation, test=test, seed=seed)
    session.answer(
        {"files": [{"path": str(part.path), "rows": part.rows} for part in parts]},
        lambda: click.echo("\n".join(f"{part.path}: {part.rows:,} rows" for part in parts)),
    )
