"""Who may do what: sign-in, tenant, roles as Azure's access control weighs them, and the permissions API.

The action of a request follows from its path and method, as Azure names its operations: PUT on
`workspaces/w/models/m/versions/1` needs `Microsoft.MachineLearningServices/workspaces/models/versions/write`. Requests
to the data planes (`*.api.azureml.ms`) are not weighed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from phi_azure.emulator.identity import read_token
from phi_azure.emulator.wire import MANAGEMENT, SUBSCRIPTION, WORKSPACE, Call, Route, WireError, answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Response

    from phi_azure.emulator.store import Document

Storage = Literal["keys", "identity", "refused"]
OWNER, CONTRIBUTOR, READER = "Owner", "Contributor", "Reader"
DATA_SCIENTIST, COMPUTE_OPERATOR = "AzureML Data Scientist", "AzureML Compute Operator"
AI_DEVELOPER, BLOB_CONTRIBUTOR, BLOB_READER = (
    "Azure AI Developer",
    "Storage Blob Data Contributor",
    "Storage Blob Data Reader",
)
_ML = "Microsoft.MachineLearningServices"
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
_EVERYTHING_IN_IT = tuple(f"{_ML}/workspaces/*/{verb}" for verb in ("read", "action", "delete", "write"))
_NOT_THE_WORKSPACE = tuple(
    f"{_ML}/workspaces/{action}"
    for action in (
        *("delete", "write", "listKeys/action"),
        *("hubs/write", "hubs/delete", "featurestores/write", "featurestores/delete"),
    )
)
_VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}


@dataclass(frozen=True)
class Role:
    """What one built-in role allows, as Azure publishes it (2024-12-12)."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()


ROLES: Mapping[str, Role] = {
    OWNER: Role(("*",)),
    CONTRIBUTOR: Role(
        ("*",), tuple(f"Microsoft.Authorization/{part}" for part in ("*/Delete", "*/Write", "elevateAccess/Action"))
    ),
    READER: Role(("*/read",)),
    DATA_SCIENTIST: Role(
        _EVERYTHING_IN_IT,
        (
            *_NOT_THE_WORKSPACE,
            *(f"{_ML}/workspaces/computes/{what}" for what in ("*/write", "*/delete", "listKeys/action")),
        ),
    ),
    COMPUTE_OPERATOR: Role((f"{_ML}/workspaces/computes/*", f"{_ML}/workspaces/notebooks/vm/*")),
    AI_DEVELOPER: Role(
        (
            *_EVERYTHING_IN_IT,
            f"{_ML}/locations/*/read",
            "Microsoft.Authorization/*/read",
            "Microsoft.Resources/deployments/*",
        ),
        _NOT_THE_WORKSPACE,
    ),
    BLOB_CONTRIBUTOR: Role(data_actions=(f"{_BLOBS}/*",)),
    BLOB_READER: Role(data_actions=(f"{_BLOBS}/read",)),
}


@dataclass(frozen=True)
class Access:
    """How the person who calls stands with Azure."""

    signed_in: bool = True
    """False: nobody gets a token."""
    tenant: str | None = None
    """The tenant that the subscription trusts; None trusts all."""
    roles: tuple[str, ...] = (OWNER, BLOB_CONTRIBUTOR)
    denied: tuple[str, ...] = ()
    """Actions taken out of every role, as a custom role's notActions do."""
    storage: Storage = "keys"
    """How blobs are reached: with keys, with one's own identity, or with keys that the account refuses."""

    def __post_init__(self) -> None:
        """Refuses a role that Azure does not have."""
        unknown = [role for role in self.roles if role not in ROLES]
        if unknown:
            raise ValueError(f"the emulator does not know the role {unknown[0]!r}; it knows {', '.join(ROLES)}")

    def granted(self) -> list[Role]:
        """Returns what the roles allow."""
        roles = [ROLES[name] for name in self.roles]
        return [replace(role, not_actions=(*role.not_actions, *self.denied)) for role in roles]

    def allows(self, action: str) -> bool:
        """Tells whether one of the roles allows an action."""
        return any(_among(action, role.actions) and not _among(action, role.not_actions) for role in self.granted())

    def allows_data(self, action: str) -> bool:
        """Tells whether one of the roles allows something with the content of blobs."""
        return any(_among(f"{_BLOBS}/{action}", role.data_actions) for role in self.granted())


def require(call: Call, path: str) -> None:
    """Refuses a token of another tenant, and what the roles do not allow."""
    token = call.request.headers.get("Authorization", "").partition(" ")[2]
    claims = read_token(token) or {}
    access = call.emulator.access
    if access.tenant and claims.get("tid") != access.tenant:
        raise WireError(
            401,
            "InvalidAuthenticationTokenTenant",
            f"The access token is from the wrong issuer 'https://sts.windows.net/{claims.get('tid')}/'. It must match "
            f"the tenant 'https://sts.windows.net/{access.tenant}/' associated with this subscription. Please use the "
            f"authority (URL) 'https://login.windows.net/{access.tenant}' to get the token.",
        )
    action = action_of(call.request.method, path)
    if action and not access.allows(action):
        raise WireError(
            403,
            "AuthorizationFailed",
            f"The client '{claims.get('name')}' with object id '{claims.get('oid')}' does not have authorization to "
            f"perform action '{action}' over scope '{path}' or the scope is invalid. If access was recently granted, "
            "please refresh your credentials.",
        )


def action_of(method: str, path: str) -> str | None:
    """Returns the operation that a request is, as roles name it; None for a path that belongs to no provider."""
    _, found, below = path.rpartition("/providers/")
    provider, *parts = below.split("/")
    if not found:
        return None
    if not parts or provider == "Microsoft.Authorization":  # everybody may ask what he may
        return None
    if len(parts) > 1 and "operationsstatus" in parts[-2].lower():
        return None  # whoever began something may look how it goes
    kinds = "/".join(parts[::2])
    return f"{provider}/{kinds}/{'action' if method == 'POST' else _VERBS[method]}"


def permissions(call: Call, **_: str) -> Response:
    """Answers what the caller may do there, one entry a role."""
    return answer({"value": [_entry(role) for role in call.emulator.access.granted()], "nextLink": None})


def _entry(role: Role) -> Document:
    entry: dict[str, Any] = {
        "actions": list(role.actions),
        "notActions": list(role.not_actions),
        "dataActions": list(role.data_actions),
        "notDataActions": [],
    }
    return entry


def _among(action: str, patterns: tuple[str, ...]) -> bool:
    return any(_pattern(pattern).fullmatch(action) for pattern in patterns)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """Compiles a pattern of Azure's: `*` stands for anything, and `a/*/b` for `a/b` too."""
    return re.compile(re.escape(text).replace(r"/\*/", "/(?:.*/)?").replace(r"\*", ".*"), re.IGNORECASE)


_VERSIONS = frozenset({"2022-04-01"})
_ACCOUNT = f"{SUBSCRIPTION}/resourceGroups/<group>/providers/Microsoft.Storage/storageAccounts/<account>"
_ASKED = "/providers/Microsoft.Authorization/permissions"
ROUTES = [
    Route("GET", MANAGEMENT, f"{WORKSPACE}{_ASKED}", permissions, _VERSIONS),
    Route("GET", MANAGEMENT, f"{_ACCOUNT}{_ASKED}", permissions, _VERSIONS),
]
