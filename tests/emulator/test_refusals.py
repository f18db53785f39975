"""What the service would not take, the emulator refuses: with a code, the name of what is wrong, and no trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phi_azure.emulator.app import Emulator
from phi_azure.emulator.clock import TurnedClock
from phi_azure.emulator.course import Script
from phi_azure.emulator.scripted import ScriptedRunner
from tests.emulator import bodies
from tests.emulator.bodies import Body, changed
from tests.emulator.wire import GPU, SCOPE, Wire, error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.test import TestResponse

FAMILY = "standardNCADSA100v4Family"
JOB, NODE = "jobs/some", "properties/jobs/tune"
DEPLOYMENT = "onlineEndpoints/ep-one/deployments/blue"
TUNED = f"azureml://locations/eastus2/workspaces/{SCOPE.guid}/models"
COUNTED = ("job", "run", "compute", "data", "models", "endpoint", "deployment", "serverless", "operation")


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A workspace with one of everything; no test of this module leaves anything in it."""
    runner = ScriptedRunner()
    runner.script = Script(queued=0, runs=0)
    emulator = Emulator(tmp_path_factory.mktemp("busy"), runner, clock=TurnedClock(), quota={FAMILY: 24})
    wire = Wire(emulator)
    bodies.upload(emulator)
    made = [
        wire("PUT", "computes/gpu", bodies.COMPUTE),
        wire("PUT", "jobs/done", bodies.FINETUNING),
        wire("PUT", "models/mine/versions/1", bodies.MODEL_VERSION),
        wire("PUT", "onlineEndpoints/ep-one", bodies.ENDPOINT),
    ]
    for response in made:
        if "Azure-AsyncOperation" in response.headers:
            wire.finish(response)
    wire("GET", "jobs/done")  # leaves the model `tuned`
    yield wire
    emulator.close()


def _census(wire: Wire) -> dict[str, int]:
    return {kind: len(wire.emulator.store.find(kind)) for kind in COUNTED}


def _refused(wire: Wire, path: str, body: Body, said: str, status: int = 400, code: str = "UserError") -> TestResponse:
    """Sends what must be refused, and checks the four things that every refusal has in common."""
    before = _census(wire)

    response = wire("PUT", path, body)

    found, message = error(response)
    assert response.status_code == status
    assert found == code
    assert said in message
    assert _census(wire) == before
    return response


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("jobs/other", bodies.FINETUNING),
        ("jobs/other", bodies.PIPELINE),
        ("computes/other", bodies.COMPUTE),
        ("data/other/versions/1", bodies.DATA_VERSION),
        ("models/other/versions/1", bodies.MODEL_VERSION),
        ("onlineEndpoints/other", bodies.ENDPOINT),
        ("onlineEndpoints/ep-one/deployments/blue", bodies.DEPLOYMENT),
        ("serverlessEndpoints/other", bodies.SERVERLESS),
    ],
    ids=["finetuning", "pipeline", "compute", "data", "model", "endpoint", "deployment", "serverless"],
)
def test_unchanged_body_is_taken(path: str, body: Body, wire: Wire) -> None:
    """The bodies from which the tables below depart are good ones."""
    bodies.upload(wire.emulator)
    wire("PUT", "computes/gpu", bodies.COMPUTE)
    wire("PUT", "onlineEndpoints/ep-one", bodies.ENDPOINT)

    response = wire("PUT", path, body)

    assert response.status_code in {200, 201}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (JOB, bodies.FINETUNING, "properties"),
        (JOB, bodies.FINETUNING, "properties/fineTuningDetails"),
        (JOB, bodies.FINETUNING, "properties/fineTuningDetails/taskType"),
        (JOB, bodies.FINETUNING, "properties/fineTuningDetails/model"),
        (JOB, bodies.FINETUNING, "properties/fineTuningDetails/model/uri"),
        (JOB, bodies.FINETUNING, "properties/fineTuningDetails/trainingData"),
        (JOB, bodies.FINETUNING, "properties/fineTuningDetails/trainingData/uri"),
        (JOB, bodies.FINETUNING, "properties/fineTuningDetails/modelProvider"),
        (JOB, bodies.FINETUNING, "properties/outputs"),
        (JOB, bodies.FINETUNING, "properties/outputs/registered_model/assetName"),
        (JOB, bodies.FINETUNING, "properties/outputs/registered_model/jobOutputType"),
        (JOB, bodies.PIPELINE, "properties/jobs"),
        ("computes/other", bodies.COMPUTE, "location"),
        ("computes/other", bodies.COMPUTE, "properties/computeType"),
        ("computes/other", bodies.COMPUTE, "properties/properties/vmSize"),
        ("computes/other", bodies.COMPUTE, "properties/properties/scaleSettings/maxNodeCount"),
        ("data/other/versions/1", bodies.DATA_VERSION, "properties/dataUri"),
        ("data/other/versions/1", bodies.DATA_VERSION, "properties/dataType"),
        ("models/other/versions/1", bodies.MODEL_VERSION, "properties/modelUri"),
        ("onlineEndpoints/other", bodies.ENDPOINT, "location"),
        ("onlineEndpoints/other", bodies.ENDPOINT, "properties/authMode"),
        (DEPLOYMENT, bodies.DEPLOYMENT, "sku"),
        (DEPLOYMENT, bodies.DEPLOYMENT, "sku/capacity"),
        (DEPLOYMENT, bodies.DEPLOYMENT, "properties/model"),
        (DEPLOYMENT, bodies.DEPLOYMENT, "properties/instanceType"),
        (DEPLOYMENT, bodies.DEPLOYMENT, "properties/endpointComputeType"),
        ("serverlessEndpoints/other", bodies.SERVERLESS, "location"),
        ("serverlessEndpoints/other", bodies.SERVERLESS, "properties/modelSettings"),
        ("serverlessEndpoints/other", bodies.SERVERLESS, "properties/modelSettings/modelId"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_missing_field_is_named(path: str, body: Body, field: str, busy: Wire) -> None:
    """A body without a field that it needs is refused with the field's name."""
    _refused(busy, path, changed(body, field), field.rsplit("/", 1)[-1] + " field is required")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (JOB, bodies.FINETUNING, "properties/epochs"),
        (JOB, bodies.FINETUNING, "properties/fineTuningDetails/epochs"),
        (JOB, bodies.FINETUNING, "properties/fineTuningDetails/model/path"),
        (JOB, bodies.FINETUNING, "properties/resources"),
        (JOB, bodies.PIPELINE, "properties/nodes"),
        ("computes/other", bodies.COMPUTE, "properties/properties/gpus"),
        ("data/other/versions/1", bodies.DATA_VERSION, "properties/path"),
        ("models/other/versions/1", bodies.MODEL_VERSION, "properties/path"),
        ("onlineEndpoints/other", bodies.ENDPOINT, "properties/key"),
        (DEPLOYMENT, bodies.DEPLOYMENT, "properties/instanceCount"),
        ("serverlessEndpoints/other", bodies.SERVERLESS, "properties/modelId"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unknown_member_is_named(path: str, body: Body, field: str, busy: Wire) -> None:
    """A member that the service does not know is refused by name, as recorded."""
    _refused(busy, path, changed(body, field, {"unknown": 1}), f"Could not find member '{_unknown(field)}'")


def _unknown(field: str) -> str:
    return {"properties/resources": "unknown"}.get(field, field.rsplit("/", 1)[-1])


@pytest.mark.parametrize(
    ("path", "body", "field", "value"),
    [
        (JOB, bodies.FINETUNING, "properties/fineTuningDetails/taskType", "Chat"),
        (JOB, bodies.FINETUNING, "properties/fineTuningDetails/modelProvider", "AzureOpenAI"),
        (JOB, bodies.FINETUNING, "properties/fineTuningDetails/hyperParameters", {"num_train_epochs": 3}),
        (JOB, bodies.FINETUNING, "properties/tags", {"a": 1}),
        (JOB, bodies.FINETUNING, "properties/isArchived", "no"),
        (JOB, bodies.FINETUNING, "properties/outputs", ["registered_model"]),
        (JOB, bodies.PIPELINE, "properties/displayName", 3),
        ("computes/other", bodies.COMPUTE, "properties/properties/vmPriority", "Cheap"),
        ("computes/other", bodies.COMPUTE, "properties/computeType", "Kubernetes"),
        ("computes/other", bodies.COMPUTE, "properties/properties/scaleSettings/maxNodeCount", "2"),
        ("computes/other", bodies.COMPUTE, "properties/properties/scaleSettings/maxNodeCount", True),
        ("computes/other", bodies.COMPUTE, "properties/properties/scaleSettings/nodeIdleTimeBeforeScaleDown", "120"),
        ("data/other/versions/1", bodies.DATA_VERSION, "properties/dataType", "jsonl"),
        ("models/other/versions/1", bodies.MODEL_VERSION, "properties/modelType", "onnx"),
        ("models/other/versions/1", bodies.MODEL_VERSION, "properties/flavors", []),
        ("onlineEndpoints/other", bodies.ENDPOINT, "properties/authMode", "Password"),
        ("onlineEndpoints/other", bodies.ENDPOINT, "properties/traffic", {"blue": "100"}),
        (DEPLOYMENT, bodies.DEPLOYMENT, "sku/capacity", 1.5),
        (DEPLOYMENT, bodies.DEPLOYMENT, "properties/appInsightsEnabled", 1),
        (DEPLOYMENT, bodies.DEPLOYMENT, "properties/livenessProbe", {"initialDelay": "10 minutes"}),
        ("serverlessEndpoints/other", bodies.SERVERLESS, "properties/authMode", "Password"),
        ("serverlessEndpoints/other", bodies.SERVERLESS, "tags", "press"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_value_is_named(path: str, body: Body, field: str, value: object, busy: Wire) -> None:
    """A value of another type, or a word outside the enum, is refused with its path."""
    _refused(busy, path, changed(body, field, value), f"Path '{field.replace('/', '.')}")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("num_epochs", {"value": "3"}, "Unknown input 'num_epochs'"),
        ("num_train_epochs", {"value": "three"}, "Input 'num_train_epochs' is 'three'"),
        ("apply_lora", {"value": "yes"}, "must be one of"),
        ("mlflow_model_path", {"value": "phi"}, "Input 'mlflow_model_path' must be an asset or path"),
        ("learning_rate", {"uri": bodies.DATA}, "Input 'learning_rate' must be a literal"),
        ("num_train_epochs", {"mode": "Direct"}, "inputs.num_train_epochs has neither a value nor a uri"),
        ("num_train_epochs", 3, "inputs.num_train_epochs: 3 is not an input"),
        ("train_file_path", {"uri": "azureml://datastores/workspaceblobstore/paths/no.jsonl"}, "no.jsonl"),
        ("train_file_path", {"uri": "azureml:nothing:1"}, "azureml:nothing:1"),
        ("train_file_path", {"value": "${{parent.inputs.nothing}}"}, "inputs.train_file_path"),
        ("mlflow_model_path", {"uri": "azureml://registries/azureml/models/Phi-9/versions/1"}, "Phi-9"),
        ("mlflow_model_path", {"uri": "azureml://registries/azureml/models/Phi-4/versions/999"}, "versions/999"),
        ("compute_finetune", {"value": "nowhere"}, "inputs.compute_finetune: compute 'nowhere' was not found"),
        ("compute_finetune", {"value": "serverless"}, "instance_type_finetune"),
    ],
    ids=[
        "unknown",
        "integer",
        "enum",
        "asset",
        "literal",
        "neither",
        "plain",
        "missing-path",
        "missing-asset",
        "unbound",
        "missing-model",
        "missing-version",
        "missing-compute",
        "retired-default-size",
    ],
)
def test_wrong_input_of_a_component_is_named(name: str, value: object, said: str, busy: Wire) -> None:
    """An input that the component does not have, or not like this, is refused by name."""
    _refused(busy, JOB, changed(bodies.PIPELINE, f"{NODE}/inputs/{name}", value), said)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (f"{NODE}/componentId", "azureml://registries/azureml/components/text_pipeline/versions/1", "text_pipeline"),
        (
            f"{NODE}/componentId",
            "azureml://registries/azureml/components/chat_completion_pipeline/versions/9",
            "versions/9",
        ),
        (f"{NODE}/outputs", {"weights": {"value": "${{parent.outputs.trained_model}}"}}, "Unknown output 'weights'"),
        (f"{NODE}/outputs/mlflow_model_folder", {"value": "${{parent.outputs.other}}"}, "'other'"),
        ("properties/jobs", {}, "no nodes"),
        (NODE, "tune", "Path 'properties.jobs.tune'"),
        (f"{NODE}/inputs", ["num_train_epochs"], "Path 'properties.jobs.tune.inputs'"),
        (
            f"{NODE}/outputs/mlflow_model_folder",
            "trained_model",
            "Path 'properties.jobs.tune.outputs.mlflow_model_folder'",
        ),
        ("properties", ["jobs"], "Path 'properties'"),
        ("properties/jobType", "Command", "'Command'"),
    ],
    ids=["component", "version", "output", "binding", "empty", "node", "inputs", "value", "list", "type"],
)
def test_wrong_pipeline_is_refused(path: str, value: object, said: str, busy: Wire) -> None:
    """Another component, a binding to nowhere, a node that is none."""
    _refused(busy, JOB, changed(bodies.PIPELINE, path, value), said)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("hyperParameters", {"n_epochs": "3"}, "Hyperparameters not supported: n_epochs"),
        ("hyperParameters", {"lora_r": "8"}, "lora_r"),
        ("hyperParameters", {"num_train_epochs": "many"}, "num_train_epochs"),
        ("trainingData/uri", "azureml:nothing:1", "azureml:nothing:1"),
        ("trainingData/uri", "https://example.com/chat.jsonl", "https://example.com/chat.jsonl"),
        ("validationData/uri", f"{SCOPE.id}/data/nothing/versions/1", "data/nothing"),
        ("model/uri", "azureml://registries/azureml/models/Phi-9/versions/1", "Phi-9"),
        ("model/uri", "azureml://registries/contoso/models/Phi-4/versions/1", "registries/contoso"),
        ("model/uri", "azureml://registries/azureml/models/Phi-3-mini-4k-instruct", "retired on"),
        ("taskType", "TextCompletion", "ChatCompletion only, not TextCompletion"),
    ],
    ids=["unknown", "not-serverless", "integer", "asset", "scheme", "arm-id", "model", "registry", "retired", "task"],
)
def test_wrong_detail_of_a_finetuning_job_is_named(path: str, value: object, said: str, busy: Wire) -> None:
    """References must lead somewhere, hyperparameters must be known."""
    _refused(busy, JOB, changed(bodies.FINETUNING, f"properties/fineTuningDetails/{path}", value), said)


def test_finetuning_job_needs_its_cluster(busy: Wire) -> None:
    """A cluster that does not exist is refused by name."""
    _refused(busy, JOB, changed(bodies.FINETUNING, "properties/computeId", "nowhere"), "nowhere not found")


def test_serverless_job_needs_its_region(wire: Wire) -> None:
    """Where Azure does not tune a model serverlessly, the job is refused in Azure's recorded words."""
    bodies.upload(wire.emulator)
    wire.emulator.region = "uksouth"

    response = wire("PUT", JOB, bodies.FINETUNING)

    said = "Phi-4-mini-instruct : Serverless FineTuning not supported in uksouth."
    assert response.json["error"]["message"] == said


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("jobs/my%20job", bodies.FINETUNING, "my job"),
        ("jobs/-job", bodies.FINETUNING, "-job"),
        ("jobs/" + "j" * 256, bodies.FINETUNING, "j" * 256),
        ("computes/x", bodies.COMPUTE, "'x'"),
        ("computes/1gpu", bodies.COMPUTE, "1gpu"),
        ("computes/" + "c" * 25, bodies.COMPUTE, "c" * 25),
        ("data/my%20data/versions/1", bodies.DATA_VERSION, "my data"),
        ("models/m%C3%BC/versions/1", bodies.MODEL_VERSION, "mü"),
        ("onlineEndpoints/ep", bodies.ENDPOINT, "'ep'"),
        ("onlineEndpoints/ep_one", bodies.ENDPOINT, "ep_one"),
        ("onlineEndpoints/1ep", bodies.ENDPOINT, "1ep"),
        ("onlineEndpoints/ep-", bodies.ENDPOINT, "ep-"),
        ("onlineEndpoints/" + "e" * 33, bodies.ENDPOINT, "e" * 33),
        ("onlineEndpoints/ep-one/deployments/b_lue", bodies.DEPLOYMENT, "b_lue"),
        ("serverlessEndpoints/sv.one", bodies.SERVERLESS, "sv.one"),
        ("serverlessEndpoints/" + "s" * 53, bodies.SERVERLESS, "s" * 53),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_name_that_breaks_the_rule_is_refused(path: str, body: Body, said: str, busy: Wire) -> None:
    """A name that the service would not take is repeated in the error, with the rule."""
    _refused(busy, path, body, said)


@pytest.mark.parametrize(
    ("path", "body", "field", "value", "said"),
    [
        (
            "data/other/versions/1",
            bodies.DATA_VERSION,
            "properties/dataUri",
            "azureml://datastores/workspaceblobstore/paths/no",
            "paths/no",
        ),
        (
            "data/other/versions/1",
            bodies.DATA_VERSION,
            "properties/dataUri",
            "azureml://datastores/lake/paths/up",
            "lake",
        ),
        (
            "models/other/versions/1",
            bodies.MODEL_VERSION,
            "properties/modelUri",
            "azureml://jobs/nothing/outputs/x",
            "nothing",
        ),
        (
            "models/other/versions/1",
            bodies.MODEL_VERSION,
            "properties/modelUri",
            "azureml://jobs/done/outputs/x",
            "no output 'x'",
        ),
        ("models/other/versions/1", bodies.MODEL_VERSION, "properties/modelUri", bodies.DATA, "no MLmodel"),
        (DEPLOYMENT, bodies.DEPLOYMENT, "properties/model", f"{SCOPE.id}/models/nothing/versions/1", "nothing"),
        (DEPLOYMENT, bodies.DEPLOYMENT, "properties/instanceType", "Standard_Fast", "Standard_Fast"),
        (DEPLOYMENT, bodies.DEPLOYMENT, "properties/instanceType", "Standard_NC24rs_v3", "Standard_NC24rs_v3"),
        ("onlineEndpoints/ep-one", bodies.ENDPOINT, "properties/traffic", {"green": 100}, "green"),
        ("onlineEndpoints/ep-one", bodies.ENDPOINT, "properties/mirrorTraffic", {"green": 10}, "green"),
        (
            "serverlessEndpoints/other",
            bodies.SERVERLESS,
            "properties/modelSettings/modelId",
            f"{TUNED}/nothing/versions/1",
            "nothing",
        ),
        (
            "serverlessEndpoints/other",
            bodies.SERVERLESS,
            "properties/modelSettings/modelId",
            "azureml://registries/azureml/models/Phi-3-mini-4k-instruct",
            "retired on",
        ),
    ],
    ids=[
        "data-path",
        "datastore",
        "job",
        "output",
        "no-mlmodel",
        "model",
        "size",
        "retired-size",
        "traffic",
        "mirror",
        "serverless-model",
        "serverless-retired",
    ],
)
def test_reference_to_nothing_is_named(path: str, body: Body, field: str, value: object, said: str, busy: Wire) -> None:
    """A reference to what does not exist, or no longer, is refused with the reference."""
    _refused(busy, path, changed(body, field, value), said)


@pytest.mark.parametrize(
    ("size", "said"),
    [("Standard_Fast", "Standard_Fast is not supported"), ("Standard_NC24rs_v3", "retired on 2025")],
    ids=["unknown", "retired"],
)
def test_size_of_a_cluster_must_be_offered(size: str, said: str, busy: Wire) -> None:
    """A size that does not exist, or no longer, makes no cluster."""
    _refused(
        busy, "computes/other", changed(bodies.COMPUTE, "properties/properties/vmSize", size), said, code="BadRequest"
    )


def test_size_of_a_cluster_stays(busy: Wire) -> None:
    """The size of an existing cluster cannot be changed."""
    body = changed(bodies.COMPUTE, "properties/properties/vmSize", "Standard_NC48ads_A100_v4")

    _refused(busy, "computes/gpu", body, "cannot be changed", code="BadRequest")


@pytest.mark.parametrize("scale", [{"minNodeCount": 3}, {"minNodeCount": -1}, {"maxNodeCount": -1}], ids=str)
def test_limits_of_a_cluster_must_fit(scale: Body, busy: Wire) -> None:
    """The least number of nodes is between 0 and the most."""
    body = changed(bodies.COMPUTE, "properties/properties/scaleSettings", {"maxNodeCount": 2} | scale)

    _refused(busy, "computes/other", body, "Scale settings are invalid", code="BadRequest")


def test_cluster_beyond_the_quota_is_refused(busy: Wire) -> None:
    """A machine with more vCPUs than the family's quota cannot be had."""
    body = changed(bodies.COMPUTE, "properties/properties/vmSize", "Standard_NC96ads_A100_v4")

    _refused(busy, "computes/other", body, FAMILY, code="ClusterCoreQuotaReached")


def test_deployment_beyond_the_quota_is_refused(busy: Wire) -> None:
    """A deployment needs a fifth more than its instances, for upgrades."""
    _refused(busy, DEPLOYMENT, bodies.DEPLOYMENT, "Additional needed: 48", code="OutOfQuota")


@pytest.mark.parametrize("share", [1, 50, 99, 101, 200])
def test_traffic_must_be_all_or_nothing(share: int, wire: Wire) -> None:
    """Shares of the traffic sum to 0 or 100."""
    wire.finish(wire("PUT", "onlineEndpoints/ep-one", bodies.ENDPOINT))
    wire.finish(wire("PUT", DEPLOYMENT, bodies.DEPLOYMENT))

    response = wire("PUT", "onlineEndpoints/ep-one", changed(bodies.ENDPOINT, "properties/traffic", {"blue": share}))

    assert response.status_code == 400
    assert f"it sums to {share}" in error(response)[1]
    assert wire("GET", "onlineEndpoints/ep-one").json["properties"]["traffic"] == {}


def test_model_of_the_managed_route_gets_no_serverless_endpoint(busy: Wire) -> None:
    """A model that was made on one's own machines goes to a managed endpoint."""
    body = changed(bodies.SERVERLESS, "properties/modelSettings/modelId", f"{TUNED}/mine/versions/1")

    _refused(busy, "serverlessEndpoints/other", body, "Deploy it to a managed online endpoint")


def test_model_of_the_serverless_route_gets_no_managed_endpoint(busy: Wire) -> None:
    """A model that was tuned serverlessly goes to a serverless endpoint."""
    body = changed(bodies.DEPLOYMENT, "properties/model", f"{SCOPE.id}/models/tuned/versions/1")

    _refused(busy, DEPLOYMENT, body, "fine-tuned serverlessly")


def test_model_of_a_serverless_endpoint_stays(wire: Wire) -> None:
    """Another model needs another endpoint."""
    wire.finish(wire("PUT", "serverlessEndpoints/other", bodies.SERVERLESS))
    body = changed(bodies.SERVERLESS, "properties/modelSettings/modelId", "azureml://registries/azureml/models/Phi-4")

    response = wire("PUT", "serverlessEndpoints/other", body)

    assert response.status_code == 400
    assert "cannot be changed" in error(response)[1]


@pytest.mark.parametrize("kind", ["onlineEndpoints", "serverlessEndpoints"])
def test_name_of_an_endpoint_is_unique_in_its_region(kind: str, wire: Wire) -> None:
    """Another workspace cannot have an endpoint of the same address."""
    body = bodies.ENDPOINT if kind == "onlineEndpoints" else bodies.SERVERLESS
    wire("PUT", f"{kind}/taken", body)
    elsewhere = SCOPE.id.replace("/workspaces/", "/workspaces/other-")

    response = wire("PUT", f"{elsewhere}/{kind}/TAKEN", body)

    assert response.status_code == 409
    assert "TAKEN is taken" in error(response)[1]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"", "must be a JSON object"),
        (b"\xff", "not valid JSON"),
    ],
    ids=["cut", "list", "empty", "bytes"],
)
def test_body_that_is_no_object_is_refused(body: bytes, said: str, busy: Wire) -> None:
    """A body must be a JSON object."""
    response = busy("PUT", JOB, body)

    assert response.status_code == 400
    assert said in error(response)[1]


def test_pipeline_without_model_or_rows_is_refused(busy: Wire) -> None:
    """The component's spec calls each way to name them optional; its code fails without one, so none is started."""
    body = changed(bodies.PIPELINE, f"{NODE}/inputs/mlflow_model_path")
    body = changed(body, f"{NODE}/inputs/train_file_path", {"value": ""})

    response = _refused(busy, JOB, body, "The pipeline has no model")

    assert "no training data: one of train_file_path, train_mltable_path is needed" in response.text
    assert busy("GET", JOB).status_code == 404


def test_all_problems_are_told_at_once(busy: Wire) -> None:
    """A body with three faults is refused with three details."""
    body = changed(bodies.COMPUTE, "location")
    body = changed(body, "properties/properties/gpus", 1)
    body = changed(body, "properties/properties/vmPriority", "Cheap")

    response = _refused(busy, "computes/other", body, "gpus")

    assert len(response.json["error"]["details"]) == 3


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "jobs/nothing", "JobNotFound"),
        ("POST", "jobs/nothing/cancel", "JobNotFound"),
        ("GET", "computes/nothing", "ComputeNotFound"),
        ("GET", "data/nothing/versions/1", "DataNotFound"),
        ("GET", "data/nothing", "DataNotFound"),
        ("GET", "models/nothing/versions/1", "ModelNotFound"),
        ("GET", "models/nothing/versions", "ModelNotFound"),
        ("GET", "onlineEndpoints/nothing", "EndpointNotFound"),
        ("POST", "onlineEndpoints/nothing/listKeys", "EndpointNotFound"),
        ("GET", "onlineEndpoints/ep-one/deployments/nothing", "DeploymentNotFound"),
        ("GET", "serverlessEndpoints/nothing", "EndpointNotFound"),
        ("POST", "serverlessEndpoints/nothing/listKeys", "EndpointNotFound"),
        ("GET", "marketplaceSubscriptions/nothing", "nothing"),
        ("GET", "datastores/nothing", "nothing"),
    ],
    ids=lambda value: value,
)
def test_what_is_not_there_is_not_found(method: str, path: str, code: str, busy: Wire) -> None:
    """What does not exist is answered with 404, its code and its name."""
    version = {"version": "2023-04-01-preview"} if path.endswith("/cancel") else {}

    response = busy(method, path, **version)

    assert response.status_code == 404
    assert code in error(response)[1]
    assert "nothing" in error(response)[1]


@pytest.mark.parametrize("path", ["computes/nothing", "onlineEndpoints/nothing", "serverlessEndpoints/nothing"])
def test_deleting_nothing_is_done(path: str, busy: Wire) -> None:
    """A delete of what is not there answers 204, as recorded."""
    response = busy("DELETE", path)

    assert response.status_code == 204


def test_bodies_use_the_size_of_the_quota() -> None:
    """The size of the bodies is the one whose family has a quota here."""
    assert bodies.COMPUTE["properties"]["properties"]["vmSize"] == GPU
