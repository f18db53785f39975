"""Asks a GGUF file: with llama.cpp where llama-cpp-python is installed, else its weights with transformers."""

from __future__ import annotations

import importlib.util
import re
from importlib import metadata
from typing import TYPE_CHECKING, Any

from phi_azure.engine.errors import UserError
from phi_azure.engine.export.missing import MissingError
from phi_azure.engine.export.turns import Turns, of_dict
from phi_azure.engine.folders import read_json
from phi_azure.engine.threads import TINY, most_threads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phi_azure.engine.export.play import Player, Wish
    from phi_azure.engine.template import Message


def load_gguf(file: Path) -> Player:
    """Loads a GGUF file.

    Raises:
        MissingError: llama-cpp-python is not installed; Ollama itself is not driven from here.
    """
    if importlib.util.find_spec("llama_cpp") is None:
        raise MissingError(
            f"asking {file.name} here needs llama-cpp-python, not installed.",
            "pip install llama-cpp-python (it builds llama.cpp: a C++ compiler and cmake, about ten minutes); or leave "
            f"it to Ollama: ollama create NAME -f {file.parent / 'Modelfile'}",
        )
    return LlamaPlayer(file)


class LlamaPlayer:
    """The file's own tokenizer, the template of the Modelfile, run by llama.cpp, on which Ollama stands."""

    def __init__(self, file: Path) -> None:
        import llama_cpp

        turns = read_json(file.parent / "export.json").get("turns")
        if turns is None:
            raise UserError(f"{file.parent} has no export.json that tells its template; it was not made by phi-azure.")
        self._turns: Turns = of_dict(turns)
        self.threads = 1 if file.stat().st_size < TINY else most_threads(TINY)  # as for torch
        self._llama: Any = llama_cpp.Llama(
            str(file), n_ctx=_context(file.parent), n_threads=self.threads, n_threads_batch=self.threads, verbose=False
        )
        words = self._llama.metadata
        named = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id")
        self.ends = frozenset(int(words[name]) for name in named if name in words)
        kind = file.stem.rpartition("-")[2]
        self.runtime = f"llama.cpp of llama-cpp-python {metadata.version('llama-cpp-python')}, {kind}, cpu"

    def prompt(self, messages: list[Message]) -> list[int]:
        """Renders as Ollama does by the Modelfile, and encodes with the file's tokenizer."""
        return list(self._llama.tokenize(self._turns.render(messages).encode(), add_bos=False, special=True))

    def speak(self, prompt: list[int], wish: Wish, hear: Callable[[int], None]) -> None:
        """Makes one token after another."""
        limit = min(wish.limit, self._llama.n_ctx() - len(prompt))
        if limit < 1:
            raise UserError(f"the question has {len(prompt)} tokens; this model reads {self._llama.n_ctx()}.")
        self._llama.reset()
        spoken = self._llama.generate(prompt, temp=wish.temperature, top_k=0, top_p=1.0, min_p=0.0, repeat_penalty=1.0)
        for token, _ in zip(spoken, range(limit), strict=False):
            hear(int(token))
            if token in self.ends:
                return

    def text(self, ids: list[int]) -> str:
        """Decodes with the file's tokenizer."""
        said = self._llama.detokenize([token for token in ids if token not in self.ends])
        return str(said.decode(errors="replace"))


def _context(folder: Path) -> int:
    """Returns the length that the Modelfile asks for."""
    found = re.search(r"^PARAMETER num_ctx (\d+)$", (folder / "Modelfile").read_text(encoding="utf-8"), re.MULTILINE)
    return int(found[1]) if found else 0
