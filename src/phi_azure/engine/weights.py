"""Loads a model's weights with transformers, and knows which layers of each Phi take LoRA."""

from __future__ import annotations

import os
import pickle
import warnings
from typing import TYPE_CHECKING, Any

from phi_azure.engine.errors import UserError, listed
from phi_azure.engine.folders import huggingface_folder, read_json

if TYPE_CHECKING:
    from pathlib import Path

_PHI3 = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
_TARGETS = {
    "phi3": _PHI3,
    "phi4_multimodal": _PHI3,
    "phi": ["q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"],
    "phimoe": ["q_proj", "k_proj", "v_proj", "o_proj"],
}
_BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, EOFError, pickle.UnpicklingError)
"""What transformers and torch raise at files that are not what they should be."""

_SURROUNDINGS = {
    "HF_HUB_OFFLINE": "1",  # nothing is fetched
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    # An idle thread spins this long before it gives its core away; the default lets a busy neighbour stall training.
    "GOMP_SPINCOUNT": "10000",
}


def set_up_libraries() -> None:
    """Sets what torch and transformers read from the environment when they load; call it before they do."""
    for name, value in _SURROUNDINGS.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", category=FutureWarning)  # they are for transformers' own callers


def load_model(folder: Path, dtype: str = "float32") -> Any:
    """Returns the causal language model of a folder, on the CPU.

    Raises:
        UserError: transformers cannot load it, or tensors are missing, which it would fill with random numbers.
    """
    set_up_libraries()
    import torch
    from safetensors import SafetensorError

    home = huggingface_folder(folder)
    kind = _class_for(read_json(home / "config.json"))
    try:
        model, told = kind.from_pretrained(str(home), dtype=getattr(torch, dtype), output_loading_info=True)
    except (*_BROKEN, SafetensorError) as error:
        raise UserError(f"{home}: transformers cannot load this model: {error}") from error
    if gaps := sorted(told["missing_keys"]):
        raise UserError(f"{home} lacks tensors of its model ({len(gaps)}): {listed(gaps)}. Download it again.")
    return model


def empty_model(folder: Path) -> Any:
    """Returns the model of a folder without its weights: layers and their sizes, in no memory."""
    set_up_libraries()
    import torch

    home = huggingface_folder(folder)
    said = read_json(home / "config.json")
    try:
        with torch.device("meta"):
            if said.get("model_type") == "phi3":
                from transformers import Phi3Config, Phi3ForCausalLM

                return Phi3ForCausalLM(Phi3Config.from_pretrained(str(home)))
            from transformers import AutoConfig, AutoModelForCausalLM

            return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(str(home)))
    except _BROKEN as error:
        raise UserError(f"{home}: transformers does not know this model: {error}") from error


def lora_targets(model_type: str, asked: list[str] | None = None) -> list[str] | str:
    """Returns the layers that LoRA trains: those asked for, else the linear layers of that kind of model."""
    return asked or _TARGETS.get(model_type) or "all-linear"


def stored_dtype(folder: Path) -> str:
    """Returns the precision in which a folder keeps its weights, such as "float16"."""
    config = read_json(huggingface_folder(folder) / "config.json")
    return str(config.get("dtype") or config.get("torch_dtype") or "float32")


def _class_for(config: dict[str, Any]) -> Any:
    """Phi-3, 3.5 and 4 share one class; naming it spares the import of the table of all others."""
    if config.get("model_type") == "phi3":
        from transformers import Phi3ForCausalLM

        return Phi3ForCausalLM
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM
