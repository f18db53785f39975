"""Asks a folder of ONNX Runtime GenAI: no torch, no transformers."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phi_azure.engine.errors import UserError
from phi_azure.engine.folders import read_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phi_azure.engine.export.play import Wish
    from phi_azure.engine.template import Message

GENAI_CONFIG = "genai_config.json"


@dataclass(frozen=True)
class _Told:
    """What the folder's own configuration says."""

    providers: list[str]
    ends: frozenset[int]
    context: int


class GenaiPlayer:
    """The folder's own tokenizer and chat template, run by ONNX Runtime GenAI."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime_genai as og

        og.disable_telemetry_events()  # nothing leaves this machine
        self._og = og
        told = _read(folder / GENAI_CONFIG)
        try:
            self._model = og.Model(str(folder))
            self._tokenizer = og.Tokenizer(self._model)
        except RuntimeError as error:
            raise UserError(f"ONNX Runtime GenAI cannot load {folder}: {error}") from error
        self.runtime = f"onnxruntime-genai {og.__version__}, {', '.join(told.providers).lower()}"
        self.threads = os.cpu_count() or 1
        self.ends = told.ends
        self._context = told.context

    def prompt(self, messages: list[Message]) -> list[int]:
        """Renders with the folder's template and encodes with its tokenizer, both in C++."""
        try:
            text = self._tokenizer.apply_chat_template(json.dumps(messages), add_generation_prompt=True)
        except RuntimeError as error:
            raise UserError(f"the folder's chat template cannot render the messages: {error}") from error
        return [int(token) for token in self._tokenizer.encode(text)]

    def speak(self, prompt: list[int], wish: Wish, hear: Callable[[int], None]) -> None:
        """Makes one token after another."""
        if len(prompt) >= self._context:
            raise UserError(f"the question has {len(prompt)} tokens; this model reads fewer than {self._context}.")
        parameters = self._og.GeneratorParams(self._model)
        how = {"do_sample": wish.temperature > 0, "max_length": min(len(prompt) + wish.limit, self._context)}
        parameters.set_search_options(**how, **({"temperature": wish.temperature} if wish.temperature > 0 else {}))
        try:
            generator = self._og.Generator(self._model, parameters)
            generator.append_tokens(prompt)
            while not generator.is_done():
                generator.generate_next_token()
                hear(int(generator.get_next_tokens()[0]))
        except RuntimeError as error:
            raise UserError(f"ONNX Runtime GenAI cannot run this model: {error}") from error

    def text(self, ids: list[int]) -> str:
        """Decodes with the folder's tokenizer."""
        return str(self._tokenizer.decode([token for token in ids if token not in self.ends]))


def _read(file: Path) -> _Told:
    try:
        config = read_json(file)["model"]
        providers = [name for one in config["decoder"]["session_options"]["provider_options"] for name in one]
        ends = config["eos_token_id"]
        listed = frozenset(ends if isinstance(ends, list) else [ends])
        return _Told(providers or ["cpu"], listed, int(config["context_length"]))
    except (KeyError, TypeError) as error:
        raise UserError(f"{file} is not what ONNX Runtime GenAI's builder writes: {error}") from error
