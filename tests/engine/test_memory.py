"""The memory that is counted before a training is the memory that it takes."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.engine.memory import GIB

if TYPE_CHECKING:
    import subprocess

    from tests.engine.conftest import Steps

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]
TOKENS, ROWS, ANSWERS = 512, 8, 64
WORDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
SMALL: dict[str, tuple[str, dict[str, int]]] = {
    "Phi-3": (
        "Phi3",
        {
            "hidden_size": 512,
            "intermediate_size": 2048,
            "num_hidden_layers": 5,
            "num_attention_heads": 8,
            "num_key_value_heads": 8,
        },
    ),
    "Phi-4-mini": (
        "Phi3",
        {
            "vocab_size": 200_064,
            "hidden_size": 256,
            "intermediate_size": 1024,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "tie_word_embeddings": True,
        },
    ),
    "Phi-3.5-MoE": (
        "Phimoe",
        {
            "hidden_size": 256,
            "intermediate_size": 512,
            "num_hidden_layers": 6,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
        },
    ),
}


def write_model(folder: Path, name: str) -> None:
    """Writes some 55 million random weights of an architecture, in bfloat16."""
    import torch
    import transformers

    kind, shape = SMALL[name]
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**shape, **WORDS)
    getattr(transformers, f"{kind}ForCausalLM")(config).to(torch.bfloat16).save_pretrained(str(folder))


def write_tokens(folder: Path) -> None:
    """Writes rows as the preprocess step leaves them, all of one length."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    ids = torch.randint(3, 400, (ROWS, TOKENS), dtype=torch.int32)
    answer = torch.zeros(ROWS, TOKENS, dtype=torch.uint8)
    answer[:, -ANSWERS:] = 1
    for split, count in (("train", ROWS), ("validation", 2)):
        starts = torch.arange(count + 1) * TOKENS
        rows = {"ids": ids[:count].flatten(), "answer": answer[:count].flatten(), "starts": starts}
        save_file(rows, folder / f"{split}.safetensors")
    (folder / "preprocess_args.json").write_text(json.dumps({"max_seq_length": TOKENS}), encoding="utf-8")


def most_memory(process: subprocess.Popen[str]) -> float:
    """Returns the most bytes that a process has until it ends, without mapped files of weights: those give way."""
    memory, libraries = 0, 0
    while process.poll() is None:
        status = dict(re.findall(r"(Rss\w+):\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text()))
        if status:  # none of a process that has just ended
            memory, libraries = max(memory, int(status["RssAnon"])), int(status["RssFile"])
        time.sleep(0.004)
    return 1024.0 * (memory + libraries)


@pytest.mark.parametrize("lora", [True, False], ids=["LoRA", "whole"])
@pytest.mark.parametrize("name", SMALL)
def test_count_is_what_training_takes(steps: Steps, name: str, lora: bool) -> None:
    """Never less, and not much more, of each architecture; libraries are 0.6 GiB of it."""
    write_model(steps.home / "base", name)
    write_tokens(steps.home / "data")
    settings: dict[str, Any] = {"apply_lora": str(lora).lower(), "max_steps": "2", "per_device_train_batch_size": "4"}

    process = steps.start(steps.finetune("model", settings))
    peak = most_memory(process)

    log = process.communicate()[0]
    assert process.returncode == 0, log
    (counted,) = (float(found) * GIB for found in re.findall(r"memory: ([\d.]+) GiB counted", log))
    assert 0.99 * peak <= counted <= 1.25 * peak, f"{counted / peak:.3f}"
