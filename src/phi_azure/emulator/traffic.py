"""Which deployment of an endpoint answers: what may be said of shares, and whom a question goes to."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from phi_azure.emulator.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phi_azure.emulator.store import Document


def check(endpoint: str, deployments: Iterable[Document], traffic: dict[str, int], mirror: dict[str, int]) -> None:
    """Refuses shares of deployments that are not there, and shares that do not add up."""
    known = {d["name"].lower() for d in deployments}
    unknown = [d for d in (*traffic, *mirror) if d.lower() not in known]
    if unknown:
        raise _bad(f"Traffic names deployments that do not exist on endpoint {endpoint}: {', '.join(unknown)}.")
    if sum(traffic.values()) not in {0, 100} or any(share < 0 for share in traffic.values()):
        raise _bad(f"Traffic must sum to 0 or 100; it sums to {sum(traffic.values())}.")
    if len(mirror) > 1 or any(not 0 <= share <= 50 for share in mirror.values()):
        raise _bad("Mirror traffic takes one deployment and at most 50 percent.")


def check_delete(endpoint: Document, deployment: str) -> None:
    """Refuses to take away a deployment that still has traffic, or a copy of it."""
    for word, field in (("traffic", "traffic"), ("mirror traffic", "mirrorTraffic")):
        share = {k.lower(): v for k, v in endpoint["properties"][field].items()}.get(deployment.lower(), 0)
        if share:
            raise _bad(f"Deployment {deployment} has {share} percent of the {word}; set it to 0 first.")


def forget(endpoint: Document, deployment: str) -> None:
    """Takes a deployment that is gone out of the shares, so that an endpoint can be sent back as it was read."""
    for field in ("traffic", "mirrorTraffic"):
        shares = endpoint["properties"][field]
        endpoint["properties"][field] = {k: v for k, v in shares.items() if k.lower() != deployment.lower()}


def choose(endpoint: Document, deployments: Sequence[Document], named: str | None) -> Document:
    """Returns the deployment that is named, or one by the shares of traffic."""
    ready = {d["name"].lower(): d for d in deployments if d["properties"]["provisioningState"] == "Succeeded"}
    traffic = {k.lower(): v for k, v in endpoint["properties"]["traffic"].items() if v and k.lower() in ready}
    if named and named.lower() in ready:
        return ready[named.lower()]
    # a name that is unknown here may have leaked from an earlier call of the client (its headers are one per process)
    if not traffic:
        raise WireError(404, "NoDeployment", f"Endpoint {endpoint['name']} has no deployment with positive traffic.")
    return ready[random.choices(list(traffic), weights=list(traffic.values()))[0]]  # noqa: S311 (a share, not a secret)


def _bad(message: str) -> WireError:
    return WireError(400, "UserError", message, inner="BadArgument")
