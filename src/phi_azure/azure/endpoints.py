"""Serverless and managed online endpoints: made whole or not at all, looked up, asked, deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from azure.core.exceptions import ResourceNotFoundError

from phi_azure.azure import autoscale
from phi_azure.azure.failures import translated
from phi_azure.azure.order import OURS
from phi_azure.azure.transport import OutOfPatienceError
from phi_azure.errors import AzureError, ConflictError, NotFinished, NotFoundError, PhiAzureError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.azure.client import Connection

Say = Callable[[str, str], None]
Auth = Literal["key", "aad_token"]
"""A key of the endpoint's, or a token of Microsoft Entra, for whoever has the right to score."""
_PATIENCE_S = 5400.0
NAMES = ("blue", "green")
"""What deployments of ours are called."""


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
    most: int | None = None
    """Machines at most, where Azure is to add some while it is busy."""
    auth: Auth = "key"
    """What whoever asks has to show."""
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
    """Makes a serverless endpoint and waits until it answers; it is paid by the token and, tuned, by the hour.

    One of ours with the same model, which an interrupted call has left or which is up already, is taken up again.
    """
    from azure.ai.ml.entities import ServerlessEndpoint

    there = there_already(connection, name)
    if there is not None:
        refuse_others(there, "serverless", str(getattr(there.raw, "model_id", "")), what)
    say("endpoint", f"making {name}, serverless" if there is None else f"{name} is there; going on with it")
    endpoint = ServerlessEndpoint(name=name, model_id=what.model_id, auth_mode="key", tags=what.tags)
    endpoint.location = connection.region  # else the client asks for it in its own way, which imports MLflow
    with taken_back(connection, name, "serverless", say), waited_for(connection, f"serverless endpoint {name}"):
        connection.ml.serverless_endpoints.begin_create_or_update(endpoint).result()
    return find(connection, name)


def there_already(connection: Connection, name: str) -> Found | None:
    """Returns the endpoint of that name, if there is one."""
    try:
        return find(connection, name)
    except NotFoundError:
        return None


def refuse_others(there: Found, kind: str, model_id: str, what: Deployable) -> None:
    """Refuses to touch an endpoint of another kind, of somebody else, or, serverless, with another model."""
    if there.kind == kind and is_ours(there) and (kind == "managed" or model_id.lower() == what.model_id.lower()):
        return
    whose = there.kind if is_ours(there) else f"{there.kind}, not made by phi_azure"
    raise ConflictError(
        f"there is an endpoint {there.name} already ({whose}).",
        remedy=f"Take another name, such as {there.name}-2, or delete it first.",
    )


def is_ours(found: Found) -> bool:
    """Whether phi_azure made it."""
    return found.tags.get("phi_azure") == OURS["phi_azure"]


@contextmanager
def waited_for(connection: Connection, what: str) -> Iterator[None]:
    """Bounds the wait for a long operation of Azure's, and turns what ends it into our errors.

    Raises:
        NotFinished: Azure had not decided after an hour and a half; most are over after twenty minutes.
    """
    try:
        with connection.transport.patience(_PATIENCE_S), translated():
            yield
    except AzureError as error:
        if not isinstance(error.__cause__, OutOfPatienceError):
            raise
        raise NotFinished(
            f"{what}: after {_PATIENCE_S / 60:.0f} min Azure has neither finished nor refused it; it is stuck.",
            remedy="Look at the endpoint in the studio; if it cannot be deleted there, only Azure's support can.",
        ) from error


def delete(connection: Connection, name: str, kind: str) -> None:
    """Deletes an endpoint with all that is behind it, and waits until it is gone."""
    operations = connection.ml.serverless_endpoints if kind == "serverless" else connection.ml.online_endpoints
    scaled = kind != "serverless" and autoscale.TAG in (
        there.tags if (there := there_already(connection, name)) else {}
    )
    with translated():
        operations.begin_delete(name).result()
    for deployment in NAMES if scaled else ():
        autoscale.remove(connection, name, deployment)


def key(connection: Connection, name: str, kind: str) -> str:
    """Fetches the endpoint's first key, or a token of whoever is signed in where the endpoint takes those."""
    operations = connection.ml.serverless_endpoints if kind == "serverless" else connection.ml.online_endpoints
    with translated():
        found = operations.get_keys(name)
    return str(getattr(found, "primary_key", None) or found.access_token)


def logs(connection: Connection, name: str, deployment: str, lines: int, container: str | None = None) -> str:
    """Returns the end of a managed deployment's log: the server's, or that of `storage-initializer`."""
    with translated():
        said = connection.ml.online_deployments.get_logs(deployment, name, lines, container_type=container)
    return str(said)


def layout(connection: Connection, name: str) -> Layout:
    """Reads what stands behind a managed endpoint."""
    with translated():
        raw = connection.ml.online_endpoints.get(name)
        deployments = list(connection.ml.online_deployments.list(name))
    base = frozenset(one.name for one in deployments if "/registries/" in str(getattr(one.model, "id", one.model)))
    return Layout(frozenset(one.name for one in deployments), base, dict(raw.traffic or {}))


@contextmanager
def taken_back(connection: Connection, name: str, kind: str, say: Say) -> Iterator[None]:
    """Deletes an endpoint whose making failed or was interrupted; when even that fails, the error says what is left."""
    try:
        yield
    except BaseException as error:
        if there_already(connection, name) is None:
            raise
        say("endpoint", f"{name} did not come up; deleting it")
        try:
            delete(connection, name, kind)
        except PhiAzureError as second:
            error.args = (f"{error}\nThe endpoint {name} is left behind, because deleting it failed too: {second}",)
        raise


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
