"""The runs of one and the same job: NAME-HASH, and NAME-HASH-2, NAME-HASH-3, ... where it was sent again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phi_azure.azure import runs
from phi_azure.azure.order import CONTENT_TAG
from phi_azure.errors import NotFoundError

if TYPE_CHECKING:
    from phi_azure.azure.client import Connection
    from phi_azure.azure.runs import Record

LOST = frozenset({"Failed", "Canceled", "CancelRequested"})
"""States after which the job is sent anew; all others go on, or have ended well."""


@dataclass(frozen=True)
class Attempts:
    """What the workspace has of a job."""

    found: tuple[Record, ...]
    """Oldest first."""
    free: str
    """The name of the next one."""

    @property
    def standing(self) -> Record | None:
        """The newest one that goes on, or has ended well."""
        return next((one for one in reversed(self.found) if one.status not in LOST), None)


def look(connection: Connection, first: str, content: str | None) -> Attempts:
    """Reads the runs that bear the names of a job's attempts; one request each, and one for the name that is free.

    Args:
        connection: the workspace.
        first: the name of the first attempt.
        content: the job's hash; a run with another one only happens to bear the name, and is passed over.
    """
    found = []
    number, name = 1, first
    while (record := _fetch(connection, name)) is not None:
        if record.tags.get(CONTENT_TAG) == content:
            found.append(record)
        number += 1
        name = f"{first}-{number}"
    return Attempts(tuple(found), name)


def _fetch(connection: Connection, name: str) -> Record | None:
    try:
        return runs.fetch(connection, name)
    except NotFoundError:
        return None
