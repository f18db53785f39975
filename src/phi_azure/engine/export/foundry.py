"""Foundry Local: a folder of models, in each the ONNX files and inference_model.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.engine.export.turns import Turns

FILE = "inference_model.json"


def describe(folder: Path, name: str, turns: Turns) -> None:
    """Writes the file by which Foundry Local knows a model: its name, and texts around `{Content}`."""
    place = "{Content}"
    around = {"system": turns.system, "user": turns.user, "assistant": turns.assistant}
    template = {who: f"{parts[0]}{place}{parts[1]}" for who, parts in around.items() if parts}
    template["prompt"] = f"{turns.user[0]}{place}{turns.user[1]}{turns.opening}"
    document = {"Name": name, "PromptTemplate": template}
    (folder / FILE).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
