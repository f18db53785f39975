"""The emulator: one WSGI application that answers for Azure ML, with its state in one folder."""

from __future__ import annotations

import contextlib
import json
import re
from collections import deque
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request

from phi_azure.emulator import (
    access,
    assets,
    components,
    computes,
    endpoints,
    environments,
    history,
    identity,
    insights,
    jobs,
    neighbours,
    operations,
    registry,
    schedules,
    serverless,
    storage,
    tracking,
    workspaces,
)
from phi_azure.emulator.access import Access
from phi_azure.emulator.blobs import Blobs
from phi_azure.emulator.clock import Clock, WorldClock
from phi_azure.emulator.faults import Cut, Faults
from phi_azure.emulator.network import is_telemetry
from phi_azure.emulator.store import Store
from phi_azure.emulator.wire import MANAGEMENT, UNSERVED, Call, Route, Scope, WireError, answer, spell
from phi_azure.emulator.workspaces import bare

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from werkzeug.wrappers import Response

    from phi_azure.emulator.faults import Fault
    from phi_azure.emulator.references import Place, RegistryEntry
    from phi_azure.emulator.runners import Runner

PHI_TINY = (
    Path(__file__).parents[1] / "engine" / "phi_tiny" / "weights"
)  # files that ship with the package, not an import
ROUTES: list[Route] = [
    route
    for module in (
        identity,
        access,
        neighbours,
        workspaces,
        operations,
        computes,
        storage,
        assets,
        components,
        environments,
        registry,
        jobs,
        schedules,
        history,
        tracking,
        endpoints,
        serverless,
        insights,
    )
    for route in module.ROUTES
]
_OPEN = frozenset({identity.LOGIN, identity.IMDS})  # hosts that give tokens and ask for none
_OPEN_PATHS = frozenset({"/discovery", "/metadata/endpoints"})  # read by anybody, before a token is at hand
_KEPT_BODY = 1 << 20  # bytes of a body that the request log keeps
_SECRET_VALUES = re.compile(rb'("(?:keyValue|adminUserPassword)"\s*:\s*)"(?:[^"\\]|\\.)*"')  # members of a JSON body
_SECRET_HEADERS = frozenset({"authorization", "api-key", "x-ms-copy-source-authorization"})


@dataclass(frozen=True)
class Recorded:
    """One request that the emulator answered; keys, tokens and signatures are left out."""

    method: str
    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    status: int
    """Of the answer; 0 where the connection broke before one."""
    fault: str | None = None
    """The fault that happened to it."""

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Emulator:
    """Azure ML for one person: a WSGI application on the state in a folder.

    Args:
        state: the folder; made if absent. Whoever opens it again finds everything as it was left.
        runner: who trains and serves.
        clock: the time by which jobs are stamped.
        region: where the workspace is.
        weights: folders with real model weights by model name; phi-tiny stands in for every other Phi.
        quota: vCPUs of a machine family that may be used; 200 where nothing is said.
        access: who calls, and what he may do; None may do all.
        workspaces: the workspaces that there are, with their kind; None takes any name for one.
        foundry: Foundry projects in the resource group, as account/project.
        archived: versions of registry models that are archived, as name:version.
        pause_ms: how long clients are asked to wait between looks at an operation.
        lasting: whether the state is to survive a power cut; without, nothing waits for the disk.
    """

    account = "phiazureemulator"  # 3 to 24 lower-case letters and digits, as storage accounts are named

    def __init__(
        self,
        state: Path,
        runner: Runner | None = None,
        *,
        clock: Clock | None = None,
        region: str = "eastus2",
        weights: Mapping[str, Path] | None = None,
        quota: Mapping[str, int] | None = None,
        access: Access | None = None,
        workspaces: Mapping[str, str] | None = None,
        foundry: Sequence[str] = (),
        archived: Sequence[str] = (),
        pause_ms: int = 10,
        lasting: bool = True,
    ) -> None:
        self.store = Store(state, lasting=lasting)
        self.blobs = Blobs(self.store)
        self.clock = clock or WorldClock()
        self.region = region
        self.weights = {name.lower(): Path(folder) for name, folder in (weights or {}).items()}
        self.quota = dict(quota or {})
        self.access = access or Access()
        self.workspaces = None if workspaces is None else dict(workspaces)
        self.foundry = tuple(foundry)
        self.archived = frozenset(one.lower() for one in archived)
        self.pause_ms = pause_ms
        self.started = self.clock.now()
        self.requests: deque[Recorded] = deque(maxlen=10_000)
        self.unserved: list[str] = []
        self.faults = Faults(ROUTES, self.clock, region)
        if runner is None:
            from phi_azure.emulator.scripted import ScriptedRunner

            runner = ScriptedRunner()
        self.runner: Runner = runner
        self._remember()
        self._map = _url_map()

    @classmethod
    def of_state(cls, state: Path, runner: Runner | None = None) -> Emulator:
        """Opens the state that another process works on; without a runner, without a hand in its jobs."""
        known = Store(state)
        settings = known.get("settings", "emulator") or {}
        known.close()
        return cls(state, runner, region=settings.get("region", "eastus2"), weights=settings.get("weights"))

    def _remember(self) -> None:
        """Keeps what the supervisors of jobs must know too."""
        weights = {name: str(folder.resolve()) for name, folder in self.weights.items()}
        before = self.store.get("settings", "emulator") or {}
        settings = {"region": self.region, "weights": before.get("weights", {}) | weights}
        self.weights = {name: Path(folder) for name, folder in settings["weights"].items()}
        if settings != before:
            self.store.put("settings", "emulator", settings)

    def close(self) -> None:
        """Ends what must not outlive the emulator, and closes its state."""
        self.runner.close()
        self.store.close()

    # What routes ask for

    def quota_of(self, family: str) -> tuple[str, int] | None:
        """Returns what was set for a family of machines, under the name it was set by; None where nothing was."""
        wanted = bare(family)
        return next(((name, limit) for name, limit in self.quota.items() if bare(name) == wanted), None)

    def weights_of(self, model: str) -> tuple[Path, str]:
        """Returns the folder whose files stand for a registry model, and a word about what they are."""
        given = self.weights.get(model.lower())
        if given:
            return given, f"weights from {given}"
        return PHI_TINY, f"phi-tiny, a model of 1.6 million parameters that stands in for {model}"

    def registry_model(self, entry: RegistryEntry) -> Place | None:
        """Returns where the files of a registry model lie."""
        return registry.model_place(entry)

    def registry_files(self, container: str) -> None:
        """Sees to it that the files of a registry model are there."""
        registry.lay_out(self, container)

    # WSGI

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        request = Request(environ)
        fault = self._fault(request)
        try:
            response = self.faults.answer(fault, request, self.store, self._answer) if fault else self._answer(request)
        except Cut:
            self._record(request, 0, fault)
            raise
        if request.host.endswith(".blob.core.windows.net"):
            response.headers["x-ms-version"] = request.headers.get("x-ms-version", storage.VERSION)
        self._record(request, response.status_code, fault)
        return response(environ, start_response)

    def _fault(self, request: Request) -> Fault | None:
        """Returns the fault that shall happen to a request; what no route knows has none."""
        if not self.faults.queued:
            return None
        adapter = self._map.bind(request.host.partition(":")[0].lower(), url_scheme="https")
        with contextlib.suppress(HTTPException):
            route: Route = adapter.match(spell(request.path), method=request.method)[0]
            return self.faults.meet(request, route)
        return None

    def _answer(self, request: Request) -> Response:
        host = request.host.partition(":")[0].lower()
        if is_telemetry(host):
            return answer({"itemsReceived": 1, "itemsAccepted": 1, "errors": []})
        if host == identity.IMDS and request.path.startswith("/metadata/instance/"):
            # Azure's client asks it in a notebook, for its telemetry: on which machine of Azure does it run? On none.
            return answer({"error": "not found"}, 404)
        scope = Scope("", "", "")
        try:
            route, arguments = self._route(request, host)
            scope = Scope(*(arguments.pop(name, "") for name in ("subscription", "group", "workspace")))
            if "registry" in arguments:
                scope = Scope("", "", "")
            call = Call(self, request, scope)
            self._check_version(route, request)
            if (
                host not in _OPEN
                and (host == MANAGEMENT or host.endswith(".api.azureml.ms"))
                and request.path not in _OPEN_PATHS
            ):
                identity.require_bearer(call)
                if host == MANAGEMENT:
                    access.require(call, spell(request.path))
                if scope.workspace:
                    workspaces.require_workspace(call)
                    schedules.come_due(call)
            return route.answer(call, **arguments)
        except WireError as error:
            return answer(error.body(self.region, self.clock.now()), error.status)
        except storage.StorageError as error:
            return error.response(head=request.method == "HEAD")

    def _route(self, request: Request, host: str) -> tuple[Route, dict[str, Any]]:
        path = spell(request.path)
        adapter = self._map.bind(host, url_scheme="https")
        try:
            rule, arguments = adapter.match(path, method=request.method, return_rule=True)
        except MethodNotAllowed as error:
            raise self._refusal(request, f"method {request.method}") from error
        except NotFound as error:
            raise self._refusal(request, "route") from error
        except HTTPException as error:  # a redirect that werkzeug would propose: not one of Azure's
            raise self._refusal(request, "route") from error
        route: Route = rule.endpoint
        return route, dict(arguments)

    def _refusal(self, request: Request, what: str) -> WireError:
        """Returns the error for what the emulator does not know, and keeps it: a test ends with it."""
        said = _said(request)
        self._note_unserved(request, said)
        return WireError(501, "NotImplementedByEmulator", f"The emulator does not know the {what} of {said}")

    def _check_version(self, route: Route, request: Request) -> None:
        """Refuses as Azure does an api-version that is not served here, and keeps it: a test ends with it."""
        version = request.args.get("api-version", "")
        if route.versions and version not in route.versions:
            known = ", ".join(sorted(v for v in route.versions if v)) or "none"
            self._note_unserved(request, f"{_said(request)} (served: {known})")
            raise WireError(
                400,
                "InvalidApiVersionParameter",
                f"The api-version '{version}' is not one that the emulator serves for {request.method} {request.path}; "
                f"it serves: {known}.",
            )

    def _note_unserved(self, request: Request, said: str) -> None:
        self.unserved.append(said)
        request.environ[UNSERVED] = True

    def _record(self, request: Request, status: int, fault: Fault | None) -> None:
        kept = b""
        length = request.content_length or 0
        if length <= _KEPT_BODY and not request.host.endswith(".blob.core.windows.net"):
            kept = _SECRET_VALUES.sub(rb'\1"***"', request.get_data())
        headers = {k: v for k, v in request.headers if k.lower() not in _SECRET_HEADERS}
        query = {k: v for k, v in request.args.items() if k != "sig"}
        host = request.host.partition(":")[0].lower()
        if host == identity.LOGIN:
            kept = b""  # a client secret
        name = fault.name if fault else None
        self.requests.append(Recorded(request.method, host, request.path, query, headers, kept, status, name))


def _said(request: Request) -> str:
    version = request.args.get("api-version", "")
    return f"{request.method} https://{request.host}{request.path}" + (f"?api-version={version}" if version else "")


@cache
def _url_map() -> Map:
    """Returns the routes, compiled once in a process: that takes longer than all else in opening an emulator."""
    rules = [Rule(route.path, endpoint=route, methods=[route.method], host=route.host) for route in ROUTES]
    return Map(rules, host_matching=True, strict_slashes=False, merge_slashes=False)
