"""A tuned phi-tiny as Azure's own managed job leaves it, made without training: the adapter is random."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from phi_azure.engine import phi_tiny
from phi_azure.engine.headlines import write_dataset

if TYPE_CHECKING:
    from pathlib import Path

    import torch

TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


def write_azure_folder(root: Path) -> Path:
    """Writes mlflow_model_folder with data/{model,adapter,tokenizer,config}: weights in shards, the adapter beside."""
    import torch
    from peft import LoraConfig, get_peft_model

    from phi_azure.engine.weights import load_model, lora_targets

    data = root / "mlflow_model_folder" / "data"
    torch.manual_seed(0)
    tuned = get_peft_model(
        load_model(phi_tiny.path()), LoraConfig(r=8, lora_alpha=16, target_modules=lora_targets("phi3"))
    )
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.01)
    tuned.save_pretrained(str(data / "adapter"))
    named = data / "adapter" / "adapter_config.json"
    named.write_text(json.dumps(read(named) | {"base_model_name_or_path": "mlflow_model_path"}), encoding="utf-8")
    merged = tuned.merge_and_unload().to(torch.float16)
    merged.save_pretrained(str(data / "model"), max_shard_size="1MB")
    for folder, names in (("tokenizer", TOKENIZER), ("config", ("config.json",))):
        (data / folder).mkdir()
        for name in names:
            shutil.copyfile(phi_tiny.path() / name, data / folder / name)
    (root / "mlflow_model_folder" / "MLmodel").write_text("flavors: {}\n", encoding="utf-8")
    return root


def write_test_rows(folder: Path, count: int) -> Path:
    """Writes headlines with the firm's sentiment."""
    return write_dataset(folder, train=1, validation=1, test=count)["test"]


def logits(model: object, text: str) -> torch.Tensor:
    """Returns a model's scores at every position of a text."""
    import torch
    from tokenizers import Tokenizer

    ids = Tokenizer.from_file(str(phi_tiny.path() / "tokenizer.json")).encode(text, add_special_tokens=False).ids
    with torch.inference_mode():
        found: torch.Tensor = model(torch.tensor([ids])).logits  # type: ignore[operator]
    return found


def read(path: Path) -> dict[str, object]:
    """Reads a JSON object."""
    return dict(json.loads(path.read_text(encoding="utf-8")))
