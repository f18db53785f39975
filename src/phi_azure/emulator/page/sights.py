"""What the page shows, read from the emulator's state as plain values; keys are in none of them."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any

from phi_azure.emulator import ledger, runs
from phi_azure.emulator.wire import Call, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from phi_azure.emulator.app import Emulator
    from phi_azure.emulator.ledger import Entry
    from phi_azure.emulator.store import Document

_MOST_JOBS = 200
_CURVE_POINTS = 500  # about as many as a curve has pixels
_SPARK_POINTS = 40
_MODEL = re.compile(r"/models/([^/]+)/(?:versions|labels)/([^/]+)/?$")
_LOSS = "loss"


def overview(emulator: Emulator) -> Document:
    """Returns everything but what stands on a job's own page."""
    jobs = emulator.store.find("job")
    now, bill = emulator.clock.now(), ledger.entries(emulator)
    running = [entry for entry in bill if entry.until is None]
    own = _runs_by_job(emulator)
    return {
        "now": now,
        "region": emulator.region,
        "runner": emulator.runner.name,
        "state": str(emulator.store.folder),
        "usd_per_hour": _sum(running, lambda entry: entry.usd_per_hour or 0.0),
        "jobs": [_line(emulator, job, own.get(_key(job), [])) for job in jobs[:_MOST_JOBS]],
        "job_count": len(jobs),
        "models": [_model(document) for document in emulator.store.find("models")],
        "endpoints": [*_managed(emulator, bill), *_serverless(emulator, bill)],
        "clusters": [_cluster(document, bill, now) for document in emulator.store.find("compute")],
    }


def job(emulator: Emulator, name: str, workspace: str | None, points: int) -> Document | None:
    """Returns one job: its steps, settings and curves; no curves where `points` says that the caller has them all."""
    document = _find(emulator, name, workspace)
    if document is None:
        return None
    _bring_up_to_date(emulator, document)
    own = _runs_by_job(emulator).get(_key(document), [])
    line = _line(emulator, document, own)
    key = _key(document)
    logged = emulator.store.metrics(key)
    store = emulator.store
    return line | {
        "now": emulator.clock.now(),
        "description": document["body"].get("description"),
        "params": store.labels(key, "param"),
        "tags": store.labels(key, "tag"),
        "points": len(logged),
        "curves": None if len(logged) == points else _curves(logged),
        "usd": _sum(_of_job(emulator, document), lambda entry: entry.cost(emulator.clock.now())),
    }


def log(emulator: Emulator, name: str, step: str, workspace: str | None, start: int, most: int) -> Document | None:
    """Returns the next piece of a log; below 0 the start is at most one piece before the end."""
    document = _find(emulator, name, workspace)
    own = _runs_by_job(emulator).get(_key(document), []) if document else []
    run = next((run for run in own if run["id"] == step), own[0] if own and not step else None)
    if run is None:
        return None
    path = runs.log_path(emulator.store, run)
    size = path.stat().st_size if path.exists() else 0
    first = max(0, size - most) if start < 0 else min(start, size)
    if first == size:
        return {"from": first, "next": size, "size": size, "text": ""}
    with path.open("rb") as file:
        file.seek(first)
        data = file.read(most)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data)
    following = first + len(data) - len(decoder.getstate()[0])  # a sign of which half has come waits for the rest
    return {"from": first, "next": following, "size": size, "text": text}


# Jobs


def _find(emulator: Emulator, name: str, workspace: str | None) -> Document | None:
    """Returns the newest job of a name, of a workspace (its ARM id) where one is named."""
    same = [job for job in emulator.store.find("job") if job["name"].lower() == name.lower()]
    ids = [job for job in same if workspace and Scope(*job["scope"]).id.lower() == workspace.lower()]
    return next(iter(ids or same), None)


def _bring_up_to_date(emulator: Emulator, document: Document) -> None:
    """Finds an engine's job whose process was killed; a scripted one moves on when a client looks, not for us."""
    if emulator.runner.name == "engine":
        emulator.runner.settle_job(Call(emulator, None, Scope(*document["scope"])), document)  # type: ignore[arg-type]


def _key(document: Document) -> str:
    return (Scope(*document["scope"]).key + str(document["name"])).lower()


def _runs_by_job(emulator: Emulator) -> dict[str, list[Document]]:
    """Returns each job's own run, then its steps in their order."""
    found: dict[str, list[Document]] = {}
    for run in reversed(emulator.store.find("run")):
        place = found.setdefault((run["prefix"] + run["root"]).lower(), [])
        if run["parent"] is None:
            place.insert(0, run)
        elif run["step"]:
            place.append(run)
    return found


def _line(emulator: Emulator, document: Document, own: list[Document]) -> Document:
    run = own[0] if own else {}
    scope = Scope(*document["scope"])
    return {
        "name": document["name"],
        "title": run.get("title") or document["display_name"],
        "wsid": scope.id,
        "workspace": scope.workspace,
        "kind": document["type"],
        "status": run.get("status", "NotStarted"),
        "runner": document["runner"],
        "experiment": document["experiment"],
        "created": document["created"],
        "started": run.get("started"),
        "ended": run.get("ended"),
        "error": _error(run),
        "base": _base_model(document["body"]),
        "model": document["model"],
        "steps": [_step(step) for step in own[1:] or own[:1]],
        "spark": _spark(emulator, _key(document)),
    }


def _step(run: Document) -> Document:
    return {
        "id": run["id"],
        "title": run["title"],
        "status": run["status"],
        "started": run["started"],
        "ended": run["ended"],
        "error": _error(run),
    }


def _error(run: Document) -> str | None:
    return ((run.get("error") or {}).get("error") or {}).get("message")


def _base_model(body: Document) -> str | None:
    """Returns name:version of the model that a job starts from."""
    found = (_MODEL.search(uri) for uri in _uris(body))
    return next((f"{match[1]}:{match[2]}" for match in found if match), None)


def _uris(value: Any) -> Iterator[str]:
    for key, inner in value.items() if isinstance(value, dict) else ():
        if key == "uri" and isinstance(inner, str):
            yield inner
        else:
            yield from _uris(inner)


def _of_job(emulator: Emulator, document: Document) -> list[Entry]:
    end = f"/{document['name']}/".lower()
    prefix = Scope(*document["scope"]).key
    bill = ledger.entries(emulator)
    return [entry for entry in bill if entry.resource.startswith(prefix) and end in entry.resource]


# Curves


def _curves(logged: Sequence[Document]) -> list[Document]:
    """Returns a curve for each metric, thinned out where it has more points than anybody sees."""
    by_key: dict[str, list[tuple[int, float]]] = {}
    for point in logged:
        by_key.setdefault(point["key"], []).append((point["step"], point["value"]))
    return [{"key": key, "total": len(some), "points": thinned(some, _CURVE_POINTS)} for key, some in by_key.items()]


def thinned(points: Sequence[tuple[int, float]], most: int) -> list[tuple[int, float]]:
    """Returns at most so many points: of each stretch its lowest and highest, so that no peak is lost."""
    if len(points) <= most:
        return list(points)
    kept = {0, len(points) - 1}
    stretches = (most - 2) // 2
    for number in range(stretches):
        first, last = (len(points) * at // stretches for at in (number, number + 1))
        stretch = sorted(range(first, last), key=lambda index: points[index][1])
        kept |= {stretch[0], stretch[-1]}
    return [points[index] for index in sorted(kept)]


def _spark(emulator: Emulator, key: str) -> list[float]:
    """Returns some of a job's losses, from its first to its last."""
    values = [point["value"] for point in emulator.store.metrics(key, _LOSS)]
    if len(values) <= _SPARK_POINTS:
        return values
    return [values[index * (len(values) - 1) // (_SPARK_POINTS - 1)] for index in range(_SPARK_POINTS)]


# Everything else


def _model(document: Document) -> Document:
    properties = document["properties"]
    return {
        "name": document["asset"],
        "version": document["name"],
        "kind": properties.get("modelType"),
        "job": properties.get("jobName"),
        "tags": properties.get("tags") or {},
        "created": document["systemData"]["createdAt"],
    }


def _managed(emulator: Emulator, bill: Sequence[Entry]) -> Iterator[Document]:
    for document in emulator.store.find("endpoint"):
        prefix = Scope(*document["scope"]).key + document["name"].lower() + "/"
        deployments = emulator.store.find("deployment", prefix)
        properties = document["properties"]
        yield {
            "name": document["name"],
            "kind": "managed",
            "status": properties["provisioningState"],
            "uri": properties["scoringUri"],
            "created": document["systemData"]["createdAt"],
            "deployments": [_deployment(one, properties["traffic"]) for one in deployments],
            **_paid(emulator, [entry for entry in bill if entry.resource.startswith(prefix)]),
        }


def _deployment(document: Document, traffic: dict[str, int]) -> Document:
    properties = document["properties"]
    share = {name.lower(): percent for name, percent in traffic.items()}
    return {
        "name": document["name"],
        "status": properties["provisioningState"],
        "model": _named(properties["model"]),
        "size": properties["instanceType"],
        "count": document["sku"]["capacity"],
        "traffic": share.get(document["name"].lower(), 0),
    }


def _serverless(emulator: Emulator, bill: Sequence[Entry]) -> Iterator[Document]:
    for document in emulator.store.find("serverless"):
        key = Scope(*document["scope"]).key + document["name"].lower()
        properties = document["properties"]
        paid = [entry for entry in bill if entry.resource == key and entry.kind == "serverless"]
        yield {
            "name": document["name"],
            "kind": "serverless",
            "status": properties["provisioningState"],
            "uri": (properties["inferenceEndpoint"] or {}).get("uri"),
            "model": _named(properties["modelSettings"]["modelId"]),
            "created": document["systemData"]["createdAt"],
            "deployments": [],
            **_paid(emulator, paid),
        }


def _paid(emulator: Emulator, bill: Sequence[Entry]) -> Document:
    """Returns what it costs by the hour now, None where that is not known, and what it has cost."""
    now = emulator.clock.now()
    running = [entry for entry in bill if entry.until is None]
    unknown = any(entry.usd_per_hour is None for entry in running)
    return {
        "usd_per_hour": None if unknown else _sum(running, lambda entry: entry.usd_per_hour or 0.0),
        "usd": _sum(bill, lambda entry: entry.cost(now)),
    }


def _cluster(document: Document, bill: Sequence[Entry], now: float) -> Document:
    settings = document["properties"]["properties"]
    parts = document["id"].split("/")
    key = Scope(parts[2], parts[4], parts[8]).key + document["name"].lower()
    mine = [entry for entry in bill if entry.kind == "cluster" and f"{entry.resource}/".startswith(f"{key}/")]
    running = [entry for entry in mine if entry.until is None and entry.resource != key]
    scale = settings["scaleSettings"]
    busy = sum(entry.count for entry in running)
    return {
        "name": document["name"],
        "status": document["properties"]["provisioningState"],
        "size": settings["vmSize"],
        "priority": settings["vmPriority"],
        "least": scale["minNodeCount"],
        "most": scale["maxNodeCount"],
        "busy": busy,
        "jobs": sorted({entry.resource.split("/")[-2] for entry in running}),
        "usd_per_hour": _sum([e for e in mine if e.until is None], lambda entry: entry.usd_per_hour or 0.0),
        "usd": _sum(mine, lambda entry: entry.cost(now)),
    }


def _named(uri: str) -> str:
    match = _MODEL.search(uri)
    return f"{match[1]}:{match[2]}" if match else uri.rpartition("/")[2]


def _sum(entries: Sequence[Entry], of: Callable[[Entry], float]) -> float:
    return round(sum(map(of, entries)), 4)
