"""How a run ended: which step failed first, Azure's reason, the end of its log, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phi_azure import causes
from phi_azure.errors import PhiAzureError, RunCancelled, RunFailed, RunNotResponding, RunPaused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phi_azure.azure.runs import Record
    from phi_azure.causes import Cause

SHOWN = 15
"""Lines of the log in the message of a failure."""
READ = 200
"""Lines at the end of the log in which a known cause is looked for."""


@dataclass(frozen=True)
class Failure:
    """Why a job failed."""

    step: str | None
    """The step that failed first, as deep as it lies; None where the job has no steps."""
    reason: str | None
    """Azure's reason for that step, or for the job."""
    cause: Cause | None
    """The known cause that its reason or its log shows."""
    log: tuple[str, ...]
    """The end of its log."""
    said: tuple[str, ...]
    """Everything that Azure said, word for word: of the job and of each step that failed."""


def failure(job: Record, steps: Sequence[Record], tail: Callable[[str], list[str]]) -> Failure:
    """Returns why a job failed; `tail` reads the end of a run's log."""
    blamed = first_failed(steps)
    where = blamed or job
    log = tail(where.run_id)
    reason = where.error or (job.error if blamed is None else None)
    said = dict.fromkeys([job.error, *(step.error for step in steps if step.status == "Failed")])
    cause = causes.known_cause(*filter(None, (reason, "\n".join(log), job.error)))
    return Failure(blamed.title if blamed else None, reason, cause, tuple(log), tuple(text for text in said if text))


def first_failed(steps: Sequence[Record]) -> Record | None:
    """Returns the step that failed first; of steps within steps the innermost: the outer ones fail because of it."""
    failed = [place for place, step in enumerate(steps) if step.status == "Failed"]
    innermost = [steps[place] for place in failed if not _has_failed_below(steps, place)]
    return min(innermost, key=lambda step: (step.ended is None, str(step.ended)), default=None)


def _has_failed_below(steps: Sequence[Record], index: int) -> bool:
    for below in steps[index + 1 :]:
        if below.depth <= steps[index].depth:
            return False
        if below.status == "Failed":
            return True
    return False


def ending(job: Record, found: Failure | None, way_on: str | None, *, shown: int = SHOWN) -> PhiAzureError | None:
    """Returns the error for how a run ended, or None where it ended well.

    Args:
        job: the run, which is over.
        found: why it failed, where it did.
        way_on: the command that goes on from its last checkpoint, where there is one.
        shown: lines of the log that the message holds.
    """
    name = job.run_id
    if job.status == "Completed":
        return None
    if job.status == "Canceled":
        return RunCancelled(f"{name} was cancelled.", remedy=way_on)
    if job.status == "NotResponding":
        return RunNotResponding(
            f"{name} is NotResponding: Azure hears nothing from its machines. It may come back, and it may cost money "
            "until it is cancelled.",
            remedy=f"`phi-azure wait {name}` looks again; `phi-azure cancel {name}` ends it. {way_on or ''}".strip(),
        )
    if job.status == "Paused":
        return RunPaused(
            f"{name} is Paused: somebody stopped it for a while, and it goes on when it is resumed in the studio.",
            remedy=f"`phi-azure wait {name}` waits on when it runs again; `phi-azure cancel {name}` ends it.",
        )
    return _failed(job, found, way_on, shown)


def _failed(job: Record, found: Failure | None, way_on: str | None, shown: int) -> RunFailed:
    step = f" in step {found.step}" if found and found.step else ""
    reason = (found.reason if found else job.error) or "Azure gives no reason"
    lines = [f"{job.run_id} failed{step}: {reason}"]
    if found and found.cause:
        lines.append(f"known cause: {found.cause.what}")
    if found and shown and found.log:
        lines += ["the end of its log:", *(f"  {line}" for line in found.log[-shown:])]
    if found:
        lines += [f"Azure says of the job: {text}" for text in found.said if text == job.error and text != reason]
    known = found.cause.remedy.replace("logs RUN", f"logs {job.run_id}") if found and found.cause else None
    remedy = " ".join(text for text in (known, way_on, f"`phi-azure logs {job.run_id}` shows more.") if text)
    return RunFailed("\n".join(lines), remedy=remedy, failure=found)
