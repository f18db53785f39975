"""Request bodies that the emulator takes, to be changed by tests in one place each."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from phi_azure.emulator.blobs import DEFAULT_CONTAINER
from tests.emulator.wire import COMPONENT, GPU, MODEL

if TYPE_CHECKING:
    from phi_azure.emulator.app import Emulator

Body = dict[str, Any]

DATA = "azureml://datastores/workspaceblobstore/paths/up/chat.jsonl"
FOLDER = "azureml://datastores/workspaceblobstore/paths/up/model"
FINETUNING: Body = {
    "properties": {
        "jobType": "FineTuning",
        "displayName": "shown",
        "experimentName": "tests",
        "properties": {"my_property": "my_value"},
        "tags": {"foo": "bar"},
        "isArchived": False,
        "fineTuningDetails": {
            "taskType": "chatCompletion",
            "modelProvider": "Custom",
            "model": {"uri": MODEL, "jobInputType": "mlflow_model"},
            "trainingData": {"uri": DATA, "jobInputType": "uri_file"},
            "validationData": {"uri": DATA, "jobInputType": "uri_file"},
            "hyperParameters": {"num_train_epochs": "1"},
        },
        "outputs": {"registered_model": {"assetName": "tuned", "jobOutputType": "mlflow_model"}},
    }
}
PIPELINE: Body = {
    "properties": {
        "jobType": "Pipeline",
        "description": "tunes",
        "experimentName": "tests",
        "properties": {},
        "tags": {"tag": "tagvalue"},
        "isArchived": False,
        "settings": {"_source": "DSL"},
        "inputs": {"data": {"jobInputType": "uri_file", "uri": DATA}},
        "jobs": {
            "tune": {
                "name": "tune",
                "type": "pipeline",
                "componentId": COMPONENT,
                "_source": "REMOTE.REGISTRY",
                "inputs": {
                    "mlflow_model_path": {"job_input_type": "mlflow_model", "uri": MODEL},
                    "train_file_path": {"job_input_type": "literal", "value": "${{parent.inputs.data}}"},
                    "compute_model_import": {"job_input_type": "literal", "value": "gpu"},
                    "compute_preprocess": {"job_input_type": "literal", "value": "gpu"},
                    "compute_finetune": {"job_input_type": "literal", "value": "gpu"},
                    "num_train_epochs": {"job_input_type": "literal", "value": "1"},
                },
                "outputs": {"mlflow_model_folder": {"value": "${{parent.outputs.trained_model}}", "type": "literal"}},
            }
        },
        "outputs": {"trained_model": {"jobOutputType": "mlflow_model"}},
    }
}
COMPUTE: Body = {
    "location": "eastus2",
    "properties": {
        "computeType": "AmlCompute",
        "description": "some words",
        "disableLocalAuth": False,
        "properties": {
            "osType": "Linux",
            "vmSize": GPU,
            "vmPriority": "Dedicated",
            "scaleSettings": {"maxNodeCount": 2, "minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT1M40S"},
            "remoteLoginPortPublicAccess": "Enabled",
            "enableNodePublicIp": True,
        },
    },
}
DATA_VERSION: Body = {"properties": {"dataUri": DATA, "dataType": "uri_file", "tags": {}, "isAnonymous": False}}
MODEL_VERSION: Body = {
    "properties": {"modelUri": FOLDER, "modelType": "mlflow_model", "properties": {}, "tags": {}, "isAnonymous": False}
}
ENDPOINT: Body = {
    "location": "eastus2",
    "tags": {"team": "press"},
    "identity": {"type": "SystemAssigned"},
    "properties": {
        "authMode": "Key",
        "description": "some words",
        "properties": {},
        "mirrorTraffic": {},
        "traffic": {},
    },
}
DEPLOYMENT: Body = {
    "location": "eastus2",
    "tags": {},
    "sku": {"name": "Default", "capacity": 1},
    "properties": {
        "endpointComputeType": "Managed",
        "instanceType": GPU,
        "model": MODEL,
        "description": "some words",
        "environmentVariables": {},
        "properties": {},
        "appInsightsEnabled": False,
    },
}
SERVERLESS: Body = {
    "location": "eastus2",
    "properties": {
        "modelSettings": {"modelId": "azureml://registries/azureml/models/Phi-4-mini-instruct"},
        "authMode": "Key",
    },
}


def changed(body: Body, path: str, value: object = None) -> Body:
    """Returns a body with another value at a dotted path; without a value the member is gone."""
    whole = copy.deepcopy(body)
    *above, last = path.split("/")
    inner = whole
    for name in above:
        inner = inner[name]
    inner.pop(last, None)
    return whole if value is None else _put(whole, inner, last, value)


def _put(whole: Body, inner: Body, name: str, value: object) -> Body:
    inner[name] = value
    return whole


def upload(emulator: Emulator) -> None:
    """Puts the file and the folder that the bodies speak of into the blob store."""
    emulator.blobs.put_bytes(DEFAULT_CONTAINER, "up/chat.jsonl", b"{}\n")
    emulator.blobs.put_bytes(DEFAULT_CONTAINER, "up/model/MLmodel", b"flavors: {}\n")
