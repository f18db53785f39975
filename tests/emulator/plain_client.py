"""What Microsoft's public chat-completion samples do, with azure-ai-ml, azure-identity and requests alone.

Nothing here knows of phi_azure: the same functions would run against a real workspace.
"""

from __future__ import annotations

import ast
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import requests
from azure.ai.ml import Input, MLClient, dsl
from azure.ai.ml.entities import (
    AmlCompute,
    Data,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    OnlineRequestSettings,
    ProbeSettings,
    ServerlessEndpoint,
)
from azure.ai.ml.finetuning import FineTuningTaskType, create_finetuning_job
from azure.core.exceptions import ResourceNotFoundError
from azure.identity import DefaultAzureCredential

if TYPE_CHECKING:
    from pathlib import Path

QUESTION = "Contoso recovers from a ransomware attack."
SIZE = "Standard_NC24ads_A100_v4"
MODEL = "Phi-4-mini-instruct"
OVER = {"Completed", "Failed", "Canceled"}


def managed_compute(folder: Path, prompt: list[dict[str, str]]) -> dict[str, Any]:
    """Goes the route of one's own GPU cluster, from the client to the deleted endpoint; returns what came back."""
    credential = DefaultAzureCredential()
    workspace = MLClient(credential, "<SUBSCRIPTION_ID>", "<RESOURCE_GROUP>", "<WORKSPACE_NAME>")
    registry = MLClient(credential, registry_name="azureml")
    model = registry.models.get(MODEL, label="latest")
    assert SIZE in ast.literal_eval(model.tags["finetune_compute_allow_list"])
    gpus = _cluster(workspace)
    job = workspace.jobs.create_or_update(
        _pipeline(registry, folder, model.id, gpus, ast.literal_eval(model.tags["model_specific_defaults"])),
        experiment_name="samples",
    )
    workspace.jobs.stream(job.name)
    registered = workspace.models.create_or_update(
        Model(path=f"azureml://jobs/{job.name}/outputs/trained_model", type="mlflow_model", name="headlines")
    )
    endpoint = "ep-" + uuid.uuid4().hex[:8]
    _deploy(workspace, endpoint, registered.id)
    question = folder / "question.json"
    conversation = {"input_data": {"input_string": [prompt], "parameters": {"max_new_tokens": 16, "do_sample": False}}}
    question.write_text(json.dumps(conversation), encoding="utf-8")
    said = workspace.online_endpoints.invoke(endpoint_name=endpoint, request_file=str(question))
    log = workspace.online_deployments.get_logs(name="demo", endpoint_name=endpoint, lines=50)
    workspace.online_endpoints.begin_delete(endpoint).wait()
    children = [child.display_name for child in workspace.jobs.list(parent_job_name=job.name)]
    return {
        "job": job.name,
        "said": json.loads(said),
        "log": log,
        "model": registered,
        "children": children,
        "endpoint": endpoint,
    }


def _cluster(workspace: MLClient) -> int:
    try:
        compute = workspace.compute.get("gpu-cluster")
    except ResourceNotFoundError:
        wanted = AmlCompute(name="gpu-cluster", size=SIZE, tier="Dedicated", max_instances=1)
        compute = workspace.compute.begin_create_or_update(wanted).result()
    assert compute.provisioning_state.lower() == "succeeded"
    sizes = {size.name.lower(): size.gpus for size in workspace.compute.list_sizes()}
    gpus: int = sizes[compute.size.lower()]
    return gpus


def _pipeline(registry: MLClient, folder: Path, model_id: str, gpus: int, defaults: dict[str, Any]) -> Any:
    component = registry.components.get(name="chat_completion_pipeline", label="latest")

    @dsl.pipeline(name="headlines")  # type: ignore[untyped-decorator]  # the vendor's
    def create_pipeline() -> dict[str, Any]:
        node = component(
            mlflow_model_path=model_id,
            compute_model_import="gpu-cluster",
            compute_preprocess="gpu-cluster",
            compute_finetune="gpu-cluster",
            train_file_path=Input(type="uri_file", path=str(folder / "train.jsonl")),
            test_file_path=Input(type="uri_file", path=str(folder / "test.jsonl")),
            number_of_gpu_to_use_finetuning=gpus,
            num_train_epochs=3,
            per_device_train_batch_size=16,
            learning_rate=2e-3,
            lora_alpha=16,
            apply_lora="true",
            **{key: value for key, value in defaults.items() if key == "apply_deepspeed"},
        )
        return {"trained_model": node.outputs.mlflow_model_folder}

    pipeline = create_pipeline()
    pipeline.settings.force_rerun = True
    pipeline.settings.continue_on_step_failure = False
    return pipeline


def _deploy(workspace: MLClient, endpoint: str, model_id: str) -> None:
    workspace.begin_create_or_update(ManagedOnlineEndpoint(name=endpoint, auth_mode="key")).wait()
    deployment = ManagedOnlineDeployment(
        name="demo",
        endpoint_name=endpoint,
        model=model_id,
        instance_type=SIZE,
        instance_count=1,
        liveness_probe=ProbeSettings(initial_delay=600),
        request_settings=OnlineRequestSettings(request_timeout_ms=90000),
    )
    workspace.online_deployments.begin_create_or_update(deployment).wait()
    made = workspace.online_endpoints.get(endpoint)
    made.traffic = {"demo": 100}
    workspace.begin_create_or_update(made).result()


def serverless(folder: Path, prompt: list[dict[str, str]]) -> dict[str, Any]:
    """Goes the serverless route, from the client to the deleted endpoint; returns what came back."""
    credential = DefaultAzureCredential()
    workspace = MLClient(credential, "<SUBSCRIPTION_ID>", "<RESOURCE_GROUP>", "<WORKSPACE_NAME>")
    model = MLClient(credential, registry_name="azureml").models.get(MODEL, label="latest")
    place = workspace.workspaces.get("<WORKSPACE_NAME>")
    assert place.location in model.tags["maas-finetuning-deploy-regions"]
    job = create_finetuning_job(
        task=FineTuningTaskType.CHAT_COMPLETION,
        training_data=_data(workspace, "train", folder / "train.jsonl"),
        validation_data=_data(workspace, "validation", folder / "validation.jsonl"),
        model=model.id,
        hyperparameters={"per_device_train_batch_size": "16", "learning_rate": "0.002", "num_train_epochs": "3"},
        output_model_name_prefix="headlines-ft",
        name="headlines-" + uuid.uuid4().hex[:6],
        experiment_name="samples",
    )
    job = workspace.jobs.create_or_update(job)
    while job.status not in OVER:
        time.sleep(0.05)
        job = workspace.jobs.get(job.name)
    assert job.status == "Completed"
    tuned = job.outputs["registered_model"]["name"]
    model_id = f"azureml://locations/{place.location}/workspaces/{place._workspace_id}/models/{tuned}/versions/1"
    wanted = ServerlessEndpoint(name="headlines-" + uuid.uuid4().hex[:8], model_id=model_id)
    endpoint = workspace.serverless_endpoints.begin_create_or_update(wanted).result()
    keys = workspace.serverless_endpoints.get_keys(endpoint.name)
    reply = requests.post(
        f"{endpoint.scoring_uri}/v1/chat/completions",
        headers={"Authorization": f"Bearer {keys.primary_key}"},
        json={"messages": prompt, "max_tokens": 16, "temperature": 0},
        timeout=60,
    )
    workspace.serverless_endpoints.begin_delete(endpoint.name).wait()
    return {"job": job.name, "said": reply.json(), "status": reply.status_code, "endpoint": endpoint.name}


def _data(workspace: MLClient, name: str, path: Path) -> str:
    try:
        asset = workspace.data.get(name, version="1")
    except ResourceNotFoundError:
        asset = workspace.data.create_or_update(Data(name=name, version="1", path=str(path), type="uri_file"))
    identifier: str = asset.id
    return identifier
