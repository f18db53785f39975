"""Shows a run until it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phi_azure.cli.session import Session
    from phi_azure.run import Run


def follow(session: Session, run: Run, timeout: float | None = None, log_lines: int = 0) -> None:
    """Waits for a run and shows its progress on stderr; an interruption leaves the run alone."""
    session.watched = run.name
    with run.showing(log_lines) as update:
        run.wait(timeout=timeout, on_update=update)
    session.watched = None
