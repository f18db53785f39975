"""Weights read from safetensors files one matrix at a time: numpy alone, and no more memory than one takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phi_azure.engine.errors import UserError
from phi_azure.engine.export import headers
from phi_azure.engine.folders import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KINDS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def read(home: Path) -> Iterator[tuple[str, Any]]:
    """Yields name and values, in 32 bits, of every matrix of a plain folder.

    Raises:
        UserError: the weights are in another file format, or of another kind of number.
    """
    index = read_json(home / "model.safetensors.index.json").get("weight_map")
    files = sorted({home / name for name in index.values()}) if index else [home / "model.safetensors"]
    for file in files:
        if not file.is_file():
            raise UserError(
                f"{home} keeps its weights in no safetensors file. Save it so: model.save_pretrained(folder)."
            )
        yield from _of_file(file)


def _of_file(file: Path) -> Iterator[tuple[str, Any]]:
    import numpy as np

    whole = np.memmap(file, dtype=np.uint8, mode="r")
    for name, tensor in headers.read(file).items():
        if tensor.dtype not in _KINDS:
            raise UserError(f"{file}: {name} is kept in {tensor.dtype}, not in 16 or 32 bits.")
        values = whole[tensor.start : tensor.end].view(_KINDS[tensor.dtype]).reshape(tensor.shape)
        if tensor.dtype == "BF16":  # the upper half of a 32-bit number
            yield name, (values.astype(np.uint32) << 16).view(np.float32)
        else:
            yield name, values.astype(np.float32)
