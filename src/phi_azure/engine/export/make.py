"""Makes one export: `python -m phi_azure.engine export`, which tells how it went in one line of JSON."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi_azure.engine.errors import UserError
from phi_azure.engine.export import foundry, gguf, merged, onnx, sources
from phi_azure.engine.export.missing import MissingError, need
from phi_azure.engine.export.turns import take_apart
from phi_azure.engine.folders import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.engine.export.sources import Source
    from phi_azure.engine.export.turns import Turns

MANIFEST = "export.json"
FORMATS = ("merged", "adapter", "onnx", "ollama", "foundry-local")
_DEFAULTS = {"onnx": "int4", "foundry-local": "int4", "ollama": "fp16"}
_PACKAGES = ("torch", "transformers", "peft", "onnxruntime-genai", "onnxruntime", "gguf")


@dataclass(frozen=True)
class Order:
    """What is to be made."""

    source: Path
    out: Path
    """A new folder, or an empty one."""
    to: str
    precision: str | None = None
    """None takes the format's own: int4 of ONNX, fp16 of GGUF; merged weights and adapters stay as they are."""
    provider: str = "cpu"
    base: Path | None = None
    name: str = "phi"


def make(order: Order) -> dict[str, Any]:
    """Makes it and returns its manifest, which is also written into the folder, as its last file.

    Raises:
        UserError: what was given cannot be made into it.
        MissingError: this machine lacks something.
    """
    precision = _precision(order)
    need({"tokenizers": "tokenizers", "jinja2": "jinja2"}, "an export", "local")
    if order.to in {"onnx", "foundry-local"}:
        onnx.refuse_absent(order.provider)
    source = sources.find(order.source)
    if order.base and source.weights and order.to != "adapter":
        raise UserError(f"--base is for an adapter alone, and {order.source} has weights. Leave it away.")
    order.out.mkdir(parents=True, exist_ok=True)
    turns = _MAKERS[order.to](order, source, precision)
    manifest = {
        "format": order.to,
        "name": order.name,
        "precision": precision,
        "provider": order.provider if order.to in {"onnx", "foundry-local"} else None,
        "base": _base(order, source),
        "turns": turns.to_dict() if turns else None,
        "made_with": {name: version for name in _PACKAGES if (version := _version(name))},
    }
    (order.out / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def _precision(order: Order) -> str | None:
    allowed = {"onnx": onnx.PRECISIONS, "foundry-local": onnx.PRECISIONS, "ollama": tuple(gguf.PRECISIONS)}.get(
        order.to
    )
    if order.precision and allowed is None:
        raise UserError(f"{order.to} keeps the precision of the model; leave --precision away.")
    if allowed and order.precision and order.precision not in allowed:
        raise UserError(f"{order.to} comes in {', '.join(allowed)}, not in {order.precision}.")
    return order.precision or _DEFAULTS.get(order.to)


def _make_merged(order: Order, source: Source, _precision: str | None) -> Turns | None:
    merged.plain(source, order.base, order.out)
    merged.describe_to_mlflow(order.out)
    return None


def _make_adapter(order: Order, source: Source, _precision: str | None) -> Turns | None:
    merged.adapter_alone(source, order.out)
    return None


def _make_onnx(order: Order, source: Source, precision: str | None) -> Turns | None:
    with _assembled(order, source) as home:
        onnx.build(home, order.out, str(precision), order.provider)
    return None


def _make_foundry(order: Order, source: Source, precision: str | None) -> Turns | None:
    folder = order.out / order.name
    with _assembled(order, source) as home:
        turns = _turns(home)
        onnx.build(home, folder, str(precision), order.provider)
    foundry.describe(folder, order.name, turns)
    return turns


@contextmanager
def _assembled(order: Order, source: Source) -> Iterator[Path]:
    """Gives a plain folder for as long as something is made of it; what is wrong with it is told of the source."""
    with tempfile.TemporaryDirectory(dir=order.out.parent, prefix=f"{order.out.name}.") as work:
        home = Path(work) / "model"
        try:
            yield merged.plain(source, order.base, home, links=True)
        except MissingError:
            raise
        except UserError as error:
            raise UserError(str(error).replace(str(home), str(source.weights or source.root))) from error


def _turns(home: Path) -> Turns:
    from phi_azure.engine.template import load_chat_tokenizer  # once jinja2 and tokenizers are known to be there

    return take_apart(load_chat_tokenizer(home))


def _make_ollama(order: Order, source: Source, precision: str | None) -> Turns | None:
    file = order.out / f"{order.name}-{precision}.gguf"
    with _assembled(order, source) as home:
        turns, context = _turns(home), gguf.context_of(home)
        gguf.write(home, file, order.name, str(precision))
    text = gguf.modelfile(file.name, turns, context)
    (order.out / "Modelfile").write_text(text, encoding="utf-8")
    return turns


_MAKERS = {
    "merged": _make_merged,
    "adapter": _make_adapter,
    "onnx": _make_onnx,
    "ollama": _make_ollama,
    "foundry-local": _make_foundry,
}


def _base(order: Order, source: Source) -> str | None:
    """Returns what the adapter's own configuration calls its base, or the folder that was named."""
    if order.base:
        return str(order.base.resolve())
    if source.adapter is None:
        return None
    return read_json(source.adapter / sources.ADAPTER_CONFIG).get("base_model_name_or_path")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
