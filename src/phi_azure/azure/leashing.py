"""Puts the leash on what is made: whoever is signed in is its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure import leash
from phi_azure.azure.preflight.account import sign_in

if TYPE_CHECKING:
    from phi_azure.azure.client import Connection


def tags(connection: Connection, purpose: str, keep: str = leash.KEEP) -> dict[str, str]:
    """Returns the tags of what is made now; see `leash.hours` for `keep`."""
    _, caller = sign_in(connection)
    return leash.tags(leash.made(caller.name if caller else "unknown", purpose, keep, connection.time))
