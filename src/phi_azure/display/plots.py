"""Curves as SVG: no script, no colour that a dark page hides, nothing from outside."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from phi_azure.display.curves import LOG_SCALE_FROM
from phi_azure.display.numbers import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Points = Sequence[tuple[float, float]]

_WIDE, _HIGH = 300, 130
_LEFT, _BOTTOM, _TOP, _RIGHT = 52, 18, 18, 6
_GAP = 10  # between plots that stand side by side
_COLOURS = ("#0969da", "#d4730c", "#1a7f37")
_DOTS = 12  # points at most that are marked each
_MOST = 400  # points of one line that are drawn


def plot(title: str, lines: Mapping[str, Points], *, by_ratio: bool = False) -> str:
    """Returns lines by name over the same steps as SVG; `by_ratio`: logarithmic beyond a factor of twenty."""
    known = {name: _thinned([point for point in points if math.isfinite(point[1])]) for name, points in lines.items()}
    everything = [point for points in known.values() for point in points]
    if not everything:
        return ""
    values = [value for _, value in everything]
    scale = _Scale([step for step, _ in everything], values, by_ratio=by_ratio)
    texts = [_text(_LEFT, 11, title, "start", bold=True)]
    texts += [_text(_LEFT - 4, scale.y(edge) + 4, number(edge), "end") for edge in (max(values), min(values))]
    texts += [_text(_WIDE - _RIGHT, _HIGH - 4, f"step {max(step for step, _ in everything):g}", "end")]
    drawn = []
    for (name, points), colour in zip(known.items(), _COLOURS, strict=False):
        drawn.append(_line(points, scale, colour))
        if len(known) > 1:
            texts.append(_text(_WIDE - _RIGHT - 64 * len(drawn) + 64, 11, name, "end", colour=colour))
    frame = f'<path d="M{_LEFT} {_TOP}V{_HIGH - _BOTTOM}H{_WIDE - _RIGHT}" fill="none" stroke="#8886"/>'
    label = escape(f"{title}: {number(values[0])} to {number(values[-1])}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDE}" height="{_HIGH}" viewBox="0 0 {_WIDE} {_HIGH}" '
        f'role="img" aria-label="{label}" font-family="system-ui,sans-serif" font-size="11">'
        f"{frame}{''.join(drawn)}{''.join(texts)}</svg>"
    )


def picture(plots: Sequence[str]) -> str:
    """Returns plots side by side as one SVG on a white ground, which stays readable wherever it is shown."""
    width = len(plots) * (_WIDE + _GAP) + _GAP
    high = _HIGH + 2 * _GAP
    placed = [
        f'<g transform="translate({_GAP + index * (_WIDE + _GAP)} {_GAP})">{each}</g>'
        for index, each in enumerate(plots)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{high}" viewBox="0 0 {width} {high}" '
        f'color="#1f2328"><rect width="{width}" height="{high}" fill="#ffffff"/>{"".join(placed)}</svg>'
    )


class _Scale:
    """Where a step and a value stand in the picture."""

    def __init__(self, steps: Sequence[float], values: Sequence[float], *, by_ratio: bool) -> None:
        self.steps = min(steps), max(steps)
        self.logarithmic = by_ratio and min(values) > 0 and max(values) / min(values) > LOG_SCALE_FROM
        scaled = [math.log(value) for value in values] if self.logarithmic else values
        self.values = min(scaled), max(scaled)

    def x(self, step: float) -> float:
        """Returns pixels from the left."""
        low, high = self.steps
        return _LEFT + (_WIDE - _LEFT - _RIGHT) * ((step - low) / (high - low) if high > low else 0.5)

    def y(self, value: float) -> float:
        """Returns pixels from the top."""
        low, high = self.values
        at = math.log(value) if self.logarithmic else value
        return _HIGH - _BOTTOM - (_HIGH - _BOTTOM - _TOP) * ((at - low) / (high - low) if high > low else 0.5)


def _line(points: Points, scale: _Scale, colour: str) -> str:
    places = [(scale.x(step), scale.y(value)) for step, value in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    few = places if len(places) <= _DOTS else []
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="{colour}"/>' for x, y in few)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>{dots}'


def _text(x: float, y: float, text: str, anchor: str, *, bold: bool = False, colour: str = "currentColor") -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(text)}</text>'


def _thinned(points: Points) -> Points:
    """Returns at most so many points as can be told apart, the last among them."""
    every = math.ceil(len(points) / _MOST)
    return points if every <= 1 else [*points[::every], points[-1]]
