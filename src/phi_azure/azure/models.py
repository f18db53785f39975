"""Registered models of the workspace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phi_azure.azure.client import MANAGEMENT
from phi_azure.azure.failures import translated
from phi_azure.azure.order import OF_JOBS, ROUTE_TAG, RUN_TAG
from phi_azure.errors import NotFoundError

if TYPE_CHECKING:
    from datetime import datetime

    from phi_azure.azure.client import Connection


def find(connection: Connection, name: str, version: str | None) -> Any:
    """Returns Azure's model; without a version the newest. Raises NotFoundError."""
    try:
        with translated():
            models = connection.ml.models
            return models.get(name, version=version) if version else models.get(name, label="latest")
    except NotFoundError as error:
        raise _no_model(connection, f"{name} with version {version}" if version else name) from error


def versions(connection: Connection, name: str | None = None) -> list[Any]:
    """Returns every version of one model, or of all, newest first; one request a model. Raises NotFoundError."""
    if name:
        found = _versions(connection, name)
        if not found:
            raise _no_model(connection, name)
    else:
        with translated():
            names = [model.name for model in connection.ml.models.list()]
        found = [version for one in names for version in _versions(connection, one)]
    return sorted(found, key=_created, reverse=True)


def _versions(connection: Connection, name: str) -> list[Any]:
    try:
        with translated():
            return list(connection.ml.models.list(name=name))
    except NotFoundError:
        return []


def _no_model(connection: Connection, what: str) -> NotFoundError:
    remedy = "`phi-azure models --registered` lists them."
    return NotFoundError(f"there is no model {what} in {connection.workspace}.", remedy=remedy)


def register(connection: Connection, name: str, run_name: str, output: str, tags: dict[str, str]) -> Any:
    """Registers what a job left as a new version; Azure keeps the job's name with it."""
    from azure.ai.ml.entities import Model

    tags = {tag: value for tag, value in tags.items() if tag not in OF_JOBS}
    model = Model(name=name, path=f"azureml://jobs/{run_name}/outputs/{output}", type="mlflow_model", tags=tags)
    with translated():
        return connection.ml.models.create_or_update(model)


def delete(connection: Connection, name: str, version: str) -> None:
    """Archives a model: Azure's client cannot delete one, and an archived model costs its storage only."""
    with translated():
        connection.ml.models.archive(name=name, version=version)


@dataclass(frozen=True)
class Facts:
    """What is kept of Azure's model."""

    name: str
    version: str
    id: str
    path: str
    kind: str
    run_name: str | None
    created: datetime | None
    tags: dict[str, str]


def facts(model: Any) -> Facts:
    """Reads Azure's model."""
    context = model.creation_context
    created = context.created_at if context else None
    return Facts(
        model.name,
        str(model.version),
        str(model.id),
        str(model.path),
        kind(model),
        model.job_name,
        created,
        dict(model.tags or {}),
    )


def kind(model: Any) -> str:
    """Returns whether serverless or managed endpoints take the model; it depends on the job that made it."""
    if (model.properties or {}).get("_fineTuningJobType") == "MaaS":
        return "serverless"
    return str((model.tags or {}).get(ROUTE_TAG, "managed"))


def serverless_id(connection: Connection, name: str, version: str) -> str:
    """Returns the model's id in the form that serverless endpoints take."""
    guid = connection.properties["properties"]["workspaceId"]
    return f"azureml://locations/{connection.region}/workspaces/{guid}/models/{name}/versions/{version}"


def _created(model: Any) -> str:
    context = model.creation_context
    return str(context.created_at) if context else ""


def of_run(connection: Connection, run_name: str, name: str) -> Any:
    """Returns the version of a model that a run made, or None."""
    return next((model for model in _versions(connection, name) if _made_by(model, run_name)), None)


def _made_by(model: Any, run_name: str) -> bool:
    return run_name in {model.job_name, (model.tags or {}).get(RUN_TAG)}


def output_address(connection: Connection, run_name: str) -> str:
    """Returns where a job's model lies: where Azure says so, else where Azure's own client looks."""
    with translated():
        document = connection.get(f"{MANAGEMENT}{connection.id}/jobs/{run_name}", {"api-version": "2024-01-01-preview"})
    outputs: dict[str, Any] = document["properties"].get("outputs") or {}
    named = next(((name, output) for name, output in outputs.items() if name != "default"), None)
    if named is None:
        raise NotFoundError(f"{run_name} has no output.")
    name, output = named
    return str(output.get("uri") or f"azureml://datastores/workspaceblobstore/paths/azureml/{run_name}/{name}/")
