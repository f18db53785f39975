"""The containers of scripted deployments: ready at once, or with the fault that a test has queued."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phi_azure.emulator.runners import State
    from phi_azure.emulator.store import Document

_READY = "scripted inference server ready\n"


@dataclass(frozen=True)
class _Course:
    """How a deployment goes that meets a fault."""

    after: float
    """Seconds by the emulator's clock until it is decided."""
    code: str
    message: str
    log: str = _READY


_COURSES = {
    "deployment_unhealthy": _Course(
        310.0,
        "ResourceNotReady",
        "Readiness probe failed: HTTP probe failed with statuscode 502. User container has crashed or terminated.",
        'Traceback (most recent call last):\n  File "score.py", line 12, in init\n'
        "ValueError: the model could not be loaded\n",
    ),
    "deployment_without_quota": _Course(
        60.0,
        "OutOfQuota",
        "Not enough quota available for the deployment's machines. Current usage/limit: 0/0.",
        "",
    ),
    "deployment_image_failed": _Course(
        0.0,
        "ImageBuildFailure",
        "Failed to build the environment image. Please check the build logs in the workspace's container registry.",
        "",
    ),
    "deployment_out_of_memory": _Course(
        120.0,
        "ResourceNotReady",
        "User container has crashed or terminated: OOMKilled, exit code 137.",
        "Loading weights...\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 6.25 GiB.\nKilled\n",
    ),
    "deployment_role_missing": _Course(
        30.0,
        "BadArgument",
        "Authorization error: the endpoint's identity may not read the model's files: it lacks the role Storage Blob "
        "Data Reader on the workspace's storage account.",
        "storage-initializer: AuthorizationPermissionMismatch\n",
    ),
    "deployment_stuck": _Course(6 * 3600.0, "InternalServerError", "The operation did not end in time."),
}


def place(deployment: Document) -> tuple[str, str]:
    """Returns the kind of document that a deployment is, and its name below the workspace."""
    if "endpoint" in deployment:
        return "deployment", f"{deployment['endpoint']}/{deployment['name']}"
    return "serverless", deployment["name"]


def state(deployment: Document, now: float) -> State:
    """Returns how a deployment stands."""
    course = _COURSES.get(deployment.get("fault") or "")
    if course is None:
        return "Succeeded", None
    if now < _due(deployment, course):
        return "Creating", None
    return "Failed", (course.code, course.message)


def due(deployment: Document) -> float | None:
    """Returns when a deployment fails; None for one that does not."""
    course = _COURSES.get(deployment.get("fault") or "")
    return _due(deployment, course) if course else None


def _due(deployment: Document, course: _Course) -> float:
    made: float = deployment["made"]
    return made + course.after


def log(deployment: Document) -> str:
    """Returns what the container has written."""
    course = _COURSES.get(deployment.get("fault") or "")
    return course.log if course else _READY
