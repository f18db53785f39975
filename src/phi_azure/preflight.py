"""What stands in the way of a job before it is sent: findings, their remedies, and the exit code that they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from phi_azure.errors import PhiAzureError

State = Literal["ok", "warning", "unknown", "failed"]
"""`unknown`: it could not be asked, for want of a right or of an answer; nothing is wrong as far as is known."""


@dataclass(frozen=True)
class Finding:
    """What one look at Azure found."""

    check: str
    """What was looked at: sign-in, workspace, storage, right to submit, model, quota to train, ..."""
    state: State
    message: str
    remedy: str | None = None
    error: type[PhiAzureError] | None = None
    """What is raised for it; it gives the exit code."""
    blocks: bool = True
    """The job itself cannot run; else only what comes after it, such as deploying."""

    def to_dict(self) -> dict[str, object]:
        """Returns the finding as `phi-azure doctor --json` prints it."""
        return {
            "check": self.check,
            "state": self.state,
            "message": self.message,
            "remedy": self.remedy,
            "code": self.error.code if self.error else None,
            "blocks": self.blocks,
        }


def ok(check: str, message: str) -> Finding:
    """Returns a finding that all is well."""
    return Finding(check, "ok", message)


def warning(check: str, message: str, remedy: str | None = None) -> Finding:
    """Returns a finding that stops nothing, and should be known."""
    return Finding(check, "warning", message, remedy)


def unknown(check: str, message: str) -> Finding:
    """Returns a finding that nothing could be found."""
    return Finding(check, "unknown", message)


def failed(check: str, error: type[PhiAzureError], message: str, remedy: str | None, *, blocks: bool = True) -> Finding:
    """Returns a finding that something stands in the way."""
    return Finding(check, "failed", message, remedy, error, blocks)


@dataclass(frozen=True)
class Preflight:
    """All findings, in the order in which one would have met them."""

    findings: tuple[Finding, ...]

    @property
    def failures(self) -> tuple[Finding, ...]:
        """What stands in the way of the job, or of what comes after it."""
        return tuple(finding for finding in self.findings if finding.state == "failed")

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way."""
        return not self.failures

    @property
    def exit_code(self) -> int:
        """The exit code of the first failure; 0 without one."""
        return next((finding.error.exit_code for finding in self.failures if finding.error), 0)

    def to_dict(self) -> dict[str, object]:
        """Returns what `phi-azure doctor --json` prints."""
        return {
            "ok": self.ok,
            "exit_code": self.exit_code,
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def raise_for_errors(self) -> None:
        """Raises the error of the first failure that stops the job, with the message and remedy of each of them."""
        stopping = [finding for finding in self.failures if finding.blocks]
        if not stopping:
            return
        kind = stopping[0].error or PhiAzureError
        if len(stopping) == 1:
            raise kind(stopping[0].message, remedy=stopping[0].remedy)
        lines = [f"{number}. {finding.message}" for number, finding in enumerate(stopping, 1)]
        remedies = [f"{number}. {finding.remedy}" for number, finding in enumerate(stopping, 1) if finding.remedy]
        message = "\n".join([f"{len(stopping)} things stand in the way; nothing was sent.", *lines])
        raise kind(message, remedy="\n".join(remedies) or None)
