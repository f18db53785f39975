"""A model that no row knows: what its own config.json says of its size."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phi_azure.catalog.phi import Dims, PhiModel

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.catalog.phi import Template

_KEYS = {
    "layers": "num_hidden_layers",
    "hidden": "hidden_size",
    "heads": "num_attention_heads",
    "intermediate": "intermediate_size",
    "vocab": "vocab_size",
}
_TEMPLATES: dict[int, Template] = {32_064: "phi3", 100_352: "phi4", 200_064: "phi4_mini"}
"""Whose tokenizer it has, by its entries; with it comes the chat template that it was trained with."""


@dataclass(frozen=True)
class OwnModel:
    """What the config.json of a folder of weights tells."""

    dims: Dims
    context: int | None
    architecture: str | None


def read_folder(folder: Path) -> OwnModel | None:
    """Reads the config.json of a folder of weights; None where there is none, or where it lacks a length.

    Configs nested under text_config, as of models that also see, are read from there.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict):
        return None
    text = config["text_config"] if isinstance(config.get("text_config"), dict) else config
    lengths = {ours: _count(text.get(theirs)) for ours, theirs in _KEYS.items()}
    found = {name: length for name, length in lengths.items() if length}
    if len(found) < len(_KEYS):
        return None
    dims = Dims(
        **found,
        kv_heads=_count(text.get("num_key_value_heads")) or found["heads"],
        tied=bool(text.get("tie_word_embeddings", config.get("tie_word_embeddings", False))),
        experts=_count(text.get("num_local_experts")) or 1,
        active_experts=_count(text.get("num_experts_per_tok")) or 1,
        gated=text.get("model_type") != "phi",
    )
    architectures = config.get("architectures") or [None]
    return OwnModel(dims, _count(text.get("max_position_embeddings")), architectures[0])


def as_model(name: str, own: OwnModel) -> PhiModel:
    """Returns a row for it, so that plan and check can treat it like any other."""
    return PhiModel(
        name=name,
        hugging_face=name,
        version="",
        parameters=own.dims.parameters,
        active_parameters=own.dims.active_parameters,
        context=own.context or 4096,
        dims=own.dims,
        chat_template=_TEMPLATES.get(own.dims.vocab),
        serverless=False,
        assumed=("chat_template",),
        source=f"config.json of {name}",
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
