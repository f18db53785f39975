"""Prices: what a machine's hour costs, what an endpoint costs a month, where the two routes meet.

No price of a trained token was found for any Phi (searched 2026-11-23 in price tables and Azure's pages), so none is
assumed: the plan says at which price both routes cost the same, and takes the user's own figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure import catalog
from phi_azure.plan import words
from phi_azure.plan.values import Range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phi_azure.catalog import PhiModel, Price

HOURS_A_MONTH = 730
SERVERLESS_HOSTING = 0.80
"""US dollars an hour for a tuned Phi: said once, in a talk of 2024; no page confirms it."""


def hourly(size: str, live: Mapping[str, Price]) -> tuple[float | None, str]:
    """Returns what an hour of a machine costs in US dollars, and where that comes from."""
    found = live.get(size)
    if found is not None:
        return found.amount, f"read on {found.as_of} for {found.region}"
    row = catalog.size(size)
    price = row.price if row else None
    if price is None:
        return None, "no price found; give none, or read it live: --live"
    return price.amount, f"list price in {price.region}, about {price.as_of:%Y-%m}"


def serverless_hosting(row: PhiModel | None) -> tuple[Range | None, tuple[str, ...]]:
    """Returns what a serverless endpoint of the tuned model costs a month while nobody calls it, and how that comes."""
    if row is None or not row.serverless:
        return None, ()
    month = SERVERLESS_HOSTING * HOURS_A_MONTH
    lines = [
        f"{HOURS_A_MONTH} h x USD {SERVERLESS_HOSTING:.2f} = USD {words.dollars(month)} (a talk of 2024; unconfirmed)"
    ]
    if row.price:
        lines.append(
            f"+ USD {row.price.input:g} / {row.price.output:g} a million tokens in / out (base model's, 2026-11)"
        )
    return Range(month, month), tuple(lines)


def managed_hosting(row: PhiModel | None, live: Mapping[str, Price]) -> tuple[Range | None, tuple[str, ...]]:
    """Returns what one machine of a managed endpoint costs a month, and how that comes."""
    size = row.inference_sizes[0] if row and row.inference_sizes else catalog.DEFAULT_SIZE
    rate, note = hourly(size, live)
    if rate is None:
        return None, (f"1 x {size}: {note}",)
    month = rate * HOURS_A_MONTH
    line = f"{HOURS_A_MONTH} h x USD {rate:.2f} = USD {words.dollars(month)} for one {size}"
    return Range(month, month), (line,)


def break_even(managed: Range | None, trained: Range | None) -> Range | None:
    """Returns the price of a million trained tokens at which serverless costs what managed compute costs.

    Below the low bound serverless is cheaper in any case, above the high one managed compute is.
    """
    if managed is None or trained is None or not trained.low:
        return None
    return Range(managed.low / trained.high * 1e6, managed.high / trained.low * 1e6)
