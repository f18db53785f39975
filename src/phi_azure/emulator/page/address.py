"""Where the page is: its port, kept beside the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phi_azure.emulator.store import Store


def address(store: Store) -> str | None:
    """Returns where the page of a state is, or was when it was last served; None where it never was."""
    port = remembered_port(store)
    return f"http://127.0.0.1:{port}" if port else None


def remember_port(store: Store, port: int) -> None:
    """Keeps the page's port, for the links that jobs carry, and to be taken again."""
    if remembered_port(store) != port:
        store.put("settings", "page", {"port": port})


def remembered_port(store: Store) -> int:
    """Returns the port of the page when it was last served; 0 where it never was."""
    return int((store.get("settings", "page") or {"port": 0})["port"])
