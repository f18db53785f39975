"""`costs`: what is paid by the hour now, ours and not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from phi_azure.cli.session import Session, shared_options

if TYPE_CHECKING:
    from phi_azure.costs import Costs


@click.command(epilog="Example: phi-azure costs --live")
@click.option("--live", is_flag=True, help="Read machine prices from Azure's public price list.")
@shared_options
@click.pass_obj
def command(session: Session, *, live: bool) -> None:
    """List what costs now in the workspace, per hour and so far.

    Endpoints and machines of clusters, whoever made them, with owner and end. `down` removes what is ours.
    """
    from phi_azure import display

    with session.workspace() as workspace:
        found = workspace.costs(live=live)
    session.answer(document(found), lambda: display.show_costs(session.data(), found))


def document(found: Costs) -> dict[str, object]:
    """Returns what `--json` prints."""
    return {
        "at": found.at,
        "usd_per_hour": found.usd_per_hour,
        "usd_so_far": found.usd_so_far,
        "unknown_prices": found.unknown,
        "lines": [
            {
                "name": line.of.name,
                "kind": line.of.kind,
                "size": line.of.size,
                "count": line.of.count,
                "usd_per_hour": line.usd_per_hour,
                "usd_so_far": line.usd_so_far,
                "price": line.note,
                "since": line.of.since,
                "ours": line.of.ours,
                "owner": line.of.leash.owner,
                "purpose": line.of.leash.purpose,
                "expires": line.of.leash.expires,
            }
            for line in found.lines
        ],
    }
