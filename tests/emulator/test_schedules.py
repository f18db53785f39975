"""Schedules, request by request: made, changed, due, refused, taken away."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.emulator.blobs import DEFAULT_CONTAINER
from phi_azure.emulator.clock import TurnedClock
from phi_azure.emulator.recurrence import moment
from tests.emulator import bodies
from tests.emulator.bodies import changed

if TYPE_CHECKING:
    from tests.emulator.wire import Wire

DAILY = {"triggerType": "Recurrence", "frequency": "Day", "interval": 1}
SCHEDULE: bodies.Body = {
    "properties": {
        "displayName": "Every day",
        "tags": {},
        "properties": {},
        "trigger": DAILY,
        "action": {"actionType": "CreateJob", "jobDefinition": bodies.PIPELINE["properties"]},
    }
}
DAY = 86_400


@pytest.fixture
def busy(wire: Wire) -> Wire:
    """A workspace with rows and a cluster."""
    bodies.upload(wire.emulator)
    wire("PUT", "computes/gpu", bodies.COMPUTE)
    return wire


def jobs(wire: Wire) -> list[str]:
    """Returns the display names of the jobs, oldest first, without the schedule's own name."""
    found = wire("GET", "jobs", version="2024-01-01-preview").json["value"]
    return [job["properties"]["displayName"].removeprefix("daily-") for job in reversed(found)]


def turn(wire: Wire, seconds: float) -> None:
    """Turns the clock."""
    assert isinstance(wire.emulator.clock, TurnedClock)
    wire.emulator.clock.turn(seconds)


def put(wire: Wire, **changes: Any) -> Any:
    """Makes the schedule, with other properties."""
    body = {"properties": {**SCHEDULE["properties"], **changes}}
    made = wire("PUT", "schedules/daily", body)
    assert made.status_code in {200, 201}, made.json
    return made


def at(wire: Wire, days: int) -> str:
    """Returns a time so many days from the clock's, to the second, as triggers write it."""
    return dt.datetime.fromtimestamp(int(wire.emulator.clock.now()) + days * DAY, dt.timezone.utc).isoformat()


def test_schedule_without_a_start_makes_its_first_job_at_once(busy: Wire) -> None:
    """Then one by one as the trigger comes, each named after the schedule and its time."""
    put(busy)
    first = jobs(busy)
    turn(busy, 2 * DAY)
    all_of_them = jobs(busy)

    times = [dt.datetime.strptime(name, "%Y%m%dT%H%M%S%z") for name in all_of_them]
    assert first == all_of_them[:1]
    assert [(later - earlier).total_seconds() for earlier, later in pairwise(times)] == [DAY, DAY]


@pytest.mark.parametrize(
    ("start", "interval", "waits"), [(3, 1, 3 * DAY), (-3, 2, DAY)], ids=["to come", "past: every second day from it"]
)
def test_start_says_when_the_first_job_comes(start: int, interval: int, waits: int, busy: Wire) -> None:
    """One that is to come is the first time; one that is past waits for the next time counted from it."""
    put(busy, trigger=DAILY | {"startTime": at(busy, start), "interval": interval})

    turn(busy, waits - 1)
    before = jobs(busy)
    turn(busy, 1)

    assert (before, len(jobs(busy))) == ([], 1)


def test_job_of_a_schedule_begins_when_it_was_due(busy: Wire) -> None:
    """However late somebody looks; run history names the schedule."""
    start = busy.emulator.clock.now()
    put(busy, trigger=DAILY | {"startTime": at(busy, 1), "endTime": at(busy, 1)})

    turn(busy, 5 * DAY)
    (job,) = busy("GET", "jobs", version="2024-01-01-preview").json["value"]

    run = busy.emulator.store.find("run")[-1]
    assert moment(job["systemData"]["createdAt"]) == pytest.approx(start + DAY, abs=1)
    assert run["schedule"] == "daily"


def test_engine_that_was_away_makes_up_for_one_job_alone(busy: Wire) -> None:
    """The last one that was due: all of them would train side by side."""
    put(busy, trigger=DAILY | {"startTime": at(busy, 1)})
    busy.emulator.runner.name = "engine"

    turn(busy, 5 * DAY)

    assert len(jobs(busy)) == 1
    assert jobs(busy)[0][:8] == at(busy, 0)[:10].replace("-", "")


def test_disabled_schedule_makes_no_job(busy: Wire) -> None:
    """Enabled again it goes on with the next time, and makes up for nothing."""
    put(busy, isEnabled=False)
    turn(busy, 3 * DAY)
    silent = jobs(busy)
    put(busy, isEnabled=True)
    before = jobs(busy)
    turn(busy, DAY)

    assert (silent, before, len(jobs(busy))) == ([], [], 1)


def test_job_that_cannot_be_made_is_noted_with_its_schedule(busy: Wire) -> None:
    """What is gone by then is no reason to refuse the next request."""
    put(busy, trigger=DAILY | {"startTime": at(busy, 1)})
    for blob in busy.emulator.blobs.find(DEFAULT_CONTAINER, "up/chat.jsonl"):
        busy.emulator.blobs.delete(blob)

    turn(busy, DAY)

    noted = busy("GET", "schedules/daily").json["properties"]["properties"]["phi_azure.emulator.refused"]
    assert "nothing was found" in noted
    assert jobs(busy) == []


def test_triggered_schedule_makes_a_job_now(busy: Wire) -> None:
    """Beside those of its trigger; the answer names it."""
    put(busy, trigger=DAILY | {"startTime": at(busy, 1)})

    answer = busy("POST", "schedules/daily/trigger", {"scheduleTime": at(busy, 0)}, version="2024-01-01-preview").json

    assert answer["scheduleActionType"] == "CreateJob"
    assert busy("GET", f"jobs/{answer['submissionId']}").json["properties"]["status"] in {"NotStarted", "Running"}


def test_disabled_schedule_cannot_be_triggered_and_an_enabled_one_not_be_deleted(busy: Wire) -> None:
    """As on Azure: disable it first."""
    put(busy)
    kept = busy("DELETE", "schedules/daily")
    put(busy, isEnabled=False)
    refused = busy("POST", "schedules/daily/trigger", {"scheduleTime": "now"}, version="2024-01-01-preview")
    gone = busy("DELETE", "schedules/daily")

    assert (kept.status_code, refused.status_code, gone.status_code) == (400, 400, 202)
    assert "disable it" in kept.json["error"]["message"]
    assert "enable it" in refused.json["error"]["message"]


def test_lists_are_of_the_enabled_unless_others_are_asked_for(busy: Wire) -> None:
    """Three views."""
    put(busy)
    busy("PUT", "schedules/other", changed(SCHEDULE, "properties/isEnabled", False))

    views = {}
    for view in ("EnabledOnly", "DisabledOnly", "All"):
        found = busy("GET", "schedules", query={"listViewType": view}).json["value"]
        views[view] = sorted(one["name"] for one in found)

    assert views == {"EnabledOnly": ["daily"], "DisabledOnly": ["other"], "All": ["daily", "other"]}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("properties/trigger", {"triggerType": "Sunrise"}, "Sunrise"),
        ("properties/trigger", {"triggerType": "Cron"}, "The trigger.expression field is required."),
        ("properties/trigger/frequency", "Year", "Year"),
        ("properties/trigger/interval", "1", "Path 'trigger.interval'"),
        ("properties/trigger/interval", -1, "the least is 1"),
        ("properties/trigger/timeZone", "Pacific Standard Time", "go by UTC"),
        ("properties/action/actionType", "CreateMonitor", "CreateMonitor"),
        ("properties/action/jobDefinition", {"jobType": "Command"}, "make pipeline jobs, not 'Command'"),
        ("properties/action/jobDefinition/jobs", "none", "Path 'properties.jobs'"),
        ("properties/colour", "red", "'colour'"),
    ],
)
def test_wrong_schedule_is_refused(path: str, value: Any, said: str, busy: Wire) -> None:
    """By the name of what is wrong."""
    refused = busy("PUT", "schedules/daily", changed(SCHEDULE, path, value))

    error = refused.json["error"]
    assert refused.status_code == 400
    assert said in "\n".join([error["message"], *(detail["message"] for detail in error["details"])])


def test_missing_schedule_is_not_found(busy: Wire) -> None:
    """Shown, 404; taken away, 204."""
    assert busy("GET", "schedules/none").status_code == 404
    assert busy("DELETE", "schedules/none").status_code == 204


def test_schedule_of_a_job_that_there_is_makes_it_again(busy: Wire) -> None:
    """The job is named, not written out, as azure-ai-ml does for `create_job="some"`."""
    busy("PUT", "jobs/some", bodies.PIPELINE)
    put(busy, action={"actionType": "CreateJob", "jobDefinition": {"jobType": "Pipeline", "sourceJobId": "some"}})
    turn(busy, DAY)

    made = busy("GET", "jobs", version="2024-01-01-preview", query={"scheduled": "true"}).json["value"]

    assert [job["properties"]["jobs"] for job in made] == [bodies.PIPELINE["properties"]["jobs"]] * 2


def test_schedule_of_a_job_that_there_is_not_is_refused(busy: Wire) -> None:
    """A misspelt name is an error when the schedule is made."""
    action = {"actionType": "CreateJob", "jobDefinition": {"jobType": "Pipeline", "sourceJobId": "other"}}

    refused = busy("PUT", "schedules/daily", {"properties": {**SCHEDULE["properties"], "action": action}})

    assert refused.status_code == 400
    assert "job other was not found" in str(refused.json)


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"scheduled": "true"}, 1),
        ({"scheduled": "false"}, 1),
        ({"scheduleId": "daily"}, 1),
        ({"scheduleId": "other"}, 0),
        ({}, 2),
    ],
    ids=["made by some", "made by none", "made by it", "made by another", "all"],
)
def test_jobs_are_listed_by_schedule(asked: dict[str, str], count: int, busy: Wire) -> None:
    """Those that some schedule made, those that none made, those of one."""
    busy("PUT", "jobs/some", bodies.PIPELINE)
    put(busy)

    found = busy("GET", "jobs", version="2024-01-01-preview", query=asked).json["value"]

    assert len(found) == count
