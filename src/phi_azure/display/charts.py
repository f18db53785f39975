"""Curves as SVG: lines over steps, with a scale at two sides; no script, and readable without colours."""

from __future__ import annotations

import math
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from phi_azure.display.curves import LOG_SCALE_FROM
from phi_azure.display.numbers import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Points = Sequence[tuple[float, float]]

STYLE = """
svg.chart { display: block; width: 100%; height: auto; margin: .5rem 0 0; font: 12px system-ui, sans-serif; }
svg.chart text { fill: var(--soft); } svg.chart .grid { stroke: var(--line); stroke-width: 1; }
svg.chart polyline { fill: none; stroke-width: 2; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
svg.chart .line0 { stroke: var(--note); } svg.chart .line1 { stroke: var(--warn); stroke-dasharray: 6 4; }
svg.chart circle.line0 { fill: var(--note); } svg.chart circle.line1 { fill: var(--warn); }
@media (max-width: 40rem) { svg.chart { font-size: 15px; } }
.key b { display: inline-block; width: 1.6rem; border-top: 3px solid var(--note); vertical-align: middle; }
.key b.line1 { border-top: 3px dashed var(--warn); }
"""
_WIDTH, _HEIGHT = 480, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 10, 10, 26
_MOST = 600  # points of one line; more than a screen can show
_FEW = 30  # points that are marked each


def chart(lines: Mapping[str, Points], title: str, *, may_log: bool = False) -> str:
    """Returns the curves of one figure, or nothing where there are none.

    Args:
        lines: each with its step and value; what is no finite number is left out.
        title: what a screen reader says of it.
        may_log: what spans much is drawn on a logarithmic scale, and that is said.
    """
    kept = {name: _thinned(points) for name, points in lines.items()}
    kept = {name: points for name, points in kept.items() if points}
    if not kept:
        return ""
    values = [value for points in kept.values() for _, value in points]
    steps = [step for points in kept.values() for step, _ in points]
    log = may_log and min(values) > 0 and max(values) / min(values) > LOG_SCALE_FROM
    frame = _Frame(min(steps), max(steps), min(values), max(values), log)
    body = "".join(_line(index, points, frame) for index, points in enumerate(kept.values()))
    key = "".join(
        f'<span class="key"><b class="line{index}"></b> {escape(name)}</span>' for index, name in enumerate(kept)
    )
    scale = " (logarithmic scale)" if log else ""
    return (
        f'<p class="legend">{key}{scale}</p><svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{_grid(frame)}{body}</svg>'
    )


class _Frame:
    """Puts steps and values on the sheet."""

    def __init__(self, first: float, last: float, low: float, high: float, log: bool) -> None:
        self.log = log
        self.first, self.last = first, last if last > first else first + 1
        self.low, self.high = self._scaled(low), self._scaled(high)
        if self.high <= self.low:
            self.low, self.high = self.low - 0.5, self.high + 0.5

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else value

    def x(self, step: float) -> float:
        """Returns the place of a step."""
        share = (step - self.first) / (self.last - self.first)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Returns the place of a value."""
        return self.y_of_share((self._scaled(value) - self.low) / (self.high - self.low))

    @staticmethod
    def y_of_share(share: float) -> float:
        """Returns the place of a share of the height."""
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def value(self, share: float) -> float:
        """Returns the value at a share of the height."""
        scaled = self.low + share * (self.high - self.low)
        return math.exp(scaled) if self.log else scaled


def _grid(frame: _Frame) -> str:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = frame.y_of_share(share)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(frame.value(share))}</text>')
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        step = frame.first + share * (frame.last - frame.first)
        parts.append(f'<text x="{frame.x(step):.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{step:,.0f}</text>')
    return "".join(parts)


def _line(index: int, points: Points, frame: _Frame) -> str:
    places = [(frame.x(step), frame.y(value)) for step, value in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = "".join(f'<circle class="line{index % 2}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in places)
    return f'<polyline class="line{index % 2}" points="{path}"/>{marks if len(places) <= _FEW else ""}'


def _thinned(points: Points) -> list[tuple[float, float]]:
    """Returns at most so many points, each the mean of its neighbours, in the order of their steps."""
    known = sorted((float(step), value) for step, value in points if math.isfinite(value))
    if len(known) <= _MOST:
        return known
    edges = [round(index * len(known) / _MOST) for index in range(_MOST + 1)]
    return [
        (sum(step for step, _ in known[a:b]) / (b - a), sum(value for _, value in known[a:b]) / (b - a))
        for a, b in pairwise(edges)
    ]
