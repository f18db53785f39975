"""What is told on the way while something is made, reused or uploaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """Something that was done: `kind` is a short word, such as `data`, `cluster`, `job` or `endpoint`."""

    kind: str
    message: str


OnEvent = Callable[[Event], None]
