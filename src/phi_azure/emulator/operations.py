"""Long-running operations: accepted first, looked at while they go on, over at last."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from phi_azure.emulator.clock import TurnedClock, stamp
from phi_azure.emulator.wire import MANAGEMENT, PROVIDER, SUBSCRIPTION, Call, Route, Scope, answer, not_found

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.wrappers import Response

    from phi_azure.emulator.store import Document

    Settle = Callable[[Call, str], float | None]
    """Brings the resource of a key up to date; returns when by the emulator's clock it will be decided, if it waits."""
COMPUTE = "computeOperationsStatus"
MFE = "mfeOperationsStatus"
_VERSIONS = frozenset(
    {"2022-02-01-preview", "2023-04-01-preview", "2023-06-01-preview", "2023-08-01-preview", "2024-01-01-preview"}
)
_OPEN = "open operation"
_BRISK_LOOKS = 3
_PATIENT_LOOKS = 30  # without a turn of the clock in between: 0.3 s and more, for a test that turns it by hand
_FEW = 4  # clients at most that wait by one clock
_AZURES_PAUSE_MS = 15_000
_NEVER = "0001-01-01T00:00:00+00:00"  # what the service writes for an end that is still to come
_settlers: dict[str, Settle] = {}


def settles(kind: str) -> Callable[[Settle], Settle]:
    """Names the function that brings a kind of resource up to date when its operation is looked at."""

    def remember(settle: Settle) -> Settle:
        _settlers[kind] = settle
        return settle

    return remember


def start(call: Call, kind: str, key: str, *, verb: str, service: str = MFE, prefix: str = "") -> dict[str, str]:
    """Opens an operation on a resource; returns the headers that lead the client to it.

    Without a pause header the client waits 30 s between looks (the real service sends none); here it is asked to look
    again soon.
    """
    emulator = call.emulator
    name = prefix + str(uuid.uuid4())
    document = {"name": name, "status": verb, "start": call.now, "end": None, "kind": kind, "key": key, "looks": 0}
    document |= {"seen": call.now, "pause": emulator.pause_ms}
    with emulator.store.transaction():
        emulator.store.put("operation", name, document)
        emulator.store.put(_OPEN, f"{kind}/{key}/{name}", {"name": name})
    version = call.request.args.get("api-version", "")
    subscription = f"https://{MANAGEMENT}/subscriptions/{call.scope.subscription}"
    url = f"{subscription}{PROVIDER}/locations/{emulator.region}/{service}/{name}?api-version={version}"
    pause = {"x-ms-retry-after-ms": str(emulator.pause_ms)}
    if service == COMPUTE:
        return {"Azure-AsyncOperation": f"{url}&service=new"} | pause
    return {"Azure-AsyncOperation": url, "x-ms-async-operation-timeout": "PT30M"} | pause


def begin_delete(call: Call, kind: str, key: str, *, service: str = MFE, prefix: str = "") -> Response:
    """Begins to take a resource away; one that is not there answers 204."""

    def mark(document: Document) -> None:
        states = {"provisioningState", "endpointState"} & document["properties"].keys()
        document["properties"].update(dict.fromkeys(states, "Deleting"))

    if call.emulator.store.change(kind, key, mark) is None:
        return answer(None, 204)
    verb = "InProgress" if service == COMPUTE else "Updating"
    headers = start(call, kind, key, verb=verb, service=service, prefix=prefix)
    if service == MFE:
        headers["Location"] = headers["Azure-AsyncOperation"].replace(MFE, "mfeOperationResults")
    return answer(None, 202, headers)


def oeid(scope: Scope) -> str:
    """Returns the beginning of the id of an online endpoint's operation."""
    return f"oeidp:{scope.guid}:"


def odid(scope: Scope) -> str:
    """Returns the beginning of the id of an online deployment's operation."""
    return f"odidp:{scope.guid}:"


def finish(call: Call, kind: str, key: str, error: tuple[str, str] | None = None) -> None:
    """Ends the operations that go on for a resource, well or with (code, message)."""
    store = call.emulator.store
    changes = {
        "status": "Failed" if error else "Succeeded",
        "end": call.now,
        "error": {"code": error[0], "message": error[1]} if error else None,
    }
    with store.transaction():
        for name in _open(call, kind, key):
            store.change("operation", name, lambda operation: operation.update(changes))
            store.delete(_OPEN, f"{kind}/{key}/{name}")


def look(call: Call, kind: str, key: str) -> None:
    """Counts a look at a resource; from the second on, one that is ready to change does."""
    for name in _open(call, kind, key):
        operation = call.emulator.store.get("operation", name)
        if operation:
            _look(call, operation)


def _open(call: Call, kind: str, key: str) -> list[str]:
    """Returns the names of the operations that go on for a resource; all that ever were may be many."""
    return [entry["name"] for entry in call.emulator.store.find(_OPEN, f"{kind}/{key}/")]


def get_operation(call: Call, region: str, service: str, operation: str) -> Response:
    """Answers how an operation stands; the first look finds it still going on."""
    store = call.emulator.store
    document = store.get("operation", operation)
    if document is None:
        raise not_found(f"Operation {operation} not found in {region}.")
    due = _look(call, document)
    document = store.get("operation", operation) or document
    body = _compute_status(document) if service == COMPUTE else _mfe_status(call, document, service)
    return answer(body, headers={} if document["end"] else _come_again(call, document, due))


def _come_again(call: Call, operation: Document, due: float | None) -> dict[str, str]:
    """Returns the header that asks a client to wait, and lets a turned clock go on for one that waits in real time."""
    pause, now = _pause_ms(call, operation), call.now
    call.emulator.store.change("operation", operation["name"], lambda doc: doc.update(seen=now, pause=pause))
    if due is not None:
        call.emulator.clock.look(operation["name"], due, _PATIENT_LOOKS)
    return {"x-ms-retry-after-ms": str(pause)}


def _pause_ms(call: Call, operation: Document) -> int:
    """Returns how long a client is to wait: as on Azure once it is clear that its waiting turns the clock."""
    passed = (call.now - operation["seen"]) * 1000
    waits = isinstance(call.emulator.clock, TurnedClock) and 0 < passed <= _FEW * operation["pause"]
    return _AZURES_PAUSE_MS if waits and operation["looks"] > _BRISK_LOOKS else call.emulator.pause_ms


def _look(call: Call, operation: Document) -> float | None:
    due = None
    if operation["end"] is None and operation["looks"] > 0 and not call.emulator.store.shows_past:
        due = _settlers[operation["kind"]](call, operation["key"])
    call.emulator.store.change("operation", operation["name"], _count_look)
    return due


def _count_look(operation: Document) -> None:
    operation["looks"] += 1


def _compute_status(document: Document) -> dict[str, Any]:
    if document["end"] is None:
        return {"status": "InProgress"}
    if document["status"] == "Succeeded":
        return {"status": "Succeeded", "percentComplete": 100.0}
    return {"status": document["status"], "error": document["error"]}


def _mfe_status(call: Call, document: Document, service: str) -> dict[str, Any]:
    name = document["name"]
    body = {
        "id": f"/subscriptions/{call.scope.subscription}{PROVIDER}/locations/{call.emulator.region}/{service}/{name}",
        "name": name,
        "startTime": stamp(document["start"]),
        "endTime": stamp(document["end"]) if document["end"] else _NEVER,
        "percentComplete": 0.0,
        "status": document["status"],
    }
    if document.get("error"):
        body["error"] = document["error"]
    return body


ROUTES = [
    Route(
        "GET",
        MANAGEMENT,
        f"{SUBSCRIPTION}{PROVIDER}/locations/<region>/<any({COMPUTE}, {MFE}):service>/<operation>",
        get_operation,
        _VERSIONS,
    )
]
