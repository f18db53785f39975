"""Where an export goes: a draft beside its target, which takes the target's name in one move, or nothing at all."""

from __future__ import annotations

import glob
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from phi_azure.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_REPLACED = "replaced"  # in a draft: what its target held
_MANIFEST = "export.json"  # of every export
NOT_PASSED = "not-passed"


def target_of(out: Path) -> Path:
    """Returns the folder that is meant: a link's own target; with a name, where it ends in `.` or `..`.

    Raises:
        ConfigError: nothing can be put beside it.
    """
    meant = out.resolve() if out.is_symlink() or out.name in {"", ".."} else out
    if not meant.name:
        raise ConfigError(f"{out} is no folder that can be made.", remedy="Name one with --out.")
    return meant


def beside(out: Path) -> Path:
    """Returns the folder of an export that did not pass its gate."""
    return out.with_name(f"{out.name}.{NOT_PASSED}")


def refuse_target(out: Path, *, force: bool) -> None:
    """Raises ConfigError where something lies at the target that is not to be replaced."""
    if out.is_file():
        raise ConfigError(f"{out} is a file.", remedy="Give another folder with --out.")
    if _holds_something(out) and not force:
        raise ConfigError(f"{out} holds something.", remedy="Give another folder with --out, or --force to replace it.")
    other = beside(out)
    if (other.is_file() or _holds_something(other)) and not force and not (other / _MANIFEST).is_file():
        raise ConfigError(f"{other} holds something that is no export.", remedy="Move it, or give another --out.")


def refuse_overlap(out: Path, folders: list[Path]) -> None:
    """Raises ConfigError where the target is one of the folders that are read, or lies in one, or holds one."""
    new = out.resolve()
    for folder in folders:
        read = folder.resolve()
        if new == read or new in read.parents or read in new.parents:
            raise ConfigError(
                f"{out} and {folder}, of which it is made, lie in one another.", remedy="Give a folder beside it."
            )


@contextmanager
def draft_of(out: Path) -> Iterator[Path]:
    """Gives a hidden folder beside the target, and removes it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    draft.mkdir()
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def clear_after_killed(out: Path) -> None:
    """Removes the drafts of killed exports; what one of them was about to replace goes back to its place."""
    for left in out.parent.glob(f".{glob.escape(out.name)}.*.tmp"):
        if _is_alive(left.name.split(".")[-2]):
            continue
        for old in (left / _REPLACED).glob("*"):
            if not out.with_name(old.name).exists():
                old.rename(out.with_name(old.name))
        shutil.rmtree(left, ignore_errors=True)


def put_in_place(made: Path, target: Path, draft: Path) -> None:
    """Renames; what lay there goes into the draft, and with it."""
    if target.exists():
        (draft / _REPLACED).mkdir()
        target.rename(draft / _REPLACED / target.name)
    made.rename(target)


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except OSError:
        return True
    return True
