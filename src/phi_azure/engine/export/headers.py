"""What weights files say of themselves, read without loading them: names, kinds and places of their tensors."""

from __future__ import annotations

import json
import struct
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phi_azure.engine.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

_LAYER = (
    "input_layernorm",
    "self_attn.qkv_proj",
    "self_attn.o_proj",
    "post_attention_layernorm",
    "mlp.gate_up_proj",
    "mlp.down_proj",
)


class CutError(UserError):
    """A file ends before all is there that it tells of."""


@dataclass(frozen=True)
class Tensor:
    """One tensor of a safetensors file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    """Its first byte, counted from the file's."""
    end: int


def read(file: Path) -> dict[str, Tensor]:
    """Returns the tensors of a safetensors file by their names.

    Raises:
        CutError: the file ends before its last tensor does, or within its header.
        UserError: its header is not what safetensors writes.
    """
    with file.open("rb") as opened:
        try:
            (length,) = struct.unpack("<Q", opened.read(8))
            header = json.loads(opened.read(length))
        except (struct.error, ValueError, MemoryError, OverflowError) as error:
            raise CutError(f"{file} is cut short.") from error
    try:
        found = {name: _tensor(entry, 8 + length) for name, entry in header.items() if name != "__metadata__"}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file} is no safetensors file: its header tells no tensors. Download it again.") from error
    if file.stat().st_size < max((tensor.end for tensor in found.values()), default=0):
        raise CutError(f"{file} is cut short.")
    return found


def is_cut(file: Path) -> bool:
    """Says whether a file of weights ends too early; of PyTorch's old format, which is no zip, whether it is empty.

    Raises:
        UserError: its header is not what safetensors writes.
    """
    if file.suffix == ".safetensors":
        try:
            read(file)
        except CutError:
            return True
        return False
    with file.open("rb") as opened:
        begins = opened.read(2)
    return not begins or (begins == b"PK" and not zipfile.is_zipfile(file))


def absent(config: dict[str, Any], names: set[str]) -> list[str]:
    """Returns which tensors of a Phi-3, 3.5 or 4-mini are not among those; of other models, none is known."""
    if config.get("model_type") != "phi3" or not config.get("num_hidden_layers"):
        return []
    layers = range(int(config["num_hidden_layers"]))
    wanted = ["embed_tokens", *(f"layers.{at}.{part}" for at in layers for part in _LAYER), "norm"]
    wanted = [f"model.{name}.weight" for name in wanted]
    if not config.get("tie_word_embeddings"):
        wanted.append("lm_head.weight")
    return [name for name in wanted if name not in names]


def _tensor(entry: dict[str, Any], begins: int) -> Tensor:
    start, end = entry["data_offsets"]
    return Tensor(
        str(entry["dtype"]), tuple(int(size) for size in entry["shape"]), begins + int(start), begins + int(end)
    )
