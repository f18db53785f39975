"""The order in which a training run sees its rows: fixed by seed and epoch, alike lengths together."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_POOL = 64  # batches sorted by length together: near neighbours, yet a new order each epoch


@dataclass(frozen=True)
class TokenRows:
    """The rows of a split as torch tensors, end to end; row i is starts[i]:starts[i+1]."""

    ids: Any
    answer: Any
    starts: list[int]

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self.starts) - 1

    def lengths(self) -> list[int]:
        """Returns each row's number of tokens."""
        return [end - start for start, end in zip(self.starts, self.starts[1:], strict=False)]

    def size(self) -> int:
        """Returns how many bytes they take."""
        return int(self.ids.nbytes + self.answer.nbytes)

    def most_answers(self) -> int:
        """Returns how many tokens are learnt of the row that has most of them."""
        return max(int(part.sum()) for part in self.answer.split(self.lengths()))


def load_rows(path: Path) -> TokenRows:
    """Reads a file of the preprocess step."""
    from safetensors.torch import load_file

    tensors = load_file(str(path))
    return TokenRows(tensors["ids"], tensors["answer"].bool(), tensors["starts"].tolist())


def epoch_batches(lengths: list[int], size: int, seed: int, epoch: int) -> list[list[int]]:
    """Returns the row numbers of each batch of one epoch."""
    order = random.Random(f"{seed}/{epoch}")
    rows = list(range(len(lengths)))
    order.shuffle(rows)
    pools = [rows[i : i + size * _POOL] for i in range(0, len(rows), size * _POOL)]
    batches = [batch for pool in pools for batch in _cut(sorted(pool, key=lengths.__getitem__), size)]
    order.shuffle(batches)
    return batches


def even_batches(lengths: list[int], size: int) -> list[list[int]]:
    """Returns the batches of an evaluation: every row once, alike lengths together."""
    return _cut(sorted(range(len(lengths)), key=lengths.__getitem__), size)


def groups(batches: list[list[int]], accumulation: int) -> list[list[list[int]]]:
    """Returns the batches of each optimizer step."""
    return [batches[i : i + accumulation] for i in range(0, len(batches), accumulation)]


def padded(rows: TokenRows, batch: list[int], device: Any, width: int = 0) -> tuple[Any, Any]:
    """Returns ids and answer marks of a batch, padded on the right.

    A causal model never looks right, so padding needs no attention mask; without one torch takes its fast path.
    """
    import torch

    parts = [slice(rows.starts[i], rows.starts[i + 1]) for i in batch]
    width = max([width, *(part.stop - part.start for part in parts)])
    ids = torch.zeros((len(batch), width), dtype=torch.long)
    answer = torch.zeros((len(batch), width), dtype=torch.bool)
    for i, part in enumerate(parts):
        ids[i, : part.stop - part.start] = rows.ids[part]
        answer[i, : part.stop - part.start] = rows.answer[part]
    return ids.to(device), answer.to(device)


def chunks(batches: list[list[int]], at_once: int) -> list[list[int]]:
    """Returns the batches of a step, cut into parts of so many rows; 0 leaves them whole."""
    return [part for batch in batches for part in _cut(batch, at_once)] if at_once else batches


def _cut(rows: list[int], size: int) -> list[list[int]]:
    return [rows[i : i + size] for i in range(0, len(rows), size)]
