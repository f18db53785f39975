"""The step chat_completion_model_import: brings the base model into the pipeline, in Hugging Face layout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from phi_azure.engine.errors import UserError
from phi_azure.engine.events import log
from phi_azure.engine.finetune_config import NAME, check_config, find_config
from phi_azure.engine.folders import (
    TOKENIZER_FILES,
    copy_files,
    huggingface_folder,
    link_or_copy,
    mlmodel_file,
    tokenizer_folder,
    whole_folder,
)

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.engine.events import Events
    from phi_azure.engine.spec import Spec

_WANTED = (".json", ".safetensors", ".jinja", ".model", ".txt", ".md")
_UNSAFE = (".bin", ".pt", ".pth", ".py", ".pkl")


def run(spec: Spec, _events: Events) -> None:
    """Finds the model, leaves code and pickles behind, and writes what was imported."""
    source, name = _find(spec)
    folder = huggingface_folder(source)
    config = find_config(spec.path("finetune_config_path"), source)
    check_config(config)
    with whole_folder(spec.output("output_dir")) as out:
        _copy_model(folder, out)
        copy_files(tokenizer_folder(source), out, TOKENIZER_FILES)
        mlmodel = mlmodel_file(source)
        if mlmodel:
            copy_files(mlmodel.parent, out, ("MLmodel",))
        (out / NAME).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (out / "model_import.json").write_text(
            json.dumps({"model": name, "task_name": "ChatCompletion"}, indent=2) + "\n"
        )
    log(f"imported {name}")


def _find(spec: Spec) -> tuple[Path, str]:
    """Returns the model's folder and name; a path wins over a Hugging Face id."""
    for name in ("mlflow_model_path", "pytorch_model_path"):
        path = spec.path(name)
        if path:
            log(f"{name}: {path.name}")
            return path, path.name
    hub = spec.text("huggingface_id")
    if spec.base_model:
        return spec.base_model, hub or spec.base_model.name
    if hub:
        raise UserError(
            f"huggingface_id {hub}: nothing is fetched from the network here, and no local weights stand for it. "
            "Give a folder with the weights (--weights)."
        )
    raise UserError("no model: give one of huggingface_id, pytorch_model_path, mlflow_model_path.")


def _copy_model(folder: Path, out: Path) -> None:
    files = sorted(file for file in folder.iterdir() if file.is_file())
    for file in files:
        if file.suffix in _WANTED:
            link_or_copy(file, out / file.name)
        elif file.suffix in _UNSAFE:
            log(f"left behind: {file.name} (only safetensors are loaded, and no code that comes with a model runs)")
    if not list(out.glob("*.safetensors")):
        raise UserError(f"{folder} holds no .safetensors weights.")
