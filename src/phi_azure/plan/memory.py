"""What each GPU has to hold while it trains: arithmetic over a model's dimensions, in GiB, line by line.

Bytes for a weight: 16-bit training under DeepSpeed keeps 2 (weight) + 2 (gradient) + 4 (32-bit copy) + 8 (AdamW's two
averages) = 16 for what is trained, 2 for what is frozen; without DeepSpeed the weights stay in 32 bits: 4 + 4 + 8 =
16, and 4 for what is frozen. The split of these over GPUs is ZeRO's (Rajbhandari et al., 2020). Activations follow the
tensors that a decoder layer keeps for its backward pass; attention is taken to be calculated in blocks, so that it
keeps no square of the length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure.catalog import Dims
from phi_azure.plan.values import Memory, MemoryLine

if TYPE_CHECKING:
    from phi_azure.catalog import GpuSize, PhiModel
    from phi_azure.plan.settings import Settings

GIB = 2**30
LIVE_WEIGHTS = 1_000_000_000
"""Weights that stage 3 gathers on a GPU at once at most: DeepSpeed's default."""
BASE_GIB = 2.0
"""CUDA's context, kernels and communication buffers: our round figure."""
SLACK = 0.08
"""Share that is lost to fragments: our round figure."""
SYSTEM_RAM_GIB = 20.0
_ADAM = 8.0
_ADAFACTOR = 0.1  # one number for each row and column instead of each weight
_LOGIT_BYTES = 10  # 16 bits, the 32-bit copy for the loss, and its gradient


def needed(model: PhiModel, settings: Settings, gpus: int, nodes: int = 1) -> Memory:
    """Returns what one GPU holds, when `gpus` of each of `nodes` machines train together."""
    dims = model.dims or guessed_dims(model.parameters)
    world = gpus * nodes
    trained = trainable(model, settings.rank)
    weight = 2 if settings.precision == 16 and settings.stage is not None else 4
    moments = _ADAM if settings.optim.startswith("adamw") else _ADAFACTOR
    state = moments + (4 if weight == 2 else 0)
    shared = world if settings.stage is not None else 1
    lines = (
        _weights(model, settings, weight, world),
        _line("gradients", trained * weight / shared, f"{_count(trained)} x {weight} B{_over(shared)}"),
        MemoryLine("optimizer", 0.0, "in main memory (stage 3 offload)")
        if settings.offload
        else _line("optimizer", trained * state / shared, f"{_count(trained)} x {state:g} B{_over(shared)}"),
        _activations(dims, settings),
        _logits(dims, settings),
    )
    total = sum(line.gib for line in lines)
    extra = MemoryLine("CUDA, fragments", BASE_GIB + SLACK * total, f"{BASE_GIB:g} GiB + {SLACK:.0%} of the above")
    ram = (model.parameters * weight + trained * state) / nodes / GIB + SYSTEM_RAM_GIB if settings.offload else 0.0
    return Memory((*lines, extra), ram, guessed=model.dims is None)


def fits(memory: Memory, size: GpuSize) -> bool:
    """Tells whether a machine's GPUs, and its main memory where it is used, hold that much."""
    return memory.total_gib <= size.each_gib and memory.ram_gib <= size.ram_gib


def usable(size: GpuSize) -> bool:
    """Tells whether a Phi is likely to train there: its weights are bfloat16, and Azure's image is made for NVIDIA."""
    return size.bf16 and size.gpu != "MI300X"


def trainable(model: PhiModel, rank: int | None) -> int:
    """Returns how many weights change: all of them, or the two matrices of LoRA beside each linear layer.

    Which layers Azure's component picks for a Phi is not published; all are counted, the most that it can be.
    """
    if rank is None:
        return model.parameters
    dims = model.dims or guessed_dims(model.parameters)
    shapes = _shapes(dims)
    modules = model.lora_modules or ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")
    return dims.layers * rank * sum(sum(shapes[name]) for name in modules if name in shapes)


def guessed_dims(parameters: int) -> Dims:
    """Returns dimensions that a dense model of so many weights is likely to have; for models without a source."""
    layers = 32 if parameters < 10_000_000_000 else 40
    hidden = max(128, round((parameters / (12 * layers)) ** 0.5 / 128) * 128)
    return Dims(layers, hidden, hidden // 128, hidden // 128, round(hidden * 8 / 3), 100_352)


def _shapes(dims: Dims) -> dict[str, tuple[int, int]]:
    hidden, wide, keys = dims.hidden, dims.intermediate, dims.kv_hidden
    return {
        "qkv_proj": (hidden, hidden + 2 * keys),
        "q_proj": (hidden, hidden),
        "k_proj": (hidden, keys),
        "v_proj": (hidden, keys),
        "o_proj": (hidden, hidden),
        "dense": (hidden, hidden),
        "gate_up_proj": (hidden, 2 * wide),
        "down_proj": (wide, hidden),
        "fc1": (hidden, wide),
        "fc2": (wide, hidden),
    }


def _weights(model: PhiModel, settings: Settings, weight: int, world: int) -> MemoryLine:
    if settings.stage != 3:
        return _line("weights", model.parameters * weight, f"{_count(model.parameters)} x {weight} B")
    live = min(model.parameters, LIVE_WEIGHTS)
    if settings.offload:
        how = f"{_count(live)} at a time x {weight} B; the rest: main memory"
        return _line("weights", live * weight, how)
    how = f"({_count(model.parameters)}{_over(world)} + {_count(live)} gathered) x {weight} B"
    return _line("weights", (model.parameters / world + live) * weight, how)


def _activations(dims: Dims, settings: Settings) -> MemoryLine:
    """Returns what the backward pass needs: each layer's input and one layer whole, or every layer whole."""
    number = 2 if settings.precision == 16 else 4
    wide = dims.intermediate * dims.active_experts
    whole = number * (6 * dims.hidden + 2 * dims.kv_hidden + (4 if dims.gated else 2) * wide)
    tokens = settings.batch * settings.length
    if settings.checkpointing:
        each = dims.layers * number * dims.hidden + whole
        how = f"{tokens:,} tokens x {each:,} B: {dims.layers} inputs, 1 layer"
    else:
        each = dims.layers * whole
        how = f"{tokens:,} tokens x {each:,} B: {dims.layers} layers"
    return _line("activations", tokens * each, how)


def _logits(dims: Dims, settings: Settings) -> MemoryLine:
    tokens = settings.batch * settings.length
    how = f"{tokens:,} tokens x {dims.vocab:,} words x {_LOGIT_BYTES} B"
    return _line("predictions", tokens * dims.vocab * _LOGIT_BYTES, how)


def _line(what: str, size: float, how: str) -> MemoryLine:
    return MemoryLine(what, size / GIB, how)


def _over(world: int) -> str:
    return f" / {world} GPUs" if world > 1 else ""


def _count(value: float) -> str:
    return f"{value / 1e9:.2f} G" if value >= 1e8 else f"{value / 1e6:.1f} M"
