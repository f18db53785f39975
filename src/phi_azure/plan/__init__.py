"""What a job would make, take and cost, on both routes, before anything is made."""

from phi_azure.plan.plan import check, plan, row_of
from phi_azure.plan.steps import missing_files
from phi_azure.plan.values import (
    Change,
    Item,
    LiveFacts,
    Machine,
    Memory,
    MemoryLine,
    Plan,
    Range,
    RouteName,
    Rows,
    Side,
    Tokens,
)

__all__ = [
    "Change",
    "Item",
    "LiveFacts",
    "Machine",
    "Memory",
    "MemoryLine",
    "Plan",
    "Range",
    "RouteName",
    "Rows",
    "Side",
    "Tokens",
    "check",
    "missing_files",
    "plan",
    "row_of",
]
