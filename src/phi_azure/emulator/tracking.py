"""MLflow's REST API on the emulator's own runs, so that a job's name is its run's id."""

from __future__ import annotations

import operator
import re
import uuid
from typing import TYPE_CHECKING, Any

from phi_azure.emulator import jobs, runs
from phi_azure.emulator.blobs import ARTIFACT_CONTAINER, artifacts_of
from phi_azure.emulator.history import experiment_id
from phi_azure.emulator.wire import REGIONAL, WORKSPACE, Call, MlflowError, Route, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.wrappers import Response

    from phi_azure.emulator.store import Document

_TO_MLFLOW = {
    **dict.fromkeys(("NotStarted", "Queued", "Preparing", "Provisioning", "Starting"), "SCHEDULED"),
    "Completed": "FINISHED",
    "Failed": "FAILED",
    "NotResponding": "FAILED",
    "Canceled": "KILLED",
    "Paused": "KILLED",
}
_FROM_MLFLOW = {
    "RUNNING": "Running",
    "FINISHED": "Completed",
    "FAILED": "Failed",
    "KILLED": "Canceled",
    "SCHEDULED": "Queued",
}
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_CONDITION = re.compile(
    r"\s*(attributes?|tags?|params?|metrics)\.[`\"]?([^`\"\s=!<>]+)[`\"]?\s*(=|!=|>=|<=|>|<)\s*('[^']*'|\"[^\"]*\"|[-\d.eE]+)\s*"
)


def get_experiment_by_name(call: Call, **_: str) -> Response:
    """Answers an experiment by its name."""
    name = call.request.args.get("experiment_name", "")
    return answer({"experiment": _experiment(call, name)})


def get_experiment(call: Call, **_: str) -> Response:
    """Answers an experiment by its id."""
    return answer({"experiment": _experiment(call, _name_of(call, call.request.args.get("experiment_id", "")))})


def create_experiment(call: Call, **_: str) -> Response:
    """Makes an experiment."""
    name = call.json().get("name")
    if not name:
        raise MlflowError(400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'name'.")
    if name in _names(call):
        raise MlflowError(400, "RESOURCE_ALREADY_EXISTS", f"Experiment {name} already exists.")
    call.emulator.store.put("experiment", call.scope.key + name, {"name": name, "id": experiment_id(call, name)})
    return answer({"experiment_id": experiment_id(call, name)})


def search_experiments(call: Call, **_: str) -> Response:
    """Answers every experiment."""
    return answer({"experiments": [_experiment(call, name) for name in sorted(_names(call))]})


def create_run(call: Call, **_: str) -> Response:
    """Makes a run that belongs to no job."""
    body = call.json()
    name = _name_of(call, body.get("experiment_id", ""))
    run_id = str(uuid.uuid4())
    tags = {tag["key"]: tag["value"] for tag in body.get("tags") or []}
    title = body.get("run_name") or tags.get("mlflow.runName") or run_id
    started = (body.get("start_time") or call.now * 1000) / 1000
    run = {"id": run_id, "root": run_id, "title": title, "type": "mlflow", "experiment": name, "created": started}
    document = runs.create(call.emulator.store, call.scope.key, run)
    runs.set_status(call.emulator.store, document, "Running", started)
    call.emulator.store.set_labels(_key(call, run_id), "tag", tags | {"mlflow.runName": title})
    return answer({"run": _shown(call, _run(call, run_id))})


def get_run(call: Call, **_: str) -> Response:
    """Answers a run with its last metrics, parameters and tags."""
    return answer(
        {"run": _shown(call, _run(call, call.request.args.get("run_id") or call.request.args.get("run_uuid", "")))}
    )


def update_run(call: Call, **_: str) -> Response:
    """Changes a run's status, end or name; the status of a job's run is the job's own."""
    body = call.json()
    run = _run(call, body.get("run_id") or body.get("run_uuid", ""))
    if status := body.get("status"):
        if status not in _FROM_MLFLOW:
            raise MlflowError(400, "INVALID_PARAMETER_VALUE", f"Invalid value {status} for parameter 'status'.")
        if run["type"] == "mlflow":
            ended = (body.get("end_time") or call.now * 1000) / 1000
            runs.set_status(call.emulator.store, run, _FROM_MLFLOW[status], ended)
    if body.get("run_name"):
        call.emulator.store.change("run", call.scope.key + run["id"], lambda doc: doc.update(title=body["run_name"]))
    return answer({"run_info": _info(call, _run(call, run["id"]))})


def log_metric(call: Call, **_: str) -> Response:
    """Adds one point."""
    body = call.json()
    _add(call, _run(call, body.get("run_id") or body.get("run_uuid", "")), metrics=[body])
    return answer({})


def log_parameter(call: Call, **_: str) -> Response:
    """Sets one parameter, once."""
    body = call.json()
    _add(call, _run(call, body.get("run_id") or body.get("run_uuid", "")), params=[body])
    return answer({})


def set_tag(call: Call, **_: str) -> Response:
    """Sets one tag."""
    body = call.json()
    _add(call, _run(call, body.get("run_id") or body.get("run_uuid", "")), tags=[body])
    return answer({})


def delete_tag(call: Call, **_: str) -> Response:
    """Removes one tag."""
    body = call.json()
    call.emulator.store.remove_label(_key(call, _run(call, body.get("run_id", ""))["id"]), "tag", body.get("key", ""))
    return answer({})


def log_batch(call: Call, **_: str) -> Response:
    """Adds points, parameters and tags at once."""
    body = call.json()
    _add(
        call,
        _run(call, body.get("run_id", "")),
        body.get("metrics") or [],
        body.get("params") or [],
        body.get("tags") or [],
    )
    return answer({})


def metric_history(call: Call, **_: str) -> Response:
    """Answers every point of one metric."""
    arguments = call.request.args
    run = _run(call, arguments.get("run_id") or arguments.get("run_uuid", ""))
    points = call.emulator.store.metrics(_key(call, run["id"]), arguments.get("metric_key", ""))
    start = int(arguments.get("page_token") or 0)
    limit = int(arguments.get("max_results") or 25_000)
    following = {"next_page_token": str(start + limit)} if len(points) > start + limit else {}
    return answer({"metrics": points[start : start + limit], **following})


def search_runs(call: Call, **_: str) -> Response:
    """Answers the runs of some experiments that fit a filter, newest first."""
    body = call.json()
    names = [name for name in _names(call) if experiment_id(call, name) in (body.get("experiment_ids") or [])]
    found = [run for run in call.emulator.store.find("run", call.scope.key) if run["experiment"] in names]
    wanted = [_shown(call, jobs.settle_run(call, run)) for run in found if run["hidden"] is False]
    conditions = _conditions(body.get("filter") or "")
    fitting = [run for run in wanted if all(_fits(run, *condition) for condition in conditions)]
    return answer({"runs": fitting[: int(body.get("max_results") or 1000)]})


def search_logged_models(call: Call, **_: str) -> Response:  # noqa: ARG001
    """Answers that no run logged a model of MLflow 3: jobs leave theirs as files."""
    return answer({"models": []})


def _conditions(text: str) -> list[tuple[str, str, str, str]]:
    found = []
    for part in re.split(r"\s+and\s+", text, flags=re.IGNORECASE) if text.strip() else []:
        match = _CONDITION.fullmatch(part)
        if match is None:
            raise MlflowError(400, "INVALID_PARAMETER_VALUE", f"The emulator cannot read the filter {part!r}.")
        found.append((match[1].rstrip("s"), match[2], match[3], match[4].strip("'\"")))
    return found


def _fits(run: Document, kind: str, key: str, sign: str, value: str) -> bool:
    if kind == "attribute":
        found = run["info"].get({"run_name": "run_name", "status": "status", "run_id": "run_id"}.get(key, key))
    else:
        found = next((item["value"] for item in run["data"][kind + "s"] if item["key"] == key), None)
    if found is None:
        return False
    test = _TESTS[sign]
    return test(float(found), float(value)) if kind == "metric" else test(str(found), value)


def _add(call: Call, run: Document, metrics: list[Any] = (), params: list[Any] = (), tags: list[Any] = ()) -> None:  # type: ignore[assignment]  # an empty tuple is an empty list that cannot change
    store, key = call.emulator.store, _key(call, run["id"])
    known = store.labels(key, "param")
    for param in params:
        if known.get(param["key"], str(param["value"])) != str(param["value"]):
            before = known[param["key"]]
            message = f"Changing param values is not allowed. Param '{param['key']}' was already logged as '{before}'."
            raise MlflowError(400, "INVALID_PARAMETER_VALUE", message)
    store.set_labels(key, "param", {item["key"]: item["value"] for item in params})
    store.set_labels(key, "tag", {item["key"]: item["value"] for item in tags})
    now = int(call.now * 1000)
    store.add_metrics(
        key, [(m["key"], float(m["value"]), int(m.get("step") or 0), int(m.get("timestamp") or now)) for m in metrics]
    )


def _names(call: Call) -> set[str]:
    made = {doc["name"] for doc in call.emulator.store.find("experiment", call.scope.key)}
    return made | {run["experiment"] for run in call.emulator.store.find("run", call.scope.key)} | {"Default"}


def _experiment(call: Call, name: str) -> Document:
    if name not in _names(call):
        raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"Could not find experiment with name {name}")
    return {
        "experiment_id": experiment_id(call, name),
        "name": name,
        "lifecycle_stage": "active",
        "artifact_location": "",
        "tags": [],
    }


def _name_of(call: Call, identifier: str) -> str:
    for name in _names(call):
        if identifier in {experiment_id(call, name), name}:
            return name
    raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"Could not find experiment with id {identifier}")


def _key(call: Call, run_id: str) -> str:
    return (call.scope.key + run_id).lower()


def _run(call: Call, run_id: str) -> Document:
    document = call.emulator.store.get("run", call.scope.key + run_id)
    if document is None:
        raise MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"Run {run_id} not found")
    return jobs.settle_run(call, document)


def _info(call: Call, run: Document) -> Document:
    account = call.emulator.account
    info = {
        "run_id": run["id"],
        "run_uuid": run["id"],
        "run_name": run["title"],
        "experiment_id": experiment_id(call, run["experiment"]),
        "user_id": "phi_azure emulator",
        "status": _TO_MLFLOW.get(run["status"], "RUNNING"),
        "start_time": int((run["started"] or run["created"]) * 1000),
        "lifecycle_stage": "active",
        # wasbs, not azureml: the only form with which MLflow 3 reads and writes artifacts
        "artifact_uri": f"wasbs://{ARTIFACT_CONTAINER}@{account}.blob.core.windows.net/{artifacts_of(run['id'])}",
    }
    return info | ({"end_time": int(run["ended"] * 1000)} if run["ended"] else {})


def _shown(call: Call, run: Document) -> Document:
    store, key = call.emulator.store, _key(call, run["id"])
    last = store.last_metrics(key)
    tags = {"mlflow.runName": run["title"], "mlflow.rootRunId": run["root"]} | store.labels(key, "tag")
    if run["parent"]:
        tags["mlflow.parentRunId"] = run["parent"]
    data = {
        "metrics": list(last.values()),
        "params": [{"key": k, "value": v} for k, v in store.labels(key, "param").items()],
        "tags": [{"key": k, "value": v} for k, v in tags.items()],
    }
    return {"info": _info(call, run), "data": data, "inputs": {}}


_API = f"/mlflow/<any('v1.0', 'v2.0'):_version>{WORKSPACE}/api/2.0/mlflow"
ROUTES = [
    Route("GET", REGIONAL, f"{_API}/experiments/get-by-name", get_experiment_by_name),
    Route("GET", REGIONAL, f"{_API}/experiments/get", get_experiment),
    Route("POST", REGIONAL, f"{_API}/experiments/create", create_experiment),
    Route("POST", REGIONAL, f"{_API}/experiments/search", search_experiments),
    Route("POST", REGIONAL, f"{_API}/runs/create", create_run),
    Route("GET", REGIONAL, f"{_API}/runs/get", get_run),
    Route("POST", REGIONAL, f"{_API}/runs/update", update_run),
    Route("POST", REGIONAL, f"{_API}/runs/log-metric", log_metric),
    Route("POST", REGIONAL, f"{_API}/runs/log-parameter", log_parameter),
    Route("POST", REGIONAL, f"{_API}/runs/set-tag", set_tag),
    Route("POST", REGIONAL, f"{_API}/runs/delete-tag", delete_tag),
    Route("POST", REGIONAL, f"{_API}/runs/log-batch", log_batch),
    Route("POST", REGIONAL, f"{_API}/runs/search", search_runs),
    Route("POST", REGIONAL, f"{_API}/logged-models/search", search_logged_models),
    Route("GET", REGIONAL, f"{_API}/metrics/get-history", metric_history),
]
