"""Downloads blobs: all of them, whole and checked, or none that can be seen."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

from phi_azure.azure.transfers.parts import Part, Source
from phi_azure.azure.transfers.placing import STAGING, place
from phi_azure.azure.transfers.wholeness import problem
from phi_azure.azure.transfers.working import Meter, counted, run
from phi_azure.errors import AzureError, ConflictError, PhiAzureError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from phi_azure.azure.transfers.wire import Container
    from phi_azure.events import OnProgress

__all__ = ["STAGING", "Source", "download_blobs"]

_SPARE = 16 << 20  # bytes that a disk keeps free


def download_blobs(
    container: Container,
    sources: Sequence[Source],
    names: Sequence[str],
    folder: Path,
    on_progress: OnProgress | None = None,
) -> None:
    """Copies blobs into a folder, in blocks, several at once; a run that was cut goes on where it stopped.

    Bytes gather in a folder of their own inside the target. Files appear under their names when all of them are whole
    and checked.

    Args:
        container: where the blobs are.
        sources: the blobs.
        names: where each goes, below the folder, with slashes.
        folder: the target; made if absent.
        on_progress: is told five times a second how far it is.

    Raises:
        AzureError: a name leads out of the folder, a file is damaged, or the service did not answer for a minute.
        ConflictError: a blob was changed on the way, or somebody else downloads into the folder.
        PhiAzureError: the disk has no room.
    """
    staging = folder / STAGING
    try:
        staging.mkdir(parents=True, exist_ok=True)
        with _alone(staging):
            targets = place(names, folder, windows=os.name == "nt", folds_case=_folds_case(staging))
            block = container.settings.block
            parts = [Part(staging, target, one, block) for target, one in zip(targets, sources, strict=True)]
            for part in parts:
                part.open()
            _room(staging, sum(part.missing for part in parts))
            _fetch(container, parts, on_progress)
            for part in parts:
                part.target.parent.mkdir(parents=True, exist_ok=True)
                part.path.replace(part.target)
    except OSError as error:
        if isinstance(error, PhiAzureError):  # RightsError is a PermissionError
            raise
        remedy = "What has come is kept: put that right, and run the same command again."
        raise PhiAzureError(f"{folder} cannot be written: {error}", remedy=remedy) from error
    finally:
        if staging.is_dir() and not any(staging.glob("*.part")):  # all is in its place, or nothing has come
            shutil.rmtree(staging)


def _fetch(container: Container, parts: list[Part], on_progress: OnProgress | None) -> None:
    total = sum(part.source.size for part in parts)
    meter = Meter(counted(len(parts)), total, on_progress)

    def work(job: tuple[Part, int]) -> None:
        part, index = job
        where = part.where(index)
        with part.path.open("r+b", buffering=0) as file:
            if part.holds(index, file):
                meter.was_there(where.length)
            else:
                one = part.source
                part.note(index, container.read_block(one.name, one.etag, where, file, meter.came))
        if part.one_less() == 0:
            _check(part)

    for part in parts:
        if part.count == 0:
            _check(part)
    run(_blocks(parts), work, container.settings.workers, container.stop, meter.tick)
    meter.tick(last=True)


def _blocks(parts: list[Part]) -> Iterator[tuple[Part, int]]:
    """Yields a block of each file in turn: threads that write to one file wait for each other."""
    for index in range(max((part.count for part in parts), default=0)):
        yield from ((part, index) for part in parts if index < part.count)


def _check(part: Part) -> None:
    wrong = problem(part.path, part.source)
    if wrong is not None:
        part.discard()
        raise AzureError(f"{part.source.name} {wrong}.", remedy="It is not kept; look at what wrote it, or try again.")


def _room(folder: Path, missing: int) -> None:
    """Refuses what cannot end well before it begins."""
    free = shutil.disk_usage(folder).free
    if missing + _SPARE > free:
        raise PhiAzureError(
            f"the disk of {folder.parent} has {free:,} bytes free; {missing:,} are still to come.",
            remedy="Make room, or give another folder; what has come is kept.",
        )


def _folds_case(folder: Path) -> bool:
    """Tells whether the disk takes two names for one that differ in case only."""
    probe = folder / "probe"
    probe.touch()
    try:
        return (folder / "PROBE").exists()
    finally:
        probe.unlink()


@contextlib.contextmanager
def _alone(staging: Path) -> Iterator[None]:
    """Keeps a second process out of the folder; the system lets go of it however the first one ends."""
    with (staging / "lock").open("a+b") as file:
        try:
            if os.name == "nt":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConflictError(f"another download into {staging.parent} goes on.", remedy="Wait for it.") from error
        yield
