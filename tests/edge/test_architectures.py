"""The true architectures, scaled down and with random weights, say the same tokens in ONNX as in transformers."""

from __future__ import annotations

import importlib.util
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure import edge
from phi_azure.engine import phi_tiny
from phi_azure.errors import ConfigError
from tests.edge.folders import TOKENIZER

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        importlib.util.find_spec("onnxruntime_genai") is None, reason="needs onnxruntime-genai, of the extra edge"
    ),
]
LONG = {"max_position_embeddings": 512, "original_max_position_embeddings": 128, "sliding_window": 262_144}
ASKED = [[{"role": "user", "content": text}] for text in ("Fabrikam opens a plant in Poland.", "x " * 70, "Why?")]


def rope(pairs: int, **more: Any) -> dict[str, Any]:
    """Returns rotary factors of the long kind, for so many pairs of numbers."""
    factors = {"short_factor": [1.0] * pairs, "long_factor": [1.0 + 0.3 * number for number in range(pairs)]}
    return {"rope_type": "longrope", "rope_theta": 1e4, "original_max_position_embeddings": 128, **factors, **more}


ARCHITECTURES: dict[str, dict[str, Any]] = {
    "Phi-3-mini-4k": {
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "max_position_embeddings": 512,
        "original_max_position_embeddings": 512,
    },
    "Phi-3.5-mini": {
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "tie_word_embeddings": False,
        "rope_parameters": rope(32),
        **LONG,
    },
    "Phi-4-mini": {
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "partial_rotary_factor": 0.75,
        "tie_word_embeddings": True,
        "rope_parameters": rope(24, partial_rotary_factor=0.75),
        **LONG,
    },
}


def write_model(folder: Path, kind: str = "Phi3", **shape: Any) -> Path:
    """Writes a Phi-3, or another, with random weights in bfloat16, and phi-tiny's words."""
    import torch
    import transformers

    torch.manual_seed(0)
    tokens = {"vocab_size": 2048, "bos_token_id": 1, "eos_token_id": 2046, "pad_token_id": 2043}
    sizes = {
        "hidden_size": 64 * shape["num_attention_heads"],
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "initializer_range": 0.3,
    }
    config = getattr(transformers, f"{kind}Config")(**tokens, **sizes, **shape)
    getattr(transformers, f"{kind}ForCausalLM")(config).to(torch.bfloat16).save_pretrained(str(folder))
    for name in TOKENIZER:
        shutil.copyfile(phi_tiny.path() / name, folder / name)
    return folder


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_phi_says_the_same_tokens_in_onnx(tmp_path: Path, name: str) -> None:
    """Long and partial rotary factors, shared key heads, tied and untied words; below and beyond the first length."""
    from phi_azure.engine.export.make import Order, make
    from phi_azure.engine.export.play import answer, load

    model = write_model(tmp_path / "model", **ARCHITECTURES[name])
    make(Order(model, tmp_path / "onnx", "onnx", "fp32"))

    reference = load(model)
    with edge.Player(tmp_path / "onnx") as player:
        for messages in ASKED:
            wanted = answer(reference, {"messages": messages, "max_tokens": 12}, lambda _: None)
            assert list(player.ask(messages, max_tokens=12).ids or ()) == wanted["ids"]
    assert json.loads((model / "config.json").read_text())["dtype"] == "bfloat16"


def test_a_mixture_of_experts_is_merged_and_what_cannot_run_it_says_why(tmp_path: Path) -> None:
    """Phi-3.5-MoE's architecture: merged it says every token; ONNX and GGUF name what is missing, and the way."""
    model = write_model(tmp_path / "model", "Phimoe", num_attention_heads=4, num_key_value_heads=2, num_local_experts=4)

    made = edge.export(model, tmp_path / "merged", edge.Order(to="merged"), edge.Trial(limit=2, max_tokens=8))
    refused = {}
    for to in ("onnx", "ollama", "foundry-local"):
        with pytest.raises(ConfigError) as error:
            edge.export(model, tmp_path / to, edge.Order(to=to))
        refused[to] = (str(error.value), str(error.value.remedy))

    assert made.proof is not None
    assert (made.proof.agreement.exact, made.proof.agreement.template) == (2, 2)
    assert "on CUDA alone" in refused["onnx"][0]
    assert refused["foundry-local"] == refused["onnx"]
    assert "sparse mixing" in refused["ollama"][0]
    assert all("--to merged" in remedy for _, remedy in refused.values())
    assert {path.name for path in tmp_path.iterdir()} == {"model", "merged"}
