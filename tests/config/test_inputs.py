"""All 69 inputs of chat_completion_pipeline 0.0.82: each can be set, reaches the wire, and refuses a wrong value."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure import ConfigError, FineTune, ManagedCompute
from phi_azure.config import component
from phi_azure.config.component import FileInput, Settled
from tests.azure_rules import settings

if TYPE_CHECKING:
    from pathlib import Path

FACTS = json.loads(
    (files("phi_azure.emulator") / "facts" / "chat_completion_pipeline.json").read_text(encoding="utf-8")
)
SIZE = "Standard_NC24ads_A100_v4"
DATA = FileInput("uri_file", "azureml:data:1")
TABLE = FileInput("mltable", "azureml:table:1")
WEIGHTS = FileInput("mlflow_model", "azureml:model:1")

KNOBS: list[tuple[str, str, Any, Any, Any]] = [
    ("instance_type_model_import", "instance_type_model_import", "Standard_D4s_v3", "Standard_D4s_v3", ""),
    ("instance_type_preprocess", "instance_type_preprocess", "Standard_D4s_v3", "Standard_D4s_v3", ""),
    ("instance_type_model_evaluation", "instance_type_model_evaluation", "Standard_D4s_v3", "Standard_D4s_v3", ""),
    ("shm_size_finetune", "shm_size_finetune", "8g", "8g", "8"),
    ("num_nodes_finetune", "nodes", 2, "2", 0),
    ("compute_model_import", "compute_model_import", "small", "small", ""),
    ("compute_preprocess", "compute_preprocess", "small", "small", ""),
    ("compute_finetune", "cluster", "gpu", "gpu", "no cluster"),
    ("compute_model_evaluation", "compute_model_evaluation", "small", "small", ""),
    ("finetune_config_path", "finetune_config_path", "azureml:c:1", FileInput("uri_file", "azureml:c:1"), ""),
    ("trust_remote_code", "trust_remote_code", True, "true", "perhaps"),
    ("batch_size", "preprocess_batch_size", 10, "10", 0),
    ("pad_to_max_length", "pad_to_max_length", True, "true", 2),
    ("max_seq_length", "max_seq_length", 512, "512", -2),
    ("merge_lora_weights", "lora", {"merge": False}, "false", {"merge": "perhaps"}),
    ("lora_alpha", "lora", {"alpha": 16}, "16", {"alpha": 0}),
    ("lora_r", "lora", {"r": 16}, "16", {"r": 0}),
    ("lora_dropout", "lora", {"dropout": 0.1}, "0.1", {"dropout": 1}),
    ("apply_lora", "lora", None, "false", 3),
    ("num_train_epochs", "epochs", 3, "3", 0),
    ("max_steps", "max_steps", 5, "5", -2),
    ("per_device_train_batch_size", "batch_size", 4, "4", 0),
    ("per_device_eval_batch_size", "eval_batch_size", 4, "4", 0),
    ("auto_find_batch_size", "auto_find_batch_size", True, "true", 7),
    ("optim", "optim", "adafactor", "adafactor", "sgd"),
    ("learning_rate", "learning_rate", 1e-6, "0.000001", 0),
    ("warmup_steps", "warmup_steps", 3, "3", -1),
    ("weight_decay", "weight_decay", 0.1, "0.1", -1),
    ("adam_beta1", "adam_beta1", 0.8, "0.8", 1),
    ("adam_beta2", "adam_beta2", 0.9, "0.9", 1),
    ("adam_epsilon", "adam_epsilon", 1e-6, "0.000001", 0),
    ("gradient_accumulation_steps", "gradient_accumulation_steps", 2, "2", 0),
    ("eval_accumulation_steps", "eval_accumulation_steps", 2, "2", -2),
    ("lr_scheduler_type", "lr_scheduler_type", "cosine", "cosine", "step"),
    ("precision", "precision", 32, "32", 8),
    ("seed", "seed", 7, "7", -1),
    ("enable_full_determinism", "enable_full_determinism", True, "true", 7),
    ("dataloader_num_workers", "dataloader_num_workers", 2, "2", -1),
    ("ignore_mismatched_sizes", "ignore_mismatched_sizes", True, "true", 7),
    ("max_grad_norm", "max_grad_norm", 0.5, "0.5", 0),
    ("evaluation_strategy", "evaluation_strategy", "steps", "steps", "never"),
    ("evaluation_steps_interval", "evaluation_steps_interval", 0.25, "0.25", 2),
    ("eval_steps", "eval_steps", 5, "5", 0),
    ("logging_strategy", "logging_strategy", "epoch", "epoch", "no"),
    ("logging_steps", "logging_steps", 5, "5", 0),
    ("metric_for_best_model", "metric_for_best_model", "f1", "f1", "bleu"),
    ("save_total_limit", "save_total_limit", 1, "1", -2),
    ("apply_early_stopping", "early_stopping_patience", 2, "true", 0),
    ("early_stopping_patience", "early_stopping_patience", 2, "2", 0),
    ("early_stopping_threshold", "early_stopping_threshold", 0.1, "0.1", -1),
    ("apply_deepspeed", "deepspeed", 2, "true", 1),
    ("deepspeed_stage", "deepspeed", 3, "3", 4),
    ("deepspeed", "deepspeed", "azureml:zero:1", FileInput("uri_file", "azureml:zero:1"), 5),
    ("apply_ort", "apply_ort", True, "true", 7),
    ("evaluation_config", "evaluation_config", "azureml:c:1", FileInput("uri_file", "azureml:c:1"), ""),
    ("evaluation_config_params", "evaluation_config_params", "{}", "{}", ""),
]
"""The component's input, our field, a value, what is sent, and a value that is refused."""

SETTLED: list[tuple[str, Settled, Any]] = [
    ("task_name", Settled(WEIGHTS, {"train": DATA}, SIZE), "ChatCompletion"),
    ("instance_type_finetune", Settled(WEIGHTS, {"train": DATA}, SIZE), SIZE),
    ("number_of_gpu_to_use_finetuning", Settled(WEIGHTS, {"train": DATA}, SIZE, gpus=4), "4"),
    ("huggingface_id", Settled("microsoft/phi-4", {"train": DATA}, SIZE), "microsoft/phi-4"),
    ("mlflow_model_path", Settled(WEIGHTS, {"train": DATA}, SIZE), WEIGHTS),
    (
        "pytorch_model_path",
        Settled(FileInput("custom_model", "azureml:own:1"), {"train": DATA}, SIZE),
        FileInput("custom_model", "azureml:own:1"),
    ),
    ("train_file_path", Settled(WEIGHTS, {"train": DATA}, SIZE), DATA),
    ("validation_file_path", Settled(WEIGHTS, {"train": DATA, "validation": DATA}, SIZE), DATA),
    ("test_file_path", Settled(WEIGHTS, {"train": DATA, "test": DATA}, SIZE), DATA),
    ("train_mltable_path", Settled(WEIGHTS, {"train": TABLE}, SIZE), TABLE),
    ("validation_mltable_path", Settled(WEIGHTS, {"train": DATA, "validation": TABLE}, SIZE), TABLE),
    ("test_mltable_path", Settled(WEIGHTS, {"train": DATA, "test": TABLE}, SIZE), TABLE),
    ("resume_from_checkpoint", Settled(WEIGHTS, {"train": DATA}, SIZE, resumes=True), "true"),
]
"""Inputs that follow from the job or a verb: model, training_data, validation_data, test_data, size, gpus, resume."""

PLAIN = Settled(WEIGHTS, {"train": DATA}, SIZE)


def test_no_input_is_left_out() -> None:
    """The two tables are the component's 69 inputs, one for one."""
    walked = [row[0] for row in KNOBS] + [row[0] for row in SETTLED]

    assert sorted(walked) == sorted(FACTS["inputs"])
    assert len(walked) == 69


@pytest.mark.parametrize(("name", "field", "value", "sent", "_wrong"), KNOBS, ids=[row[0] for row in KNOBS])
def test_a_knob_reaches_the_wire(name: str, field: str, value: Any, sent: Any, _wrong: Any) -> None:
    """What is set in a file is what the service is sent."""
    route = ManagedCompute.model_validate({field: value})

    assert component.inputs(route, PLAIN)[name] == sent


@pytest.mark.parametrize(("name", "field", "_value", "_sent", "wrong"), KNOBS, ids=[row[0] for row in KNOBS])
def test_a_wrong_value_is_refused_with_what_it_takes(
    name: str, field: str, _value: Any, _sent: Any, wrong: Any
) -> None:
    """The message has the value and the range, and no word of a library."""
    with pytest.raises(ConfigError, match="; it takes "):
        ManagedCompute(**{field: wrong})


@pytest.mark.parametrize(("name", "settled", "sent"), SETTLED, ids=[row[0] for row in SETTLED])
def test_what_follows_from_the_job_reaches_the_wire(name: str, settled: Settled, sent: Any) -> None:
    """Model, data, machines and resuming have words of their own."""
    assert component.inputs(ManagedCompute(), settled)[name] == sent


def test_all_that_is_sent_is_text_or_a_file() -> None:
    """The service takes numbers and booleans as text alone."""
    sent = component.inputs(ManagedCompute(deepspeed=3, early_stopping_patience=2), PLAIN)

    assert all(isinstance(value, (str, FileInput)) for value in sent.values())
    assert set(sent) <= set(FACTS["inputs"])


@pytest.mark.parametrize(
    "field", ["deepspeed", "apply_ort", "auto_find_batch_size", "evaluation_strategy", "precision"]
)
def test_what_is_taken_breaks_none_of_azures_rules(field: str) -> None:
    """Every pair with this knob is either refused here or taken by Azure's rules, written down apart."""
    values = {row[1]: row[2] for row in KNOBS} | {"deepspeed": 3, "early_stopping_patience": 2, "lora": None}
    edge = {"evaluation_strategy": "disable", "deepspeed": 3}
    for other, value in values.items():
        try:
            route = ManagedCompute.model_validate({field: edge.get(field, values[field]), other: value})
        except ValueError:
            continue
        sent = component.inputs(route, PLAIN)
        texts = {name: value if isinstance(value, str) else value.path for name, value in sent.items()}
        assert settings(texts) == [], (field, other)


def test_a_deepspeed_file_must_name_its_stage(tmp_path: Path) -> None:
    """Azure fails after the machines have started; here the file is read first."""
    (tmp_path / "zero.json").write_text('{"zero_optimization": {"stage": 3}}', encoding="utf-8")
    (tmp_path / "none.json").write_text("{}", encoding="utf-8")

    with pytest.raises(ConfigError, match="stage3_gather_16bit_weights_on_model_save"):
        ManagedCompute(deepspeed=str(tmp_path / "zero.json"))
    with pytest.raises(ConfigError, match="names no stage"):
        ManagedCompute(deepspeed=str(tmp_path / "none.json"))


def test_the_route_travels_through_a_file(tmp_path: Path) -> None:
    """Every knob at once is written and read back the same."""
    values = {row[1]: row[2] for row in KNOBS if row[1] not in {"deepspeed", "auto_find_batch_size", "lora"}}
    job = FineTune(name="tone", training_data=tmp_path / "a.jsonl", route=ManagedCompute.model_validate(values))
    (tmp_path / "job.yaml").write_text(job.to_yaml(), encoding="utf-8")

    assert FineTune.from_yaml(tmp_path / "job.yaml") == job
