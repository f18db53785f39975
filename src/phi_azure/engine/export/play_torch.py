"""Asks weights with Hugging Face `generate`: the reference that every export is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phi_azure.engine.chat import ends_of
from phi_azure.engine.errors import UserError
from phi_azure.engine.export import sources
from phi_azure.engine.export.merged import with_adapter
from phi_azure.engine.template import ChatTokenizer, load_chat_tokenizer
from phi_azure.engine.threads import TINY, most_threads
from phi_azure.engine.weights import load_model, set_up_libraries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phi_azure.engine.export.play import Wish
    from phi_azure.engine.export.sources import Source
    from phi_azure.engine.template import Message


class TorchPlayer:
    """A model of transformers."""

    def __init__(self, model: Any, tokenizer: ChatTokenizer, ends: frozenset[int], what: str) -> None:
        import torch
        import transformers

        gpu = torch.cuda.is_available()
        self._model = (model.to("cuda") if gpu else model).eval()
        self._tokenizer = tokenizer
        self.ends = ends
        parameters = model.num_parameters()
        self.threads = 1 if parameters < TINY else most_threads(parameters)
        torch.set_num_threads(self.threads)
        kind = str(model.dtype).removeprefix("torch.")
        self.runtime = f"transformers {transformers.__version__} generate, {kind}{what}, {'cuda' if gpu else 'cpu'}"

    def prompt(self, messages: list[Message]) -> list[int]:
        """Renders and encodes as training does."""
        return self._tokenizer.prompt(messages)

    def speak(self, prompt: list[int], wish: Wish, hear: Callable[[int], None]) -> None:
        """Lets `generate` run, and listens."""
        import torch

        limit = min(wish.limit, self._tokenizer.context - len(prompt))
        if limit < 1:
            raise UserError(f"the question has {len(prompt)} tokens; this model reads {self._tokenizer.context}.")
        sampling = {"temperature": wish.temperature, "top_k": 0} if wish.temperature > 0 else {}
        with torch.inference_mode():
            ids = torch.tensor([prompt], device=self._model.device)
            self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=limit,
                do_sample=wish.temperature > 0,
                eos_token_id=sorted(self.ends),
                pad_token_id=min(self.ends),
                streamer=_Ear(hear),
                **sampling,
            )

    def text(self, ids: list[int]) -> str:
        """Decodes without special tokens."""
        return str(self._tokenizer.tokenizer.decode(ids, skip_special_tokens=True))


class _Ear:
    """What `generate` gives its tokens to; the prompt comes first."""

    def __init__(self, hear: Callable[[int], None]) -> None:
        self._hear = hear
        self._prompt_came = False

    def put(self, value: Any) -> None:
        """Takes the prompt, then a token."""
        if self._prompt_came:
            self._hear(int(value.flatten()[0]))
        self._prompt_came = True

    def end(self) -> None:
        """Takes the end."""


def load_torch(source: Source, base: Path | None) -> TorchPlayer:
    """Loads weights as they are, or an adapter beside the weights of its base; in 32 bits on a CPU."""
    home = source
    if source.weights is None and source.adapter is not None:
        home = sources.find(sources.base_of(source.adapter, base))
    if home.weights is None or home.tokenizer is None:
        raise UserError(f"{home.root} holds no weights with a tokenizer.")
    set_up_libraries()
    import torch

    tokenizer = load_chat_tokenizer(home.weights)
    model = load_model(home.weights, "bfloat16" if torch.cuda.is_available() else "float32")
    ends = ends_of(home.weights, tokenizer)
    if home is source or source.adapter is None:
        return TorchPlayer(model, tokenizer, ends, "")
    return TorchPlayer(with_adapter(model, source.adapter), tokenizer, ends, " with adapter")
