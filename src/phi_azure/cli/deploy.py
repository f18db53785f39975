"""`deploy`: put a model behind an endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phi_azure import leash
from phi_azure.cli.documents import endpoint_document
from phi_azure.cli.session import Session, shared_options

if TYPE_CHECKING:
    from phi_azure.azure.endpoints import Auth


@click.command(epilog="Example: phi-azure deploy headline-sentiment --endpoint headlines")
@click.argument("model_name", metavar="MODEL")
@click.option("--endpoint", required=True, help="The endpoint's name, unique in the region.")
@click.option("--version", help="The model's version [the newest].")
@click.option("--base", is_flag=True, help="MODEL is one of Microsoft's, such as Phi-4-mini-instruct, as it comes.")
@click.option(
    "--from", "origin", type=click.Path(exists=True, path_type=Path), help="config.json of MODEL's workspace."
)
@click.option("--size", help="The machine of a managed endpoint, such as Standard_NC24ads_A100_v4.")
@click.option("--instances", type=click.IntRange(min=1), default=1, show_default=True, help="How many machines.")
@click.option("--most", type=click.IntRange(min=2), help="Machines at most: more while the GPUs are busy.")
@click.option("--auth", type=click.Choice(["key", "aad_token"]), default="key", show_default=True, help="Who may ask.")
@click.option("--keep", default=leash.KEEP, show_default=True, help="How long: 90m, 8h, 2d, forever. See `down`.")
@click.option(
    "--traffic", type=click.IntRange(0, 100), default=100, show_default=True, help="Percent, beside one that is live."
)
@shared_options
@click.pass_obj
def command(
    session: Session,
    *,
    model_name: str,
    endpoint: str,
    version: str | None,
    base: bool,
    origin: Path | None,
    size: str | None,
    instances: int,
    most: int | None,
    auth: Auth,
    keep: str,
    traffic: int,
) -> None:
    """Put a registered model behind an endpoint.

    A serverlessly tuned model of another workspace is taken from there with --from.

    Waits until it answers; on Azure it is paid by the hour until it is removed. After --keep, `down --expired` does it.
    An endpoint of ours that is up gets it as a second deployment, asked before it gets traffic; `rollback` goes back.
    """
    from phi_azure import Workspace, names

    names.refuse_new_endpoint(endpoint)
    leash.hours(keep)
    if not session.local:
        session.agree(f"{endpoint} costs money each hour until `{session.again('down')}`. Deploy it?")
    with session.workspace(narrated=True) as workspace:
        if base and most:
            raise click.UsageError("--most is for models of yours.")
        if base:
            base_model = f"{model_name}:{version}" if version else model_name
            made = workspace.deploy_base(
                base_model, name=endpoint, size=size, instances=instances, keep=keep, auth=auth
            )
        elif origin:
            with Workspace.from_config(origin) as other:
                made = workspace.deploy_from(other.model(model_name, version), endpoint, keep=keep)
        else:
            made = workspace.model(model_name, version).deploy(
                endpoint, size=size, instances=instances, keep=keep, traffic=traffic, most=most, auth=auth
            )
        session.answer(endpoint_document(made), lambda: click.echo(made.name))
