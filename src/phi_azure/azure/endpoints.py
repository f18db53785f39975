"""Serverless and managed online endpoints: made whole or not at all, looked up, asked, deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError

from phi_azure.azure.failures import translated
from phi_azure.errors import ConflictError, NotFoundError, PhiAzureError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.azure.client import Connection

Say = Callable[[str, str], None]
DEPLOYMENT = "blue"
_REQUEST_MS = 90_000


@dataclass(frozen=True)
class Found:
    """An endpoint as Azure has it."""

    name: str
    kind: str
    scoring_uri: str
    status: str
    tags: dict[str, str]
    raw: Any = field(repr=False)


@dataclass(frozen=True)
class Deployable:
    """What is to be put behind an endpoint."""

    model_id: str
    size: str = ""
    instances: int = 1
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """What stands behind a managed endpoint, as far as it matters to whoever asks."""

    deployments: frozenset[str]
    base: frozenset[str]
    """Those that serve a model of the registry as it comes; their container takes another shape of question."""
    traffic: Mapping[str, int]
    """Percent by deployment."""


def find(connection: Connection, name: str) -> Found:
    """Returns the endpoint of that name, of either kind. Raises NotFoundError."""
    for look in (_managed, _serverless):
        with translated():
            try:
                return look(connection, name)
            except ResourceNotFoundError:
                continue
    raise NotFoundError(
        f"there is no endpoint {name} in {connection.workspace}.", remedy="`phi-azure show` lists them."
    )


def every(connection: Connection) -> list[Found]:
    """Returns all endpoints of both kinds."""
    with translated():
        managed = [_from_managed(raw) for raw in connection.ml.online_endpoints.list()]
        return managed + [_from_serverless(raw) for raw in connection.ml.serverless_endpoints.list()]


def deploy_serverless(connection: Connection, name: str, what: Deployable, say: Say) -> Found:
    """Makes a serverless endpoint and waits until it answers; it is paid by the token and, tuned, by the hour."""
    from azure.ai.ml.entities import ServerlessEndpoint

    _refuse_taken(connection, name)
    say("endpoint", f"making {name}, serverless")
    endpoint = ServerlessEndpoint(name=name, model_id=what.model_id, auth_mode="key", tags=what.tags)
    endpoint.location = connection.region  # else the client asks for it in its own way, which imports MLflow
    with _taken_back(connection, name, "serverless", say), translated():
        connection.ml.serverless_endpoints.begin_create_or_update(endpoint).result()
    return find(connection, name)


def deploy_managed(connection: Connection, name: str, what: Deployable, say: Say) -> Found:
    """Makes a managed endpoint with one deployment, sends all traffic to it and waits; it is paid by the hour."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    _refuse_taken(connection, name)
    say("endpoint", f"making {name}, managed")
    with _taken_back(connection, name, "managed", say), translated():
        endpoint = ManagedOnlineEndpoint(name=name, auth_mode="key", tags=what.tags)
        connection.ml.online_endpoints.begin_create_or_update(endpoint).result()
        say("deployment", f"starting {what.instances} x {what.size}; minutes in Azure")
        connection.ml.online_deployments.begin_create_or_update(deployment(name, what)).result()
        made = connection.ml.online_endpoints.get(name)
        made.traffic = {DEPLOYMENT: 100}
        connection.ml.online_endpoints.begin_create_or_update(made).result()
    return find(connection, name)


def deployment(endpoint: str, what: Deployable) -> Any:
    """Builds the deployment: 90 s for an answer, and ten minutes for a model to load before it counts as dead."""
    from azure.ai.ml.entities import ManagedOnlineDeployment, OnlineRequestSettings, ProbeSettings

    return ManagedOnlineDeployment(
        name=DEPLOYMENT,
        endpoint_name=endpoint,
        model=what.model_id,
        instance_type=what.size,
        instance_count=what.instances,
        tags=what.tags,
        request_settings=OnlineRequestSettings(request_timeout_ms=_REQUEST_MS),
        liveness_probe=ProbeSettings(initial_delay=600, period=30, timeout=10, failure_threshold=10),
        readiness_probe=ProbeSettings(initial_delay=10, period=10, timeout=10, failure_threshold=30),
    )


def delete(connection: Connection, name: str, kind: str) -> None:
    """Deletes an endpoint with all that is behind it, and waits until it is gone."""
    operations = connection.ml.serverless_endpoints if kind == "serverless" else connection.ml.online_endpoints
    with translated():
        operations.begin_delete(name).result()


def key(connection: Connection, name: str, kind: str) -> str:
    """Fetches the endpoint's first key."""
    operations = connection.ml.serverless_endpoints if kind == "serverless" else connection.ml.online_endpoints
    with translated():
        return str(operations.get_keys(name).primary_key)


def logs(connection: Connection, name: str, lines: int) -> str:
    """Returns the end of a managed deployment's log."""
    with translated():
        return str(connection.ml.online_deployments.get_logs(DEPLOYMENT, name, lines))


def layout(connection: Connection, name: str) -> Layout:
    """Reads what stands behind a managed endpoint."""
    with translated():
        raw = connection.ml.online_endpoints.get(name)
        deployments = list(connection.ml.online_deployments.list(name))
    base = frozenset(one.name for one in deployments if "/registries/" in str(getattr(one.model, "id", one.model)))
    return Layout(frozenset(one.name for one in deployments), base, dict(raw.traffic or {}))


def _refuse_taken(connection: Connection, name: str) -> None:
    try:
        found = find(connection, name)
    except NotFoundError:
        return
    raise ConflictError(
        f"there is an endpoint {name} already ({found.kind}).", remedy="Take another name, or delete it first."
    )


@contextmanager
def _taken_back(connection: Connection, name: str, kind: str, say: Say) -> Iterator[None]:
    """Deletes an endpoint whose making failed or was interrupted; when even that fails, the error says what is left."""
    try:
        yield
    except BaseException as error:
        if not _exists(connection, name):
            raise
        say("endpoint", f"{name} did not come up; deleting it")
        try:
            delete(connection, name, kind)
        except PhiAzureError as second:
            error.args = (f"{error}\nThe endpoint {name} is left behind, because deleting it failed too: {second}",)
        raise


def _exists(connection: Connection, name: str) -> bool:
    try:
        find(connection, name)
    except NotFoundError:
        return False
    return True


def _managed(connection: Connection, name: str) -> Found:
    return _from_managed(connection.ml.online_endpoints.get(name))


def _from_managed(raw: Any) -> Found:
    return Found(
        raw.name, "managed", str(raw.scoring_uri or ""), _word(raw.provisioning_state), dict(raw.tags or {}), raw
    )


def _serverless(connection: Connection, name: str) -> Found:
    return _from_serverless(connection.ml.serverless_endpoints.get(name))


def _from_serverless(raw: Any) -> Found:
    state = _word(raw.provisioning_state)
    return Found(raw.name, "serverless", str(raw.scoring_uri or ""), state, dict(raw.tags or {}), raw)


def _word(state: Any) -> str:
    """Returns a state as Azure writes it: the client gives words of its own, some as enumerations."""
    return str(getattr(state, "value", state) or "").capitalize()
