"""Jobs: pipelines of the registry's component and fine-tuning jobs, from the body sent to the model left."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from phi_azure.emulator import chat_completion, job_bodies, outputs, plans, references, runs
from phi_azure.emulator.blobs import DEFAULT_DATASTORE
from phi_azure.emulator.page.address import address
from phi_azure.emulator.references import Place
from phi_azure.emulator.wire import (
    MANAGEMENT,
    WORKSPACE,
    Call,
    Route,
    WireError,
    answer,
    name_rule,
    not_found,
    page_of,
    system_data,
)

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from phi_azure.emulator.store import Document

RESUMES = (
    "phi_azure.resumes"  # the emulator's own tag: the new job goes on from the checkpoints of the job that it names
)
_LABELS = frozenset({"description", "displayName", "tags", "properties", "isArchived"})
OLD, NEW = "2024-01-01-preview", "2024-10-01-preview"


def put_job(call: Call, name: str, **_: str) -> Response:
    """Takes a job on, or changes of the one that exists what may be changed: nothing runs a second time."""
    body = call.json()
    name_rule("job", name, r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}", "Use letters, digits, '_' and '-'.")
    properties = job_bodies.checked(call, body)
    with call.emulator.store.transaction():
        existing = call.emulator.store.get("job", call.scope.key + name)
        if existing is None:
            job = _create(call, name, properties, call.now)
        else:
            _change(call, existing, properties)
            return answer(_shown(call, existing))
    call.emulator.runner.start_job(call, job)
    location = f"https://{MANAGEMENT}{call.scope.id}/jobs/{name}?api-version={call.request.args['api-version']}"
    return answer(_shown(call, settled(call, name)), 201, {"Location": location})


def begin(call: Call, name: str, properties: Document, *, at: float, schedule: str) -> None:
    """Begins a job for a schedule, as of the time at which it was due."""
    with call.emulator.store.transaction():
        job = _create(call, name, properties, at, schedule)
    call.emulator.runner.start_job(call, job)


def _change(call: Call, job: Document, properties: Document) -> None:
    """Gives a job other labels; of its properties only new ones are taken, and all else must be as it was sent."""
    before = job["body"]
    fixed = [key for key in {**before, **properties} if key not in _LABELS and before.get(key) != properties.get(key)]
    kept = before.get("properties") or {}
    given = properties.get("properties") or {}
    if fixed or any(given.get(key, value) != value for key, value in kept.items()):
        raise WireError(
            400,
            "UserError",
            "A job with this name already exists. If you are trying to create a new job, use a different name. If you "
            f"are trying to update an existing job, the existing job's {', '.join(fixed) or 'properties'} cannot be "
            "changed. Only description, displayName, tags, properties, and isArchived can be updated.",
            inner="ImmutableProperty",
        )
    key = call.scope.key + job["name"]
    job["body"] = before | {name: properties.get(name) for name in _LABELS if name in properties}
    job["body"]["properties"] = kept | given
    job["archived"] = bool(properties.get("isArchived", job["archived"]))
    if title := properties.get("displayName"):
        call.emulator.store.change("run", key, lambda run: run.update(title=title))
    call.emulator.store.put("job", key, job)
    call.emulator.store.set_labels(key.lower(), "tag", properties.get("tags") or {})


def _create(call: Call, name: str, properties: Document, at: float, schedule: str | None = None) -> Document:
    finetuning = properties["jobType"].lower() == "finetuning"
    plan = plans.finetuning_plan(call, properties) if finetuning else plans.pipeline_plan(call, properties)
    outputs.require_possible(call, plan)
    call.emulator.runner.check_job(name, plan)
    job: Document = {
        "name": name,
        "scope": [call.scope.subscription, call.scope.group, call.scope.workspace],
        "type": "FineTuning" if finetuning else "Pipeline",
        "body": properties,
        "tags": properties.get("tags") or {},
        "display_name": properties.get("displayName") or name,
        "experiment": properties.get("experimentName") or "Default",
        "archived": False,
        "created": at,
        "system_data": system_data(at),
        "schedule": schedule,
        "plan": plan,
        "output_places": {},
        "output_versions": {},
        "model": None,
        "cancel_requested": False,
        "runner": call.emulator.runner.name,
        "properties": _service_properties(call, properties, call.emulator.runner.name),
    }
    call.emulator.store.put("job", call.scope.key + name, job)
    _create_runs(call, job)
    return job


def _service_properties(call: Call, properties: Document, runner: str) -> Document:
    """Returns the properties that the service adds; a scripted job says so, lest its numbers be taken for results."""
    mark = {"phi_azure.emulator.runner": runner}
    if properties["jobType"].lower() == "pipeline":
        settings = properties.get("settings") or {}
        compute = properties.get("computeId")
        return mark | {
            "azureml.DevPlatv2": "true",
            "azureml.DatasetAccessMode": "Asset",
            "azureml.continue_on_step_failure": str(settings.get("continue_on_step_failure", True)),
            "azureml.continue_on_failed_optional_input": str(settings.get("continue_on_failed_optional_input", True)),
            "azureml.enforceRerun": str(settings.get("force_rerun", False)),
            **({"azureml.defaultComputeName": compute.rsplit("/", 1)[-1]} if compute else {}),
            "azureml.runsource": "azureml.PipelineRun",
            "runSource": "MFE",
            "runType": "HTTP",
            "azureml.parameters": "{}",
            "azureml.defaultDataStoreName": DEFAULT_DATASTORE,
            "azureml.pipelineComponent": "pipelinerun",
        }
    details = properties["fineTuningDetails"]
    uri = details["model"]["uri"]
    entry = references.registry_entry(uri)
    validation = (details.get("validationData") or {}).get("uri")
    return mark | {
        "PipelineType": "FineTuning",
        "original_model_id": uri,
        "azureml.PipelineType": "FineTuning",
        "azureml.ModelName": entry.name if entry else uri,
        "azureml.original_model_id": uri,
        "azureml.trainingData.assetId": details["trainingData"]["uri"],
        **({"azureml.validationData.assetId": validation} if validation else {}),
        "_fineTuningJobType": "MaaS" if chat_completion.is_serverless(properties) else "MaaP",
        "_outputModelName": properties["outputs"]["registered_model"]["assetName"],
        "StartTimeUtc": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(call.now)),
    }


def _create_runs(call: Call, job: Document) -> None:
    """Writes the job's run and, for a pipeline, those of its nodes and of the steps below them."""
    store, prefix = call.emulator.store, call.scope.key
    common = {"root": job["name"], "experiment": job["experiment"], "created": job["created"]}
    common["schedule"] = job["schedule"]
    store.set_labels(prefix + job["name"].lower(), "tag", job["tags"])
    kind = runs.RUN_TYPES["finetuning" if job["type"] == "FineTuning" else "job"]
    own = {
        "id": job["name"],
        "title": job["display_name"],
        "type": kind,
        "description": job["body"].get("description"),
        "properties": (job["body"].get("properties") or {}) | job["properties"],
    }
    runs.create(store, prefix, common | own)
    if job["type"] == "FineTuning":
        return  # its steps are not to be seen
    nodes: dict[str, str] = {}
    for step in job["plan"]["steps"]:
        name, child = step["node"], common | {"id": str(uuid.uuid4()), "title": step["name"], "step": step["name"]}
        child |= {"type": runs.RUN_TYPES["step"], "target": step["machines"]["cluster"]}
        if name not in job["plan"]["nodes"]:
            runs.create(store, prefix, child | {"parent": job["name"], "node": name})
            continue
        if name not in nodes:
            nodes[name] = str(uuid.uuid4())
            node = {"id": nodes[name], "parent": job["name"], "title": name, "node": name}
            runs.create(store, prefix, common | node | {"type": runs.RUN_TYPES["node"]})
        runs.create(store, prefix, child | {"parent": nodes[name]})


def get_job(call: Call, name: str, **_: str) -> Response:
    """Answers a job; a child of a pipeline has no properties here, and the client goes on to run history."""
    if call.emulator.store.get("job", call.scope.key + name):
        return answer(_shown(call, settled(call, name)))
    run = call.emulator.store.get("run", call.scope.key + name)
    if run is None:
        raise not_found(
            f"Run {name} was not found in workspace {call.scope.workspace}.", ("JobNotFound", f"Job {name} not found.")
        )
    return answer(
        {
            "id": f"{call.scope.id}/jobs/{name}",
            "name": name,
            "type": "Microsoft.MachineLearningServices/workspaces/jobs",
            "properties": None,
            "systemData": system_data(run["created"]),
        }
    )


def list_jobs(call: Call, **_: str) -> Response:
    """Answers the workspace's jobs, newest first."""
    asked = call.request.args
    wanted = {"activeonly": {False}, "archivedonly": {True}}.get(
        asked.get("listViewType", "ActiveOnly").lower(), {False, True}
    )
    kind, tag, by = asked.get("jobType", "").lower(), asked.get("tag"), asked.get("scheduleId")
    scheduled = {"true": {True}, "false": {False}}.get(asked.get("scheduled", "").lower(), {True, False})
    found = [
        job
        for job in call.emulator.store.find("job", call.scope.key)
        if job["archived"] in wanted
        and kind in {"", job["type"].lower()}
        and by in {None, job["schedule"]}
        and (job["schedule"] is not None) in scheduled
    ]
    tagged = [job for job in found if tag is None or tag in _tags(call, job)]
    return page_of(call, tagged, lambda job: _shown(call, settled(call, job["name"])))


def _tags(call: Call, job: Document) -> Document:
    return call.emulator.store.labels(call.scope.key + job["name"].lower(), "tag")


def cancel_job(call: Call, name: str, **_: str) -> Response:
    """Asks a job to end; one that is over stays as it is."""
    job = call.emulator.store.get("job", call.scope.key + name)
    if job is None:
        raise not_found(
            f"Run {name} was not found in workspace {call.scope.workspace}.", ("JobNotFound", f"Job {name} not found.")
        )
    if run_of(call, job)["status"] not in runs.OVER - runs.SUSPENDED:
        call.emulator.store.change("job", call.scope.key + name, lambda doc: doc.update(cancel_requested=True))
        runs.request_cancel(call.emulator.store, call.scope.key, name)
        call.emulator.runner.cancel_job(call, job)
    return answer(None)


def run_of(call: Call, job: Document) -> Document:
    """Returns the job's own run, which holds its status."""
    return call.emulator.store.get("run", call.scope.key + job["name"]) or {}


def require_output(call: Call, name: str, output: str) -> None:
    """Refuses an output of a job that does not exist, has no such output, or has not been left yet."""
    job = call.emulator.store.get("job", call.scope.key + name)
    if job is None:
        raise WireError(400, "UserError", f"Job {name} was not found.", inner="JobNotFound")
    declared = (job["body"].get("outputs") or {}).keys()
    if output == references.ARTIFACTS:  # there from its beginning
        return
    if output not in declared:
        raise WireError(
            400,
            "UserError",
            f"Job {name} has no output '{output}'; it has {', '.join(declared)}.",
            inner="OutputNotFound",
        )
    job = settled(call, name)
    if output not in job["output_places"]:
        status = run_of(call, job)["status"]
        raise WireError(
            400,
            "UserError",
            f"Output '{output}' of job {name} is not there: the job is {status}.",
            inner="OutputNotFound",
        )


def settled(call: Call, name: str) -> Document:
    """Brings a job up to date with its runner, and returns it."""
    job = call.emulator.store.get("job", call.scope.key + name)
    if job and run_of(call, job)["status"] not in runs.OVER and not call.emulator.store.shows_past:
        call.emulator.runner.settle_job(call, job)
    return call.emulator.store.get("job", call.scope.key + name) or {}


def settle_run(call: Call, run: Document) -> Document:
    """Brings a run up to date with the job that it belongs to."""
    settled(call, run["root"])
    return call.emulator.store.get("run", call.scope.key + run["id"]) or run


def _shown(call: Call, job: Document) -> Document:
    old = call.request.args.get("api-version") == OLD
    run = run_of(call, job)
    body = job["body"]
    properties: Document = {
        "description": body.get("description"),
        "tags": _tags(call, job),
        "properties": run["properties"],
        "displayName": run["title"],
        "status": run["status"],
        "experimentName": job["experiment"],
        "services": _services(call, job["name"]),
        "computeId": None if old and job["type"] == "FineTuning" else body.get("computeId"),
        "isArchived": job["archived"],
        "identity": body.get("identity"),
        "componentId": None,
        "notificationSetting": body.get("notificationSetting"),
        "jobType": job["type"],
    }
    if old:
        properties["secretsConfiguration"] = None
    properties |= _finetuning_part(job, old) if job["type"] == "FineTuning" else _pipeline_part(job)
    properties["outputs"] = {
        name: _output(job, name, given, old) for name, given in (body.get("outputs") or {}).items()
    }
    return {
        "id": f"{call.scope.id}/jobs/{job['name']}",
        "name": job["name"],
        "type": "Microsoft.MachineLearningServices/workspaces/jobs",
        "properties": properties,
        "systemData": {k: v for k, v in job["system_data"].items() if not k.startswith("lastModified")},
    }


def _pipeline_part(job: Document) -> Document:
    body = job["body"]
    return {"settings": body.get("settings"), "jobs": body["jobs"], "inputs": body.get("inputs"), "sourceJobId": None}


def _finetuning_part(job: Document, old: bool) -> Document:
    details = dict(job["body"]["fineTuningDetails"])
    word = next(task for task in job_bodies.TASKS if task.lower() == details["taskType"].lower())
    extra = {"pathOnCompute": None} if old else {}
    for field in ("trainingData", "validationData", "model"):
        if details.get(field):
            details[field] = {"description": None, "mode": "ReadOnlyMount"} | extra | details[field]
    part: Document = {"fineTuningDetails": details | {"taskType": word}}
    if not old:
        part["resources"] = job["body"].get("resources") or {"instanceTypes": []}
        part["queueSettings"] = job["body"].get("queueSettings")
    return part


def _output(job: Document, name: str, given: Document, old: bool) -> Document:
    place = job["output_places"].get(name)
    shown = {
        "description": None,
        "uri": outputs.uri_of(Place(*place), given["jobOutputType"]) if place else None,
        "assetName": given.get("assetName"),
        "mode": "ReadWriteMount",
        "jobOutputType": given["jobOutputType"],
    }
    if old or job["type"] == "Pipeline":
        shown |= {
            "assetVersion": job.get("output_versions", {}).get(name),
            "pathOnCompute": None,
            "autoDeleteSetting": None,
        }
    if name == "registered_model" and job["model"]:
        shown |= {"assetName": job["model"]["name"], "assetVersion": job["model"]["version"]}
    return shown


def _services(call: Call, name: str) -> Document:
    empty = {"port": None, "status": None, "errorMessage": None, "properties": None, "nodes": None}
    tracking = f"azureml://{call.emulator.region}.api.azureml.ms/mlflow/v1.0{call.scope.id}?"
    studio = f"{address(call.emulator.store) or 'https://ml.azure.com'}/runs/{name}?wsid={call.scope.id}"
    return {
        "Tracking": {"jobServiceType": "Tracking", "endpoint": tracking} | empty,
        "Studio": {"jobServiceType": "Studio", "endpoint": studio} | empty,
    }


_OF_COMMANDS = "2025-01-01-preview"  # in which the client sends a job of one command: it is told what runs here
ROUTES = [
    Route("PUT", MANAGEMENT, f"{WORKSPACE}/jobs/<name>", put_job, frozenset({OLD, NEW, _OF_COMMANDS})),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/jobs/<name>", get_job, frozenset({OLD, NEW})),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/jobs", list_jobs, frozenset({OLD})),
    Route("POST", MANAGEMENT, f"{WORKSPACE}/jobs/<name>/cancel", cancel_job, frozenset({"2023-04-01-preview"})),
]
