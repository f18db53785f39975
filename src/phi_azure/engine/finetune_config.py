"""Azure's finetune_config.json: what a model's makers ask of a fine-tune, such as LoRA targets or a chat template."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from phi_azure.engine.errors import UserError
from phi_azure.engine.events import log
from phi_azure.engine.folders import mlmodel_file

if TYPE_CHECKING:
    from pathlib import Path

NAME = "finetune_config.json"
TASK = "ChatCompletion"
USED = ("chat_special_tokens", "system_role_supported", "finetune_chat_template", "lora_target_modules")


def find_config(given: Path | None, model: Path) -> dict[str, Any]:
    """Returns the settings of the file given, else of the model's own copy, else of its MLmodel file, else nothing."""
    if given:
        log(f"fine-tune configuration: {given.name}, given by the caller")
        return _for_chat(_read(given))
    if (model / NAME).is_file():
        log("fine-tune configuration: the copy in the model")
        return _for_chat(_read(model / NAME))
    mlmodel = mlmodel_file(model)
    inside = yaml.safe_load(mlmodel.read_text(encoding="utf-8")) if mlmodel else {}
    config = (inside.get("metadata") or {}).get("finetune_config") or {}
    return _for_chat(json.loads(config) if isinstance(config, str) else config)


def read_config(model: Path) -> dict[str, Any]:
    """Returns the settings that the model import step left beside the model."""
    return _read(model / NAME) if (model / NAME).is_file() else {}


def check_config(config: dict[str, Any]) -> None:
    """Refuses markers that Azure would refuse, and says which settings are not acted on."""
    markers = config.get("chat_special_tokens")
    if markers is not None and not {"response_template", "instruction_template"} <= set(markers):
        raise UserError(f"{NAME}: chat_special_tokens needs response_template and instruction_template.")
    for key in sorted(set(config) - set(USED) - {"version"}):
        log(f"{NAME}: {key} is left out by this engine")


def merge_system(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Puts the system text before the first user text, for models without a system role."""
    systems = [i for i, message in enumerate(messages) if message["role"] == "system"]
    user = next((i for i, message in enumerate(messages) if message["role"] == "user"), None)
    if user is None or systems not in ([], [0]):
        raise UserError("this model has no system role: give at most one system message, first, and a user message.")
    if not systems:
        return messages
    joined = {**messages[user], "content": f"{messages[0]['content']}\n\n{messages[user]['content']}"}
    return [*messages[1:user], joined, *messages[user + 1 :]]


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise UserError(f"{path.name} is not a JSON object: {error}") from error


def _for_chat(config: dict[str, Any]) -> dict[str, Any]:
    """Version 2 keeps the settings of each task apart."""
    if str(config.get("version")) != "2":
        return config
    tasks = config.get("task_specific_config") or {}
    return dict(tasks.get(TASK) or tasks.get("chat-completion") or {})
