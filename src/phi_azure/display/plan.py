"""A plan on the screen: both routes side by side, then how each figure comes about."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from rich.text import Text

from phi_azure.display.console import print_plain
from phi_azure.plan import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from phi_azure.plan import Change, Machine, Plan, Side

_WIDTHS = (18, 25, 33)
_MOST = 100


def show_plan(out: Console, plan: Plan, changes: Sequence[Change] | None = None) -> None:
    """Prints a plan; with `changes`, what is different from an earlier one as well."""
    _lines(out, _headline(plan))
    out.print()
    _print_row(out, ("", "serverless", "managed compute"), bold=True)
    for cells in plan_rows(plan):
        _print_row(out, cells)
    _arithmetic(out, plan.serverless, "Serverless, how it comes")
    _arithmetic(out, plan.managed, "Managed compute, how it comes")
    _break_even(out, plan)
    if plan.managed.machine is not None:
        _memory(out, plan.managed.machine)
    _title(out, f"Would be made ({plan.route})")
    for item in plan.creates:
        print_plain(out, f"  {item.kind:<8} {item.name}  {item.state}")
    if plan.notes:
        _title(out, "Notes")
        for note in plan.notes:
            _lines(out, note, "  - ")
    if changes is not None:
        _changes(out, changes)


def _headline(plan: Plan) -> str:
    length = "its rows are not here"
    if plan.tokens:
        length = f"{plan.tokens.rows:,} rows, {words.millions(plan.tokens.total)} tokens ({plan.tokens.how})"
    return f"{plan.job}: {plan.model}, {length}; asks for {plan.route}"


def plan_rows(plan: Plan) -> Iterable[tuple[str, str, str]]:
    """Yields both routes side by side: what it is, serverless, managed compute."""
    left, right = plan.serverless, plan.managed
    yield "offered", _offered(left), _offered(right)
    yield "machines", "Azure's own", _machines(right.machine)
    yield "memory of a GPU", "Azure's affair", _holds(right.machine)
    yield "rows that train", _rows(left), _rows(right)
    yield "steps", f"{left.steps:,}", f"{right.steps:,}"
    yield "time", words.hours(left.hours), words.hours(right.hours)
    yield "training", words.price(left.price), words.price(right.price)
    yield "endpoint a month", words.price(left.hosting), words.price(right.hosting)
    yield "decided for you", ", ".join(left.fixed) or "nothing", ", ".join(right.fixed) or "nothing"
    if left.ignored or right.ignored:
        yield "would be ignored", ", ".join(left.ignored) or "nothing", ", ".join(right.ignored) or "nothing"


def _offered(side: Side) -> str:
    if not side.open:
        return "no"
    return "yes, with a doubt" if side.why else "yes"


def _machines(machine: Machine | None) -> str:
    if machine is None:
        return ""
    return f"{machine.nodes} x {machine.size}"


def _holds(machine: Machine | None) -> str:
    if machine is None or machine.memory is None or machine.memory_gib is None:
        return "not known"
    held = f"{machine.memory.total_gib:.0f} of {machine.memory_gib:g} GiB"
    if machine.fits is None:
        return f"up to {held}: not known"
    return f"{held}: {'fits' if machine.fits else 'too small'}"


def _rows(side: Side) -> str:
    aside = side.rows.validation + side.rows.test
    dropped = f", {side.rows.dropped:,} dropped" if side.rows.dropped else ""
    return f"{side.rows.training:,}" + (f" ({aside:,} set aside)" if aside else "") + dropped


def _arithmetic(out: Console, side: Side, title: str) -> None:
    _title(out, title)
    for line in side.arithmetic:
        _lines(out, line, "  ")
    for line in side.hosting_arithmetic:
        _lines(out, line, "  endpoint: ")
    if side.why:
        _lines(out, side.why, "  ! ")


def _break_even(out: Console, plan: Plan) -> None:
    if plan.break_even is None:
        return
    low, high = words.dollars(plan.break_even.low), words.dollars(plan.break_even.high)
    text = (
        f"Serverless training is the cheaper one below USD {low} a million tokens, managed compute above USD {high}; "
        "between them it depends. Yours: --price-per-million."
    )
    _lines(out, text, "  ")


def _memory(out: Console, machine: Machine) -> None:
    if machine.memory is None:
        return
    has = f", which has {machine.memory_gib:g} GiB" if machine.memory_gib else ""
    _title(out, f"Memory of each GPU of {machine.size}{has}")
    for line in machine.memory.lines:
        _lines(out, line.how, f"  {line.what:<16}{line.gib:8.2f} GiB  ")
    print_plain(out, f"  {'together':<16}{machine.memory.total_gib:8.2f} GiB")
    if machine.memory.ram_gib:
        print_plain(out, f"  {'main memory':<16}{machine.memory.ram_gib:8.2f} GiB  of each machine, not of the GPU")
    if machine.cheapest and machine.cheapest != machine.size:
        print_plain(out, f"  cheapest machine that fits: {machine.cheapest}")
    if machine.family:
        print_plain(out, f"  quota: {machine.vcpus} cores of {machine.family}")


def _changes(out: Console, changes: Sequence[Change]) -> None:
    _title(out, "Changed since the saved plan" if changes else "Nothing has changed since the saved plan")
    for change in changes:
        _change(out, change)


def _change(out: Console, change: Change) -> None:
    """Prints a figure with what it was; of texts, those that went and those that came."""
    before, after = change.before, change.after
    if not isinstance(before, list) or not isinstance(after, list):
        _lines(out, f"{change.field}: {_short(before)} -> {_short(after)}", "  ")
        return
    print_plain(out, f"  {change.field}:")
    for sign, these, others in (("-", before, after), ("+", after, before)):
        for text in these:
            if text not in others:
                _lines(out, str(text).strip(), f"    {sign} ")


def _short(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def _title(out: Console, text: str) -> None:
    out.print()
    out.print(Text(text, style="bold"))


def _print_row(out: Console, cells: Sequence[str], *, bold: bool = False) -> None:
    """Prints a row of the table, its cells wrapped in their columns."""
    columns = [wrap(cell, width) or [""] for cell, width in zip(cells, _WIDTHS, strict=True)]
    for index in range(max(len(column) for column in columns)):
        parts = [column[index] if index < len(column) else "" for column in columns]
        line = "  ".join(part.ljust(width) for part, width in zip(parts, _WIDTHS, strict=True)).rstrip()
        out.print(Text(line, style="bold" if bold else ""), soft_wrap=True)


def _lines(out: Console, text: str, indent: str = "") -> None:
    for line in wrap(
        text, min(out.width, _MOST), initial_indent=indent, subsequent_indent=" " * len(indent), break_on_hyphens=False
    ):
        print_plain(out, line)
