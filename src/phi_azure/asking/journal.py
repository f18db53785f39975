"""Where a batch's answers are kept: each at once, in the order in which they came; at the end all, in the input's."""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING

from phi_azure.errors import ConflictError, DataError, PhiAzureError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: two batches into one file are not noticed there
    fcntl = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Answered:
    """One line of a batch's answers; `answer` is None where there is an `error` instead."""

    index: int
    """The question's place in the input, from 0."""
    id: str | int | None
    """The row's own `id` or `custom_id`."""
    answer: str | None
    latency_s: float | None
    """From the question to the whole answer, in the try that brought it; earlier tries and waits are not counted."""
    prompt_tokens: int | None = None
    """None where the endpoint does not count."""
    completion_tokens: int | None = None
    tries: int = 1
    error: str | None = None
    """Why there is no answer, after the last try."""


class Journal:
    """The answers of one batch on disk: `NAME.part` while they come, `NAME` when all are there.

    A batch that was cut, even by kill -9, goes on from its `.part`: what was answered is not asked again.
    """

    def __init__(self, out: Path, digests: Mapping[int, str]) -> None:
        self.out = out
        self.part = out.with_name(f"{out.name}.part")
        self.known: dict[int, Answered] = {}
        """What earlier tries have answered."""
        self._digests = digests
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()

    @contextmanager
    def opened(self) -> Iterator[Journal]:
        """Reads what earlier tries left, and takes new answers until it is closed.

        Raises:
            DataError: the file holds answers to other questions.
            ConflictError: another process writes into it.
            PhiAzureError: it cannot be written.
        """
        with self._written():
            self.out.parent.mkdir(parents=True, exist_ok=True)
            file = self.part.open("ab+")
        try:
            with file:
                _lock(file, self.part)
                with self._written():
                    self._recover(file)
                self._file = file
                yield self
        finally:
            with self._lock:
                self._file = None
            if self.part.exists() and not self.part.stat().st_size:
                self.part.unlink()

    def add(self, answered: Answered) -> None:
        """Keeps an answer: it is in the system's hands when this returns. After the end it is let go."""
        line = _line(answered, self._digests[answered.index])
        with self._lock:
            if self._file is not None:
                with self._written():
                    self._file.write(line)
                    self._file.flush()

    def finish(self, answers: list[Answered]) -> None:
        """Writes all answers in the input's order, under the name that was asked for, and clears the `.part` away."""
        whole = self.out.with_name(f".{self.out.name}.{os.getpid()}")
        try:
            with self._written(), whole.open("wb") as file:
                file.writelines(_line(answered, self._digests[answered.index]) for answered in answers)
                file.flush()
                os.fsync(file.fileno())
            whole.replace(self.out)
        finally:
            whole.unlink(missing_ok=True)
        with self._lock:
            if self._file is not None:
                self._file.truncate(0)

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PhiAzureError(f"{self.out} cannot be written: {error.strerror or error}.") from error

    def _recover(self, file: IO[bytes]) -> None:
        if self.out.exists():
            self._read(self.out.read_bytes(), self.out)
        file.seek(0)
        found = file.read()
        whole = found[: found.rfind(b"\n") + 1]
        self._read(whole, self.part)
        if len(whole) < len(found):  # a line that was cut in the middle
            file.truncate(len(whole))
        file.seek(0, os.SEEK_END)

    def _read(self, text: bytes, path: Path) -> None:
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                row = json.loads(line)
                asked = row.pop("asked")
                answered = Answered(**row)
            except (ValueError, KeyError, TypeError, AttributeError) as problem:
                raise DataError(f"{path}:{number}: this is no answer of a batch.", remedy=_elsewhere(path)) from problem
            if self._digests.get(answered.index) != asked:
                message = f"{path}:{number}: this answers another question, or one asked in another way."
                raise DataError(message, remedy=_elsewhere(path))
            if answered.error is None:
                self.known[answered.index] = answered


def _elsewhere(path: Path) -> str:
    return f"Name another file for the answers, or remove {path}."


def _line(answered: Answered, digest: str) -> bytes:
    text = json.dumps({**asdict(answered), "asked": digest}, ensure_ascii=False)
    return text.encode("utf-8", "replace") + b"\n"


def _lock(file: IO[bytes], path: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConflictError(
            f"another process writes into {path}.", remedy="Wait for it, or name another file."
        ) from error
