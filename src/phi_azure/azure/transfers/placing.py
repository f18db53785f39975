"""Where downloaded blobs are written: every name is looked at before the first byte is fetched. Pure, but for links."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from phi_azure.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

STAGING = ".phi-azure-download"  # inside the target, so that a file is moved and never copied; gone when all is there
_SHOWN = 10
_DRIVE = re.compile(r"[A-Za-z]:")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?: *\..*)?", re.IGNORECASE)
_UNWRITABLE = re.compile(r'[<>:"|?*]|[. ]$')


def place(names: Sequence[str], folder: Path, *, windows: bool, folds_case: bool) -> list[Path]:
    """Returns the path of each name below the folder.

    Args:
        names: of blobs, relative, with slashes.
        folder: the target; what is in it already may forbid a name.
        windows: names that Windows cannot write are refused too.
        folds_case: the disk takes `A` and `a` for one name.

    Raises:
        AzureError: names every blob that would be written outside of the folder, or onto another, or not at all.
    """
    parts = [tuple(part for part in name.split("/") if part not in {"", "."}) for name in names]
    keys = [tuple(_fold(part) for part in one) if folds_case else one for one in parts]
    owners: dict[tuple[str, ...], str] = {}
    problems = []
    for name, one, key in zip(names, parts, keys, strict=True):
        wrong = _unsafe(name, one, windows=windows) or _blocked(folder, one)
        if not wrong and key in owners:
            wrong = f"would be written onto {_shown(owners[key])}"
        owners.setdefault(key, name)
        if wrong:
            problems.append(f"{_shown(name)} {wrong}")
    problems += _files_as_folders(owners)
    if problems:
        raise AzureError("nothing was downloaded, because of what blobs are called:\n" + "\n".join(_few(problems)))
    return [folder.joinpath(*one) for one in parts]


def _unsafe(name: str, parts: tuple[str, ...], *, windows: bool) -> str | None:
    """Says why a name must not become a path; None where it may."""
    if not parts:
        return "is no name"
    if ".." in parts or "\\" in name or name.startswith("/") or _DRIVE.fullmatch(parts[0]):
        return "would be written outside of the folder"
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        return "holds a control character"
    if parts[0].lower() == STAGING:
        return "is a name that downloads keep for themselves"
    if windows and any(_RESERVED.fullmatch(part) or _UNWRITABLE.search(part) for part in parts):
        return "is no name that Windows can write"
    return None


def _blocked(folder: Path, parts: tuple[str, ...]) -> str | None:
    """Says what in the folder stands in the way: a link leads elsewhere, a file cannot hold files."""
    path = folder
    for part in parts[:-1]:
        path = path / part
        if path.is_symlink():
            return f"would be written through the link {path}"
        if path.exists() and not path.is_dir():
            return f"needs a folder where the file {path} is"
    if not (path / parts[-1]).is_symlink() and (path / parts[-1]).is_dir():
        return f"would be written where the folder {path / parts[-1]} is"
    return None


def _files_as_folders(owners: dict[tuple[str, ...], str]) -> Iterable[str]:
    for key, name in owners.items():
        above = next((owners[key[:end]] for end in range(1, len(key)) if key[:end] in owners), None)
        if above is not None:
            yield f"{_shown(name)} needs a folder where the file {_shown(above)} is written"


def _fold(part: str) -> str:
    return unicodedata.normalize("NFC", part).casefold()


def _shown(name: str) -> str:
    """Returns a name as it may be printed."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


def _few(problems: list[str]) -> list[str]:
    more = [f"  and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    return [f"  {problem}" for problem in problems[:_SHOWN]] + more
