"""The words that Azure has for the state of a run, and what each means for one who waits.

Source: azure-ai-ml 1.35.2 (run history's constants, and the enumerations of its REST clients).
"""

from __future__ import annotations

GOING = {
    "NotStarted": "Azure has taken it on",
    "Unapproved": "somebody has to approve it first",
    "Queued": "waits for machines",
    "Provisioning": "machines are being made",
    "Starting": "machines start",
    "Preparing": "image and data are prepared",
    "Running": "runs",
    "Pausing": "is being paused",
    "CancelRequested": "is being stopped",
    "Finalizing": "outputs are collected",
    "Unknown": "Azure has no word for its state",
}
"""Words of a run that goes on, in words of ours."""
ENDED = frozenset({"Completed", "Failed", "Canceled"})
"""Words after which nothing comes."""
STANDING = frozenset({"NotResponding", "Paused"})
"""Words of a run that stands still: waiting ends, and it may still go on one day."""
OVER = ENDED | STANDING
WAITING = frozenset({"NotStarted", "Unapproved", "Queued", "Provisioning", "Starting", "Preparing"})
"""Words of a run that has not begun."""


def is_known(word: str) -> bool:
    """Whether a word is one that Azure's own client knows."""
    return word in GOING or word in OVER
