"""New files beside old ones: nothing is overwritten, and a file is there whole or not at all."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, TYPE_CHECKING

from phi_azure.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@contextmanager
def new_files(paths: Sequence[Path]) -> Iterator[list[IO[bytes]]]:
    """Opens files that get their names when all of them are written; after an error none is left, and no new folder.

    Raises:
        DataError: where one of them is there already.
    """
    if there := [str(path) for path in paths if path.exists()]:
        verb = "is" if len(there) == 1 else "are"
        raise DataError(f"{', '.join(there)} {verb} there already.", remedy="Name another place, or remove it.")
    absent = [folder for path in paths for folder in path.parents if not folder.exists()]
    parts = [path.with_name(f".{path.name}.{os.getpid()}") for path in paths]
    try:
        with ExitStack() as stack:
            for path in paths:
                path.parent.mkdir(parents=True, exist_ok=True)
            yield [stack.enter_context(part.open("xb")) for part in parts]
        for part, path in zip(parts, paths, strict=True):
            part.rename(path)
    except BaseException:
        for part in parts:
            part.unlink(missing_ok=True)
        for folder in sorted(set(absent), key=lambda made: len(made.parts), reverse=True):
            with suppress(OSError):  # never made, or somebody else has put something there
                folder.rmdir()
        raise
