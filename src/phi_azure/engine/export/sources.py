"""Finds weights, tokenizer and adapter in a folder as it comes, whoever laid it out."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phi_azure.engine.errors import UserError, listed
from phi_azure.engine.export import headers
from phi_azure.engine.export.missing import MissingError
from phi_azure.engine.folders import TOKENIZER_FILES, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

ADAPTER_CONFIG = "adapter_config.json"
_DEEPEST = 6  # folders down; Azure's outputs nest three or four
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_SINGLE = ("model.safetensors", "pytorch_model.bin")
_LEFT_BEHIND = ("finetune_args.json", "finetune_config.json", "training_metrics.json", "trainer_state.json")
_ADAPTERS = ("adapter_model.safetensors", "adapter_model.bin")


@dataclass(frozen=True)
class Source:
    """What a folder holds."""

    root: Path
    weights: Path | None
    """The folder of config.json and the weights; None where there is an adapter alone."""
    tokenizer: Path | None
    adapter: Path | None


def find(root: Path) -> Source:
    """Looks through a folder: plain Hugging Face, MLflow with data/model, a job's outputs, or an adapter alone.

    Raises:
        UserError: there is no model, several, or one that is not whole.
    """
    if not root.is_dir():
        raise UserError(f"{root} is no folder.")
    folders = list(_folders(root))
    models = _nearest(root, [one for one in folders if (one / "config.json").is_file() and _has_weights(one)])
    adapters = _nearest(root, [one for one in folders if (one / ADAPTER_CONFIG).is_file()])
    if not models and not adapters:
        raise UserError(
            f"{root} holds no model: nowhere in it stand config.json and weights side by side, and no {ADAPTER_CONFIG}."
        )
    for what, found in (("models", models), ("adapters", adapters)):
        if len(found) > 1:
            listed = ", ".join(str(one.relative_to(root)) for one in found)
            raise UserError(f"{root} holds several {what}: {listed}. Name one of these folders.")
    weights = models[0] if models else None
    adapter = adapters[0] if adapters else None
    if weights:
        _refuse_broken(weights)
    if adapter:
        _adapter_file(adapter)
    return Source(root, weights, _tokenizer(folders, weights or adapter), adapter)


def assemble(source: Source, out: Path, *, links: bool) -> Path:
    """Makes a plain Hugging Face folder of the weights: model files, configuration, tokenizer; returns it.

    Args:
        source: where they lie.
        out: made if absent.
        links: names for the files instead of copies, for a folder that is read and thrown away.
    """
    if source.weights is None:
        raise UserError(f"{source.root} holds an adapter alone.")
    if source.tokenizer is None:
        raise UserError(f"{source.root} has no tokenizer.json.")
    out.mkdir(parents=True, exist_ok=True)
    for file in _files(source.weights, source.tokenizer):
        _put(file, out / file.name, links=links and file.suffix != ".json")
    if links:
        _say_to_exporters(out / "config.json")
    return out


def has_weights(root: Path) -> bool:
    """Says whether there are weights for PyTorch anywhere in a folder."""
    return any(_has_weights(one) for one in _folders(root))


def adapter_files(adapter: Path) -> list[Path]:
    """Returns the files of an adapter."""
    return [adapter / ADAPTER_CONFIG, _adapter_file(adapter)]


def base_of(adapter: Path, base: Path | None) -> Path:
    """Returns the folder of the base weights that an adapter goes on: the one named, else the one that it names.

    Raises:
        MissingError: neither is on this machine.
    """
    named = read_json(adapter / ADAPTER_CONFIG).get("base_model_name_or_path")
    folder = base or (Path(named) if named else None)
    if folder is None or not folder.is_dir():
        raise MissingError(
            f"{adapter} is an adapter alone, and the weights of its base model{f', {named},' if named else ''} "
            "are not on this machine.",
            "Name their folder with --base DIR.",
        )
    return folder


def _folders(root: Path) -> Iterator[Path]:
    """Yields the folder and those below it, the upper ones first; checkpoints and hidden folders are passed over."""
    for place, below, _ in os.walk(root):
        here = Path(place)
        below[:] = sorted(name for name in below if not name.startswith((".", "checkpoint-")))
        if len(here.relative_to(root).parts) >= _DEEPEST:
            below.clear()
        yield here


def _has_weights(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (*_SINGLE, *_INDEXES))


def _nearest(root: Path, folders: list[Path]) -> list[Path]:
    """Returns those that lie least deep."""
    depth = {one: len(one.relative_to(root).parts) for one in folders}
    return [one for one in folders if depth[one] == min(depth.values())]


def _tokenizer(folders: list[Path], model: Path | None) -> Path | None:
    """Returns the folder of tokenizer.json: the model's own, else the one beside it, else any."""
    preferred = [model, model.parent / "tokenizer"] if model else []
    return next((one for one in [*preferred, *folders] if (one / "tokenizer.json").is_file()), None)


def _refuse_broken(weights: Path) -> None:
    """Refuses a folder that lacks shards or tensors, or whose files end too early: what a cut download leaves."""
    if not isinstance(read_json(weights / "config.json").get("model_type"), str):
        raise UserError(f"{weights / 'config.json'} names no model_type. Download it again.")
    wanted = {name for name in _SINGLE if (weights / name).is_file()}
    placed: dict[str, str] = {}
    for index in _INDEXES:
        placed |= _weight_map(weights / index)
    wanted |= set(placed.values())
    absent = sorted(name for name in wanted if not (weights / name).is_file())
    short = sorted(name for name in wanted if name not in absent and headers.is_cut(weights / name))
    if absent or short:
        said = [f"lacks {', '.join(absent)}"] * bool(absent) + [f"has {', '.join(short)} cut short"] * bool(short)
        raise UserError(f"{weights} {' and '.join(said)}, of {len(wanted)} files of weights. Download it again.")
    _refuse_gaps(weights, placed, sorted(name for name in wanted if name.endswith(".safetensors")))


def _refuse_gaps(weights: Path, placed: dict[str, str], files: list[str]) -> None:
    """Refuses weights of which tensors are missing; transformers would put random numbers in their place."""
    held = {file: set(headers.read(weights / file)) for file in files}
    if strays := sorted(name for name, file in placed.items() if file in held and name not in held[file]):
        where = ", ".join(sorted({placed[name] for name in strays}))
        raise UserError(
            f"{weights}: the index names tensors that {where} does not hold: {listed(strays)}. Download it again."
        )
    gaps = headers.absent(read_json(weights / "config.json"), set().union(*held.values())) if held else []
    if gaps:
        raise UserError(f"{weights} lacks tensors of its model ({len(gaps)}): {listed(gaps)}. Download it again.")


def _weight_map(index: Path) -> dict[str, str]:
    """Returns the file of each tensor; an absent index names none."""
    found = read_json(index).get("weight_map", {})
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise UserError(f"{index} does not tell which file holds which tensor. Download it again.")
    return found


def _adapter_file(adapter: Path) -> Path:
    found = next((adapter / name for name in _ADAPTERS if (adapter / name).is_file()), None)
    if found is None or headers.is_cut(found):
        raise UserError(f"{adapter} has no whole {_ADAPTERS[0]}. Download it again.")
    return found


def _files(weights: Path, tokenizer: Path) -> list[Path]:
    """Returns the files of a plain folder by the model's own names, without what training left behind."""
    found = {
        file.name: file
        for file in sorted(weights.iterdir())
        if file.is_file() and file.name not in _LEFT_BEHIND and not file.name.startswith(".")
    }
    for name in TOKENIZER_FILES:
        if name not in found and (tokenizer / name).is_file():
            found[name] = tokenizer / name
    return list(found.values())


def _put(file: Path, target: Path, *, links: bool) -> None:
    if links:
        target.symlink_to(file.resolve())
    else:
        shutil.copyfile(file, target)


def _say_to_exporters(config_file: Path) -> None:
    """Says of a Phi-3 what exporters go by: one length where there are no long rotary factors, and what those are."""
    config = read_json(config_file)
    if config.get("model_type") != "phi3":
        return
    name = "rope_scaling" if config.get("rope_scaling") else "rope_parameters"
    rope = dict(config.get(name) or {})
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind in {"longrope", "su", "yarn"}:
        config[name] = rope | {"rope_type": kind, "type": kind}  # transformers 5 writes the one, builders read both
    else:
        config["original_max_position_embeddings"] = config.get("max_position_embeddings")
    config_file.write_text(json.dumps(config, indent=2), encoding="utf-8")
