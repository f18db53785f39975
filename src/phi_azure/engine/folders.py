"""Folders of models and outputs: the Hugging Face and the MLflow layout, and outputs that appear whole or never."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from phi_azure.engine.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
)


LARGE = 64 * 2**20  # bytes; real weights are not copied from step to step


def huggingface_folder(folder: Path) -> Path:
    """Returns the folder that holds config.json: the folder itself, or data/model of the MLflow layout."""
    inside = ("", "data/model", "model/data/model", "mlflow_model_folder/data/model", "model")
    for candidate in (folder / part for part in inside):
        if (candidate / "config.json").is_file():
            return candidate
    raise UserError(f"{folder} holds no model: no config.json there or in data/model.")


def tokenizer_folder(folder: Path) -> Path:
    """Returns the folder that holds tokenizer.json, which the MLflow layout may keep beside the weights."""
    model = huggingface_folder(folder)
    for candidate in (model, model.parent / "tokenizer"):
        if (candidate / "tokenizer.json").is_file():
            return candidate
    raise UserError(
        f"{model} has no tokenizer.json. Make one: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
    )


def mlmodel_file(folder: Path) -> Path | None:
    """Returns the MLmodel file of a model in MLflow layout."""
    candidates = [folder / "MLmodel", folder / "mlflow_model_folder" / "MLmodel", folder / "model" / "MLmodel"]
    return next((path for path in candidates if path.is_file()), None)


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object; an absent file is an empty one.

    Raises:
        UserError: the file holds something else.
    """
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no JSON object.")
    return found


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Gives a new folder to fill; it takes the target's place when the block ends well, and else is removed."""
    draft = _draft(target)
    draft.mkdir(parents=True)
    try:
        yield draft
        _replace(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_whole(target: Path, text: str) -> None:
    """Writes a text file in one move."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(target)
    draft.write_text(text, encoding="utf-8")
    draft.replace(target)


def copy_files(source: Path, target: Path, names: tuple[str, ...]) -> list[str]:
    """Copies those of the named files that are there, and returns their names."""
    target.mkdir(parents=True, exist_ok=True)
    found = [name for name in names if (source / name).is_file()]
    for name in found:
        shutil.copyfile(source / name, target / name)
    return found


def link_or_copy(source: Path, target: Path) -> None:
    """Copies a file; a large one gets a second name instead, where the disk has hard links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.stat().st_size >= LARGE:
        with suppress(OSError):
            os.link(source.resolve(), target)
            return
    shutil.copyfile(source, target)


def _draft(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.tmp")


def _replace(draft: Path, target: Path) -> None:
    if not target.exists():
        draft.rename(target)
        return
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    target.rename(old)
    draft.rename(target)
    if old.is_dir():
        shutil.rmtree(old)
    else:
        old.unlink()
