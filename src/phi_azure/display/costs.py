"""What costs money now, on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure.display.console import print_plain
from phi_azure.display.numbers import age, seconds
from phi_azure.display.tables import show_table

if TYPE_CHECKING:
    from rich.console import Console

    from phi_azure.costs import Cost, Costs
    from phi_azure.leash import Leash

NOTHING = "Nothing in the workspace costs by the hour."
_COLUMNS = ("what", "machines", "USD/h", "so far", "up since", "ends", "whose")


def show_costs(out: Console, found: Costs) -> None:
    """Prints what costs, a line each, and the sum; what has no price is named."""
    shown = [line for line in found.lines if line.of.count]
    show_table(out, _COLUMNS, [_cells(line, found) for line in shown], empty=NOTHING)
    idle = [line.of.name for line in found.lines if not line.of.count]
    if idle:
        print_plain(out, f"idle, no machines: {', '.join(idle)}")
    if shown:
        print_plain(out, f"\nUSD {found.usd_per_hour:.2f} an hour, USD {found.usd_so_far:.2f} so far{_besides(found)}")


def show_removals(out: Console, found: Costs, still_up: Costs | None = None) -> None:
    """Prints what would be removed, what it costs while it stays, and what is lost with it.

    Where nothing is, because only what is past its time was asked for, `still_up` is what stays.
    """
    if not found.lines and still_up and still_up.lines:
        print_plain(out, "Nothing is past its time. Still up:")
        show_table(out, _COLUMNS, [_cells(line, still_up) for line in still_up.lines])
        return
    if not found.lines:
        print_plain(out, "Nothing that phi_azure made is up.")
        return
    show_table(out, _COLUMNS, [_cells(line, found) for line in found.lines])
    print_plain(out, "Models, runs and data stay; the addresses and keys of endpoints are lost.")


def _cells(line: Cost, found: Costs) -> list[str]:
    of = line.of
    return [
        of.name,
        f"{of.count} x {of.size.removeprefix('Standard_')}" if of.size else of.kind,
        _money(line.usd_per_hour),
        _money(line.usd_so_far),
        age(of.since, found.at),
        _end(of.leash, found),
        (of.leash.owner or "ours") if of.ours else "not ours",
    ]


def _money(amount: float | None) -> str:
    return "?" if amount is None else f"{amount:.2f}"


def _end(leash: Leash, found: Costs) -> str:
    if leash.expires is None:
        return ""
    left = (leash.expires - found.at).total_seconds()
    return f"in {seconds(left)}" if left > 0 else "over"


def _besides(found: Costs) -> str:
    return f"; no price is known of {', '.join(found.unknown)} (--live asks Azure)" if found.unknown else ""
