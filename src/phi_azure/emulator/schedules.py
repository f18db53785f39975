"""Schedules: a pipeline job that is made anew when its trigger comes, by the emulator's clock."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from phi_azure.emulator import job_bodies, jobs, operations, recurrence
from phi_azure.emulator.shapes import ANYTHING, FLAG, TEXT, TEXTS, WHOLE, ListOf, MapOf, Object, Word, require
from phi_azure.emulator.wire import (
    MANAGEMENT,
    WORKSPACE,
    Call,
    Route,
    WireError,
    answer,
    name_rule,
    not_found,
    page,
    system_data,
)

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from phi_azure.emulator.store import Document

_ACTION = Object(
    "ScheduleActionBase",
    {"actionType": Word("ScheduleActionType", ("CreateJob",)), "jobDefinition": MapOf(ANYTHING)},
    frozenset({"actionType", "jobDefinition"}),
)
_TIMES: dict[str, Any] = dict.fromkeys(("startTime", "endTime", "timeZone"), TEXT)
_PATTERN = Object(
    "RecurrenceSchedule",
    {
        **dict.fromkeys(("hours", "minutes", "monthDays"), ListOf(WHOLE)),
        "weekDays": ListOf(Word("WeekDay", recurrence.DAYS)),
    },
)
_TRIGGERS = {
    "recurrence": Object(
        "RecurrenceTrigger",
        _TIMES
        | {
            "triggerType": TEXT,
            "frequency": Word("RecurrenceFrequency", recurrence.FREQUENCIES),
            "interval": WHOLE,
            "schedule": _PATTERN,
        },
        frozenset({"frequency", "interval"}),
    ),
    "cron": Object("CronTrigger", _TIMES | {"triggerType": TEXT, "expression": TEXT}, frozenset({"expression"})),
}
_KIND = Object("TriggerBase", {"triggerType": Word("TriggerType", ("Recurrence", "Cron"))}, open=True)
_PROPERTIES = Object(
    "Schedule",
    {
        "description": TEXT,
        "displayName": TEXT,
        "tags": TEXTS,
        "properties": TEXTS,
        "isEnabled": FLAG,
        "action": _ACTION,
        "trigger": _KIND,
    },
    frozenset({"action", "trigger"}),
)
_TRIGGER_BODY = Object("TriggerOnceRequest", {"scheduleTime": TEXT}, frozenset({"scheduleTime"}))
_REFUSED = "phi_azure.emulator.refused"  # the property that says why the last job could not be made


def put_schedule(call: Call, name: str, **_: str) -> Response:
    """Makes or changes a schedule; a new one that names no start makes its first job at once, as on Azure."""
    name_rule("schedule", name, r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}", "Use letters, digits, '_' and '-'.")
    properties = _checked(call)
    key = call.scope.key + name
    with call.emulator.store.transaction():
        before = call.emulator.store.get("schedule", key)
        document: Document = {
            "name": name,
            "scope": [call.scope.subscription, call.scope.group, call.scope.workspace],
            "properties": {"isEnabled": True}
            | properties
            | {"provisioningState": "Updating" if before else "Creating"},
            "systemData": system_data(call.now, before and before["systemData"]),
            "start": _start(call, properties["trigger"], before),
        }
        document["next"] = _first(call, document, before)
        call.emulator.store.put("schedule", key, document)
    headers = operations.start(call, "schedule", key, verb="Updating" if before else "Creating")
    come_due(call)
    return answer(_shown(call, document), 200 if before else 201, headers)


def _checked(call: Call) -> Document:
    body = call.json()
    require(Object("ScheduleResource", {"properties": MapOf(ANYTHING)}, frozenset({"properties"})), body)
    require(Object("ScheduleResource", {"properties": _PROPERTIES}), body)
    properties: Document = body["properties"]
    trigger = properties["trigger"]
    require(Object("Schedule", {"trigger": _TRIGGERS[str(trigger.get("triggerType")).lower()]}), {"trigger": trigger})
    if problems := list(recurrence.problems(trigger)):
        details = [("ScheduleInvalid", problem) for problem in problems]
        raise WireError(400, "UserError", "The schedule is invalid.", details, inner="ValidationError")
    job = _definition(call, properties)
    if str(job.get("jobType")).lower() != "pipeline":
        said = f"The emulator's schedules make pipeline jobs, not {job.get('jobType')!r}."
        raise WireError(400, "UserError", said, inner="BadArgument")
    job_bodies.checked(call, {"properties": job})
    return properties


def _definition(call: Call, properties: Document) -> Document:
    """Returns the body of the jobs that a schedule makes: its own, or that of the job that it names."""
    own: Document = properties["action"]["jobDefinition"]
    source = str(own.get("sourceJobId") or "").rsplit("/", 1)[-1].removeprefix("azureml:")
    if not source or own.get("jobs"):
        return own
    job = call.emulator.store.get("job", call.scope.key + source)
    if job is None:
        raise WireError(400, "UserError", f"action: job {source} was not found.", inner="JobNotFound")
    return {**job["body"], **{name: value for name, value in own.items() if value and name != "sourceJobId"}}


def _start(call: Call, trigger: Document, before: Document | None) -> float:
    """Returns the time from which a trigger's intervals are counted."""
    if trigger.get("startTime"):
        return recurrence.moment(trigger["startTime"])
    kept: float = before["start"] if before else call.now
    return kept


def _first(call: Call, document: Document, before: Document | None) -> float | None:
    """Returns when a schedule that was just made or changed comes next."""
    trigger, start = document["properties"]["trigger"], document["start"]
    if before is None and not trigger.get("startTime"):
        return call.now
    after = call.now if start <= call.now else start - 0.001  # a start that is still to come may be the first time
    return recurrence.following(trigger, start, after)


def come_due(call: Call) -> None:
    """Makes the jobs whose time has come in a workspace, each as of that time.

    An engine that was not there for a while makes up for one of them alone: they would train side by side.
    """
    if call.emulator.store.shows_past:
        return
    for schedule in call.emulator.store.find("schedule", call.scope.key):
        if schedule["properties"]["isEnabled"] and schedule["next"] is not None and schedule["next"] <= call.now:
            due = _claimed(call, schedule["name"])
            for at in due if call.emulator.runner.name == "scripted" else due[-1:]:
                _try_to_make(call, schedule, at)


def _try_to_make(call: Call, schedule: Document, at: float) -> None:
    """Makes a job that nobody asks for; what is wrong with it is noted with the schedule."""
    try:
        _make(call, schedule, at)
    except WireError as error:
        said = "\n".join([error.message, *(message for _, message in error.details)])

        def note(document: Document) -> None:
            properties = document["properties"]
            properties["properties"] = {**(properties.get("properties") or {}), _REFUSED: said}

        call.emulator.store.change("schedule", call.scope.key + schedule["name"], note)


def _claimed(call: Call, name: str) -> list[float]:
    """Returns the times that have come, which no other request finds again."""
    times: list[float] = []

    def move_on(document: Document) -> None:
        while document["next"] is not None and document["next"] <= call.now:
            times.append(document["next"])
            trigger = document["properties"]["trigger"]
            document["next"] = recurrence.following(trigger, document["start"], document["next"])

    call.emulator.store.change("schedule", call.scope.key + name, move_on)
    return times


def _make(call: Call, schedule: Document, at: float) -> str:
    """Begins the job of a schedule; returns its name."""
    name = str(uuid.uuid4())
    shown = f"{schedule['name']}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(at))}"
    body = {**_definition(call, schedule["properties"]), "displayName": shown}
    jobs.begin(call, name, body, at=at, schedule=schedule["name"])
    return name


@operations.settles("schedule")
def settle_schedule(call: Call, key: str) -> None:
    """Ends the making, changing or deleting of a schedule."""
    document = call.emulator.store.get("schedule", key)
    if document and document["properties"]["provisioningState"] == "Deleting":
        call.emulator.store.delete("schedule", key)
    elif document:
        call.emulator.store.change("schedule", key, lambda doc: doc["properties"].update(provisioningState="Succeeded"))
    operations.finish(call, "schedule", key)


def get_schedule(call: Call, name: str, **_: str) -> Response:
    """Answers a schedule."""
    return answer(_shown(call, _required(call, name)))


def list_schedules(call: Call, **_: str) -> Response:
    """Answers the schedules that are enabled, unless others are asked for."""
    view = call.request.args.get("listViewType", "EnabledOnly")
    wanted = {"EnabledOnly": {True}, "DisabledOnly": {False}}.get(view, {True, False})
    found = call.emulator.store.find("schedule", call.scope.key)
    return page([_shown(call, one) for one in found if one["properties"]["isEnabled"] in wanted])


def delete_schedule(call: Call, name: str, **_: str) -> Response:
    """Takes a schedule away; it must be disabled first. One that is not there answers 204."""
    document = call.emulator.store.get("schedule", call.scope.key + name)
    if document and document["properties"]["isEnabled"]:
        raise WireError(
            400, "UserError", f"Schedule {name} is enabled; disable it before it is deleted.", inner="BadArgument"
        )
    return operations.begin_delete(call, "schedule", call.scope.key + name)


def trigger_schedule(call: Call, name: str, **_: str) -> Response:
    """Makes the job of a schedule now, beside those that its trigger makes."""
    require(_TRIGGER_BODY, call.json())
    schedule = _required(call, name)
    if not schedule["properties"]["isEnabled"]:
        raise WireError(400, "UserError", f"Schedule {name} is disabled; enable it first.", inner="BadArgument")
    return answer({"scheduleActionType": "CreateJob", "submissionId": _make(call, schedule, call.now)})


def _required(call: Call, name: str) -> Document:
    document = call.emulator.store.get("schedule", call.scope.key + name)
    if document is None:
        said = f"Schedule {name} was not found in workspace {call.scope.workspace}."
        raise not_found(said, ("ScheduleNotFound", said))
    return document


def _shown(call: Call, document: Document) -> Document:
    return {
        "id": f"{call.scope.id}/schedules/{document['name']}",
        "name": document["name"],
        "type": "Microsoft.MachineLearningServices/workspaces/schedules",
        "properties": {"description": None, "tags": {}, "properties": {}} | document["properties"],
        "systemData": document["systemData"],
    }


_VERSIONS = frozenset({"2023-06-01-preview"})
_SCHEDULE = f"{WORKSPACE}/schedules/<name>"
ROUTES = [
    Route("PUT", MANAGEMENT, _SCHEDULE, put_schedule, _VERSIONS),
    Route("GET", MANAGEMENT, _SCHEDULE, get_schedule, _VERSIONS),
    Route("GET", MANAGEMENT, f"{WORKSPACE}/schedules", list_schedules, _VERSIONS),
    Route("DELETE", MANAGEMENT, _SCHEDULE, delete_schedule, _VERSIONS),
    Route("POST", MANAGEMENT, f"{_SCHEDULE}/trigger", trigger_schedule, frozenset({"2024-01-01-preview"})),
]
