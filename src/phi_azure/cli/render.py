"""`render`: a job file as Azure's own YAML."""

from __future__ import annotations

from pathlib import Path

import click

from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure render job.yaml --verify --out azure-job.yaml")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file [stdout].")
@click.option("--verify", is_flag=True, help="Hold what azure-ai-ml reads in it against what submit sends.")
@shared_options
@click.pass_obj
def command(session: Session, file: Path, out: Path | None, verify: bool) -> None:
    """Print the job as the YAML of `az ml job create`.

    Model-specific defaults are written out. The versions that phi_azure looks up are left to Azure's labels. Relative
    paths start from the folder of --out, or from this one.
    """
    from phi_azure.config import FineTune
    from phi_azure.render import render

    job, folder = FineTune.from_yaml(file), out.parent if out else Path()
    text = render(job, folder)
    if verify:
        from phi_azure.azure import rendering

        rendering.verify(job, text, folder)
        session.say("azure-ai-ml reads the job that submit would send.")
    if out:
        out.write_text(text, encoding="utf-8")
    session.answer({"file": str(out)} if out else {"yaml": text}, lambda: click.echo(out or text, nl=out is not None))
