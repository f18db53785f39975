"""What is kept of a run: what it was told, where each value came from, what it took, cost, measured and left."""

from phi_azure.receipts.filing import COMPARISON_PAGE, read_sent, replace, write, write_comparison, write_sent
from phi_azure.receipts.gathering import gather
from phi_azure.receipts.sending import sent_facts
from phi_azure.receipts.values import Actual, Data, Example, Link, Planned, Receipt, Sent, Setting, StepTime

__all__ = [
    "COMPARISON_PAGE",
    "Actual",
    "Data",
    "Example",
    "Link",
    "Planned",
    "Receipt",
    "Sent",
    "Setting",
    "StepTime",
    "gather",
    "read_sent",
    "replace",
    "sent_facts",
    "write",
    "write_comparison",
    "write_sent",
]
