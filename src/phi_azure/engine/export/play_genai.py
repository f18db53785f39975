"""Asks a folder of ONNX Runtime GenAI: no torch, no transformers."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from phi_azure.engine.errors import UserError
from phi_azure.engine.folders import read_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phi_azure.engine.export.play import Wish
    from phi_azure.engine.template import Message


class GenaiPlayer:
    """The folder's own tokenizer and chat template, run by ONNX Runtime GenAI."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime_genai as og

        og.disable_telemetry_events()  # nothing leaves this machine
        self._og = og
        self._template = folder / "chat_template.jinja"
        config = read_json(folder / "genai_config.json")["model"]
        try:
            self._model = og.Model(str(folder))
        except RuntimeError as error:
            raise UserError(f"ONNX Runtime GenAI cannot load {folder}: {error}") from error
        self._tokenizer = og.Tokenizer(self._model)
        providers = [name for one in config["decoder"]["session_options"]["provider_options"] for name in one] or [
            "cpu"
        ]
        self.runtime = f"onnxruntime-genai {og.__version__}, {', '.join(providers).lower()}"
        self.threads = os.cpu_count() or 1
        ends = config["eos_token_id"]
        self.ends = frozenset(ends if isinstance(ends, list) else [ends])
        self._context = int(config["context_length"])

    def prompt(self, messages: list[Message]) -> list[int]:
        """Renders with the folder's template and encodes with its tokenizer, both in C++."""
        text = self._tokenizer.apply_chat_template(json.dumps(messages), add_generation_prompt=True)
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
