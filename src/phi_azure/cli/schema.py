"""`schema`: what an editor needs to complete a job file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure schema --out phi-azure.schema.json")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file [stdout].")
@shared_options
@click.pass_obj
def command(session: Session, out: Path | None) -> None:
    """Print the JSON Schema of job files, or write it to a file.

    Editors with a YAML language server complete and check a file that begins with
    `# yaml-language-server: $schema=phi-azure.schema.json`.
    """
    from phi_azure.config.schema import json_schema

    schema = json_schema()
    if out:
        out.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    session.answer({"file": str(out)} if out else schema, lambda: click.echo(out or json.dumps(schema, indent=2)))
