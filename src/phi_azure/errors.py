"""Every exception that phi_azure raises, and the exit code that each one gives a command.

PhiAzureError                     1
├── RunFailed                     1
├── AzureError                    1
├── ConfigError   (ValueError)    2
├── ConflictError                 2
├── DataError     (ValueError)    3
├── SignInError                   4
├── RightsError   (PermissionError) 4
├── QuotaError                    5
├── RegionError                   5
├── SizeError                     5
├── NotFoundError (LookupError)   6
├── NotFinished   (TimeoutError)  7
├── RunCancelled                  8
├── GateNotPassed                 9
├── OverBudget                   10
├── RunNotResponding             11
└── RunPaused                    12
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from phi_azure.outcome import Failure


class PhiAzureError(Exception):
    """Says what is wrong and where; `remedy` says what to do about it, when there is something."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


class RunFailed(PhiAzureError):  # noqa: N818  named for what happened to the run
    """A job failed; the message holds the step, Azure's reason and the end of the log, `failure` the same in parts."""

    code = "run-failed"

    def __init__(self, message: str, *, remedy: str | None = None, failure: Failure | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.failure = failure


class AzureError(PhiAzureError):
    """Azure answered with an error that has no type of its own here."""

    code = "azure"


class ConfigError(PhiAzureError, ValueError):
    """A job file or an argument is wrong; the message lists every problem at once."""

    exit_code = 2
    code = "config"


class ConflictError(PhiAzureError):
    """A name is taken, or something is in a state that does not allow what was asked."""

    exit_code = 2
    code = "conflict"


class DataError(PhiAzureError, ValueError):
    """The rows are not what the job could learn from; the message names each one."""

    exit_code = 3
    code = "data"


class SignInError(PhiAzureError):
    """No credential was accepted."""

    exit_code = 4
    code = "sign-in"


class RightsError(PhiAzureError, PermissionError):
    """Signed in, and not allowed."""

    exit_code = 4
    code = "rights"


class QuotaError(PhiAzureError):
    """The subscription has too few cores, endpoints or tokens left in the region."""

    exit_code = 5
    code = "quota"


class RegionError(PhiAzureError):
    """The region does not offer the model, the size or the feature."""

    exit_code = 5
    code = "region"


class SizeError(PhiAzureError):
    """A machine size is unknown, retired, too small, or not the one that the cluster has."""

    exit_code = 5
    code = "size"


class NotFoundError(PhiAzureError, LookupError):
    """Nothing has that name."""

    exit_code = 6
    code = "not-found"


class NotFinished(PhiAzureError, TimeoutError):  # noqa: N818  the run may still end well
    """The time to wait was over before the run was; the run goes on."""

    exit_code = 7
    code = "not-finished"


class RunCancelled(PhiAzureError):  # noqa: N818  somebody wanted it
    """The run was cancelled."""

    exit_code = 8
    code = "run-cancelled"


class GateNotPassed(PhiAzureError):  # noqa: N818  a result, not a fault
    """The tuned model did not pass the comparison that was asked for."""

    exit_code = 9
    code = "gate-not-passed"


class OverBudget(PhiAzureError):  # noqa: N818  a result, not a fault
    """A plan, or a run, costs more or takes longer than `max_price` and `max_hours` of the job file allow."""

    exit_code = 10
    code = "over-budget"


class RunNotResponding(PhiAzureError):  # noqa: N818  the run may come back
    """Azure hears nothing from the machines of the run; it may still come back, or cost money until it is cancelled."""

    exit_code = 11
    code = "run-not-responding"


class RunPaused(PhiAzureError):  # noqa: N818  the run may go on
    """Somebody paused the run; it goes on when somebody resumes it in the studio."""

    exit_code = 12
    code = "run-paused"
