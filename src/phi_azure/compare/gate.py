"""Whether a comparison shows what the gate asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phi_azure.compare.values import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.compare.values import Comparison
    from phi_azure.config.gate import Gate


def decide(found: Comparison, gate: Gate | None) -> Comparison:
    """Returns the comparison with the gate's verdict, and every reason against; without a gate as it is."""
    if gate is None:
        return found
    reasons = tuple(_reasons(found, gate))
    return replace(found, verdict=Verdict(str(gate), not reasons, reasons))


def _reasons(found: Comparison, gate: Gate) -> Iterator[str]:
    tuned = found.sides[0]
    if not found.counted:
        yield "no row was answered by all"
        return
    if left := len(found.rows) - found.counted:
        yield f"{left:,} of {len(found.rows):,} rows have no answer from some side; ask again"
    if found.leaks:
        yield f"{found.leaks:,} of {len(found.rows):,} rows stand in the training file; take them out of one of the two"
    score = tuned.scores[gate.metric]
    if gate.at_least is not None and score < gate.at_least:
        yield f"{gate.metric} is {score:.3f} on {found.counted:,} rows, below {gate.at_least:g}"
    for pair in found.pairs:
        if gate.better_than == "all" or (gate.better_than == "base" and pair.against == "base"):
            low, high = pair.interval
            if low <= 0:
                yield (
                    f"it is not shown to be better than {pair.against}: {pair.difference:+.3f}, "
                    f"95 % interval {low:+.3f} to {high:+.3f}"
                )
        if gate.max_lost is not None and pair.against == "base" and len(pair.lost) > gate.max_lost:
            yield f"{len(pair.lost):,} answers that base has right are wrong now, more than {gate.max_lost:,}"
