"""The page of `phi-azure emulator`: what it tells, what it keeps to itself, and that looking changes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client

from phi_azure.emulator import runs
from phi_azure.emulator.course import Script
from phi_azure.emulator.page import sights
from phi_azure.emulator.page.address import remember_port
from phi_azure.emulator.page.app import FILES, Page
from phi_azure.emulator.scripted import ScriptedRunner
from tests.emulator import bodies
from tests.emulator.bodies import changed
from tests.emulator.wire import SCOPE, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from phi_azure.emulator.app import Emulator

    Ask = Callable[..., Any]
HOME = "http://127.0.0.1:8000"


@pytest.fixture
def page(emulator: Emulator) -> Page:
    """The page around an emulator."""
    return Page(emulator)


@pytest.fixture
def wire(emulator: Emulator, page: Page) -> Wire:
    """A client of that emulator, whose requests pass the page."""
    return Wire(emulator, page)


@pytest.fixture
def ask(page: Page) -> Ask:
    """Asks the page for data; returns JSON."""
    client = Client(page)

    def asked(path: str, **query: Any) -> Any:
        answer = client.get(f"/page/data/{path}", base_url=HOME, query_string=query)
        assert answer.status_code == 200
        return answer.json

    return asked


def submit(wire: Wire, name: str, body: bodies.Body = bodies.PIPELINE, **course: Any) -> None:
    """Sends a job of one course."""
    assert isinstance(wire.emulator.runner, ScriptedRunner)
    wire.emulator.runner.by_name[name] = Script(**course)
    bodies.upload(wire.emulator)
    wire("PUT", "computes/gpu", bodies.COMPUTE)
    assert wire("PUT", f"jobs/{name}", body).status_code == 201


@pytest.mark.parametrize("path", ["/", "/runs/any", "/models", "/endpoints", "/clusters", "/requests"])
def test_every_view_is_the_same_strict_page(path: str, page: Page) -> None:
    """Nothing from elsewhere, nothing inline, nobody around it, nothing kept."""
    answer = Client(page).get(path, base_url=HOME)

    policy = answer.headers["Content-Security-Policy"]
    assert answer.status_code == 200
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "<script>" not in answer.text
    assert "style=" not in answer.text


@pytest.mark.parametrize("file", sorted(path.name for path in FILES.iterdir()))
def test_every_file_is_served_and_makes_no_markup_of_text(file: str, page: Page) -> None:
    """Scripts set text as text: what parses HTML is not used, and no address leads elsewhere."""
    answer = Client(page).get(f"/page/{file}", base_url=HOME)

    assert answer.status_code == 200
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "https://", "srcdoc"):
        assert word not in answer.text


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        pytest.param("POST", f"{HOME}/", 405, id="post"),
        pytest.param("DELETE", f"{HOME}/page/data/overview", 405, id="delete"),
        pytest.param("GET", f"{HOME}/page/../app.py", 404, id="outside"),
        pytest.param("GET", f"{HOME}/page/data/runs/none", 404, id="no-job"),
        pytest.param("GET", f"{HOME}/page/data/logs/none", 404, id="no-log"),
        pytest.param("GET", "http://evil.example:8000/page/data/overview", 501, id="foreign-name"),
        pytest.param("GET", "https://management.azure.com/", 501, id="azure"),
    ],
)
def test_what_is_not_the_page_is_refused(method: str, url: str, status: int, page: Page) -> None:
    """Only looking, only what is there, only under this machine's own name."""
    base, slash, path = url.partition("8000") if ":8000" in url else url.partition(".com")

    answer = Client(page).open(path, base_url=base + slash, method=method)

    assert answer.status_code == status


def test_a_job_shows_steps_curves_settings_and_log(wire: Wire, ask: Ask) -> None:
    """Half way through the training: what is done, what runs, and the numbers so far."""
    course: dict[str, Any] = {"queued": 60, "runs": 100, "metrics": {"loss": [4.0, 2.0, 1.0, 0.5]}, "log": ["a", "b"]}
    submit(wire, "tune", **course)
    wire.emulator.clock.turn(60 + 70)  # type: ignore[attr-defined]
    wire("GET", "jobs/tune")

    shown = ask("runs/tune")
    running = next(step for step in shown["steps"] if step["status"] == "Running")

    assert (shown["status"], shown["base"], shown["kind"]) == ("Running", "Phi-4-mini-instruct:1", "Pipeline")
    assert " ".join(step["status"] for step in shown["steps"]) == "Completed Completed Completed Running NotStarted"
    assert shown["curves"] == [{"key": "loss", "total": 2, "points": [[0, 4.0], [1, 2.0]]}]
    assert ask("runs/tune", points=shown["points"])["curves"] is None
    assert "scripted by a test" in ask("logs/tune", step=running["id"])["text"]
    assert ask("overview")["jobs"][0]["spark"] == [4.0, 2.0]


def test_looking_changes_nothing(wire: Wire, ask: Ask) -> None:
    """A job that moves on with each look of a client stays where it is, and so does every document."""
    submit(wire, "tune")
    connection = wire.emulator.store.connection()
    before = connection.execute("SELECT * FROM documents ORDER BY kind, key").fetchall()

    for _ in range(3):
        ask("overview"), ask("runs/tune"), ask("logs/tune"), ask("requests")

    assert connection.execute("SELECT * FROM documents ORDER BY kind, key").fetchall() == before


def test_a_failed_job_tells_the_step_and_its_error(wire: Wire, ask: Ask) -> None:
    """The message stands with the step that failed and with the job."""
    submit(wire, "tune", queued=0, runs=10, fails_in="chat_completion_finetune", error="CUDA out of memory")
    wire.emulator.clock.turn(10)  # type: ignore[attr-defined]
    wire("GET", "jobs/tune")

    shown = ask("runs/tune")

    assert shown["status"] == "Failed"
    assert [step["error"] for step in shown["steps"] if step["status"] == "Failed"] == ["CUDA out of memory"]
    assert "Failed nodes" in shown["error"]


def test_a_log_is_read_on_from_where_it_ended(wire: Wire, ask: Ask) -> None:
    """Pieces put together are the file, even where a piece ends inside a sign; the end alone can be asked for."""
    submit(wire, "tune")
    run = wire.emulator.store.get("run", SCOPE.key + "tune") or {}
    text = "héllo wörld €\n" * 30_000
    runs.log_path(wire.emulator.store, run).write_text(text, encoding="utf-8")

    pieces, at = [], 0
    while (piece := ask("logs/tune", **{"from": at}))["text"]:
        pieces.append(piece["text"])
        at = piece["next"]
    end = ask("logs/tune", **{"from": -1})

    assert len(pieces) > 1
    assert "".join(pieces) == text
    assert end["from"] > 0
    assert end["next"] == end["size"] == at


def test_jobs_of_one_name_are_told_apart_by_workspace(wire: Wire, ask: Ask) -> None:
    """The link that the client shows names the workspace; without it the newest job is meant."""
    other = f"{SCOPE.id}-two"
    submit(wire, "tune")
    wire("PUT", f"{other}/computes/gpu", bodies.COMPUTE)
    wire("PUT", f"{other}/jobs/tune", changed(bodies.PIPELINE, "properties/displayName", "second"))

    assert ask("runs/tune")["title"] == "second"
    assert ask("runs/tune", wsid=SCOPE.id)["title"] == "tune"


def test_endpoints_and_clusters_tell_what_they_cost(wire: Wire, ask: Ask) -> None:
    """By the hour and so far, at the list price of the machines; a cluster that is idle costs nothing."""
    submit(wire, "tune", queued=0, runs=3600)
    bodies.upload(wire.emulator)
    made = wire("PUT", "onlineEndpoints/heads", bodies.ENDPOINT)
    wire.finish(made)
    wire("PUT", "onlineEndpoints/heads/deployments/blue", bodies.DEPLOYMENT)
    wire.emulator.clock.turn(3600)  # type: ignore[attr-defined]

    seen = ask("overview")
    (endpoint,), (cluster,) = seen["endpoints"], seen["clusters"]

    assert endpoint["usd_per_hour"] > 0
    assert endpoint["usd"] == pytest.approx(endpoint["usd_per_hour"], rel=0.01)
    assert (endpoint["deployments"][0]["name"], endpoint["kind"]) == ("blue", "managed")
    assert seen["usd_per_hour"] == endpoint["usd_per_hour"] + cluster["usd_per_hour"]
    assert (cluster["name"], cluster["most"]) == ("gpu", 2)


def test_keys_and_bodies_stay_out(wire: Wire, ask: Ask) -> None:
    """Neither the keys of an endpoint, nor a token, a signature or a body is in anything that the page tells."""
    wire.finish(wire("PUT", "onlineEndpoints/heads", bodies.ENDPOINT))
    keys = wire("POST", "onlineEndpoints/heads/listKeys", version="2022-02-01-preview").json
    wire.blob("GET", "azureml/secret", query={"sig": "abc-signature"})
    wire("POST", "/t/oauth2/v2.0/token", b"client_secret=hidden", host="login.microsoftonline.com", version="")

    told = json.dumps([ask("overview"), ask("requests")])

    assert keys["primaryKey"] not in told
    assert "abc-signature" not in told
    assert "hidden" not in told
    assert "Bearer" not in told


def test_requests_stand_in_the_order_in_which_they_came(wire: Wire, ask: Ask) -> None:
    """With what was asked and answered, those that nobody knows marked; the page's own are not among them."""
    wire("GET", "jobs", version="2024-01-01-preview")
    wire("GET", "jobs", version="1999-01-01")
    wire("GET", "/subscriptions/s/providers/Microsoft.Compute/virtualMachines", version="2024-01-01")

    seen = ask("requests")["seen"]

    assert [(row["number"], row["status"], row["unserved"]) for row in seen] == [
        (1, 200, False),
        (2, 400, True),
        (3, 501, True),
    ]
    assert (seen[0]["method"], seen[0]["host"], seen[0]["version"]) == (
        "GET",
        "management.azure.com",
        "2024-01-01-preview",
    )
    assert seen[0]["path"] == f"{SCOPE.id}/jobs"
    assert [row["number"] for row in ask("requests", **{"from": 2})["seen"]] == [3]
    assert ask("overview")["unserved"] == 2
    assert len(wire.emulator.unserved) == 2


def test_the_web_view_of_a_job_leads_to_the_page(wire: Wire, page: Page) -> None:
    """As soon as the page has been served of this state; the client adds its tenant at the end."""
    submit(wire, "tune")
    before = wire("GET", "jobs/tune").json["properties"]["services"]["Studio"]["endpoint"]
    remember_port(wire.emulator.store, 8000)

    link = wire("GET", "jobs/tune").json["properties"]["services"]["Studio"]["endpoint"]

    assert before.startswith("https://ml.azure.com/runs/tune?wsid=")
    assert link == f"{HOME}/runs/tune?wsid={SCOPE.id}"
    assert Client(page).get(f"{link.removeprefix(HOME)}&tid=x", base_url=HOME).status_code == 200


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=3000), st.integers(10, 500))
def test_a_thinned_curve_keeps_its_ends_and_its_peaks(values: list[float], most: int) -> None:
    """Never more points than asked for, in their order, from the first to the last, with the lowest and the highest."""
    points = list(enumerate(values))

    kept = sights.thinned(points, most)

    assert len(kept) <= max(most, 1)
    assert kept == sorted(kept)
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert {min(values), max(values)} <= {value for _, value in kept}
