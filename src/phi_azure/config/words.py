"""Names of knobs in other tools, and what they are called here."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

SAME_KNOB = {
    "num_train_epochs": "epochs",
    "n_epochs": "epochs",
    "per_device_train_batch_size": "batch_size",
    "per_device_eval_batch_size": "eval_batch_size",
    "num_nodes_finetune": "nodes",
    "number_of_gpu_to_use_finetuning": "gpus",
    "deepspeed_stage": "deepspeed",
    "instance_type_finetune": "size",
    "compute_finetune": "cluster",
}
"""Azure's, its portal's and Hugging Face's names of knobs that are shorter here; both are read, ours is written."""

SAME_LORA = {"lora_r": "r", "lora_alpha": "alpha", "lora_dropout": "dropout", "merge_lora_weights": "merge"}

MEANT = {
    # OpenAI, and Azure's portal
    "learning_rate_multiplier": "learning_rate (an absolute value, such as 2e-5, not a factor)",
    "training_file": "training_data",
    "validation_file": "validation_data",
    "suffix": "registered_name",
    "hyperparameters": "route",
    "num_epochs": "epochs",
    "nepochs": "epochs",
    # Azure ML
    "train_file_path": "training_data",
    "validation_file_path": "validation_data",
    "test_file_path": "test_data",
    "train_mltable_path": "training_data (a folder with an MLTable file, or an azureml: address)",
    "validation_mltable_path": "validation_data (a folder with an MLTable file, or an azureml: address)",
    "test_mltable_path": "test_data (a folder with an MLTable file, or an azureml: address)",
    "mlflow_model_path": "model",
    "pytorch_model_path": "model (model: {path: DIR})",
    "huggingface_id": "model (model: {huggingface: org/name})",
    "output_model_name_prefix": "registered_name",
    "experiment_name": "experiment",
    "display_name": "name",
    "compute": "cluster",
    "compute_cluster": "cluster",
    "vm_size": "size",
    "instance_type": "size",
    "instance_count": "nodes",
    "max_instances": "max_nodes",
    "apply_lora": "lora (null trains all weights)",
    "apply_deepspeed": "deepspeed",
    "apply_early_stopping": "early_stopping_patience",
    "task_name": "nothing: it is always ChatCompletion",
    "resume_from_checkpoint": "nothing: `phi-azure resume RUN` sets it",
    # Hugging Face, TRL, PEFT
    "lr": "learning_rate",
    "train_batch_size": "batch_size",
    "per_gpu_train_batch_size": "batch_size",
    "max_length": "max_seq_length",
    "rank": "r",
    "lora_rank": "lora: {r: ...}",
    "lora_dim": "r",
    "fp16": "precision: 16",
    "bf16": "precision: 16",
    "warmup": "warmup_steps",
    "warmup_ratio": "warmup_steps (a count, not a share)",
    "eval_strategy": "evaluation_strategy",
    "save_strategy": "evaluation_strategy (checkpoints are written when the validation loss is taken)",
    "save_steps": "eval_steps (checkpoints are written when the validation loss is taken)",
    "gradient_checkpointing": "nothing: Azure's component sets it itself with DeepSpeed",
    "target_modules": "nothing: Azure takes LoRA's modules from finetune_config_path, or from the model",
    "load_in_4bit": "precision (16 or 32; Azure takes no 4 bits for any Phi)",
    "load_in_8bit": "precision (16 or 32; Azure takes no 8 bits for any Phi)",
    "packing": "nothing: Azure's component does not pack rows",
    "dataset_text_field": "training_data (rows of messages)",
    "report_to": "nothing: metrics go to the workspace's MLflow",
    "output_dir": "registered_name",
    # axolotl, LLaMA-Factory, unsloth
    "micro_batch_size": "batch_size",
    "sequence_len": "max_seq_length",
    "cutoff_len": "max_seq_length",
    "datasets": "training_data",
    "val_set_size": "validation_data (a file; phi-azure split makes one)",
    "val_size": "validation_data (a file; phi-azure split makes one)",
    "model_name_or_path": "model",
    "finetuning_type": "lora (null trains all weights)",
    "adapter": "lora (null trains all weights)",
    "quantization_bit": "precision (16 or 32; Azure takes no 4 bits for any Phi)",
    "preprocessing_num_workers": "dataloader_num_workers",
    # plain mistakes
    "train_file": "training_data",
    "train_data": "training_data",
    "train": "training_data",
    "data": "training_data",
    "dataset": "training_data",
    "eval_data": "validation_data",
    "val_data": "validation_data",
    "test": "test_data",
    "base_model": "model",
    "model_name": "model",
    "model_id": "model",
    "num_nodes": "nodes",
    "num_gpus": "gpus",
    "scheduler": "lr_scheduler_type",
    "lr_scheduler": "lr_scheduler_type",
    "optimizer": "optim",
    "grad_accum": "gradient_accumulation_steps",
    "patience": "early_stopping_patience",
    "budget": "max_price",
    "max_cost": "max_price",
    "type": "kind",
}


def renamed(data: object) -> object:
    """Puts our names where Azure's or Hugging Face's were used; of a knob that stands twice, the names stay."""
    if not isinstance(data, dict):
        return data
    times = Counter(SAME_KNOB.get(key, key) for key in data)
    return {key if times[ours] > 1 else ours: data[key] for key in data for ours in [SAME_KNOB.get(key, key)]}


def suggestion(name: str, known: Collection[str]) -> str:
    """Returns `; did you mean ...?` for a name that nobody knows, or nothing."""
    folded = name.lower().replace("-", "_")
    meant = SAME_KNOB.get(folded) or MEANT.get(folded)
    if meant is not None and meant.startswith("nothing: "):
        return f"; leave it out: {meant.removeprefix('nothing: ')}"
    if meant is None or target(meant) not in known:
        close = get_close_matches(folded, known, n=1, cutoff=0.6)
        meant = close[0] if close else None
    return f"; did you mean {meant}?" if meant else ""


def target(meant: str) -> str:
    """Returns the field that a line of `MEANT` points at."""
    return meant.split(" ", maxsplit=1)[0].rstrip(":")
