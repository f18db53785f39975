"""Runs: the record that a job, and each step of it, leaves in run history, with its log."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from phi_azure.emulator.blobs import ARTIFACT_CONTAINER, Blob, Blobs, artifacts_of

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.emulator.store import Document, Store

LOG = "user_logs/std_log.txt"
OVER = frozenset({"Completed", "Failed", "Canceled", "NotResponding", "Paused"})
SUSPENDED = frozenset({"NotResponding", "Paused"})  # of those over, what can still be cancelled
RUN_TYPES = {
    "job": "azureml.PipelineRun",
    "node": "azureml.PipelineRun",
    "step": "azureml.StepRun",
    "finetuning": "FineTuning",
}


def create(store: Store, prefix: str, run: Document) -> Document:
    """Writes a new run with an empty log; `prefix` is the workspace's."""
    document: dict[str, Any] = {
        "parent": None,
        "status": "NotStarted",
        "started": None,
        "ended": None,
        "error": None,
        "properties": {},
        "hidden": False,
        "description": None,
        "step": None,
        "node": None,
        "prefix": prefix,
        **run,
    }
    log = folder(store, prefix, document["id"]) / "std_log.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    Blobs(store).put(Blob(ARTIFACT_CONTAINER, f"{artifacts_of(document['id'])}/{LOG}", log, "text/plain"))
    return store.put("run", prefix + document["id"], document)


def folder(store: Store, prefix: str, run_id: str) -> Path:
    """Returns the folder of a run's files; any job name makes a safe one."""
    return store.folder / "runs" / hashlib.sha256((prefix + run_id).lower().encode()).hexdigest()[:24]


def log_path(store: Store, run: Document) -> Path:
    """Returns the file of a run's log."""
    return folder(store, run["prefix"], run["id"]) / "std_log.txt"


def write_log(store: Store, run: Document, text: str) -> None:
    """Adds to a run's log."""
    with log_path(store, run).open("a", encoding="utf-8") as log:
        log.write(text if text.endswith("\n") else text + "\n")


def set_status(store: Store, run: Document, status: str, now: float, error: Document | None = None) -> Document:
    """Moves a run on; the times of its start and end are kept, and a run that is over stays as it is."""
    current = store.get("run", run["prefix"] + run["id"])
    if current and current["status"] == status:  # most looks at a job find it where it was, and write nothing
        return current

    def change(document: Document) -> None:
        if document["status"] in OVER:
            return
        document["status"] = status
        if status == "Running" and document["started"] is None:
            document["started"] = now
        if status in OVER:
            document["ended"] = now
            document["error"] = error

    return store.change("run", run["prefix"] + run["id"], change) or run


def request_cancel(store: Store, prefix: str, job_name: str) -> None:
    """Lets a job be cancelled, with its steps that are not over for good: a silent one can be, too."""

    def change(document: Document) -> None:
        if document["status"] in SUSPENDED or document["parent"] is None:
            document["status"] = "CancelRequested"

    for run in of_job(store, prefix, job_name):
        store.change("run", prefix + run["id"], change)


def of_job(store: Store, prefix: str, job_name: str) -> list[Document]:
    """Returns a job's own run first, then its children's in the order in which they were made."""
    found = [run for run in store.find("run", prefix) if run["root"].lower() == job_name.lower()]
    return sorted(found, key=lambda run: (run["parent"] is not None, found.index(run) * -1))


def of_node(own: list[Document], node: str | None) -> Document:
    """Returns, of a job's runs, that of a node; the job's own where it has no such node."""
    return next((run for run in own if node is not None and run["node"] == node), own[0])


def path(own: list[Document], run: Document) -> str:
    """Returns the place of a run in its pipeline, as Azure names nodes: /training/chat_completion_finetune."""
    above = next((one for one in own[1:] if one["id"] == run["parent"]), None)
    return (path(own, above) if above else "") + f"/{run['title']}"


def user_error(code: str, message: str) -> Document:
    """Returns an error as run history keeps it."""
    return {
        "error": {
            "code": code,
            "severity": None,
            "message": message,
            "messageFormat": None,
            "messageParameters": {},
            "referenceCode": None,
            "detailsUri": None,
            "target": None,
            "details": [],
            "innerError": None,
            "debugInfo": None,
            "additionalInfo": None,
        },
        "correlation": None,
        "environment": None,
        "location": None,
        "time": None,
        "componentName": "",
    }
