"""The emulator's answers have the fields, types and headers of real ones; what differs on purpose is listed here.

recorded_shapes.json is made by make_recorded_shapes.py from public recordings of Azure's own tests, which lie in
Azure/azure-sdk-assets, and, for serverless endpoints, from OpenAPI examples of Azure/azure-rest-api-specs.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.emulator.access import Access
from phi_azure.emulator.app import Emulator
from phi_azure.emulator.blobs import DEFAULT_CONTAINER
from phi_azure.emulator.course import Script
from phi_azure.emulator.scripted import ScriptedRunner
from phi_azure.emulator.wire import MANAGEMENT
from tests.emulator import bodies
from tests.emulator.bodies import changed
from tests.emulator.make_recorded_shapes import HEADERS, fields
from tests.emulator.wire import SCOPE, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.test import TestResponse

RECORDED: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("recorded_shapes.json").read_text())
HISTORY = "eastus2.api.azureml.ms"
BLOB = f"{DEFAULT_CONTAINER}/LocalUpload/0/chat.jsonl"
BLOCK = {"x-ms-blob-type": "BlockBlob", "x-ms-meta-upload_status": "completed"}
KEY = {"adminUserName": "azureuser", "adminUserSshPublicKey": "ssh-rsa A", "adminUserPassword": "<password>"}
CLUSTER = changed(bodies.COMPUTE, "properties/properties/userAccountCredentials", KEY)
MANAGED = changed(bodies.FINETUNING, "properties/computeId", "gpu")
BARE = changed(changed(bodies.COMPUTE, "properties/description"), "properties/properties/enableNodePublicIp")
DIRECT = changed(bodies.PIPELINE, "properties/inputs")  # the file is given to the node itself
DIRECT = changed(DIRECT, "properties/jobs/tune/inputs/train_file_path", {"uri": bodies.DATA})
DIRECT = changed(DIRECT, "properties/computeId", f"{SCOPE.id}/computes/gpu")
CODE = {"codeId": "/subscriptions/s/codes/c/versions/1", "scoringScript": "score.py"}
DEPLOYMENT = changed(changed(bodies.DEPLOYMENT, "properties/codeConfiguration", CODE), "properties/environmentId", "e")
SERVERLESS = changed(bodies.SERVERLESS, "properties/contentSafety", {"contentSafetyStatus": "Enabled"})
SERVERLESS["sku"] = {"name": "string", "tier": "Standard", "size": "string", "family": "string", "capacity": 1}

# entry of the table, field or header, why it differs; '*' stands for any, '#' for an item of a list
DIFFERENCES: list[tuple[str, str, str]] = [
    (
        "*",
        "header x-ms-retry-after-ms",
        "long-running operations ask for the next look soon; without it the client waits 5 to 30 s",
    ),
    (
        "*",
        "*/properties/phi_azure.emulator.runner",
        "jobs say that they ran in the emulator, lest their numbers pass for Azure's",
    ),
    (
        "finetuning_job.create_get.*",
        "/properties/services*",
        "fresh fine-tuning jobs have services; the service answers null, and the client's jobs.stream fails on it",
    ),
    (
        "pipeline_job.get_and_download/*",
        "*/azureml.pipelines.stages",
        "the times of a pipeline's stages are not kept as a property",
    ),
    (
        "pipeline_job.get_and_download/3",
        "/runDefinition",
        "the run definition, in a form of its own, is null (trimmed in the recording)",
    ),
    ("pipeline_job.get_and_download/3", "/runMetadata/actionUris/*", "no address of the studio's own service is given"),
    (
        "pipeline_job.get_and_download/3",
        "/runMetadata/uniqueChildRunComputeTargets/#",
        "the clusters of child runs are not gathered",
    ),
    (
        "pipeline_job.get_and_download/3",
        "/runMetadata/error/error/messageFormat",
        "the error of a failed run has a message, and no format of it",
    ),
    (
        "pipeline_job.get_and_download/3",
        "/runMetadata/error/error/referenceCode",
        "the error of a failed run has no reference code",
    ),
    (
        "pipeline_job.create.400/0",
        "/error/additionalInfo/#/info/value/*",
        "refused pipelines carry an InnerError, as other refusals do",
    ),
    (
        "model.create_local/4",
        "header x-ms-content-crc64",
        "an uploaded blob is answered with its MD5 only, not its CRC64",
    ),
    (
        "openapi.serverless_endpoint/0",
        "/properties/marketplaceSubscriptionId",
        "always null: Microsoft's own models need no subscription, and there are no others",
    ),
    (
        "openapi.serverless_endpoint/0",
        "/properties/inferenceEndpoint/headers/string",
        "a placeholder of the example; there are no headers",
    ),
    ("openapi.serverless_endpoint/0", "/systemData*", "systemData is answered (left out of the example)"),
    (
        "openapi.serverless_endpoint/?",
        "header *",
        "the headers of a long-running operation are answered (left out of the example)",
    ),
]


def _follow(wire: Wire, response: TestResponse, looks: int = 1) -> TestResponse:
    """Looks at a long-running operation so many times; returns the last answer."""
    path, _, query = response.headers["Azure-AsyncOperation"].removeprefix(f"https://{MANAGEMENT}").partition("?")
    asked = dict(pair.split("=") for pair in query.split("&"))
    answers = [wire("GET", path, version="", query=asked) for _ in range(looks)]
    return answers[-1]


def _cluster(wire: Wire, body: bodies.Body = CLUSTER) -> TestResponse:
    made = wire("PUT", "computes/gpu", body)
    _follow(wire, made, 2)
    return made


def _job(wire: Wire, body: bodies.Body, version: str = "2024-01-01-preview", **script: Any) -> TestResponse:
    bodies.upload(wire.emulator)
    _cluster(wire)
    runner = wire.emulator.runner
    assert isinstance(runner, ScriptedRunner)
    runner.script = Script(**script)
    wire("PUT", "jobs/some", body)
    return wire("GET", "jobs/some", version=version)


def _endpoint(wire: Wire) -> None:
    bodies.upload(wire.emulator)
    _follow(wire, wire("PUT", "onlineEndpoints/ep-one", bodies.ENDPOINT), 2)


def _deployment(wire: Wire) -> TestResponse:
    _endpoint(wire)
    return wire("PUT", "onlineEndpoints/ep-one/deployments/blue", DEPLOYMENT)


def _model(wire: Wire, anonymous: bool = False, times: int = 1) -> TestResponse:
    bodies.upload(wire.emulator)
    body = changed(bodies.MODEL_VERSION, "properties/modelType", "custom_model")
    body = changed(body, "properties/isAnonymous", anonymous)
    return [wire("PUT", "models/mine/versions/1", body) for _ in range(times)][-1]


def _upload(wire: Wire) -> TestResponse:
    return wire.blob("PUT", BLOB, b"hello world", headers=BLOCK)


def _identity_based(wire: Wire) -> TestResponse:
    wire.emulator.access = Access(storage="identity")
    return wire("POST", "datastores/workspaceblobstore/listSecrets", version="2024-07-01-preview")


def _region(wire: Wire) -> TestResponse:
    bodies.upload(wire.emulator)
    wire.emulator.region = "uksouth"
    return wire("PUT", "jobs/some", bodies.FINETUNING)


def _run_data(wire: Wire) -> TestResponse:
    _job(wire, DIRECT, queued=0, runs=0, fails_in="chat_completion_finetune")
    body = {"runId": "some", "selectRunMetadata": True, "selectRunDefinition": True, "selectJobSpecification": True}
    return wire("POST", f"/history/v1.0{SCOPE.id}/rundata", body, host=HISTORY, version="v1.0")


def _serverless(wire: Wire) -> TestResponse:
    return wire("PUT", "serverlessEndpoints/some", SERVERLESS)


PLAYS: dict[str, Callable[[Wire], TestResponse]] = {
    "command_job.create.400_unknown_field/0": lambda wire: wire(
        "PUT", "jobs/some", changed(changed(bodies.FINETUNING, "properties/a", 1), "properties/b", 1)
    ),
    "compute.aml.create_update_get/0": _cluster,
    "compute.aml.create_update_get/1": lambda wire: _follow(wire, wire("PUT", "computes/gpu", CLUSTER)),
    "compute.aml.create_update_get/3": lambda wire: _follow(wire, wire("PUT", "computes/gpu", CLUSTER), 2),
    "compute.aml.create_update_get/4": lambda wire: (_cluster(wire), wire("GET", "computes/gpu"))[1],
    "compute.get/0": lambda wire: (_cluster(wire, BARE), wire("GET", "computes/gpu"))[1],
    "finetuning_job.create.maas.400/0": lambda wire: wire(
        "GET", "datastores/workspaceblobstore", version="2024-07-01-preview"
    ),
    "finetuning_job.create.maas.400/1": lambda wire: wire(
        "POST", "datastores/workspaceblobstore/listSecrets", {"expirableSecret": True}, version="2024-07-01-preview"
    ),
    "finetuning_job.create.maas.400/2": lambda wire: (_upload(wire), wire.blob("HEAD", BLOB))[1],
    "finetuning_job.create.maas.400/3": lambda wire: wire.blob("HEAD", BLOB),
    "finetuning_job.create.maas.400/8": _region,
    "finetuning_job.create_get.maap_compute/0": lambda wire: (
        bodies.upload(wire.emulator),
        _cluster(wire),
        wire("PUT", "jobs/some", MANAGED),
    )[2],
    "finetuning_job.create_get.maap_compute/1": lambda wire: _job(wire, MANAGED),
    "finetuning_job.create_get.maap_compute/2": lambda wire: _job(wire, MANAGED, "2024-10-01-preview"),
    "model.create_local/0": lambda wire: wire("GET", "models/nothing/versions"),
    "model.create_local/3": lambda wire: wire.blob("HEAD", BLOB),
    "model.create_local/4": _upload,
    "model.create_local/5": lambda wire: (
        _upload(wire),
        wire.blob("PUT", BLOB, query={"comp": "metadata"}, headers=BLOCK),
    )[1],
    "model.create_local/6": _model,
    "online_deployment.create/0": _identity_based,
    "online_deployment.create/3": lambda wire: _model(wire, anonymous=True, times=2),
    "online_deployment.create/4": _deployment,
    "online_deployment.create/5": lambda wire: _follow(wire, _deployment(wire)),
    "online_endpoint.delete/0": lambda wire: (_endpoint(wire), wire("DELETE", "onlineEndpoints/ep-one"))[1],
    "online_endpoint.delete/1": lambda wire: (_endpoint(wire), _follow(wire, wire("DELETE", "onlineEndpoints/ep-one")))[
        1
    ],
    "online_endpoint.delete_missing.204/0": lambda wire: wire("DELETE", "onlineEndpoints/ep-one"),
    "openapi.serverless_endpoint/0": lambda wire: (
        _serverless(wire),
        _follow(wire, _serverless(wire), 2),
        _serverless(wire),
    )[2],
    "openapi.serverless_endpoint/1": lambda wire: (_serverless(wire), wire("DELETE", "serverlessEndpoints/some"))[1],
    "openapi.serverless_endpoint/2": lambda wire: (
        _serverless(wire),
        wire("POST", "serverlessEndpoints/some/listKeys"),
    )[1],
    "pipeline_job.create.400/0": lambda wire: wire(
        "PUT",
        "jobs/some",
        changed(bodies.PIPELINE, "properties/jobs/tune/componentId", "azureml://registries/r/components/c"),
    ),
    "pipeline_job.get_and_download/0": lambda wire: _job(wire, DIRECT, runs=60),
    "pipeline_job.get_and_download/1": lambda wire: _job(
        wire, DIRECT, queued=0, runs=0, fails_in="chat_completion_finetune"
    ),
    "pipeline_job.get_and_download/2": lambda wire: wire("GET", "/discovery", host=HISTORY, version=""),
    "pipeline_job.get_and_download/3": _run_data,
    "registry.discovery.403/0": lambda wire: wire(
        "GET", "/registrymanagement/v1.0/registries/sdk-test/discovery", host="eastus.api.azureml.ms", version=""
    ),
    "workspace.get_and_online_endpoint.create/0": lambda wire: wire("GET", SCOPE.id, version="2024-10-01-preview"),
    "workspace.get_and_online_endpoint.create/1": lambda wire: wire("PUT", "onlineEndpoints/ep-one", bodies.ENDPOINT),
}


def differences(recorded: dict[str, Any], response: TestResponse) -> dict[str, str]:
    """Returns what an answer has more, less or of another type than the recorded one, by field or header."""
    here = fields(json.loads(response.data or b"null"))
    there: dict[str, list[str]] = recorded["fields"]
    headers = {name.lower() for name in response.headers.keys()} & HEADERS  # noqa: SIM118 (werkzeug's iterates over pairs)
    wanted = {name for name in recorded["headers"] if name in HEADERS}
    return (
        dict.fromkeys(there.keys() - here.keys(), "absent")
        | dict.fromkeys(here.keys() - there.keys(), "added")
        | {
            path: f"{_said(here[path])}, not {_said(there[path])}"
            for path in there.keys() & here.keys()
            if here[path] != there[path]
        }
        | {f"header {name}": "absent" for name in wanted - headers}
        | {f"header {name}": "added" for name in headers - wanted}
    )


def _said(words: list[str]) -> str:
    return " or ".join(words)


def _listed(entry: str, field: str) -> bool:
    return any(fnmatchcase(entry, where) and fnmatchcase(field, what) for where, what, _ in DIFFERENCES)


def test_every_recorded_answer_is_played() -> None:
    """No entry of the table is left out."""
    assert PLAYS.keys() == RECORDED.keys()


@pytest.mark.parametrize("entry", RECORDED)
def test_answer_has_the_recorded_shape(entry: str, wire: Wire) -> None:
    """Status, headers, fields and types are those of the real service, but for the differences of the list."""
    recorded = RECORDED[entry]

    response = PLAYS[entry](wire)

    found = differences(recorded, response)
    assert response.status_code == recorded["status"]
    assert {field: said for field, said in found.items() if not _listed(entry, field)} == {}


def test_list_of_differences_holds_no_more_than_there_are(tmp_path: Path) -> None:
    """A difference that is gone leaves the list."""
    found = []
    for entry, recorded in RECORDED.items():
        emulator = Emulator(tmp_path / entry, ScriptedRunner())
        found += [(entry, field) for field in differences(recorded, PLAYS[entry](Wire(emulator)))]
        emulator.close()

    needed = {
        row
        for row in DIFFERENCES
        for entry, field in found
        if fnmatchcase(entry, row[0]) and fnmatchcase(field, row[1])
    }

    assert needed == set(DIFFERENCES)
