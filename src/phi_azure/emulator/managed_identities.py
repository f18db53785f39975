"""Identities of clusters and endpoints, as Azure keeps them: given by the service, or made by the user."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from phi_azure.emulator.identity import TENANT
from phi_azure.emulator.shapes import ANYTHING, TEXT, MapOf, Object, Word

if TYPE_CHECKING:
    from phi_azure.emulator.store import Document

SHAPE = Object(
    "ManagedServiceIdentity",
    {
        "type": Word(
            "ManagedServiceIdentityType", ("None", "SystemAssigned", "UserAssigned", "SystemAssigned,UserAssigned")
        ),
        "principalId": TEXT,
        "tenantId": TEXT,
        "userAssignedIdentities": MapOf(ANYTHING),
    },
    frozenset({"type"}),
)


def of(resource: str, asked: Document) -> Document:
    """Returns the identity of a resource; one that the service gives has the same principal each time."""
    identity: Document = {"type": asked["type"], "principalId": None, "tenantId": None}
    if "systemassigned" in asked["type"].lower():
        identity |= {"principalId": _guid("principal", resource), "tenantId": TENANT}
    if "userassigned" in asked["type"].lower():
        identity["userAssignedIdentities"] = {
            name: {"principalId": _guid("principal", name), "clientId": _guid("client", name)}
            for name in asked.get("userAssignedIdentities") or {}
        }
    return identity


def _guid(kind: str, of_what: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind} {of_what}".lower()))
