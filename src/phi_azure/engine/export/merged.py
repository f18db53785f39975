"""A plain Hugging Face folder, and an adapter merged into its base."""

from __future__ import annotations

import platform
import shutil
from importlib import metadata
from typing import TYPE_CHECKING, Any

import yaml

from phi_azure.engine.errors import UserError
from phi_azure.engine.export import sources
from phi_azure.engine.export.missing import need
from phi_azure.engine.folders import TOKENIZER_FILES, copy_files, read_json
from phi_azure.engine.weights import load_model, stored_dtype

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.engine.export.sources import Source


def plain(source: Source, base: Path | None, out: Path, *, links: bool = False) -> Path:
    """Makes a plain folder of merged weights; an adapter alone is merged into its base first."""
    if source.weights is not None:
        return sources.assemble(source, out, links=links)
    if source.adapter is None:
        raise UserError(f"{source.root} holds no model.")
    return merge(source.adapter, sources.find(sources.base_of(source.adapter, base)), out)


def merge(adapter: Path, base: Source, out: Path) -> Path:
    """Adds an adapter to its base, in 32 bits, and keeps the sum in the base's own precision."""
    need({"torch": "torch", "transformers": "transformers", "peft": "peft"}, "merging an adapter", "local")
    if base.weights is None or base.tokenizer is None:
        raise UserError(f"{base.root} holds no weights with a tokenizer.")
    model = with_adapter(load_model(base.weights), adapter).merge_and_unload()
    import torch

    model.to(getattr(torch, stored_dtype(base.weights))).save_pretrained(str(out))
    copy_files(base.tokenizer, out, TOKENIZER_FILES)
    return out


def with_adapter(model: Any, adapter: Path) -> Any:
    """Returns the model with the adapter beside its weights.

    Raises:
        MissingError: peft is not installed.
        UserError: the adapter is broken, or does not fit these weights.
    """
    need({"peft": "peft"}, "an adapter", "local")
    from peft import PeftModel
    from safetensors import SafetensorError

    try:
        return PeftModel.from_pretrained(model, str(adapter))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{adapter}: peft cannot put this adapter on these weights: {error}") from error


def describe_to_mlflow(out: Path) -> None:
    """Writes MLmodel, by which MLflow's own transformers flavour loads the plain folder as it is."""
    config = read_json(out / "config.json")
    kind = str((config.get("architectures") or ["AutoModelForCausalLM"])[0])
    versions = {name: version for name in ("transformers", "torch") if (version := _version(name))}
    flavor: dict[str, Any] = {
        "code": None,
        "components": ["tokenizer"],
        "framework": "pt",
        "instance_type": "TextGenerationPipeline",
        "model_binary": ".",
        "pipeline_model_type": kind,
        "task": "text-generation",
        "tokenizer_type": "AutoTokenizer",
        "torch_dtype": f"torch.{stored_dtype(out)}",
    }
    if "transformers" in versions:
        flavor["transformers_version"] = versions["transformers"]
    function = {
        "loader_module": "mlflow.transformers",
        "python_version": platform.python_version(),
        "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
    }
    # the flavour takes components from here alone; a tokenizer is small
    copy_files(out, out / "components" / "tokenizer", TOKENIZER_FILES)
    packages = ["mlflow", *(f"{name}=={version}" for name, version in versions.items())]
    (out / "requirements.txt").write_text("\n".join(packages) + "\n", encoding="utf-8")
    environment = {
        "python": platform.python_version(),
        "build_dependencies": ["pip"],
        "dependencies": ["-r requirements.txt"],
    }
    conda = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={platform.python_version()}", "pip", {"pip": packages}],
    }
    documents = {
        "MLmodel": {"flavors": {"python_function": function, "transformers": flavor}},
        "python_env.yaml": environment,
        "conda.yaml": conda,
    }
    for name, document in documents.items():
        (out / name).write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def adapter_alone(source: Source, out: Path) -> None:
    """Copies the adapter and the tokenizer that its base was asked with.

    Raises:
        UserError: there is no adapter; what was trained as a whole has none.
    """
    if source.adapter is None:
        raise UserError(
            f"{source.root} has no adapter beside its weights. A job without LoRA trains the weights themselves; "
            "take --to merged."
        )
    out.mkdir(parents=True, exist_ok=True)
    for file in sources.adapter_files(source.adapter):
        shutil.copyfile(file, out / file.name)
    if source.tokenizer:
        copy_files(source.tokenizer, out, TOKENIZER_FILES)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package).split("+")[0]
    except metadata.PackageNotFoundError:
        return None
