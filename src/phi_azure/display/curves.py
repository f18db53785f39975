"""Curves drawn with characters, on a logarithmic scale where they span much."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING

from phi_azure.display.numbers import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BARS = "▁▂▃▄▅▆▇█"
LOG_SCALE_FROM = 20.0  # a curve that falls by more than this is drawn on a logarithmic scale
_FINEST = 256  # values of a curve whose points are not at even distances
_WIDEST = 4  # columns that a curve gives to one value when there are few


def sparkline(values: Sequence[float], width: int = 32) -> str:
    """Returns a curve one line high, on a logarithmic scale where it spans more than a factor of twenty."""
    if not values:
        return ""
    heights = _heights(_resampled(values, width), len(BARS) - 1)
    return "".join(BARS[round(height)] for height in heights)


def curve(values: Sequence[float], width: int = 60, height: int = 6) -> list[str]:
    """Returns a curve as lines of text, its scale at the left; the scale is logarithmic as in `sparkline`."""
    if not values:
        return []
    wide = max(1, min(_WIDEST, width // len(values)))
    columns = [value for value in _resampled(values, width) for _ in range(wide)]
    levels = height * len(BARS)
    heights = [max(1, round(1 + value)) for value in _heights(columns, levels - 1)]
    lines = []
    for row in range(height - 1, -1, -1):
        cells = "".join(_cell(level - row * len(BARS)) for level in heights)
        lines.append(f"{_scale(columns, row, height):>8} ┤{cells}")
    return lines


def evenly(points: Mapping[int, float]) -> list[float]:
    """Returns values at even distances of steps, as a curve is drawn; between neighbours where points are missing.

    Of a run that is watched for long only some points are known at first, those of its beginning closer together.
    """
    known = sorted((step, value) for step, value in points.items() if math.isfinite(value))
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(known)]
    if not gaps or min(gaps) == max(gaps):
        return [value for _, value in known]
    first, last = known[0][0], known[-1][0]
    count = min(_FINEST, (last - first) // min(gaps) + 1)
    return [_between(known, first + (last - first) * index / (count - 1)) for index in range(count)]


def _between(known: Sequence[tuple[int, float]], step: float) -> float:
    """Returns the value at a step, on the line between the points around it."""
    place = max(1, min(len(known) - 1, bisect_left(known, (step, -math.inf))))
    (left, low), (right, high) = known[place - 1], known[place]
    return low + (high - low) * (step - left) / (right - left)


def _cell(level: int) -> str:
    return " " if level <= 0 else BARS[min(level, len(BARS)) - 1]


def _scale(columns: Sequence[float], row: int, height: int) -> str:
    """Returns the value at a row of a curve."""
    low, high = min(columns), max(columns)
    part = row / (height - 1) if height > 1 else 1.0
    if _logarithmic(columns):
        return number(math.exp(math.log(low) + part * (math.log(high) - math.log(low))))
    return number(low + part * (high - low))


def _logarithmic(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) > LOG_SCALE_FROM


def _heights(values: Sequence[float], top: int) -> list[float]:
    """Puts values between 0 and `top`."""
    scaled = [math.log(value) for value in values] if _logarithmic(values) else list(values)
    low, high = min(scaled), max(scaled)
    return [top * (value - low) / (high - low) if high > low else 0.0 for value in scaled]


def _resampled(values: Sequence[float], width: int) -> list[float]:
    """Returns at most `width` values, each the mean of its neighbours."""
    known = [value for value in values if math.isfinite(value)] or [0.0]
    if len(known) <= width:
        return known
    edges = [round(index * len(known) / width) for index in range(width + 1)]
    return [sum(known[a:b]) / (b - a) for a, b in pairwise(edges)]
