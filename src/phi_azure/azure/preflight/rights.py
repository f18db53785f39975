"""Whether whoever is signed in may do every step, to the last: weighed as Azure weighs roles.

Actions and roles: Azure's built-in roles and `permissions - list for resource`, 2022-04-01 (read 2026-11).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from phi_azure.errors import RightsError
from phi_azure.preflight import Finding, failed, ok, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phi_azure.azure.preflight.account import Caller
    from phi_azure.azure.preflight.asking import Answer

_ML = "Microsoft.MachineLearningServices/workspaces"
SCIENTIST, OPERATOR = "AzureML Data Scientist", "AzureML Compute Operator"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"


@dataclass(frozen=True)
class Step:
    """Something that is done on the way, and what it needs."""

    name: str
    actions: tuple[str, ...]
    role: str = SCIENTIST
    blocks: bool = True


_UPLOAD = Step("upload", ("datastores/listSecrets/action", "data/versions/write"))
_CLUSTER = Step("make a cluster", ("computes/write",), OPERATOR)
_SUBMIT = Step("submit", ("jobs/write",))
_REGISTER = Step("register", ("models/versions/write",), blocks=False)
_MANAGED = ("write", "deployments/write", "listKeys/action", "delete")
_SERVERLESS = ("write", "listKeys/action", "delete")
_DEPLOY = {
    "managed": Step("deploy", tuple(f"onlineEndpoints/{what}" for what in _MANAGED), blocks=False),
    "serverless": Step("deploy", tuple(f"serverlessEndpoints/{what}" for what in _SERVERLESS), blocks=False),
}


def judge(permissions: Answer, caller: Caller, scope: str, *, cluster: bool, route: str) -> list[Finding]:
    """Says of each step whether it is allowed; `cluster`: one must be made; `route`: decides the kind of endpoint."""
    steps = [_UPLOAD, *([_CLUSTER] if cluster else []), _SUBMIT, _REGISTER, _DEPLOY[route]]
    if permissions.error:
        return [unknown("rights", f"what {caller.name} may do cannot be read: {permissions.reason}")]
    return [_judge(step, permissions.document, caller, scope) for step in steps]


def allowed(action: str, entries: Iterable[dict[str, Any]], *, data: bool = False) -> bool:
    """Tells whether one of the roles allows an action; what one role takes away another may give."""
    yes, no = ("dataActions", "notDataActions") if data else ("actions", "notActions")
    return any(_among(action, entry.get(yes)) and not _among(action, entry.get(no)) for entry in entries)


def _judge(step: Step, entries: list[dict[str, Any]], caller: Caller, scope: str) -> Finding:
    check = f"right to {step.name}"
    lacking = [f"{_ML}/{action}" for action in step.actions if not allowed(f"{_ML}/{action}", entries)]
    if not lacking:
        return ok(check, "allowed")
    message = f"{caller.name} may not {step.name}: {', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} missing."
    return failed(check, RightsError, message, grant(step.role, caller, scope), blocks=step.blocks)


def grant(role: str, caller: Caller, scope: str) -> str:
    """Returns the command that gives somebody a role."""
    who = caller.object_id or caller.name
    return f'Let an owner run: az role assignment create --assignee {who} --role "{role}" --scope {scope}'


def _among(action: str, patterns: list[str] | None) -> bool:
    return any(_pattern(pattern).fullmatch(action) for pattern in patterns or [])


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """Compiles a pattern of Azure's: `*` stands for anything, and `a/*/b` for `a/b` too."""
    return re.compile(re.escape(text).replace(r"/\*/", "/(?:.*/)?").replace(r"\*", ".*"), re.IGNORECASE)
