"""`traffic`: what stands behind an endpoint, and how the questions are divided."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from phi_azure.cli.session import Session, shared_options

if TYPE_CHECKING:
    from phi_azure.endpoint import Endpoint


def _share(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:  # noqa: ARG001  click's signature
    """Reads NAME=PERCENT."""
    shares = {}
    for value in values:
        name, _, percent = value.partition("=")
        if not name or not percent.isdecimal():
            raise click.BadParameter(f"{value!r} is not NAME=PERCENT, such as green=10.")
        shares[name] = int(percent)
    return shares


@click.command(epilog="Example: phi-azure traffic headlines green=10")
@click.argument("name", metavar="ENDPOINT")
@click.argument("shares", metavar="[NAME=PERCENT]...", nargs=-1, callback=_share)
@click.option("--mirror", multiple=True, callback=_share, help="NAME=PERCENT: ask it too, and show nobody its answers.")
@click.option("--retire", is_flag=True, help="Delete the deployments without traffic, which are paid all the same.")
@click.option("--despite-gate", is_flag=True, help="Give more to one that has not passed its gate.")
@shared_options
@click.pass_obj
def command(
    session: Session,
    *,
    name: str,
    shares: dict[str, int],
    mirror: dict[str, int],
    retire: bool,
    despite_gate: bool,
) -> None:
    """Show an endpoint's deployments, or divide the questions.

    What is left of a hundred goes to the deployment that is not named. `rollback` goes back.
    Exit code 9: a deployment that has not passed its gate would get more.
    """
    from phi_azure import display

    with session.workspace() as workspace:
        endpoint = workspace.endpoint(name)
        if shares:
            endpoint.shift(shares, despite_gate=despite_gate)
        if mirror:
            endpoint.mirror(mirror)
        if retire:
            _retire(session, endpoint)
        found = endpoint.deployments()
    session.answer([asdict(one) for one in found], lambda: display.show_deployments(session.data(), found))


def _retire(session: Session, endpoint: Endpoint) -> None:
    idle = [one.name for one in endpoint.deployments() if not one.traffic and not one.mirrored]
    if idle:
        session.agree(f"Delete {', '.join(idle)} of {endpoint.name}?")
        endpoint.retire()
