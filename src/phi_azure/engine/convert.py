"""The step ft_nlp_model_converter: wraps the trained model in the MLflow layout that Azure leaves."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timezone
from importlib import metadata
from typing import TYPE_CHECKING, Any

import yaml

from phi_azure.engine.errors import UserError
from phi_azure.engine.events import log
from phi_azure.engine.folders import TOKENIZER_FILES, copy_files, huggingface_folder, link_or_copy, whole_folder

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.engine.events import Events
    from phi_azure.engine.spec import Spec

_PYTHON = "3.10"  # of Azure's inference image
_PACKAGES = ("transformers", "torch", "safetensors", "tokenizers")
_BESIDE = ("finetune_args.json", "training_metrics.json")


def run(spec: Spec, _events: Events) -> None:
    """Writes MLmodel, the environment files and data/{model,config,tokenizer}."""
    given = spec.path("model_path")
    if given is None:
        raise UserError("model_path is missing.")
    model = huggingface_folder(given)
    with whole_folder(spec.output("mlflow_model_folder")) as out:
        _copy_data(model, out / "data")
        _write_environment(out)
        (out / "MLmodel").write_text(_yaml(_mlmodel(model, out)), encoding="utf-8")
    log(f"MLflow model written to {spec.output('mlflow_model_folder').name}")


def _copy_data(model: Path, data: Path) -> None:
    """Copies the model; tokenizer and configuration also stand apart, where Azure's loader looks for them."""
    for file in sorted(model.iterdir()):
        if file.is_file() and file.name not in _BESIDE:
            link_or_copy(file, data / "model" / file.name)
    for file in sorted((model / "adapter").glob("*")):
        link_or_copy(file, data / "adapter" / file.name)
    copy_files(model, data / "tokenizer", TOKENIZER_FILES)
    copy_files(model, data / "config", ("config.json", "generation_config.json"))


def _mlmodel(model: Path, out: Path) -> dict[str, Any]:
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    name = _base_name(model)
    flavor = {
        "code": None,
        "hf_config_class": "AutoConfig",
        "hf_pretrained_class": "AutoModelForCausalLM",
        "hf_tokenizer_class": "AutoTokenizer",
        "huggingface_id": name,
        "model_data": "data",
        "pytorch_version": _version("torch"),
        "task_type": "chat-completion",
        "transformers_version": _version("transformers"),
    }
    function = {
        "data": "data",
        "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
        "loader_module": "azureml.evaluate.mlflow.hftransformers",
        "python_version": _PYTHON,
    }
    return {
        "flavors": {"hftransformersv2": flavor, "python_function": function},
        "metadata": {
            "base_model_name": name,
            "base_model_task": "chat-completion",
            "is_finetuned_model": True,
            "model_type": config.get("model_type"),
        },
        "mlflow_version": _version("mlflow-skinny"),
        "model_size_bytes": sum(file.stat().st_size for file in out.rglob("*") if file.is_file()),
        "model_uuid": uuid.uuid4().hex,
        "utc_time_created": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }


def _write_environment(out: Path) -> None:
    packages = [f"{name}=={_version(name)}" for name in _PACKAGES if _version(name)]
    requirements = ["mlflow", *packages]
    dependencies: list[Any] = [f"python={_PYTHON}", "pip", {"pip": requirements}]
    conda = {"channels": ["conda-forge"], "dependencies": dependencies, "name": "mlflow-env"}
    python = {"python": _PYTHON, "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}
    (out / "conda.yaml").write_text(_yaml(conda), encoding="utf-8")
    (out / "python_env.yaml").write_text(_yaml(python), encoding="utf-8")
    (out / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")


def _base_name(model: Path) -> str | None:
    path = model / "finetune_args.json"
    return json.loads(path.read_text(encoding="utf-8")).get("model") if path.is_file() else None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package).split("+")[0]
    except metadata.PackageNotFoundError:
        return None


def _yaml(value: dict[str, Any]) -> str:
    return str(yaml.safe_dump(value, sort_keys=False))
