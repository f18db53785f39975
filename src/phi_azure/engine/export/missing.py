"""What this machine lacks, and how to get it."""

from __future__ import annotations

import importlib.util

from phi_azure.engine.errors import UserError


class MissingError(UserError):
    """Something cannot be made or run on this machine; `remedy` says how to get what is missing."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def need(packages: dict[str, str], purpose: str, extra: str = "edge") -> None:
    """Refuses to begin where packages are missing; all of them at once.

    Args:
        packages: the module by the name of its package.
        purpose: what they are needed for.
        extra: the extra of phi-azure that brings them.

    Raises:
        MissingError: at least one is not installed.
    """
    absent = [package for package, module in packages.items() if importlib.util.find_spec(module) is None]
    if absent:
        raise MissingError(
            f"{purpose} needs {', '.join(absent)}, not installed here.", f"pip install 'phi-azure[{extra}]'"
        )
