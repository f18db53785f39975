"""How requests leave: as Azure's client sends them, but whatever waits, waits by the connection's clock."""

from __future__ import annotations

import contextlib
import re
import threading
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, ServiceResponseError
from azure.core.pipeline.transport import RequestsTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.clock import Clock


_READS = re.compile(r"/(listSecrets|listKeys|getLogs)(\?|$)", re.IGNORECASE)
"""Addresses that are read by POST: asking twice changes nothing."""
_PAUSES_S = (1.0, 2.0, 4.0)


class OutOfPatienceError(AzureError):  # type: ignore[misc]  # the vendor's
    """What was waited for did not come in time; it goes on in Azure."""


class ClockTransport(RequestsTransport):  # type: ignore[misc]  # the vendor's
    """Azure's transport, whose pauses are the clock's: between looks at a long operation, before a second try.

    Azure's pollers look on for ever at an operation that is stuck; inside `patience` a pause that would go beyond the
    end raises OutOfPatienceError instead, which ends the poller and reaches whoever waits for it.
    """

    def __init__(self, clock: Clock, **options: Any) -> None:
        super().__init__(**options)
        self._clock = clock
        self._deadlines: list[float] = []
        self._lock = threading.Lock()

    def send(self, request: Any, **options: Any) -> Any:
        """Sends a request; one that only reads by POST again if its answer is lost, which azure-core never does."""
        pauses = _PAUSES_S if request.method == "POST" and _READS.search(request.url) else ()
        for pause in pauses:
            with contextlib.suppress(ServiceResponseError):
                return super().send(request, **options)
            self.sleep(pause)
        return super().send(request, **options)

    def sleep(self, duration: float) -> None:
        """Lets time pass. Raises OutOfPatienceError."""
        if self._deadlines and self._clock.now() + duration > min(self._deadlines):
            raise OutOfPatienceError("it took too long")
        self._clock.sleep(duration)

    @contextlib.contextmanager
    def patience(self, seconds: float) -> Iterator[None]:
        """Bounds the waiting inside of it."""
        deadline = self._clock.now() + seconds
        with self._lock:
            self._deadlines.append(deadline)
        try:
            yield
        finally:
            with self._lock:
                self._deadlines.remove(deadline)
