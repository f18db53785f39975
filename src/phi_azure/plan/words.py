"""Figures of a plan as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phi_azure.plan.values import Range


def between(low: str, high: str) -> str:
    """Returns `low to high`, or one of them where they read the same."""
    return low if low == high else f"{low} to {high}"


def dollars(value: float) -> str:
    """Returns an amount: cents below a hundred dollars, whole dollars above."""
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def price(span: Range | None) -> str:
    """Returns a range of US dollars."""
    return "not known" if span is None else f"USD {between(dollars(span.low), dollars(span.high))}"


def hours(span: Range | None) -> str:
    """Returns a range of hours, in minutes below two hours."""
    if span is None:
        return "not known"
    if span.high < 2:
        return f"{between(f'{span.low * 60:.0f}', f'{span.high * 60:.0f}')} min"
    return f"{between(f'{span.low:.1f}', f'{span.high:.1f}')} h"


def millions(span: Range) -> str:
    """Returns a range of tokens in millions; below one million, as they are."""
    if span.high < 1e6:
        return between(f"{span.low:,.0f}", f"{span.high:,.0f}")
    digits = 3 if span.high < 1e7 else 1
    return f"{between(f'{span.low / 1e6:.{digits}f}', f'{span.high / 1e6:.{digits}f}')} M"


def percent(span: Range) -> str:
    """Returns a range of shares."""
    return between(f"{span.low:.0%}", f"{span.high:.0%}").replace("% to", " to")


def operations(span: Range) -> str:
    """Returns a range of operations, in quadrillions: a GPU of 312 T a second does 1,123 P an hour."""
    return f"{between(f'{span.low / 1e15:,.0f}', f'{span.high / 1e15:,.0f}')} P"
