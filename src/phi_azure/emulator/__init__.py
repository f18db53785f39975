"""Azure ML at the wire: answers the requests of the real clients, keeps state in a folder, trains through a runner.

`open_folder` mounts it in this process for one workspace, `phi_azure.testing.azure` puts a whole process in front of
it, and `phi-azure emulator` serves it to other processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phi_azure.emulator.local import LocalAzure

__all__ = ["LocalAzure", "open_folder"]


def __getattr__(name: str) -> object:
    """Loads the emulator when it is first asked for: supervisors and the command line start without it."""
    if name in __all__:
        from phi_azure.emulator import local

        return getattr(local, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if TYPE_CHECKING:
    from phi_azure.emulator.local import open_folder
