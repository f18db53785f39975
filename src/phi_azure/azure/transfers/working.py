"""Several threads on one list of jobs, and how far they are."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from phi_azure.azure.transfers.wire import Stopped
from phi_azure.events import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phi_azure.events import OnProgress

_TICK_S = 0.2
_WINDOW_S = 10.0  # over which the rate is taken
_GRACE_S = 2.0  # for threads to notice that all is over; they are daemons and hold nothing that must be put away

Job = TypeVar("Job")


def run(
    jobs: Iterator[Job], work: Callable[[Job], None], workers: int, stop: threading.Event, tick: Callable[[], None]
) -> None:
    """Does every job, several at once; raises the first error, after which no further job is begun.

    Jobs are taken from the iterator one at a time, when a thread is free: what it reads to make them is never more
    than one job ahead of the threads. `tick` is called in the caller's thread, five times a second.
    """
    taking = threading.Lock()
    errors: list[BaseException] = []

    def drain() -> None:
        try:
            while (job := _next(jobs, taking)) is not None and not stop.is_set():
                work(job)
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001  (raised again below, in the caller's thread)
            errors.append(error)
            stop.set()

    threads = [threading.Thread(target=drain, name=f"transfer-{number}", daemon=True) for number in range(workers)]
    for thread in threads:
        thread.start()
    try:
        while alive := next((thread for thread in threads if thread.is_alive()), None):
            alive.join(_TICK_S)
            tick()
    except BaseException:  # Ctrl-C
        stop.set()
        _join(threads)
        raise
    if errors:
        raise errors[0]


def _next(jobs: Iterator[Job], taking: threading.Lock) -> Job | None:
    with taking:
        return next(jobs, None)


def _join(threads: list[threading.Thread]) -> None:
    deadline = time.monotonic() + _GRACE_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


class Meter:
    """Counts bytes from several threads, and tells of them from one, a few times a second."""

    def __init__(self, what: str, total: int, on_progress: OnProgress | None) -> None:
        self._what = what
        self._total = total
        self._tell = on_progress
        self._done = 0
        self._kept = 0
        self._lock = threading.Lock()
        self._seen: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self._told = -_TICK_S

    def came(self, count: int) -> None:
        """Counts bytes that went over the network; less than 0 takes them back."""
        with self._lock:
            self._done += count

    def was_there(self, count: int) -> None:
        """Counts bytes that were on the other side already: they say nothing about the rate."""
        with self._lock:
            self._done += count
            self._kept += count

    def tick(self, *, last: bool = False) -> None:
        """Tells how far it is, unless that was told just now; that all has come is told once, with `last`."""
        now = time.monotonic()
        if self._tell is None or (now - self._told < _TICK_S and not last):
            return
        with self._lock:
            done, kept = self._done, self._kept
        if done >= self._total and not last:
            return
        self._told = now
        self._seen.append((now, done - kept))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW_S:
            self._seen.popleft()
        (start, before), moved = self._seen[0], done - kept
        rate = (moved - before) / (now - start) if now > start else 0.0
        left = (self._total - done) / rate if rate > 0 else None
        self._tell(Progress(self._what, done, self._total, max(rate, 0.0), left))


def counted(files: int) -> str:
    """Says how many files: 1 file, 8 files."""
    return "1 file" if files == 1 else f"{files:,} files"
