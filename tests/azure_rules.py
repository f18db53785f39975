"""Azure's rules for rows and settings, written down a second time, slowly and plainly, for tests to compare with.

Read from Azure/azureml-assets (data_import.py, component specs, 2026-07) and azureml-acft-contrib-hf-nlp 0.0.91; each
function names the rules that it holds by the ids of our notes. Nothing here may import phi_azure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MIN_TRAINING_ROWS = 10  # row-min-train
MIN_MESSAGES = 2  # row-min-messages
COLUMNS = ("messages", "tools")  # col-messages


@dataclass
class Verdict:
    """What Azure does with a file: rows by line number, and why the job fails, if it does."""

    kept: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    refused: str | None = None


def serverless(data: bytes, *, training: bool = True) -> Verdict:
    """fmt-bom, fmt-bad-lines, row-serverless-shape at the import; then what the common preparation does."""
    verdict = Verdict()
    rows: list[tuple[int, Any]] = []
    for number, line in enumerate(_text(data).split("\n"), start=1):
        try:
            row = json.loads(line)
        except ValueError:
            if line.strip():  # a blank line is no row that could be lost
                verdict.dropped.append(number)
            continue
        if _has_shape(row):
            rows.append((number, row))
        else:
            verdict.dropped.append(number)
    return _prepared(rows, verdict, training)


def managed(data: bytes, *, training: bool = True) -> Verdict:
    """col-messages, row-null and what the common preparation does; JSON that cannot be read fails the loader."""
    verdict = Verdict()
    rows: list[tuple[int, Any]] = []
    for number, line in enumerate(_text(data).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            verdict.refused = verdict.refused or f"line {number} is not JSON"
            continue
        if not isinstance(row, dict):
            verdict.refused = verdict.refused or f"line {number} is no object"
            continue
        rows.append((number, row))
    if rows and not any("messages" in row for _, row in rows):
        verdict.refused = verdict.refused or "no column messages"
    return _prepared(rows, verdict, training)


def _text(data: bytes) -> str:
    """fmt-bom: read as utf-8-sig; what is not UTF-8 cannot be read at all, here shown by a character of its own."""
    return data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")


def _has_shape(row: Any) -> bool:
    """row-serverless-shape."""
    if not isinstance(row, dict) or not isinstance(row.get("messages"), list):
        return False
    return all(_is_message(item) for item in row["messages"])


def _is_message(item: Any) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("role"), str):
        return False
    return isinstance(item.get("content"), (str, list)) or isinstance(item.get("tool_calls"), list)


def _prepared(rows: list[tuple[int, Any]], verdict: Verdict, training: bool) -> Verdict:
    """row-null, row-min-messages, row-null-keys, row-template, row-none-left, row-min-train, tok-zero-assistant."""
    answers = 0
    for number, row in rows:
        messages = row.get("messages")
        if not messages or (isinstance(messages, list) and len(messages) < MIN_MESSAGES):
            verdict.dropped.append(number)
            continue
        if reason := _does_not_render(messages):
            verdict.refused = verdict.refused or f"line {number}: {reason}"
            continue
        verdict.kept.append(number)
        answers += sum(1 for message in messages if message.get("role") == "assistant" and message.get("content"))
    if verdict.refused is None:
        if not verdict.kept:
            verdict.refused = "no row is left"
        elif training and len(verdict.kept) < MIN_TRAINING_ROWS:
            verdict.refused = f"{len(verdict.kept)} rows are left, {MIN_TRAINING_ROWS} are needed"
        elif not answers:
            verdict.refused = "no token of an assistant in the whole set"
    verdict.dropped.sort()
    return verdict


def _does_not_render(messages: Any) -> str | None:
    """row-template: Phi's templates put texts together; what is no text breaks them (nulls are taken out before)."""
    if not isinstance(messages, list):
        return "messages is no list"
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            return f"message {index} is no object"
        known = {key: value for key, value in message.items() if value is not None}  # row-null-keys
        if not isinstance(known.get("role"), str):
            return f"message {index} has no role"
        if not isinstance(known.get("content"), str) and not known.get("tool_calls"):
            return f"message {index} has no text"
    return None


def without_system_role(messages: list[dict[str, Any]]) -> str | None:
    """role-system-unsupported: one system message at most, first of all, and a user message after it."""
    places = [index for index, message in enumerate(messages) if message.get("role") == "system"]
    if len(places) > 1:
        return "more than one system message"
    if places and places[0] != 0:
        return "the system message is not the first"
    if not any(message.get("role") == "user" for message in messages):
        return "no user message"
    return None


def settings(inputs: Mapping[str, str], deepspeed_file: Mapping[str, Any] | None = None) -> list[str]:
    """Returns the ids of the rules that these inputs of chat_completion_pipeline break; values are text, as sent."""
    on = {name for name, value in inputs.items() if value == "true"}
    zero = inputs.get("deepspeed_stage", "2") if "apply_deepspeed" in on else None
    broken = {
        "hp-lr": float(inputs.get("learning_rate", "2e-5")) <= 0,
        "hp-optim": inputs.get("optim", "adamw_torch") not in {"adamw_torch", "adafactor"},
        "hp-early": "apply_early_stopping" in on
        and inputs.get("evaluation_strategy", "epoch") not in {"steps", "epoch"},
        "ds-autobatch": zero is not None and "auto_find_batch_size" in on,
        "ds-ort": zero == "3" and "apply_ort" in on,
        "ds-custom": deepspeed_file is not None and not _custom_stage_is_fine(deepspeed_file),
        "prec-values": inputs.get("precision", "32") not in {"32", "16"},
        "model-one-of": not {"huggingface_id", "pytorch_model_path", "mlflow_model_path"} & set(inputs),
        "split-train-required": not {"train_file_path", "train_mltable_path"} & set(inputs),
        "model-bad-chars": any(
            "\\" in value or "'" in value for name, value in inputs.items() if name.endswith("_path")
        ),
    }
    return [rule for rule, is_broken in broken.items() if is_broken]


def _custom_stage_is_fine(config: Mapping[str, Any]) -> bool:
    zero = config.get("zero_optimization")
    if not isinstance(zero, dict) or "stage" not in zero:
        return False
    return zero["stage"] != 3 or zero.get("stage3_gather_16bit_weights_on_model_save") is True
