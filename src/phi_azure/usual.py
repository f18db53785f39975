"""What a run usually takes, by the earlier runs of the same workspace; nothing is said where there are none."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from phi_azure import status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phi_azure.azure.client import Connection
    from phi_azure.azure.runs import Record

_OF = 5  # earlier runs that are asked for, a request each


@dataclass(frozen=True)
class Usual:
    """Medians of earlier runs that ended well."""

    waits: float
    """Seconds from sending to the start."""
    runs: float
    """Seconds from the start to the end."""
    of: int
    """Runs that this comes of."""
    alike: str
    """What they have in common with this one."""

    def of_state(self, word: str) -> float | None:
        """Returns what a run usually spends in a state, in seconds; None where that is not known."""
        if word in status.WAITING:
            return self.waits
        return self.runs if word == "Running" else None


def usual(connection: Connection, job: Record) -> Usual | None:
    """Asks for the last runs of the same job, else of the same model and route; at most six requests."""
    from phi_azure.azure import listing, runs
    from phi_azure.azure.order import BASE_TAG, JOB_TAG, ROUTE_TAG

    listed = listing.jobs(connection, 100, status="Completed", pages=1)
    done = [one for one in listed if one.name != job.run_id]
    for alike, tags in (("this job", (JOB_TAG, ROUTE_TAG)), ("this model and route", (BASE_TAG, ROUTE_TAG))):
        same = [one.name for one in done if all(tag in job.tags and one.tags.get(tag) == job.tags[tag] for tag in tags)]
        if same:
            return reckon([runs.fetch(connection, name) for name in same[:_OF]], alike)
    return None


def reckon(done: Sequence[Record], alike: str) -> Usual | None:
    """Returns the medians of runs whose times are known."""
    times = [(one.created, one.started, one.ended) for one in done]
    spans = [((s - c).total_seconds(), (e - s).total_seconds()) for c, s, e in times if c and s and e]
    if not spans:
        return None
    waits, took = zip(*spans, strict=True)
    return Usual(median(waits), median(took), len(spans), alike)
