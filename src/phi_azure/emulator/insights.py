"""Autoscale settings of Azure Monitor: put, read, listed, deleted. Nothing is scaled: nobody is busy here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure.emulator.shapes import ANYTHING, FLAG, TEXT, TEXTS, Object, require
from phi_azure.emulator.wire import MANAGEMENT, Call, Route, answer, not_found

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from phi_azure.emulator.store import Document

_VERSIONS = frozenset({"2022-10-01"})
_GROUP = "/subscriptions/<subscription>/resourceGroups/<group>/providers/microsoft.insights/autoscalesettings"
_KIND = "autoscale"
_BODY = Object(
    "AutoscaleSettingResource",
    {
        "location": TEXT,
        "tags": TEXTS,
        "properties": Object(
            "AutoscaleSetting",
            {
                "enabled": FLAG,
                "name": TEXT,
                "targetResourceUri": TEXT,
                "targetResourceLocation": TEXT,
                "profiles": ANYTHING,
                "notifications": ANYTHING,
                "predictiveAutoscalePolicy": ANYTHING,
            },
            frozenset({"profiles"}),
        ),
    },
    frozenset({"location", "properties"}),
)


def put(call: Call, name: str) -> Response:
    """Keeps the settings of one deployment."""
    body = call.json()
    require(_BODY, body)
    key = _key(call, name)
    is_new = call.emulator.store.get(_KIND, key) is None
    call.emulator.store.put(_KIND, key, {"name": name, **body})
    return answer(_shown(call, {"name": name, **body}), 201 if is_new else 200)


def get(call: Call, name: str) -> Response:
    """Answers them."""
    found = call.emulator.store.get(_KIND, _key(call, name))
    if found is None:
        raise not_found(f"The Resource 'microsoft.insights/autoscalesettings/{name}' was not found.")
    return answer(_shown(call, found))


def list_settings(call: Call) -> Response:
    """Answers all of a resource group."""
    found = call.emulator.store.find(_KIND, _key(call, ""))
    return answer({"value": [_shown(call, one) for one in found]})


def delete(call: Call, name: str) -> Response:
    """Forgets them; 204 where there were none."""
    there = call.emulator.store.get(_KIND, _key(call, name))
    if there is None:
        return answer({}, 204)
    call.emulator.store.delete(_KIND, _key(call, name))
    return answer({})


def _key(call: Call, name: str) -> str:
    return f"{call.scope.subscription}/{call.scope.group}/{name}".lower()


def _shown(call: Call, found: Document) -> Document:
    group = f"/subscriptions/{call.scope.subscription}/resourceGroups/{call.scope.group}"
    address = f"{group}/providers/microsoft.insights/autoscalesettings/{found['name']}"
    return {"id": address, "type": "Microsoft.Insights/autoscaleSettings", **found}


ROUTES = [
    Route("PUT", MANAGEMENT, f"{_GROUP}/<name>", put, _VERSIONS),
    Route("GET", MANAGEMENT, f"{_GROUP}/<name>", get, _VERSIONS),
    Route("GET", MANAGEMENT, _GROUP, list_settings, _VERSIONS),
    Route("DELETE", MANAGEMENT, f"{_GROUP}/<name>", delete, _VERSIONS),
]
