"""Whether a training fits into the memory that is free, and how it is cut so that it does; decided before weights load.

What is counted: the weights, gradients and AdamW's two averages of what is trained, what the layers keep for their
backward pass, and the predictions of the answer tokens. What does not fit is tried with gradient checkpointing (each
layer is calculated once more, going back), then with fewer rows at a time: the update stays that of the whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi_azure.engine.errors import UserError
from phi_azure.engine.weights import empty_model, lora_targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.engine.settings import Settings

GIB = 2**30
_SLACK = 0.1  # of all: fragments, buffers of single operations
_LOGIT_BYTES = 14  # of one prediction: as it comes, in 32 bits, its share of the softmax, and its gradient
_LIBRARIES = 0.5 * GIB  # torch, transformers and their kernels, in main memory and on a GPU alike


@dataclass(frozen=True)
class Shape:
    """What of a model decides how much it takes."""

    parameters: int
    trained: int
    layers: int
    hidden: int
    keys: int
    """Width of the keys, and of the values, of all heads."""
    wide: int
    """Width of the feed-forward part that a token goes through."""
    gated: bool
    vocabulary: int


@dataclass(frozen=True)
class Load:
    """What is trained at a time."""

    weight_bytes: int
    """Of a weight that does not change; what is trained takes four."""
    number_bytes: int
    """Of a number between the layers."""
    rows: int
    tokens: int
    """Of the longest row."""
    answers: int
    """Most tokens of a row that are learnt."""
    checkpointing: bool
    moments: float
    """Bytes that the optimizer keeps for a trained weight."""


@dataclass(frozen=True)
class Fit:
    """How it fits: what is put aside to be calculated again, and how many rows go through at a time."""

    checkpointing: bool
    rows: int
    need: int
    lines: tuple[str, ...]


def shape_of(folder: Path, settings: Settings, asked: list[str] | None = None) -> Shape:
    """Reads a model's shape from its configuration; no weight is loaded for it.

    Args:
        folder: the model's.
        settings: whether LoRA trains, and how large it is.
        asked: the layers that the model's makers want LoRA on.
    """
    model = empty_model(folder)
    config, everything = model.config, model.num_parameters()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    active = getattr(config, "num_experts_per_tok", None) or 1
    return Shape(
        parameters=everything,
        trained=_lora_size(model, settings.lora.r, asked) if settings.lora else everything,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        keys=heads * config.hidden_size // config.num_attention_heads,
        wide=config.intermediate_size * active,
        gated=config.model_type != "phi",
        vocabulary=config.vocab_size,
    )


def _lora_size(model: Any, rank: int, asked: list[str] | None) -> int:
    """Returns how many weights an adapter of this rank has beside the layers that it is put on."""
    import torch

    targets = lora_targets(model.config.model_type, asked)
    head = model.get_output_embeddings()
    linear = [(name, part) for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)]
    chosen = [
        part
        for name, part in linear
        if (part is not head if isinstance(targets, str) else name.rpartition(".")[2] in targets)
    ]
    return sum(rank * (part.in_features + part.out_features) for part in chosen)


def needed(shape: Shape, load: Load) -> tuple[int, tuple[str, ...]]:
    """Returns the bytes that a training takes, and how they come about, a line each."""
    frozen = shape.parameters if shape.trained < shape.parameters else 0
    parts = {
        "weights": frozen * load.weight_bytes + shape.trained * 4,
        "gradients": shape.trained * 4,
        "optimizer": int(shape.trained * load.moments),
        "activations": load.rows * load.tokens * _activations(shape, load),
        "predictions": load.rows * load.answers * shape.vocabulary * _LOGIT_BYTES,
    }
    total = sum(parts.values())
    parts["libraries, slack"] = int(_LIBRARIES + _SLACK * total)
    twice = ", calculated twice" if load.checkpointing else ""
    how = {
        "weights": f"{_count(shape.parameters)}, {load.weight_bytes if frozen else 4} bytes each",
        "gradients": f"{_count(shape.trained)} that are trained",
        "activations": f"{load.rows} rows of {load.tokens:,} tokens{twice}",
        "predictions": f"{load.rows} rows of {load.answers:,} answer tokens, {shape.vocabulary:,} words",
    }
    lines = tuple(f"  {name:<17}{_gib(size):>9} GiB  {how.get(name, '')}".rstrip() for name, size in parts.items())
    return total + parts["libraries, slack"], lines


def _activations(shape: Shape, load: Load) -> int:
    """Returns the bytes that a token's way through the layers keeps for the way back.

    Measured on a Phi-3 of 4 layers, 1,536 wide, with LoRA, in 32 bits, between 1,024 and 4,096 tokens: 957 kB a token
    (this says 980), and 506 kB with checkpointing (this says 515). The one layer more is what lives for a moment.
    """
    layer = load.number_bytes * (20 * shape.hidden + 4 * shape.keys + (4 if shape.gated else 2) * shape.wide)
    if load.checkpointing:
        return shape.layers * load.number_bytes * shape.hidden + 5 * layer // 2
    return (shape.layers + 1) * layer


def fitted(shape: Shape, load: Load, room: int | None, place: str) -> Fit:
    """Returns the first way that fits: as it is, with checkpointing, with fewer rows at a time.

    Raises:
        UserError: not even one row fits; the message has the figures.
    """
    best: Fit | None = None
    for way in _ways(load):
        need, lines = needed(shape, way)
        best = Fit(way.checkpointing, way.rows, need, lines)
        if room is None or need <= room:
            return best
    if best is None:
        raise UserError("there is no row to train on.")
    raise UserError(
        f"training needs at least {_gib(best.need)} GiB {place}, one row at a time and with gradient checkpointing; "
        f"{_gib(room or 0)} GiB are free:\n" + "\n".join(best.lines) + "\n"
        "Take a smaller model, LoRA (apply_lora=true), a smaller max_seq_length, or a machine with more memory."
    )


def _ways(load: Load) -> Iterator[Load]:
    yield load
    rows = load.rows
    while rows >= 1:
        yield Load(**{**load.__dict__, "rows": rows, "checkpointing": True})
        rows //= 2


def room_on(device: str) -> int | None:
    """Returns the bytes that are free on "cuda" or in main memory, within this process's limits; None if not known."""
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    try:
        import psutil
    except ModuleNotFoundError:
        return None
    free = int(psutil.virtual_memory().available)
    limit = _limit(Path("/sys/fs/cgroup"))
    return free if limit is None else min(free, limit)


def _limit(group: Path) -> int | None:
    """Returns what the control group of this process may still take; None without one, or without a limit."""
    try:
        most, used = (group / "memory.max").read_text().strip(), (group / "memory.current").read_text()
        counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except OSError:
        return None
    if most == "max":
        return None
    return int(most) - int(used) + int(counts.get("inactive_file", 0))  # the cache of files gives way


def _count(number: int) -> str:
    return f"{number / 1e9:.2f} G" if number >= 1e8 else f"{number / 1e6:.2f} M"


def _gib(size: float) -> str:
    return f"{size / GIB:,.2f}"
