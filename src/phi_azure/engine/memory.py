"""Whether a training fits into the memory that is free, and how it is cut so that it does; decided before weights load.

What is counted, at the moment that takes most: the weights, gradients and AdamW's two averages of what is trained,
what the layers keep for their backward pass, and the predictions of the answer tokens. What does not fit is tried with
gradient checkpointing (each layer is calculated once more, going back), then with fewer rows at a time: the update
stays that of the whole batch.

Measured on random weights of each Phi's architecture, LoRA and whole, in 32 bits on a CPU (torch 2.13): the count lies
4 to 15 % above the peak, which leaves out the mapped pages of the weights' file, since they give way. That holds with
`give_back_at_once`. Without it, holes in glibc's heap took up to 47 % more, differently each time.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from phi_azure.engine.errors import UserError
from phi_azure.engine.weights import empty_model, lora_targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.engine.settings import Settings

GIB = 2**30
_SLACK = 0.04  # of all: what single operations need for a moment
_GPU_SLACK = 0.12  # not measured: torch keeps freed blocks of a GPU for later, and rounds them up
_LOGIT_BYTES = 12  # of one prediction: its share of the softmax and two gradients, in 32 bits
_LIBRARIES = 0.6 * GIB  # torch, transformers, peft, their kernels; how much of them is mapped differs by installation
_MMAP_THRESHOLD, _BLOCK = -3, 2**20  # mallopt's name for it, and bytes


@dataclass(frozen=True)
class Kept:
    """Numbers of a token that a layer keeps for the way back, as multiples of the widths of the model.

    Seen with torch's hooks on saved tensors, of transformers 5.24, to within 2 %.
    """

    hidden: int
    """Beside the inputs of both norms, which are kept in 32 bits."""
    keys: int
    wide: int
    whole: tuple[int, int]
    """Of the hidden and the wide more, where the weights themselves are trained."""
    dropped: tuple[int, int]
    """The same where LoRA drops some of its inputs."""


_KEPT = {
    "phi3": Kept(6, 3, 4, (2, 0), (3, 1)),
    "phimoe": Kept(6, 2, 3, (3, 1), (6, 0)),
    "phi": Kept(3, 2, 5, (0, 0), (8, 1)),
}


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
    vocabulary: int
    kind: str = "phi3"
    tied: bool = False
    """Whether the words that are read and those that are said share their weights."""
    largest: int = 0
    """Numbers of the largest matrix."""
    dropout: bool = False
    """Of LoRA's inputs."""

    @property
    def whole(self) -> bool:
        """Whether the weights themselves are trained."""
        return self.trained >= self.parameters


class Judged(NamedTuple):
    """What is evaluated at a time."""

    rows: int
    tokens: int
    """Of the longest row."""
    answers: int
    """Most tokens of a row that are judged."""


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
    judged: Judged | None = None
    adds_up: bool = False
    """Whether several batches make one update: then the gradients stay from one to the next."""
    data: int = 0
    """Bytes of the tokenised rows."""
    on_gpu: bool = False


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
        vocabulary=config.vocab_size,
        kind=config.model_type,
        tied=bool(config.tie_word_embeddings),
        largest=max(weight.numel() for weight in model.parameters()),
        dropout=bool(settings.lora and settings.lora.dropout),
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
    """Returns the bytes that a training takes when it takes most, and how they come about, a line each."""
    parts = max(_moments(shape, load), key=lambda moment: sum(moment.values()))
    total = sum(parts.values())
    parts["libraries, slack"] = int(_LIBRARIES + load.data + (_GPU_SLACK if load.on_gpu else _SLACK) * total)
    twice = ", calculated twice" if load.checkpointing else ""
    how = {
        "weights": f"{_count(shape.parameters)}, {4 if shape.whole else load.weight_bytes} bytes each",
        "gradients": f"{_count(shape.trained)} that are trained",
        "activations": f"{load.rows} rows of {load.tokens:,} tokens{twice}",
        "predictions": f"{load.rows} rows of {load.answers:,} answer tokens, {shape.vocabulary:,} words",
        "evaluation": f"{load.judged.rows} rows of {load.judged.tokens:,} tokens" if load.judged else "",
    }
    lines = tuple(f"  {name:<17}{_gib(size):>9} GiB  {how.get(name, '')}".rstrip() for name, size in parts.items())
    return total + parts["libraries, slack"], lines


def _moments(shape: Shape, load: Load) -> list[dict[str, int]]:
    """Returns what is held at each moment that may be the one that takes most: part and bytes."""
    frozen = 0 if shape.whole else shape.parameters
    copies = 2 * shape.trained if load.number_bytes == 2 else 0  # those in 16 bits that autocast calculates with
    weights = frozen * load.weight_bytes + shape.trained * 4
    moments, gradients = int(shape.trained * load.moments), 4 * shape.trained
    words = 4 * shape.vocabulary * shape.hidden if shape.whole else 0
    answers, tokens = load.rows * load.answers, load.rows * load.tokens
    one = _layer(shape, load)
    kept = shape.layers * (load.number_bytes * shape.hidden if load.checkpointing else one)
    passing = 5 * one // 4 if load.checkpointing else one // 2
    held = {"weights": weights, "optimizer": moments}
    loaded = {"weights": weights, "largest matrix": 4 * shape.largest}  # a mixture's experts are put together
    forth = held | {
        "gradients": gradients if load.adds_up else 0,
        "copies in 16 bits": copies,
        "activations": tokens * (kept + passing),
        "predictions": max(_LOGIT_BYTES * answers * shape.vocabulary, 4 * answers * shape.vocabulary + words),
    }
    # going back, words that are tied get one gradient as they are read and one as they are said, then the sum
    sums = (2 + load.adds_up) * words if shape.tied else load.adds_up * words
    back = held | {"gradients": gradients, "sums of gradients": sums, "activations": tokens * passing}
    rows, longest, judged = load.judged or (0, 0, 0)
    evaluated = held | {"evaluation": rows * (longest * one + judged * shape.vocabulary * 8)}
    return [{name: size for name, size in moment.items() if size} for moment in (loaded, forth, back, evaluated)]


def _layer(shape: Shape, load: Load) -> int:
    """Returns the bytes that a layer keeps of a token for the way back."""
    kept = _KEPT.get(shape.kind, _KEPT["phi3"])
    more = kept.whole if shape.whole else kept.dropped if shape.dropout else (0, 0)
    numbers = (kept.hidden + more[0]) * shape.hidden + kept.keys * shape.keys + (kept.wide + more[1]) * shape.wide
    return 8 * shape.hidden + load.number_bytes * numbers


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


def refuse_to_load(shape: Shape, weight_bytes: int, room: int | None) -> None:
    """Refuses weights that do not fit into main memory, which they pass on their way to a GPU.

    Raises:
        UserError: with the figures.
    """
    need = shape.parameters * weight_bytes + 4 * shape.largest + int(_LIBRARIES)
    if room is not None and need > room:
        raise UserError(
            f"the weights pass through main memory on their way to the GPU: {_gib(need)} GiB are needed, "
            f"{_gib(room)} GiB are free. End other programs, or take a smaller model."
        )


def _ways(load: Load) -> Iterator[Load]:
    yield load
    rows = load.rows
    while rows >= 1:
        cut = rows < load.rows
        judged = load.judged._replace(rows=min(load.judged.rows, rows)) if cut and load.judged else load.judged
        yield replace(load, rows=rows, judged=judged, adds_up=load.adds_up or cut, checkpointing=True)
        rows //= 2


def room_on(device: str) -> int | None:
    """Returns the bytes that a process may take on "cuda" or in main memory, within its limits; None if not known.

    What it has already, its libraries and rows, is counted among them.
    """
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    try:
        import psutil
    except ModuleNotFoundError:
        return None
    free = int(psutil.virtual_memory().available)
    limit = _limit(Path("/sys/fs/cgroup"))
    return (free if limit is None else min(free, limit)) + int(psutil.Process().memory_info().rss)


def give_back_at_once() -> None:
    """Lets glibc map every block of a MiB or more by itself, so that what is freed goes back to the system.

    As it comes, glibc moves that limit up to 32 MiB with the blocks that are freed; a layer's tensors then lie in its
    heap, with holes between them. Of a Phi-3 of 212 million weights 26 to 32 % of the peak were such holes. The price
    is 10 s of CPU time in 55: pages that are new each time.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl, which has none, does so anyway
        if mallopt is not None:
            mallopt(_MMAP_THRESHOLD, _BLOCK)


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
