"""Judging answers: rows that were kept apart, scores, statistics, flips, the gate. It asks nobody."""

from phi_azure.compare.gate import decide
from phi_azure.compare.judge import judge
from phi_azure.compare.metrics import Scorer, scorer
from phi_azure.compare.rows import HeldOut, Item, held_out
from phi_azure.compare.values import Comparison, Judged, Pair, Said, Side, Verdict

__all__ = [
    "Comparison",
    "HeldOut",
    "Item",
    "Judged",
    "Pair",
    "Said",
    "Scorer",
    "Side",
    "Verdict",
    "decide",
    "held_out",
    "judge",
    "scorer",
]
