"""JSON, read as Python's json does, which is what Azure reads with; what that passes over in silence is noted."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from phi_azure.dataset.finding import Finding, error, shown

if TYPE_CHECKING:
    from collections.abc import Callable


def decoder(doubtful: list[Finding]) -> json.JSONDecoder:
    """Returns a decoder that adds to `doubtful` keys that stand twice, and numbers that are none."""
    return json.JSONDecoder(object_pairs_hook=_pairs(doubtful), parse_constant=_constant(doubtful))


def _pairs(doubtful: list[Finding]) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        read = dict(items)
        if len(read) != len(items):
            names = [name for name, _ in items]
            twice = next(name for name in names if names.count(name) > 1)
            message = f"key {shown(twice)} stands twice in one object; only the last one counts."
            doubtful.append(error("duplicate-key", twice, message, "Keep one."))
        return read

    return pairs


def _constant(doubtful: list[Finding]) -> Callable[[str], float]:
    def constant(name: str) -> float:
        doubtful.append(error("nan", None, f"{name} is not JSON; some readers refuse it.", "Write null or a number."))
        return float(name)

    return constant


def why(problem: Exception) -> str:
    """Returns in a few words why a text could not be read as JSON."""
    if isinstance(problem, json.JSONDecodeError):
        said = problem.msg.removesuffix(" at")
        return said[:1].lower() + said[1:]
    if isinstance(problem, UnicodeDecodeError):
        return f"byte {problem.start + 1} is not UTF-8"
    if isinstance(problem, RecursionError):
        return "nested too deep to be read"
    return f"a number has more than the {sys.get_int_max_str_digits():,} digits that Python reads"
