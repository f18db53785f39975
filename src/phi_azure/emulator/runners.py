"""Who does the work behind the wire: the engine with real processes, or a script that a test gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from phi_azure.emulator.store import Document
    from phi_azure.emulator.wire import Call

State = tuple[str, "tuple[str, str] | None"]  # "Creating", "Succeeded" or "Failed", and (code, message) of a failure


class Runner(Protocol):
    """What the routes ask of whoever does the work. Nothing waits here: work is started, and looked at later."""

    name: str

    def check_job(self, name: str, plan: Document) -> None:
        """Refuses a job that cannot be run, before anything is kept of it."""

    def start_job(self, call: Call, job: Document) -> None:
        """Starts a job that was just accepted."""

    def settle_job(self, call: Call, job: Document) -> None:
        """Brings a job that is not over up to date."""

    def job_due(self, call: Call, job: Document) -> float | None:
        """Returns when a job will be over by the emulator's clock; None where that is not known or it is over."""

    def cancel_job(self, call: Call, job: Document) -> None:
        """Begins to end a job."""

    def start_deployment(self, call: Call, deployment: Document) -> None:
        """Starts the container of a deployment or of a serverless endpoint."""

    def deployment_state(self, call: Call, deployment: Document) -> State:
        """Returns how a deployment's container stands."""

    def deployment_due(self, deployment: Document) -> float | None:
        """Returns when it is decided by the emulator's clock how a container stands; None where that is not known."""

    def stop_deployment(self, call: Call, deployment: Document) -> None:
        """Ends the container; without one nothing happens."""

    def deployment_log(self, call: Call, deployment: Document) -> str:
        """Returns what the container wrote."""

    def score(self, call: Call, deployment: Document, path: str) -> Response:
        """Has the container answer the request at this path."""

    def close(self) -> None:
        """Ends what must not outlive the emulator."""
