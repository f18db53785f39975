"""Whether a file that has come is whole: its length, its MD5, and the header of a file of weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from phi_azure.azure.transfers.wire import Range, md5_of

if TYPE_CHECKING:
    import io
    from pathlib import Path

    from phi_azure.azure.transfers.parts import Source

_LONGEST_HEADER = 100_000_000  # bytes; what the format allows (huggingface/safetensors)


def problem(path: Path, source: Source) -> str | None:
    """Says why a file is not the blob that it should be; None where nothing speaks against it."""
    size = path.stat().st_size
    if size != source.size:
        return f"has {size:,} bytes, and {source.size:,} were announced"
    if source.md5 is not None and _md5(path, source.size) != source.md5:
        return "does not have the MD5 that is kept with it: it was damaged before it was downloaded"
    if source.name.lower().endswith(".safetensors"):
        return _weights_problem(path, size)
    return None


def _md5(path: Path, size: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        return md5_of(file, Range(0, size))


def _weights_problem(path: Path, size: int) -> str | None:
    """Reads the header of a file of weights: 8 bytes of length, JSON, and then tensors without a gap to the end."""
    try:
        with path.open("rb") as file:
            length = _header_length(file, size)
            header = json.loads(file.read(length))
            ends = sorted(tuple(entry["data_offsets"]) for name, entry in header.items() if name != "__metadata__")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return f"has no header of weights: {error}"
    at = 0
    for first, last in ends:
        if first != at or last < first:
            return f"has weights that are not one behind the other: {first:,} where {at:,} is due"
        at = last
    if at != size - 8 - length:
        return f"has {size - 8 - length:,} bytes of weights, and its header tells of {at:,}"
    return None


def _header_length(file: io.BufferedReader, size: int) -> int:
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
        raise ValueError(f"its length would be {length:,} of {size:,} bytes")
    return length
