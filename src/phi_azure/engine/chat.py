"""Loads a model and answers chat messages: a key-value cache, one token at a time, stops at the end of the turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phi_azure.engine.errors import UserError
from phi_azure.engine.folders import huggingface_folder, read_json
from phi_azure.engine.template import ChatTokenizer, Message, load_chat_tokenizer
from phi_azure.engine.threads import TINY, most_threads
from phi_azure.engine.together import Together
from phi_azure.engine.weights import load_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_END_OF_TURN = ("<|end|>", "<|im_end|>")  # Phi-3 and Phi-4-mini; Phi-4


@dataclass(frozen=True)
class Sampling:
    """How to choose tokens. Temperature 0 takes the likeliest each time, so the same prompt gives the same answer."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True)
class Answer:
    """A finished answer; `finish_reason` is "stop" or "length"."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class ChatModel:
    """A model ready to answer; those who ask at the same time are answered together."""

    model: Any
    tokenizer: ChatTokenizer
    ends: frozenset[int]
    together: Together

    def answer(self, messages: list[Message], sampling: Sampling | None = None) -> Answer:
        """Returns the whole answer."""
        sampling = sampling or Sampling()
        if sampling.stop:  # which may stand across tokens: the text is looked at as it grows
            *_, whole = self.growing(messages, sampling)
            return whole
        prompt, limit = self._asked(messages, sampling)
        said = list(self._tokens(prompt, sampling, limit))
        ended = said[-1] in self.ends
        return Answer(self._text(said[:-1] if ended else said), "stop" if ended else "length", len(prompt), len(said))

    def growing(self, messages: list[Message], sampling: Sampling) -> Iterator[Answer]:
        """Yields the answer each time its text has grown; only the last one has a `finish_reason`."""
        prompt, limit = self._asked(messages, sampling)
        yield from self._spoken(prompt, sampling, limit)

    def _asked(self, messages: list[Message], sampling: Sampling) -> tuple[list[int], int]:
        """Returns the prompt, and how many tokens there may be."""
        prompt = self.tokenizer.prompt(messages)
        room = self.tokenizer.context - len(prompt)
        if room < 1:
            raise UserError(
                f"This model's maximum context length is {self.tokenizer.context} tokens. "
                f"However, your messages resulted in {len(prompt)} tokens."
            )
        return prompt, min(sampling.max_tokens, room)

    def _spoken(self, prompt: list[int], sampling: Sampling, limit: int) -> Iterator[Answer]:
        said: list[int] = []
        shown, reason, heard = "", "length", 0
        for heard, token in enumerate(self._tokens(prompt, sampling, limit), 1):
            if token in self.ends:
                reason = "stop"
                break
            said.append(token)
            if cut_at_stop(self._text(said), sampling.stop)[1]:
                reason = "stop"
                break
            ready = held_back(self._text(self._settled(said)), sampling.stop)
            if len(ready) > len(shown):
                shown = ready
                yield Answer(shown, "", len(prompt), heard)
        yield Answer(cut_at_stop(self._text(said), sampling.stop)[0], reason, len(prompt), heard)

    def _settled(self, ids: list[int]) -> list[int]:
        """Leaves out the bytes at the end: what a run of bytes spells is known when the next whole token comes."""
        count = len(ids)
        while count and str(self.tokenizer.tokenizer.id_to_token(ids[count - 1])).startswith("<0x"):
            count -= 1
        return ids[:count]

    def _text(self, ids: list[int]) -> str:
        return str(self.tokenizer.tokenizer.decode(ids, skip_special_tokens=True))

    def _tokens(self, prompt: list[int], sampling: Sampling, limit: int) -> Iterator[int]:
        """Yields token after token, the one that ends the answer included."""
        if sampling.temperature <= 0:
            return self.together.tokens(prompt, limit, None)
        import torch

        generator = torch.Generator(device=self.model.device)
        generator.manual_seed(sampling.seed) if sampling.seed is not None else generator.seed()
        return self.together.tokens(prompt, limit, lambda scores: choose(scores, sampling, generator))


def load_chat_model(folder: Path) -> ChatModel:
    """Loads weights, tokenizer and chat template of a folder in Hugging Face or MLflow layout."""
    tokenizer = load_chat_tokenizer(folder)
    import torch

    gpu = torch.cuda.is_available()
    model = load_model(folder, "bfloat16" if gpu else "float32").eval()
    parameters = model.num_parameters()  # one row of a tiny model: a second thread would wait more than it works
    torch.set_num_threads(1 if parameters < TINY else most_threads(parameters))
    model, ends = model.to("cuda") if gpu else model, ends_of(folder, tokenizer)
    return ChatModel(model, tokenizer, ends, Together(model, ends))


def choose(logits: Any, sampling: Sampling, generator: Any) -> int:
    """Returns a token drawn from the likeliest that together reach `top_p`."""
    import torch

    chances, order = torch.softmax(logits.float() / sampling.temperature, dim=-1).sort(descending=True)
    before = chances.cumsum(dim=-1) - chances
    chances = chances.masked_fill(before >= sampling.top_p, 0.0)
    if not float(chances.sum()):
        return int(order[0])
    return int(order[torch.multinomial(chances, 1, generator=generator)])


def cut_at_stop(text: str, stops: tuple[str, ...]) -> tuple[str, bool]:
    """Returns the text before the first stop word, and whether one was there."""
    at = min((text.find(stop) for stop in stops if stop in text), default=-1)
    return (text[:at], True) if at >= 0 else (text, False)


def held_back(text: str, stops: tuple[str, ...]) -> str:
    """Returns what of a growing text may be shown: neither half a character nor the beginning of a stop word."""
    text = text.rstrip("\ufffd")
    longest = max((n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
    return text[: len(text) - longest]


def ends_of(folder: Path, tokenizer: ChatTokenizer) -> frozenset[int]:
    """Returns the ids that end an answer."""
    home = huggingface_folder(folder)
    ends: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        listed = read_json(home / name).get("eos_token_id")
        ends.update(listed if isinstance(listed, list) else [] if listed is None else [listed])
    turns = (tokenizer.tokenizer.token_to_id(text) for text in _END_OF_TURN)
    return frozenset(ends | {token for token in turns if token is not None})
