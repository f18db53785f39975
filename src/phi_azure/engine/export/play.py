"""Speaks with a model of any format: `python -m phi_azure.engine play DIR`, a line of JSON for each thing said.

    -> {"messages": [{"role": "user", "content": "..."}], "max_tokens": 64}
    <- {"words": "neg"}                      while it speaks, if "stream" is asked for
    <- {"answer": {"text": ..., "ids": [...], "prompt_ids": [...], "ended": true, "first_s": 0.01, "seconds": 0.02}}
    -> the end of the input
    <- {"end": {"peak_bytes": ...}}

The first line, once the model is loaded, is {"ready": {"runtime": ..., "load_s": ..., ...}}. It ends with whoever asks.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from phi_azure.engine.errors import UserError
from phi_azure.engine.export import sources
from phi_azure.engine.export.missing import MissingError, need
from phi_azure.engine.export.play_genai import GENAI_CONFIG, GenaiPlayer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phi_azure.engine.template import Message


@dataclass(frozen=True)
class Wish:
    """How one answer is to be made."""

    limit: int
    """Tokens at most."""
    temperature: float = 0.0


class Player(Protocol):
    """A model that is loaded, whatever runs it."""

    runtime: str
    """What runs it, with version and precision."""
    threads: int
    ends: frozenset[int]
    """The tokens that end an answer."""

    def prompt(self, messages: list[Message]) -> list[int]:
        """Returns the token ids after which the assistant speaks, by the folder's own template and tokenizer."""

    def speak(self, prompt: list[int], wish: Wish, hear: Callable[[int], None]) -> None:
        """Makes tokens, the one that ends the answer included, and tells each as it comes."""

    def text(self, ids: list[int]) -> str:
        """Returns what tokens spell, without the special ones."""


def load(folder: Path, base: Path | None = None) -> Player:
    """Loads a folder with what runs its format: ONNX Runtime GenAI, llama.cpp or transformers.

    Raises:
        MissingError: that is not installed, or the base of an adapter is not here.
        UserError: the folder holds nothing that can be asked.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder.")
    if found := _genai(folder):
        need({"onnxruntime-genai": "onnxruntime_genai"}, f"asking {folder}")
        return GenaiPlayer(found)
    if found := next(iter(sorted(folder.glob("*.gguf"))), None):
        from phi_azure.engine.export.play_gguf import load_gguf

        return load_gguf(found)
    need(
        {"torch": "torch", "transformers": "transformers", "tokenizers": "tokenizers", "jinja2": "jinja2"},
        f"asking {folder}, which holds weights for PyTorch,",
        "local",
    )
    from phi_azure.engine.export.play_torch import load_torch

    return load_torch(sources.find(folder), base)


def _genai(folder: Path) -> Path | None:
    """Returns the folder of an ONNX model: this one, or the one in it, as Foundry Local has it, beside no weights."""
    if (folder / GENAI_CONFIG).is_file():
        return folder
    inner = next((one.parent for one in sorted(folder.glob(f"[!.]*/{GENAI_CONFIG}"))), None)
    return inner if inner and not sources.has_weights(folder) else None


def play(folder: Path, base: Path | None, questions: TextIO, say: Callable[[dict[str, Any]], None]) -> None:
    """Loads the model and answers until the questions end."""
    started = time.perf_counter()
    player = load(folder, base)
    loaded = time.perf_counter() - started
    say(
        {"ready": {"runtime": player.runtime, "load_s": loaded, "threads": player.threads, "ends": sorted(player.ends)}}
    )
    for line in questions:
        if not line.strip():
            continue
        question = json.loads(line)
        try:
            say({"answer": answer(player, question, say)})
        except UserError as error:
            say({"error": str(error)})
    say({"end": {"peak_bytes": _peak()}})


def answer(player: Player, question: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Answers one question, and measures."""
    stream = bool(question.get("stream"))
    ids: list[int] = []
    moments: list[float] = []
    shown = ""

    def hear(token: int) -> None:
        nonlocal shown
        moments.append(time.perf_counter())
        ids.append(token)
        if stream and token not in player.ends:
            whole = player.text(ids).lstrip().rstrip("\ufffd")  # half a character
            if len(whole) > len(shown):
                say({"words": whole[len(shown) :]})
                shown = whole

    started = time.perf_counter()
    prompt = player.prompt(question["messages"])
    player.speak(prompt, Wish(int(question["max_tokens"]), float(question.get("temperature", 0.0))), hear)
    seconds = time.perf_counter() - started
    ended = bool(ids) and ids[-1] in player.ends
    return {
        "text": player.text(ids[:-1] if ended else ids).strip(),
        "ids": ids,
        "prompt_ids": prompt,
        "ended": ended,
        "first_s": moments[0] - started if moments else None,
        "seconds": seconds,
    }


def to_stdout() -> Callable[[dict[str, Any]], None]:
    """Returns what tells whoever asks, a line each on stdout; what else is printed there goes to stderr from now on."""
    sys.stdout.flush()
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries print as they like, C++ as well

    def say(event: dict[str, Any]) -> None:
        lines.write(json.dumps(event, ensure_ascii=False) + "\n")
        lines.flush()

    return say


def refusal(error: UserError) -> dict[str, Any]:
    """Returns an error as an event."""
    return {"refused": {"message": str(error), "remedy": error.remedy if isinstance(error, MissingError) else None}}


def _peak() -> int | None:
    """Returns the most memory that this process had, in bytes; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
