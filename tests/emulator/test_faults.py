"""Faults by name: where they strike, how often, what a client sees of them, and what fails a test."""

from __future__ import annotations

import http.client
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests
import urllib3

from phi_azure.emulator.course import Script
from phi_azure.emulator.faults import FAULTS
from phi_azure.emulator.identity import make_token
from phi_azure.emulator.network import intercept, mount, serve
from phi_azure.emulator.scripted import ScriptedRunner
from phi_azure.testing import azure as on
from tests.emulator import bodies
from tests.emulator.wire import SCOPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from phi_azure.emulator.app import Emulator
    from phi_azure.testing import Azure
    from tests.emulator.wire import Wire

JOB = f"https://management.azure.com{SCOPE.id}/jobs/some?api-version=2024-10-01-preview"
BLOB = "azureml-blobstore-00000000-0000-4000-8000-000000000033/some/blob"


@pytest.fixture
def ready(wire: Wire) -> Wire:
    """A client of an emulator in which a job can be submitted."""
    bodies.upload(wire.emulator)
    wire("PUT", "computes/gpu", bodies.COMPUTE)
    return wire


def _code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json["error"]["code"]


# How often


def test_fault_happens_as_often_as_it_was_queued(ready: Wire) -> None:
    """Twice, and then the request is answered."""
    ready.emulator.faults.add("throttled", on="GET /computes/", times=2)

    seen = [ready("GET", "computes/gpu").status_code for _ in range(3)]

    assert seen == [429, 429, 200]


def test_fault_lasts_as_long_as_it_was_queued(ready: Wire) -> None:
    """By the emulator's clock, however many requests there are."""
    ready.emulator.faults.add("unavailable", on="computes", for_seconds=60)

    seen = [(ready.emulator.clock.sleep(turn), ready("GET", "computes/gpu").status_code)[1] for turn in (0, 59, 2)]

    assert seen == [503, 503, 200]


def test_fault_leaves_the_first_requests_unharmed(ready: Wire) -> None:
    """`skip` counts those that fit."""
    ready.emulator.faults.add("unavailable", on="GET computes", skip=1)

    paths = ("computes/gpu", "onlineEndpoints", "computes/gpu", "computes/gpu")
    seen = [ready("GET", path).status_code for path in paths]

    assert seen == [200, 200, 503, 200]


def test_faults_happen_in_the_order_in_which_they_were_queued(ready: Wire) -> None:
    """One request meets one fault."""
    ready.emulator.faults.add("throttled", on="computes")
    ready.emulator.faults.add("unavailable", on="GET")

    seen = [ready("GET", "computes/gpu").status_code for _ in range(3)]

    assert seen == [429, 503, 200]


# Where

PLACES: list[tuple[str, list[int]]] = [
    ("", [503, 503, 503]),
    ("GET", [503, 200, 503]),
    ("jobs", [200, 200, 503]),
    ("jobs.list_jobs", [200, 200, 503]),
    ("computes.put_compute", [200, 503, 200]),
    ("/computes/", [503, 503, 200]),
    ("GET /computes/gpu", [503, 200, 200]),
    ("GET management.azure.com/", [503, 200, 503]),
    ("PUT computes /gpu", [200, 503, 200]),
    ("jobs ?api-version=2024-01-01-preview", [200, 200, 503]),
]


@pytest.mark.parametrize(("place", "expected"), PLACES, ids=[place or "all" for place, _ in PLACES])
def test_fault_strikes_where_it_was_queued(place: str, expected: list[int], ready: Wire) -> None:
    """Method, operation and part of the address may be given, alone or together."""
    ready.emulator.faults.add("unavailable", on=place, times=9)

    seen = [
        ready("GET", "computes/gpu").status_code,
        ready("PUT", "computes/gpu", bodies.COMPUTE).status_code,
        ready("GET", "jobs", version="2024-01-01-preview").status_code,
    ]

    assert seen == expected


WRONG: list[tuple[str, str, str]] = [
    ("throtled", "", r"no fault 'throtled'; there are:\n  throttled: 429"),
    ("throttled", "jobs.put_jbo", r"answers no request 'jobs.put_jbo'(.|\n)*jobs: jobs.cancel_job, jobs.get_job"),
    ("throttled", "PUT /jbos/", "answers no request 'PUT /jbos/'"),
    ("throttled", "PATCH computes", "answers no request 'PATCH computes'"),
    ("throttled", "GET PUT", "two words for the method, 'GET' and 'PUT'"),
    ("name_taken", "jobs.put_job", r"cannot happen on 'jobs.put_job', only on:\n  endpoints: endpoints.put_endpoint"),
    ("stale_read", "GET /jobs/", "cannot happen on 'GET /jobs/'"),
    ("storage_forbids_keys", "PUT /jobs/", "only on:\n  storage: "),
    ("not_responding", "PUT /jobs/", "happens to a job; 'PUT /jobs/' is no name of one: write its name"),
    ("deployment_stuck", "a/b/c", "happens to a deployment; 'a/b/c' is no name of one: write endpoint/deployment"),
]


@pytest.mark.parametrize(("name", "place", "said"), WRONG, ids=[f"{name} {place}" for name, place, _ in WRONG])
def test_fault_that_cannot_happen_is_refused_at_once(name: str, place: str, said: str, wire: Wire) -> None:
    """A misspelt name or operation is an error where it is written, with what there is."""
    with pytest.raises(ValueError, match=said):
        wire.emulator.faults.add(name, on=place)


AMOUNTS: list[tuple[dict[str, Any], str]] = [
    ({"times": "2"}, "times must be a whole number of at least 1, not '2'"),
    ({"times": 0}, "times must be a whole number of at least 1, not 0"),
    ({"skip": -1}, "skip must be a whole number of at least 0, not -1"),
    ({"share": 7}, "share must be between 0 and 1, not 7"),
    ({"for_seconds": -5}, "for_seconds must be a number of seconds of at least 0, not -5"),
]


@pytest.mark.parametrize(("amount", "said"), AMOUNTS, ids=[said[:30] for _, said in AMOUNTS])
def test_fault_of_an_impossible_amount_is_refused_at_once(amount: dict[str, Any], said: str, wire: Wire) -> None:
    """What could never be counted or timed is an error where it is written."""
    with pytest.raises(ValueError, match=said):
        wire.emulator.faults.add("throttled", **amount)


# What is answered

ANSWERS: list[tuple[str, Callable[[Wire], Any], int, str]] = [
    ("throttled", lambda wire: wire("GET", "computes/gpu"), 429, "TooManyRequests"),
    ("unavailable", lambda wire: wire("GET", "computes/gpu"), 503, "ServiceUnavailable"),
    ("token_expired", lambda wire: wire("GET", "computes/gpu"), 401, "ExpiredAuthenticationToken"),
    ("quota_exceeded", lambda wire: wire("PUT", "computes/gpu", bodies.COMPUTE), 400, "ClusterCoreQuotaReached"),
    ("name_taken", lambda wire: wire("PUT", "onlineEndpoints/ep-one", bodies.ENDPOINT), 409, "UserError"),
]


@pytest.mark.parametrize(("name", "ask", "status", "code"), ANSWERS, ids=[row[0] for row in ANSWERS])
def test_refusal_is_azures(name: str, ask: Callable[[Wire], Any], status: int, code: str, ready: Wire) -> None:
    """Status and code are those of the service, and the next request is answered."""
    ready.emulator.faults.add(name)

    refused, after = ask(ready), ask(ready)

    assert _code(refused) == (status, code)
    assert after.status_code < 300


def test_refusal_changes_nothing(ready: Wire) -> None:
    """A refused request has not taken effect."""
    ready.emulator.faults.add("unavailable", on="jobs.put_job")

    ready("PUT", "jobs/some", bodies.FINETUNING)

    assert ready("GET", "jobs/some").status_code == 404


STORAGE_ANSWERS = [
    ("throttled", 503, "ServerBusy"),
    ("unavailable", 503, "ServerBusy"),
    ("token_expired", 401, "InvalidAuthenticationInfo"),
    ("storage_forbids_keys", 403, "KeyBasedAuthenticationNotPermitted"),
]


@pytest.mark.parametrize(("name", "status", "code"), STORAGE_ANSWERS, ids=[row[0] for row in STORAGE_ANSWERS])
def test_storage_refuses_in_its_own_form(name: str, status: int, code: str, wire: Wire) -> None:
    """XML and a header, as Azure Storage answers."""
    wire.emulator.faults.add(name, on="storage")

    refused = wire.blob("GET", BLOB)

    assert (refused.status_code, refused.headers["x-ms-error-code"]) == (status, code)
    assert refused.text.startswith("<?xml")


def test_expired_token_comes_with_a_challenge(ready: Wire) -> None:
    """A client learns where to get another."""
    ready.emulator.faults.add("token_expired", on="GET computes")

    refused = ready("GET", "computes/gpu")

    assert refused.headers["WWW-Authenticate"].startswith(
        'Bearer authorization_uri="https://login.microsoftonline.com/'
    )


def test_throttling_asks_for_a_millisecond_unless_told_otherwise(ready: Wire) -> None:
    """Azure-core obeys by the machine's clock; a test that wants seconds says so."""
    ready.emulator.faults.add("throttled", on="computes")
    ready.emulator.faults.add("throttled", on="computes", seconds=7)

    short, long = ready("GET", "computes/gpu"), ready("GET", "computes/gpu")

    assert (short.headers["retry-after-ms"], short.headers.get("Retry-After")) == ("1", None)
    assert long.headers["Retry-After"] == "7"


def test_slow_answer_takes_the_emulators_time(ready: Wire) -> None:
    """The clock has moved on, and nobody has waited."""
    ready.emulator.faults.add("slow", on="computes", seconds=90)
    before = ready.emulator.clock.now()

    answered = ready("GET", "computes/gpu")

    assert (answered.status_code, ready.emulator.clock.now() - before) == (200, 90)


# What a read does not see


def test_read_does_not_see_what_was_just_made(ready: Wire) -> None:
    """Neither the resource nor the list of it, twice; then both."""
    ready.emulator.faults.add("stale_read", on="PUT /computes/", times=3)
    ready("PUT", "computes/two", bodies.COMPUTE)

    seen = [ready("GET", "computes/two").status_code for _ in range(2)]
    listed = [[one["name"] for one in ready("GET", "computes").json["value"]] for _ in range(2)]

    assert seen == [404, 404]
    assert [sorted(names) for names in listed] == [["gpu"], ["gpu", "two"]]
    assert ready("GET", "computes/two").status_code == 200


def test_read_does_not_see_a_change_for_a_time(ready: Wire) -> None:
    """The time begins with the write."""
    ready("PUT", "onlineEndpoints/ep-one", bodies.ENDPOINT)
    ready.emulator.faults.add("stale_read", on="endpoints.delete_endpoint", for_seconds=30)
    ready.emulator.clock.sleep(100)
    ready.finish(ready("DELETE", "onlineEndpoints/ep-one"))

    seen = [(ready.emulator.clock.sleep(t), ready("GET", "onlineEndpoints/ep-one").status_code)[1] for t in (0, 29, 2)]

    assert seen == [200, 200, 404]


def test_stale_read_moves_nothing_on(ready: Wire) -> None:
    """A job that is read as it was goes on as if nobody had looked, and writes no log."""
    assert isinstance(ready.emulator.runner, ScriptedRunner)
    ready.emulator.runner.script = Script(queued=5, runs=10, log=["never"])
    ready("PUT", "jobs/some", bodies.FINETUNING)
    ready.emulator.faults.add("stale_read", on="jobs.cancel_job", times=1)
    ready("POST", "jobs/some/cancel", version="2023-04-01-preview")
    ready.emulator.clock.sleep(20)

    seen = [ready("GET", "jobs/some").json["properties"]["status"] for _ in range(2)]

    logs = [path.read_text().count("never") for path in ready.emulator.store.folder.rglob("std_log.txt")]
    assert seen == ["NotStarted", "Canceled"]
    assert logs == [0]


# What breaks


def _mounted(app: Any, _: Path) -> Any:
    return mount(app, lambda _: True)


def _intercepted(app: Any, _: Path) -> Any:
    return intercept(app)


@pytest.fixture(params=["mount", "intercept", "serve"])
def send(
    request: pytest.FixtureRequest, emulator: Emulator, tmp_path: Path
) -> Iterator[Callable[..., requests.Response]]:
    """Sends a request with the library `requests` through each of the ways in."""
    ways: dict[str, Any] = {"mount": _mounted, "intercept": _intercepted, "serve": serve}
    given = (emulator, 0) if request.param == "serve" else (emulator, tmp_path)
    with ways[request.param](*given) as way, requests.Session() as session:
        if request.param == "serve":
            session.trust_env = False
            session.proxies = {"https": way.url}
            session.verify = str(way.certificate)
        session.headers["Authorization"] = f"Bearer {make_token('https://management.azure.com')}"
        yield session.request


BREAKS = [
    ("never_arrived", requests.ConnectionError, False),
    ("reset_sending", requests.ConnectionError, False),
    ("answer_lost", requests.ConnectionError, True),
    ("reset", requests.exceptions.ChunkedEncodingError, True),
]


@pytest.mark.parametrize(("name", "error", "took_effect"), BREAKS, ids=[row[0] for row in BREAKS])
def test_connection_breaks_as_the_transport_says_it(
    name: str,
    error: type[Exception],
    took_effect: bool,
    send: Callable[..., requests.Response],
    ready: Wire,
) -> None:
    """By every way in the client meets the exception of its own transport, before the request took effect or after."""
    ready.emulator.faults.add(name, on="jobs.put_job")

    with pytest.raises(error) as caught:
        send("PUT", JOB, json=bodies.FINETUNING, timeout=20)

    broken = caught.value.args[0]
    cause = getattr(broken, "reason", broken).args[1]  # urllib3 says more of a proxy that does not answer
    assert isinstance(broken, urllib3.exceptions.HTTPError)
    assert isinstance(cause, (ConnectionResetError, http.client.IncompleteRead))
    assert (ready("GET", "jobs/some").status_code == 200) is took_effect
    recorded = [one for one in ready.emulator.requests if one.method == "PUT" and "/jobs/" in one.path][-1]
    assert recorded.fault == name


def test_half_of_a_blob_arrives_before_the_connection_is_reset(
    send: Callable[..., requests.Response], emulator: Emulator
) -> None:
    """Bytes that were sent before the reset reach the client, and the rest does not."""
    from phi_azure.emulator.storage import signature

    container, _, name = BLOB.partition("/")
    emulator.blobs.put_bytes(container, name, b"a" * 3_000_000)
    emulator.faults.add("reset", on="GET storage", share=0.5)
    arrived: list[int] = []

    response = send("GET", f"https://{emulator.account}.blob.core.windows.net/{BLOB}?{signature()}", stream=True)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match=r"broken|IncompleteRead"):
        arrived.extend(len(piece) for piece in response)

    assert 1_000_000 < sum(arrived) <= 1_500_000


# What fails a test


def test_fault_that_was_not_met_fails_the_test() -> None:
    """At the end of the context, by name, with how often it happened."""

    def run() -> None:
        with on() as cloud:
            cloud.faults.add("throttled", on="PUT /jobs/", times=2)
            cloud.faults.add("unavailable", on="storage", for_seconds=5)

    with pytest.raises(
        AssertionError, match=r"throttled on 'PUT /jobs/' \(met 0 of 2 times\)\nunavailable on 'storage'"
    ):
        run()


def test_script_that_no_job_followed_fails_the_test() -> None:
    """A script for a job that never came, and one for all."""

    def run() -> None:
        with on() as cloud:
            cloud.jobs.script("tone-1", runs="3h")
            cloud.jobs.script(runs="3h")

    with pytest.raises(AssertionError, match=r"the script of job 'tone-1'\nthe script of all jobs"):
        run()


def test_faults_are_counted_once_among_threads(azure: Azure) -> None:
    """As many requests fail as were to, whoever sends them."""
    azure.faults.add("unavailable", on="workspaces.discovery", times=10)
    seen: list[int] = []

    def ask() -> None:
        url = "https://eastus2.api.azureml.ms/discovery"
        seen.extend(requests.get(url, timeout=20).status_code for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(seen) == [200] * 10 + [503] * 10


def test_every_fault_says_what_it_does() -> None:
    """The list that a misspelt name is answered with is a description."""
    assert [name for name, kind in FAULTS.items() if len(kind.says.split()) < 2] == []
