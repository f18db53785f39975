"""Run history: the data plane from which the client reads a run's state, children, logs, artifacts and tags."""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import TYPE_CHECKING

from phi_azure.emulator import jobs, runs, storage
from phi_azure.emulator.blobs import ARTIFACT_CONTAINER, Blob, artifacts_of
from phi_azure.emulator.clock import stamp
from phi_azure.emulator.shapes import ANYTHING, FLAG, TEXT, ListOf, MapOf, Object, require
from phi_azure.emulator.wire import REGIONAL, WORKSPACE, Call, DataPlaneError, Route, answer, page

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from phi_azure.emulator.store import Document

_RUN_CHANGE = Object(
    "ModifyRun",
    {
        "tags": ANYTHING,
        "displayName": TEXT,
        "description": TEXT,
        "hidden": FLAG,
        "properties": MapOf(ANYTHING),
        "name": TEXT,
    },
)
_UNKNOWN_HERE = (  # members of a run that the service writes and the emulator has nothing to say about
    "runDefinition", "jobSpecification", "primaryMetricName", "createdFrom", "completeUri", "diagnosticsUri",
    "computeRequest", "compute",
)  # fmt: skip
_LOGS = ("user_logs/", "system_logs/", "azureml-logs/", "logs/")  # of the user's program; of the service's own
_PATIENT_LOOKS = 10  # at a job's logs, without a turn in between; jobs.stream pauses 2 s and more by itself
_RUNDATA_BODY = Object(
    "GetRunData",
    {"runId": TEXT, "selectRunMetadata": FLAG, "selectRunDefinition": FLAG, "selectJobSpecification": FLAG},
    frozenset({"runId"}),
)
_PATHS_BODY = Object(
    "ArtifactPaths",
    {"paths": ListOf(Object("ArtifactPath", {"path": TEXT}, frozenset({"path"})))},
    frozenset({"paths"}),
)


def get_run(call: Call, run: str, **_: str) -> Response:
    """Answers a run."""
    return answer(_shown(call, _run(call, run)))


def list_children(call: Call, run: str, **_: str) -> Response:
    """Answers the runs directly below one, in the order in which they run."""
    parent = _run(call, run)
    below = [
        child
        for child in runs.of_job(call.emulator.store, call.scope.key, parent["root"])
        if child["parent"] == parent["id"]
    ]
    return page([_shown(call, child) for child in below])


def get_details(call: Call, run: str, **_: str) -> Response:
    """Answers a run with the addresses of its logs; they grow while it runs."""
    document = _run(call, run)
    _let_time_pass(call, document)
    prefix = f"{artifacts_of(document['id'])}/"
    account = call.emulator.account
    logs = [blob for folder in _LOGS for blob in call.emulator.blobs.find(ARTIFACT_CONTAINER, prefix + folder)]
    return answer(
        {
            "runId": document["id"],
            "target": document.get("target"),
            "status": document["status"],
            "startTimeUtc": _time(document["started"]),
            "endTimeUtc": _time(document["ended"]),
            "services": {},
            "warnings": None,
            "error": document["error"],
            "properties": document["properties"],
            "inputs": {},
            "outputs": {},
            "runDefinition": None,
            "logFiles": {blob.name.removeprefix(prefix): storage.signed_url(account, blob) for blob in logs},
        }
    )


def _let_time_pass(call: Call, run: Document) -> None:
    """Lets a turned clock go on to a job's end for a client that follows its logs and waits in real time."""
    if run["status"] in runs.OVER:
        return
    job = call.emulator.store.get("job", call.scope.key + run["root"])
    due = call.emulator.runner.job_due(call, job) if job else None
    if due is not None:
        call.emulator.clock.look(f"{call.scope.key}{run['id']}", due, _PATIENT_LOOKS)


def run_data(call: Call, **_: str) -> Response:
    """Answers what jobs.download wants to know of a run."""
    body = call.json()
    require(_RUNDATA_BODY, body)
    return answer(
        {
            "runMetadata": _shown(call, _run(call, body["runId"])),
            "runDefinition": None,
            "jobSpecification": None,
            "systemSettings": None,
        }
    )


def change_run(call: Call, run: str, **_: str) -> Response:
    """Changes tags, the name or whether it is archived; a tag set to null goes."""
    body = call.json()
    require(_RUN_CHANGE, body)
    document = _run(call, run)
    store, key = call.emulator.store, call.scope.key + document["id"]
    tags = body.get("tags") or {}
    store.set_labels(key.lower(), "tag", {k: v for k, v in tags.items() if v is not None})
    for name in (k for k, v in tags.items() if v is None):
        store.remove_label(key.lower(), "tag", name)
    changes = {"title": body.get("displayName", document["title"]), "hidden": body.get("hidden", document["hidden"])}
    store.change("run", key, lambda doc: doc.update(changes))
    store.change("job", key, lambda doc: doc.update(archived=changes["hidden"]))
    return answer(_shown(call, _run(call, run)))


def announce_artifacts(call: Call, run: str, **_: str) -> Response:
    """Answers where artifacts of a run may be written."""
    body = call.json()
    require(_PATHS_BODY, body)
    document = _run(call, run)
    entries = {item["path"]: _artifact(document, item["path"]) for item in body["paths"]}
    contents = {path: entry | {"contentUri": _content_uri(call, document, path)} for path, entry in entries.items()}
    return answer({"artifacts": entries, "errors": {}, "artifactContentInformation": contents})


def list_artifacts(call: Call, run: str, **_: str) -> Response:
    """Answers the artifacts of a run."""
    document = _run(call, run)
    prefix = f"{artifacts_of(document['id'])}/"
    below = prefix + call.request.args.get("path", "")
    names = [blob.name.removeprefix(prefix) for blob in call.emulator.blobs.find(ARTIFACT_CONTAINER, below)]
    return answer({"value": [_artifact(document, name) for name in names], "nextLink": None, "continuationToken": None})


def artifact_content(call: Call, run: str, **_: str) -> Response:
    """Answers the address of one artifact."""
    document = _run(call, run)
    path = call.request.args.get("path", "")
    return answer(_artifact(document, path) | {"contentUri": _content_uri(call, document, path)})


def _run(call: Call, run_id: str) -> Document:
    document = call.emulator.store.get("run", call.scope.key + run_id)
    if document is None:
        raise DataPlaneError(404, "Run with id {runId} was not found.", "NotFound", runId=run_id)
    return jobs.settle_run(call, document)


def _artifact(run: Document, path: str) -> Document:
    place = artifacts_of(run["id"])
    origin, _, container = place.partition("/")
    return {
        "artifactId": f"{place}/{path}",
        "origin": origin,
        "container": container,
        "path": path,
    }


def _content_uri(call: Call, run: Document, path: str) -> str:
    name = f"{artifacts_of(run['id'])}/{path}"
    return storage.signed_url(call.emulator.account, Blob(ARTIFACT_CONTAINER, name, call.emulator.store.folder))


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else stamp(seconds)


def _duration(run: Document, now: float) -> str | None:
    if run["started"] is None:
        return None
    seconds = (run["ended"] or now) - run["started"]
    hours, rest = divmod(seconds, 3600)
    return f"{int(hours):02d}:{int(rest // 60):02d}:{rest % 60:010.7f}"


def _shown(call: Call, run: Document) -> Document:
    root = call.emulator.store.get("run", call.scope.key + run["root"]) or run
    modified = stamp(run["ended"] or run["started"] or run["created"])
    user = {"userName": "phi_azure emulator"}
    return {
        "runNumber": int(run["created"]),
        "rootRunId": run["root"],
        "createdUtc": stamp(run["created"]),
        "createdBy": user,
        "userId": "00000000-0000-4000-8000-000000000044",
        "token": None,
        "tokenExpiryTimeUtc": None,
        "error": _error(call, run),
        "warnings": None,
        "revision": 1,
        "statusRevision": 1,
        "runUuid": _guid(call, run["id"]),
        "parentRunUuid": _guid(call, run["parent"]) if run["parent"] else None,
        "rootRunUuid": _guid(call, root["id"]),
        "lastStartTimeUtc": None,
        "currentComputeTime": None,
        "computeDuration": _duration(run, call.now),
        "effectiveStartTimeUtc": None,
        "lastModifiedBy": user,
        "lastModifiedUtc": modified,
        "duration": _duration(run, call.now),
        "cancelationReason": None,
        "currentAttemptId": 1,
        "runId": run["id"],
        "parentRunId": run["parent"],
        "experimentId": experiment_id(call, run["experiment"]),
        "status": run["status"],
        "startTimeUtc": _time(run["started"]),
        "endTimeUtc": _time(run["ended"]),
        "scheduleId": run.get("schedule"),
        "displayName": run["title"],
        "name": None,
        "dataContainerId": f"dcid.{run['id']}",
        "description": run.get("description"),
        "hidden": run["hidden"],
        "runType": run["type"],
        "runTypeV2": {"orchestrator": "Pipeline", "traits": [run["type"]], "attribution": None, "computeType": None},
        "properties": run["properties"],
        "parameters": {},
        "actionUris": {},
        "scriptName": None,
        "target": run.get("target"),
        "queueingInfo": run.get("queueing"),
        "uniqueChildRunComputeTargets": [],
        "tags": call.emulator.store.labels((call.scope.key + run["id"]).lower(), "tag"),
        "settings": {},
        "services": {},
        "inputs": {},
        "outputs": None,
        **dict.fromkeys(_UNKNOWN_HERE),
        "inputDatasets": [],
        "outputDatasets": [],
        "retainForLifetimeOfWorkspace": False,
    }


def _error(call: Call, run: Document) -> Document | None:
    """Returns what went wrong, where and when."""
    place = {"environment": call.emulator.region, "location": call.emulator.region, "time": _time(run["ended"])}
    error: Document | None = run["error"]
    return None if error is None else error | place


def _guid(call: Call, run_id: str) -> str:
    return _named((call.scope.key + run_id).lower())


def experiment_id(call: Call, name: str) -> str:
    """Returns the id of an experiment, the same each time for the same name."""
    return _named(f"{call.scope.key}experiments/{name}")


@lru_cache(maxsize=4096)  # each answer about a job with steps has a dozen of them
def _named(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


_HISTORY = f"/history/v1.0{WORKSPACE}"
_RUN = f"{_HISTORY}/experiments/<experiment>/runs/<run>"
_V1 = frozenset({"v1.0"})
ROUTES = [
    Route("GET", REGIONAL, f"{_HISTORY}/runs/<run>", get_run, _V1),
    Route("GET", REGIONAL, f"{_HISTORY}/runs/<run>/children", list_children, _V1),
    Route("GET", REGIONAL, f"{_HISTORY}/runs/<run>/details", get_details, _V1),
    Route("POST", REGIONAL, f"{_HISTORY}/rundata", run_data, _V1),
    Route("PATCH", REGIONAL, _RUN, change_run, _V1),
    Route("POST", REGIONAL, f"{_RUN}/artifacts/batch/metadata", announce_artifacts),
    Route("GET", REGIONAL, f"{_RUN}/artifacts", list_artifacts),
    Route("GET", REGIONAL, f"{_RUN}/artifacts/contentinfo", artifact_content),
]
