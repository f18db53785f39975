"""What every route shares: how it is declared, what it is given, and how it says no."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from werkzeug.wrappers import Response

from phi_azure.emulator.clock import stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from werkzeug.wrappers import Request

    from phi_azure.emulator.app import Emulator

T = TypeVar("T")
PAGE = 100  # of jobs; how many Azure puts on a page is not documented
MANAGEMENT = "management.azure.com"
REGIONAL = "<region>.api.azureml.ms"
STORAGE = "<account>.blob.core.windows.net"

UNSERVED = "phi_azure.unserved"  # set in the environment of a request that the emulator does not know

SUBSCRIPTION = "/subscriptions/<subscription>"
PROVIDER = "/providers/Microsoft.MachineLearningServices"
WORKSPACE = f"{SUBSCRIPTION}/resourceGroups/<group>{PROVIDER}/workspaces/<workspace>"

_FIXED_SPELLING = {  # Azure compares these without letter case; routes are written in one
    "resourcegroups": "resourceGroups",
    "microsoft.machinelearningservices": "Microsoft.MachineLearningServices",
}


@dataclass(frozen=True)
class Route:
    """One request that the emulator serves: method, host, path, the api-versions it exists in, and who answers.

    An empty `versions` means that the request carries no api-version.
    """

    method: str
    host: str
    path: str
    answer: Callable[..., Response]
    versions: frozenset[str] = frozenset()


class WireError(Exception):
    """An answer other than success, in the form that Azure Resource Manager gives it."""

    def __init__(
        self, status: int, code: str, message: str, details: Sequence[tuple[str, str]] = (), inner: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.inner = inner

    def body(self, region: str, now: float) -> dict[str, Any]:
        """Returns the error document: code, message, details and where it came from."""
        info: list[dict[str, Any]] = [
            {"type": "ComponentName", "info": {"value": "managementfrontend"}},
            {
                "type": "Correlation",
                "info": {"value": {"operation": uuid.uuid4().hex, "request": uuid.uuid4().hex[:16]}},
            },
            {"type": "Environment", "info": {"value": region}},
            {"type": "Location", "info": {"value": region}},
            {"type": "Time", "info": {"value": stamp(now)}},
        ]
        if self.inner:
            info.append({"type": "InnerError", "info": {"value": {"code": self.inner, "innerError": None}}})
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "details": [
                    {"code": code, "message": message, "details": [], "additionalInfo": []}
                    for code, message in self.details
                ],
                "additionalInfo": info,
            }
        }


class DataPlaneError(WireError):
    """The same for run history and registry discovery, whose errors are wider.

    `form` is the message with names in braces, `inner` the codes from the outermost to the innermost, with slashes.
    """

    def __init__(self, status: int, form: str, inner: str, **parameters: str) -> None:
        super().__init__(status, "UserError", form.format(**parameters), inner=inner)
        self.form = form
        self.codes = inner.split("/")
        self.parameters = parameters

    def body(self, region: str, now: float) -> dict[str, Any]:
        """Returns the error document with its innerError chain."""
        chain: dict[str, Any] | None = None
        for code in reversed(self.codes):
            chain = {"code": code, "innerError": chain}
        return {
            "error": {
                "code": self.code,
                "severity": None,
                "message": self.message,
                "messageFormat": self.form,
                "messageParameters": self.parameters,
                "referenceCode": None,
                "detailsUri": None,
                "target": None,
                "details": [],
                "innerError": chain,
                "debugInfo": None,
                "additionalInfo": None,
            },
            "correlation": {"operation": uuid.uuid4().hex, "request": uuid.uuid4().hex[:16]},
            "environment": region,
            "location": region,
            "time": stamp(now),
            "componentName": "feedmanagement",
            "statusCode": self.status,
        }


class MlflowError(WireError):
    """The same as MLflow's REST API writes it."""

    def body(self, region: str, now: float) -> dict[str, Any]:  # noqa: ARG002 (the form of the other errors)
        """Returns {"error_code", "message"}."""
        return {"error_code": self.code, "message": self.message}


@dataclass(frozen=True)
class Scope:
    """The workspace that a request speaks of."""

    subscription: str
    group: str
    workspace: str

    @property
    def id(self) -> str:
        """The workspace's ARM id."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}{PROVIDER}/workspaces/{self.workspace}"

    @property
    def key(self) -> str:
        """The prefix of the keys of everything in the workspace."""
        return f"{self.subscription}/{self.group}/{self.workspace}/".lower()

    @property
    def guid(self) -> str:
        """The workspace's own id, the same each time for the same workspace."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self.key))


@dataclass(frozen=True)
class Call:
    """What a route is given: the emulator, the request, and the workspace when the path names one."""

    emulator: Emulator
    request: Request  # None in a job's own process, where nobody asked (see supervise.py)
    scope: Scope

    @property
    def now(self) -> float:
        """The emulator's time."""
        return self.emulator.clock.now()

    @property
    def api_version(self) -> str:
        """The api-version of the request; empty when a job's own process acts, without one."""
        return self.request.args.get("api-version", "") if self.request is not None else ""

    def json(self) -> dict[str, Any]:
        """Returns the body, which must be a JSON object."""
        try:
            body = json.loads(self.request.get_data() or b"null")
        except ValueError as error:
            raise WireError(400, "UserError", f"The request body is not valid JSON: {error}") from error
        if not isinstance(body, dict):
            raise WireError(400, "UserError", "The request body must be a JSON object.")
        return body


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Returns a JSON answer."""
    return Response(json.dumps(body), status=status, headers=headers, content_type="application/json; charset=utf-8")


def page(values: list[Any]) -> Response:
    """Returns a list as ARM pages it; everything fits on one page."""
    return answer({"value": values, "nextLink": None})


def page_of(call: Call, found: Sequence[T], show: Callable[[T], Any]) -> Response:
    """Returns one page of a list that may be long: the part after `$skip`, and the address of the next."""
    start = int(call.request.args.get("$skip") or 0)
    following = None
    if len(found) > start + PAGE:
        query = {**call.request.args.to_dict(), "$skip": str(start + PAGE)}
        following = f"https://{MANAGEMENT}{call.request.path}?{urlencode(query)}"
    return answer({"value": [show(one) for one in found[start : start + PAGE]], "nextLink": following})


def not_found(message: str, detail: tuple[str, str] | None = None) -> WireError:
    """Returns the error for what does not exist."""
    return WireError(404, "UserError", message, [detail] if detail else ())


def system_data(now: float, created: dict[str, Any] | None = None) -> dict[str, str]:
    """Returns who made a resource and when; `created` is the earlier systemData of one that is changed."""
    first = created or {}
    return {
        "createdAt": first.get("createdAt", stamp(now)),
        "createdBy": "phi_azure emulator",
        "createdByType": "User",
        "lastModifiedAt": stamp(now),
        "lastModifiedBy": "phi_azure emulator",
        "lastModifiedByType": "User",
    }


def spell(path: str) -> str:
    """Returns a path with the words that Azure compares without letter case written in the routes' way."""
    return "/".join(_FIXED_SPELLING.get(part.lower(), part) for part in path.split("/"))


def name_rule(kind: str, name: str, pattern: str, rule: str) -> None:
    """Refuses a name that the service would not take."""
    if not re.fullmatch(pattern, name):
        raise WireError(400, "UserError", f"The {kind} name '{name}' is invalid. {rule}", inner="BadArgument")
