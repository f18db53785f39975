"""`render`: a job file as Azure's own YAML."""

from __future__ import annotations

from pathlib import Path

import click

from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure render job.yaml --verify --out azure-job.yaml")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file [stdout].")
@click.option("--verify", is_flag=True, help="Read the result with azure-ai-ml as `az ml job create` would.")
@shared_options
@click.pass_obj
def command(session: Session, file: Path, out: Path | None, verify: bool) -> None:
    """Print the job as the YAML of `az ml job create`.

    Model-specific defaults are written out. The versions that phi_azure looks up are left to Azure's labels.
    """
    from phi_azure.config import FineTune
    from phi_azure.render import render

    text = render(FineTune.from_yaml(file))
    if verify:
        from phi_azure.azure.rendering import read_back

        read_back(text, file.parent)
        session.say("azure-ai-ml reads it.")
    if out:
        out.write_text(text, encoding="utf-8")
    session.answer({"file": str(out)} if out else {"yaml": text}, lambda: click.echo(out or text, nl=out is not None))
