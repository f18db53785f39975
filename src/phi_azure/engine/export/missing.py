"""What this machine lacks, and how to get it."""

from __future__ import annotations

import errno
import importlib.util
import shutil
from typing import TYPE_CHECKING

from phi_azure.engine.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FULL_WORDS = "No space left on device"  # safetensors and ONNX tell it in an error of their own


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


def is_full(error: Exception) -> bool:
    """Says whether the disk was full, whichever library met it."""
    return _FULL_WORDS in str(error) or (isinstance(error, OSError) and error.errno in _FULL)


def no_room(source: Path, out: Path) -> MissingError:
    """Returns what is said when the disk is full: what there is without the half-made export, and what the model takes.

    Args:
        source: the model's folder.
        out: where the export was being made.
    """
    hidden = out.parent.name.startswith(".") and out.parent.name.endswith(".tmp")  # the draft of whoever asks
    place = out.parent.parent if hidden else out.parent
    free = shutil.disk_usage(place).free + _size(out)
    return MissingError(
        f"the disk of {place.resolve()} is too small: {free:,} bytes free; the model alone takes "
        f"{_size(source):,}. The half-made export is not kept.",
        "Make room, or name a folder on another disk.",
    )


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
