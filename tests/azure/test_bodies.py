"""The exact JSON of each route and shape, as files in tests/wire_bodies; PHI_AZURE_WRITE_BODIES=1 writes them anew."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml import Input

from phi_azure import FineTune, Lora, ManagedCompute, Serverless, Workspace
from phi_azure.azure import managed, serverless
from phi_azure.azure.order import Asset, Order
from tests.conftest import row

if TYPE_CHECKING:
    from phi_azure.testing import Azure

BODIES = Path(__file__).parent.parent / "wire_bodies"
SIZE = "Standard_NC24ads_A100_v4"
ROUTES: dict[str, Serverless | ManagedCompute] = {
    "serverless": Serverless(),
    "serverless-all-knobs": Serverless(learning_rate=3e-5, epochs=4, batch_size=2, max_seq_length=2048),
    "pipeline": ManagedCompute(),
    "pipeline-cluster": ManagedCompute(cluster="gpu-cluster", size=SIZE, nodes=2, max_nodes=4, idle_minutes=10),
    "pipeline-all-knobs": ManagedCompute(
        cluster="gpu-cluster", size="Standard_NC48ads_A100_v4", gpus=1, lora=Lora(r=16, alpha=32, dropout=0.1),
        epochs=3, max_steps=50, learning_rate=1e-5, batch_size=4, eval_batch_size=2, gradient_accumulation_steps=8,
        optim="adafactor", lr_scheduler_type="cosine", warmup_steps=5, weight_decay=0.01, max_grad_norm=0.5,
        max_seq_length=1024, seed=7, precision=32, deepspeed=3, logging_steps=5, evaluation_strategy="steps",
        eval_steps=20, early_stopping_patience=3, early_stopping_threshold=0.01,
        save_total_limit=2, adam_beta2=0.95,
    ),
    "pipeline-all-weights": ManagedCompute(lora=None),
    "finetuning-cluster": ManagedCompute(job="finetuning", cluster="gpu-cluster", size=SIZE, learning_rate=1e-5),
    "finetuning-instance-types": ManagedCompute(job="finetuning", instance_types=(SIZE, "Standard_NC48ads_A100_v4")),
}  # fmt: skip


def sent(emulator: Azure, path: str) -> Any:
    """Returns the last body that was sent to this path, without what differs each time."""
    body = emulator.last("PUT", path).json
    if "vmSize" not in body["properties"].get("properties", {}):
        # the state of the git repository that the client runs in, and what the service has added to an endpoint
        body["properties"].pop("properties", None)
    if "phi_azure.expires" in body.get("tags", {}):
        body["tags"]["phi_azure.expires"] = "in eight hours"
    return json.loads(re.sub(r"tone-[0-9a-f]{6}", "tone-0a1b2c", json.dumps(body)))


def check(name: str, body: Any) -> None:
    """Compares a body with the file of that name."""
    file = BODIES / f"{name}.json"
    if os.environ.get("PHI_AZURE_WRITE_BODIES"):
        file.write_text(json.dumps(body, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    assert body == json.loads(file.read_text(encoding="utf-8"))


def submitted(emulator: Azure, workspace: Workspace, chat: Path, route: Serverless | ManagedCompute) -> Any:
    """Sends a job on this route and returns its body."""
    workspace.submit(FineTune(name="tone", training_data=chat, route=route, tags={"team": "soc"}))
    return sent(emulator, "/jobs/")


@pytest.mark.parametrize("name", ROUTES)
def test_job_body(emulator: Azure, workspace: Workspace, chat: Path, name: str) -> None:
    """Each route and shape sends what its file says, and the emulator takes it."""
    check(f"job-{name}", submitted(emulator, workspace, chat, ROUTES[name]))


def test_job_body_with_validation_data(emulator: Azure, workspace: Workspace, chat: Path, tmp_path: Path) -> None:
    """Validation data, a model's version, an experiment and a model name of one's own arrive."""
    validation = tmp_path / "validation.jsonl"
    validation.write_text(row("a", "b"), encoding="utf-8")
    job = FineTune(
        name="tone", model="Phi-4-mini-instruct:1", training_data=chat, validation_data=validation,
        experiment="tones", registered_name="tone-model",
    )  # fmt: skip

    workspace.submit(job)

    check("job-serverless-validation", sent(emulator, "/jobs/"))


def test_cluster_body(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """A cluster scales to zero and carries our tag."""
    submitted(emulator, workspace, chat, ROUTES["pipeline-cluster"])

    check("cluster", sent(emulator, "/computes/"))


def test_data_body(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """A data asset is named for the job and versioned by its content."""
    submitted(emulator, workspace, chat, Serverless())

    check("data", sent(emulator, "/data/"))


@pytest.mark.parametrize("name", ["serverless", "pipeline-cluster"])
def test_endpoint_bodies(emulator: Azure, workspace: Workspace, chat: Path, name: str) -> None:
    """A model goes to the endpoint that fits it."""
    run = workspace.submit(FineTune(name="tone", training_data=chat, route=ROUTES[name])).wait()

    run.register().deploy("tone-endpoint")

    if name == "serverless":
        check("endpoint-serverless", sent(emulator, "/serverlessEndpoints/"))
    else:
        check("model", sent(emulator, "/models/"))
        check("deployment", sent(emulator, "/deployments/"))
        check("endpoint-managed", sent(emulator, "/onlineEndpoints/tone-endpoint"))


PIPELINE_KNOBS: dict[str, object] = {
    "epochs": 2, "max_steps": 9, "learning_rate": 1e-4, "batch_size": 2, "eval_batch_size": 2, "nodes": 2, "gpus": 3,
    "gradient_accumulation_steps": 2, "optim": "adafactor", "lr_scheduler_type": "cosine", "warmup_steps": 1,
    "weight_decay": 0.1, "max_grad_norm": 2.0, "max_seq_length": 99, "seed": 1, "precision": 32, "deepspeed": 2,
    "logging_steps": 1, "evaluation_strategy": "steps", "eval_steps": 7, "early_stopping_patience": 2,
    "save_total_limit": 1, "lora": None, "size": "Standard_NC48ads_A100_v4", "cluster": "gpu-cluster",
    "inputs": {"a_newer_input": "1"}, "adam_beta1": 0.8, "adam_beta2": 0.9, "adam_epsilon": 1e-6,
    "apply_ort": True, "auto_find_batch_size": True, "compute_model_evaluation": "small",
    "compute_model_import": "small", "compute_preprocess": "small", "dataloader_num_workers": 2,
    "enable_full_determinism": True, "eval_accumulation_steps": 4, "evaluation_config": "azureml:config:1",
    "evaluation_config_params": "{}", "evaluation_steps_interval": 0.5, "finetune_config_path": "azureml:config:1",
    "ignore_mismatched_sizes": True, "instance_type_model_evaluation": "Standard_D4s_v3",
    "instance_type_model_import": "Standard_D4s_v3", "instance_type_preprocess": "Standard_D4s_v3",
    "logging_strategy": "epoch", "metric_for_best_model": "f1", "pad_to_max_length": True,
    "preprocess_batch_size": 10, "shm_size_finetune": "8g", "trust_remote_code": True,
}  # fmt: skip
SERVERLESS_KNOBS: dict[str, object] = {"epochs": 2, "learning_rate": 1e-4, "batch_size": 2, "max_seq_length": 99}
ELSEWHERE = {"kind", "job", "instance_types", "max_nodes", "idle_minutes", "early_stopping_threshold"}


def order(route: Serverless | ManagedCompute) -> Order:
    """Returns a job of which only the route matters."""
    size = getattr(route, "size", None) or SIZE
    job = FineTune(name="tone", training_data=Path("train.jsonl"), route=route)
    return Order(
        job,
        "tone-0a1b2c",
        Asset("azureml:data:1"),
        "hash",
        "azureml:model:1",
        size=size,
        gpus=getattr(route, "gpus", 1),
    )


@pytest.mark.parametrize("knob", SERVERLESS_KNOBS)
def test_serverless_knob_changes_the_body(knob: str) -> None:
    """No knob of the serverless route is for show."""
    changed = Serverless.model_validate({knob: SERVERLESS_KNOBS[knob]})

    assert serverless.hyperparameters(order(changed)) != serverless.hyperparameters(order(Serverless()))


@pytest.mark.parametrize("knob", PIPELINE_KNOBS)
def test_pipeline_knob_changes_the_body(knob: str) -> None:
    """No knob of the managed route is for show, and all that is sent is text or a file."""
    changed = managed.inputs(order(ManagedCompute.model_validate({knob: PIPELINE_KNOBS[knob]})))

    before = managed.inputs(order(ManagedCompute()))

    assert changed != before
    assert all(isinstance(value, str | Input) for value in changed.values())


def test_every_knob_is_tried() -> None:
    """A knob that is added must be added here."""
    assert set(SERVERLESS_KNOBS) == set(Serverless.model_fields) - {"kind"}
    assert set(PIPELINE_KNOBS) == set(ManagedCompute.model_fields) - ELSEWHERE
