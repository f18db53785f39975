"""Answers made together: one pass of the model moves on every answer that is on its way.

A pass over many rows takes little longer than over one: a GPU reads its weights once for all of them, and a tiny model
on a CPU spends its time in calls. Whoever asks while others are being answered joins at the next token, and leaves when
the answer is whole. With others beside it a row is padded, which may change the last bit of a number; alone it is
computed as if there were nobody else.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST = 32  # rows of one pass, which then takes 9 ms instead of 6 for one (phi-tiny, one core)
_ROOM = 16_384  # tokens of one pass, padding included, unless one row has more


@dataclass
class _Speech:
    """One answer on its way; what is said goes through the queue, None at its end."""

    prompt: list[int]
    limit: int
    choose: Callable[[Any], int] | None
    """From the scores of all tokens; None takes the likeliest."""
    said: SimpleQueue[int | BaseException | None] = field(default_factory=SimpleQueue)
    last: int = 0
    count: int = 0
    is_over: bool = False
    is_left: bool = False
    """Nobody listens any more."""


@dataclass(frozen=True)
class _Rows:
    """What the model remembers of the answers on their way: keys and values, and which places are no padding."""

    cache: Any
    mask: Any


class Together:
    """Makes tokens for all who ask; a thread of its own runs the model.

    Args:
        model: a causal model of transformers.
        ends: the tokens that end an answer.
    """

    def __init__(self, model: Any, ends: frozenset[int]) -> None:
        self._model = model
        self._ends = ends
        self._waiting: deque[_Speech] = deque()
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None

    def tokens(self, prompt: list[int], limit: int, choose: Callable[[Any], int] | None) -> Iterator[int]:
        """Yields token after token, the one that ends the answer included."""
        speech = _Speech(prompt, limit, choose)
        self._ask(speech)
        try:
            while (token := speech.said.get()) is not None:
                if isinstance(token, BaseException):
                    raise token
                yield token
        finally:
            speech.is_left = True

    def _ask(self, speech: _Speech) -> None:
        with self._news:
            self._waiting.append(speech)
            self._news.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="model", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        import torch

        speeches: list[_Speech] = []
        rows: _Rows | None = None
        with torch.inference_mode():
            while True:
                new = self._newcomers(speeches)
                try:
                    speeches, rows = self._moved_on(speeches, rows, new)
                except Exception as error:  # noqa: BLE001  whoever asked is told; the next answers do not suffer
                    for speech in (*speeches, *new):
                        speech.said.put(error)
                    speeches, rows = [], None

    def _newcomers(self, speeches: list[_Speech]) -> list[_Speech]:
        """Takes those who wait and find room; waits for one where nobody is being answered."""
        new: list[_Speech] = []
        with self._news:
            if not speeches:
                self._news.wait_for(lambda: self._waiting)
            longest = max((len(speech.prompt) + speech.count for speech in speeches), default=0)
            while self._waiting:
                longest = max(longest, len(self._waiting[0].prompt))
                count = len(speeches) + len(new) + 1
                if count > 1 and (count > _MOST or count * longest > _ROOM):
                    break
                new.append(self._waiting.popleft())
        return new

    def _moved_on(
        self, speeches: list[_Speech], rows: _Rows | None, new: list[_Speech]
    ) -> tuple[list[_Speech], _Rows | None]:
        """Moves those on their way on by a token each, begins the new ones, and lets go of those that are over."""
        import torch

        parts = [self._next(rows, speeches)] if rows is not None else []
        parts += [self._begin(new)] if new else []
        everyone = speeches + new
        self._say(everyone, torch.cat([scores for _, scores in parts]))
        rows = parts[0][0] if len(parts) == 1 else _joined(parts[0][0], parts[1][0])
        staying = [number for number, speech in enumerate(everyone) if not speech.is_over]
        if not staying:
            return [], None
        if len(staying) < len(everyone):
            rows = _kept(rows, staying)
        return [everyone[number] for number in staying], rows

    def _begin(self, speeches: list[_Speech]) -> tuple[_Rows, Any]:
        """Reads the prompts, padded on the left."""
        import torch
        from transformers import DynamicCache

        width = max(len(speech.prompt) for speech in speeches)
        padding = [width - len(speech.prompt) for speech in speeches]
        prompts = [[0] * pad + speech.prompt for pad, speech in zip(padding, speeches, strict=True)]
        ids = torch.tensor(prompts, device=self._model.device)
        mask = torch.arange(width, device=ids.device)[None, :] >= torch.tensor(padding, device=ids.device)[:, None]
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        return self._pass(ids, positions, _Rows(DynamicCache(), mask))

    def _next(self, rows: _Rows, speeches: list[_Speech]) -> tuple[_Rows, Any]:
        """Reads the last token of each."""
        import torch

        ids = torch.tensor([[speech.last] for speech in speeches], device=self._model.device)
        mask = torch.cat([rows.mask, torch.ones_like(rows.mask[:, :1])], dim=1)
        return self._pass(ids, mask.sum(-1, keepdim=True) - 1, _Rows(rows.cache, mask))

    def _pass(self, ids: Any, positions: Any, rows: _Rows) -> tuple[_Rows, Any]:
        out = self._model(
            input_ids=ids,
            position_ids=positions,
            attention_mask=None if rows.mask.all() else rows.mask.long(),
            past_key_values=rows.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return _Rows(out.past_key_values, rows.mask), out.logits[:, -1]

    def _say(self, speeches: list[_Speech], scores: Any) -> None:
        for speech, likeliest, row in zip(speeches, scores.argmax(-1).tolist(), scores, strict=True):
            speech.last = likeliest if speech.choose is None else speech.choose(row)
            speech.count += 1
            speech.said.put(speech.last)
            speech.is_over = speech.last in self._ends or speech.count >= speech.limit or speech.is_left
            if speech.is_over:
                speech.said.put(None)


def _joined(first: _Rows, second: _Rows) -> _Rows:
    """Puts rows below rows, padded on the left to one width."""
    import torch

    width = max(first.mask.shape[1], second.mask.shape[1])
    pairs = zip(_layers(first.cache), _layers(second.cache), strict=True)
    layers = [
        [torch.cat([_padded(a, width, 2), _padded(b, width, 2)]) for a, b in zip(*pair, strict=True)] for pair in pairs
    ]
    return _Rows(_cache(layers), torch.cat([_padded(first.mask, width, 1), _padded(second.mask, width, 1)]))


def _kept(rows: _Rows, staying: list[int]) -> _Rows:
    """Lets the other rows go, and the places that are padding in all that stay."""
    mask = rows.mask[staying]
    begin = int(mask.any(dim=0).int().argmax())
    layers = [[tensor[staying][:, :, begin:] for tensor in layer] for layer in _layers(rows.cache)]
    return _Rows(_cache(layers), mask[:, begin:])


def _layers(cache: Any) -> list[tuple[Any, Any]]:
    return [(layer.keys, layer.values) for layer in cache.layers]


def _cache(layers: list[list[Any]]) -> Any:
    from transformers import DynamicCache

    made = DynamicCache()
    for number, (keys, values) in enumerate(layers):
        made.update(keys, values, number)
    return made


def _padded(tensor: Any, width: int, dimension: int) -> Any:
    """Widens a tensor with zeros on the left."""
    import torch

    missing = width - tensor.shape[dimension]
    if not missing:
        return tensor
    shape = list(tensor.shape)
    shape[dimension] = missing
    return torch.cat([tensor.new_zeros(shape), tensor], dim=dimension)
