"""What else lies in the workspace's resource group: other workspaces, and Foundry projects, which are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure.emulator.wire import MANAGEMENT, SUBSCRIPTION, Call, Route, page

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from phi_azure.emulator.store import Document

_VERSIONS = frozenset({"2021-04-01"})
_ML = "Microsoft.MachineLearningServices/workspaces"
_FOUNDRY = "Microsoft.CognitiveServices/accounts"


def list_resources(call: Call, **_: str) -> Response:
    """Answers the resources of a group."""
    emulator = call.emulator
    found = [_resource(call, _ML, name, kind) for name, kind in (emulator.workspaces or {}).items()]
    accounts = dict.fromkeys(one.partition("/")[0] for one in emulator.foundry)
    found += [_resource(call, _FOUNDRY, account, "AIServices") for account in accounts]
    projects = [one for one in emulator.foundry if "/" in one]
    found += [_resource(call, f"{_FOUNDRY}/projects", project, "AIServices") for project in projects]
    return page(found)


def _resource(call: Call, kind_of_resource: str, name: str, kind: str) -> Document:
    provider, *types = kind_of_resource.split("/")
    path = "/".join(part for pair in zip(types, name.split("/"), strict=True) for part in pair)
    return {
        "id": f"/subscriptions/{call.scope.subscription}/resourceGroups/{call.scope.group}/providers/{provider}/{path}",
        "name": name,
        "type": kind_of_resource,
        "kind": kind,
        "location": call.emulator.region,
    }


ROUTES = [Route("GET", MANAGEMENT, f"{SUBSCRIPTION}/resourceGroups/<group>/resources", list_resources, _VERSIONS)]
