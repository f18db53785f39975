"""phi_azure.testing: what a test holds, what fails it at the end, and what is never kept."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.ai.ml.entities import ServerlessEndpoint

from phi_azure.emulator.identity import make_token
from phi_azure.emulator.storage import signature
from phi_azure.testing import ANY
from phi_azure.testing import azure as on
from tests.emulator import bodies
from tests.emulator.bodies import changed
from tests.emulator.wire import Wire

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.testing import Azure

URL = "https://management.azure.com/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices"
BASE = "azureml://registries/azureml/models/Phi-4-mini-instruct"
CHILD = """
import json, urllib.request
print(json.load(urllib.request.urlopen("https://eastus2.api.azureml.ms/discovery"))["studio"])
"""


def _get(url: str) -> requests.Response:
    return requests.get(url, headers={"Authorization": f"Bearer {make_token('a')}"}, timeout=5)


def test_unserved_request_fails_the_test() -> None:
    """Whoever asked for what the emulator does not serve learns it at the end, even if the error was swallowed."""

    def ask() -> None:
        with on():
            _get(f"{URL}/workspaces/w/quantumJobs?api-version=1")

    with pytest.raises(AssertionError, match=r"does not serve:\nGET https://management.azure.com/.*quantumJobs"):
        ask()


def test_unserved_api_version_fails_the_test() -> None:
    """A request in a version that the emulator does not answer is named at the end, with those that it does."""

    def ask() -> None:
        with on():
            _get(f"{URL}/workspaces/w/jobs?api-version=1999-01-01")

    with pytest.raises(
        AssertionError, match=r"does not serve:\nGET https://.*/jobs\?api-version=1999-01-01 \(served: 2"
    ):
        ask()


def test_error_of_the_test_comes_first() -> None:
    """An error inside is not hidden by the check at the end."""

    def ask() -> None:
        with on():
            _get(f"{URL}/workspaces/w/quantumJobs?api-version=1")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ask()


def test_state_is_kept_when_a_folder_is_given(tmp_path: Path) -> None:
    """With a folder the next context goes on where this one ended."""
    with on(state=tmp_path) as first:
        first.emulator.store.put("thing", "one", {"kept": True})

    with on(state=tmp_path) as second:
        found = second.emulator.store.get("thing", "one")

    assert found == {"kept": True}


def test_state_goes_with_the_context() -> None:
    """Without a folder nothing is left on the disk."""
    with on() as cloud:
        folder = cloud.state.folder

    assert not folder.exists()


def test_last_request_is_found_by_its_path(azure: Azure) -> None:
    """A test looks at what was sent; a miss lists what there was."""
    _get(f"{URL}/workspaces/w?api-version=2024-10-01-preview")

    found = azure.last("GET", "/workspaces/w")

    assert found.query == {"api-version": "2024-10-01-preview"}
    with pytest.raises(AssertionError, match=r"no PUT request with '/jobs/' in its path(.|\n)*GET /subscriptions"):
        azure.last("PUT", "/jobs/")


# What was sent


BODY = {"properties": {"jobType": "FineTuning", "tags": {"a": "1"}, "list": [{"x": 1, "y": 2}]}}


def _put(body: object, name: str = "some") -> None:
    url = f"{URL}/workspaces/w/jobs/{name}?api-version=2024-10-01-preview"
    requests.put(url, json=body, headers={"Authorization": f"Bearer {make_token('a')}"}, timeout=5)


FITTING: list[tuple[str, Any, bool]] = [
    ("part", {"properties": {"tags": {"a": "1"}}}, False),
    ("part of a list's entry", {"properties": {"list": [{"y": 2}]}}, False),
    ("wildcard", {"properties": {"jobType": ANY, "list": ANY}}, False),
    ("whole", BODY, True),
    ("whole with a wildcard", {"properties": {**BODY["properties"], "tags": ANY}}, True),
    ("anything", ANY, False),
]


@pytest.mark.parametrize(("expected", "whole"), [row[1:] for row in FITTING], ids=[row[0] for row in FITTING])
def test_body_that_was_sent_is_found(expected: Any, whole: bool, azure: Azure) -> None:
    """A part, or the whole, with wildcards; the request is handed back."""
    _put(BODY)

    found = azure.assert_sent("PUT", "/jobs/", expected, whole=whole)

    assert found.json == BODY


DIFFERING: list[tuple[str, Any, bool, list[str]]] = [
    ("value", {"properties": {"tags": {"a": "2"}}}, False, ['-      "a": "2"', '+      "a": "1"']),
    ("missing", {"properties": {"tags": {"b": "1"}}}, False, ['-      "b": "1"']),
    ("more than the whole", {"properties": {**BODY["properties"], "tags": {}}}, True, ['+      "a": "1"']),
    ("shorter list", {"properties": {"list": []}}, False, ['+        "x": 1,']),
]


@pytest.mark.parametrize(("expected", "whole", "lines"), [r[1:] for r in DIFFERING], ids=[r[0] for r in DIFFERING])
def test_difference_is_shown(expected: Any, whole: bool, lines: list[str], azure: Azure) -> None:
    """What differs is shown line by line, and what nobody asked for is left out."""
    _put(BODY)

    with pytest.raises(AssertionError, match="was sent with another body") as caught:
        azure.assert_sent("PUT", "/jobs/", expected, whole=whole)

    shown = str(caught.value).splitlines()
    assert [line for line in lines if line not in shown] == []
    assert "jobType" not in str(caught.value)


def test_wildcard_is_no_difference(azure: Azure) -> None:
    """Lines with ANY are the same on both sides."""
    _put(BODY)

    with pytest.raises(AssertionError) as caught:
        azure.assert_sent("PUT", "/jobs/", {"properties": {"jobType": ANY, "tags": {"a": "2"}}})

    changed_lines = [line for line in str(caught.value).splitlines()[1:] if line[:1] in "+-"]
    assert [line for line in changed_lines if "ANY" in line or "FineTuning" in line] == []


def test_nearest_of_several_bodies_is_shown(azure: Azure) -> None:
    """One difference is more to the point than ten."""
    _put({"properties": {"a": 1, "b": 2, "c": 3}}, "near")
    _put({"other": 1}, "far")

    with pytest.raises(AssertionError, match=r"/jobs/near was sent .* \(the nearest of 2 such requests\)"):
        azure.assert_sent("PUT", "/jobs/", {"properties": {"a": 1, "b": 2, "c": 4}})


def test_requests_are_listed_by_path(azure: Azure) -> None:
    """Oldest first; a body is not needed."""
    for name in ("one", "two"):
        _put(BODY, name)

    assert [one.path.rpartition("/")[2] for one in azure.sent("PUT", "/jobs/")] == ["one", "two"]
    assert azure.sent("DELETE") == []
    with pytest.raises(AssertionError, match=r"no DELETE request(.|\n)*PUT /subscriptions"):
        azure.assert_sent("DELETE", "/jobs/")


# What there is


def _tuned(azure: Azure) -> Wire:
    """Has a cluster, a tuned model and two endpoints made."""
    wire = Wire(azure.emulator)
    azure.jobs.script("some", queued="1m", runs="1h")
    bodies.upload(azure.emulator)
    wire("PUT", "computes/gpu", bodies.COMPUTE)
    wire("PUT", "jobs/some", bodies.FINETUNING)
    wire.finish(wire("PUT", "onlineEndpoints/ep-one", bodies.ENDPOINT))
    return wire


def test_state_is_seen_as_it_is_by_the_clock(azure: Azure) -> None:
    """A job goes on although no request looks at it; what it leaves is there."""
    _tuned(azure)

    before = [job.status for job in azure.state.jobs]
    azure.clock.turn(7200)

    assert (before, [job.status for job in azure.state.jobs]) == (["NotStarted"], ["Completed"])
    assert [(model.name, model.version) for model in azure.state.models] == [("tuned", "1")]
    assert [(cluster.name, cluster.most) for cluster in azure.state.clusters] == [("gpu", 2)]
    assert [(one.name, one.kind, one.state) for one in azure.state.endpoints] == [("ep-one", "managed", "Succeeded")]
    assert {blob.name.rpartition("/")[2] for blob in azure.state.blobs} >= {"MLmodel", "std_log.txt"}


def test_looking_at_the_state_is_no_look_at_a_job(azure: Azure) -> None:
    """A job without times moves on with requests alone."""
    wire = Wire(azure.emulator)
    bodies.upload(azure.emulator)
    wire("PUT", "jobs/some", bodies.FINETUNING)

    seen = [job.status for _ in range(3) for job in azure.state.jobs]

    assert seen == ["NotStarted"] * 3


def test_saved_state_is_taken_up_again_and_again(tmp_path: Path) -> None:
    """Everything is there, at the time that it was; what happens to the copy does not touch what was saved."""
    with on() as first:
        _tuned(first)
        first.clock.turn(7200)
        jobs, blobs, then = first.state.jobs, first.state.blobs, first.clock.now()
        first.save(tmp_path / "kept")

    found = []
    for _ in range(2):
        with on(saved=tmp_path / "kept") as again:
            found.append((again.state.jobs, again.state.blobs, again.clock.now() >= then))
            text = Wire(again.emulator).blob("GET", f"{blobs[-1].container}/{blobs[-1].name}").status_code
            Wire(again.emulator)("DELETE", "computes/gpu", query={"underlyingResourceAction": "Delete"})

    assert found == [(jobs, blobs, True)] * 2
    assert text == 200


def test_state_is_saved_into_a_new_folder_only(azure: Azure, tmp_path: Path) -> None:
    """Nothing is written over."""
    with pytest.raises(FileExistsError):
        azure.save(tmp_path)


def test_child_process_reaches_the_emulator(azure: Azure) -> None:
    """The environment leads another process here."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env=azure.environment(), capture_output=True, text=True, timeout=30, check=False
    )

    assert done.stdout == "https://ml.azure.com\n"


@pytest.mark.engine
def test_engine_answers_for_itself(tmp_path: Path) -> None:
    """A script or a reply is refused where the engine works."""
    with on(state=tmp_path, runner="engine") as cloud:
        with pytest.raises(TypeError, match="scripted"):
            cloud.jobs.script(runs=1)
        with pytest.raises(TypeError, match="scripted"):
            cloud.reply(str)


def test_region_is_the_one_that_was_asked_for() -> None:
    """The workspace is where the test wants it."""
    with on(region="westus3"):
        found = _get(f"{URL}/workspaces/w?api-version=2024-10-01-preview").json()

    assert found["location"] == "westus3"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"runner": "engin"}, "runner: 'engin' is none of scripted, engine"),
    ({"storage": "key"}, "storage: 'key' is none of keys, identity, refused"),
    ({"workspaces": {"w": "Projekt"}}, "workspaces: 'Projekt' is none of Default, Hub, Project"),
    ({"quota": {"nofamily": 3}}, "quota: 'nofamily' is no family of .*standardNCADSA100v4Family"),
    ({"roles": "Contributor"}, r"roles takes a list, as in \['Contributor'\]"),
    ({"denied": "a/write"}, r"denied takes a list, as in \['a/write'\]"),
    (
        {"denied": ["Microsoft.Foo/bar/write"]},
        "needs 'Microsoft.Foo/bar/write'; it knows:\n(.|\n)*workspaces/jobs/write",
    ),
]


@pytest.mark.parametrize(("option", "said"), WRONG, ids=[said[:20] for _, said in WRONG])
def test_option_that_would_do_nothing_is_refused(option: dict[str, Any], said: str) -> None:
    """A misspelt word is an error where it is written, not a test that tests nothing."""
    with pytest.raises(ValueError, match=said), on(**option):
        pass


def test_action_may_be_denied_by_a_pattern() -> None:
    """A star stands for anything, as in Azure's roles."""
    with on(denied=["Microsoft.MachineLearningServices/workspaces/jobs/*"]) as azure:
        assert not azure.emulator.access.allows("Microsoft.MachineLearningServices/workspaces/jobs/write")


def test_requests_hold_no_secret(azure: Azure, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens, keys, signatures and passwords are in no recorded request: neither header, nor query, nor body."""
    from azure.identity import ClientSecretCredential

    token = (
        ClientSecretCredential(azure.tenant_id, "client", "very-secret")
        .get_token("https://ml.azure.com/.default")
        .token
    )
    endpoint = client.serverless_endpoints.begin_create_or_update(
        ServerlessEndpoint(name="sv-one", model_id=BASE)
    ).result()
    keys = client.serverless_endpoints.get_keys("sv-one")
    chat = {"messages": [{"role": "user", "content": "a"}]}
    for header in ({"Authorization": f"Bearer {keys.primary_key}"}, {"api-key": keys.secondary_key}):
        requests.post(f"{endpoint.scoring_uri}/v1/chat/completions", headers=header, json=chat, timeout=5)
    requests.get(
        f"https://phiazureemulator.blob.core.windows.net/azureml?restype=container&comp=list&{signature()}", timeout=5
    )

    kept = json.dumps([[each.path, each.query, each.headers, each.body.decode()] for each in azure.requests])

    secrets = [
        token,
        "very-secret",
        keys.primary_key,
        keys.secondary_key,
        signature().partition("sig=")[2][:20],
        "Bearer ",
    ]
    assert [secret for secret in secrets if secret in kept] == []
    assert azure.last("POST", "/v1/chat/completions").json == chat


def test_given_key_is_not_kept(azure: Azure) -> None:
    """A key that the client itself sends, to set it or as a cluster's password, is not kept."""
    wire = Wire(azure.emulator)
    wire.finish(wire("PUT", "onlineEndpoints/ep-one", bodies.ENDPOINT))
    wire("POST", "onlineEndpoints/ep-one/regenerateKeys", {"keyType": "Primary", "keyValue": "a-key-of-my-own"})
    login = {"adminUserName": "me", "adminUserPassword": "a-password-of-my-own"}
    wire("PUT", "computes/gpu", changed(bodies.COMPUTE, "properties/properties/userAccountCredentials", login))

    kept = " ".join(each.body.decode() for each in azure.requests)

    assert "of-my-own" not in kept
    assert '"keyType"' in kept
    assert "a-password-of-my-own" not in str(azure.emulator.store.find("compute"))
