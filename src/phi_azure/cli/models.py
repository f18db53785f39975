"""`models`: the Phi models that there are; with --registered, those of the workspace."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from phi_azure.cli.session import Session, shared_options

if TYPE_CHECKING:
    from phi_azure.catalog import PhiModel


@click.command(epilog="Example: phi-azure models --tunable --route serverless --region eastus2")
@click.argument("name", required=False)
@click.option("--tunable", is_flag=True, help="Only what Azure's chat fine-tuning takes.")
@click.option("--route", type=click.Choice(["serverless", "managed"]), help="Only what can be trained so today.")
@click.option("--region", help="Only what is trained serverlessly in this region.")
@click.option("--retired", is_flag=True, help="Retired ones as well.")
@click.option("--registered", is_flag=True, help="Those of your workspace, every version, newest first.")
@shared_options
@click.pass_obj
def command(
    session: Session,
    *,
    name: str | None,
    tunable: bool,
    route: str | None,
    region: str | None,
    retired: bool,
    registered: bool,
) -> None:
    """List Azure's Phi models, or all that is known of one.

    Needs no account, but for --registered. NAME is a registry name or a Hugging Face id.
    """
    from phi_azure import catalog, display

    if registered:
        if tunable or route or region or retired:
            raise click.UsageError("--registered takes none of the catalogue's filters.")
        _answer_registered(session, name)
        return
    if name is not None:
        row = named(name)
        session.answer(_document(row), lambda: display.show_phi(session.data(), row))
        return
    rows = catalog.models(tunable=tunable, route=route, region=region, retired=retired)
    session.answer([_document(row) for row in rows], lambda: display.show_phis(session.data(), rows))


def _answer_registered(session: Session, name: str | None) -> None:
    from phi_azure import display

    with session.workspace() as workspace:
        models = workspace.models(name)
    session.answer(models, lambda: display.show_models(session.data(), models))


def named(name: str) -> PhiModel:
    """Returns the row of a model that was asked for. Raises NotFoundError."""
    from phi_azure import catalog
    from phi_azure.errors import NotFoundError

    row = catalog.model(name.partition(":")[0])
    if row is None:
        near = catalog.nearest(name)
        raise NotFoundError(
            f"the catalogue has no model {name or repr(name)}.",
            remedy=f"Did you mean {near}?" if near else "phi-azure models --retired lists all; --registered yours.",
        )
    return row


def _document(row: PhiModel) -> dict[str, object]:
    """Returns all fields of a row, its state, and how old the table is."""
    from phi_azure import catalog

    return {**asdict(row), "state": row.state(), "table_of": catalog.AS_OF, "stale_days": catalog.stale()}
