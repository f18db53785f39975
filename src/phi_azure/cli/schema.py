"""`schema`: what an editor needs to complete a job file."""

from __future__ import annotations

import json

import click

from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure schema > phi-azure.schema.json")
@shared_options
@click.pass_obj
def command(session: Session) -> None:  # noqa: ARG001  the schema is JSON with and without --json
    """Print the JSON Schema of job files.

    Editors with a YAML language server complete and check a file that begins with
    `# yaml-language-server: $schema=phi-azure.schema.json`.
    """
    from phi_azure.config.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
