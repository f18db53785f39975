"""`sizes`: the machines with GPUs that there are, and which of them a model fits on."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from phi_azure.cli.session import Number, Session, shared_options

if TYPE_CHECKING:
    from phi_azure.catalog import GpuSize


@click.command(epilog="Example: phi-azure sizes --fits Phi-4 --max-price 10")
@click.option("--fits", metavar="MODEL", help="Only machines on which one can tune this model with LoRA.")
@click.option("--length", type=click.IntRange(min=1), default=2048, show_default=True, help="Tokens of a row: --fits.")
@click.option("--gpus", type=click.IntRange(min=1), help="Only machines with at least so many GPUs.")
@click.option("--max-price", type=Number(min=0), help="Only machines that cost at most so many USD an hour.")
@click.option("--family", help="Only this quota family; letter case and spaces do not count.")
@click.option("--all", "every", is_flag=True, help="Retired ones as well.")
@shared_options
@click.pass_obj
def command(
    session: Session,
    *,
    fits: str | None,
    length: int,
    gpus: int | None,
    max_price: float | None,
    family: str | None,
    every: bool,
) -> None:
    """List GPU machines: memory, quota family, list price. Needs no account."""
    from phi_azure import catalog, display

    rows = catalog.sizes(gpus=gpus, max_price=max_price, family=family, retired=every)
    needs: dict[str, float] = {}
    if fits:
        needs = _fitting(fits, length, rows)
        rows = tuple(row for row in rows if row.name in needs)
    session.answer(
        [_document(row, needs.get(row.name)) for row in rows], lambda: display.show_sizes(session.data(), rows, needs)
    )


def _fitting(name: str, length: int, rows: tuple[GpuSize, ...]) -> dict[str, float]:
    """Returns the GiB that each GPU would hold, for the machines on which the job fits."""
    from phi_azure.cli.models import named
    from phi_azure.plan import memory
    from phi_azure.plan.settings import from_defaults

    model = named(name)
    settings = from_defaults(model, length)
    needed = {row.name: memory.needed(model, settings, row.gpus) for row in rows}
    return {
        row.name: needed[row.name].total_gib
        for row in rows
        if memory.usable(row) and memory.fits(needed[row.name], row)
    }


def _document(row: GpuSize, needs: float | None) -> dict[str, object]:
    from phi_azure import catalog

    price = row.price
    return {
        **asdict(row),
        "bf16": row.bf16,
        "price": asdict(price) if price else None,
        "needed_gib_per_gpu": needs,
        "table_of": catalog.AS_OF,
        "stale_days": catalog.stale(),
    }
