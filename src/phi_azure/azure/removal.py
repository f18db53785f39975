"""Removes what is paid by the hour, and looks that it is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure.azure import billing, compute, endpoints, runs
from phi_azure.errors import AzureError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phi_azure.azure.client import Connection
    from phi_azure.costs import Billed


def remove(connection: Connection, found: Iterable[Billed]) -> list[str]:
    """Removes endpoints and clusters, stops jobs; returns each as `endpoint NAME`. What is gone already is no error.

    Raises:
        AzureError: something is there still; the message names it.
    """
    wanted = {one.whole: one.kind for one in found}
    for whole, kind in wanted.items():
        _remove(connection, whole.partition(" ")[2], kind)
    left = [one.whole for one in billing.billed(connection) if one.whole in wanted and one.kind != "job"]
    if left:
        raise AzureError(
            f"still there after it was deleted: {', '.join(dict.fromkeys(left))}.",
            remedy="`phi-azure down` again; if that does not help, delete it in the studio: it costs money.",
        )
    return list(wanted)


def _remove(connection: Connection, name: str, kind: str) -> None:
    try:
        if kind == "job":
            runs.cancel(connection, name)
        elif kind == "cluster":
            compute.delete_cluster(connection, name)
        else:
            endpoints.delete(connection, name, "serverless" if kind == "serverless" else "managed")
    except NotFoundError:
        return
