"""Weights, tokenizer and adapter are found in a folder as it comes."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from phi_azure.edge.process import EngineProcess
from phi_azure.engine.errors import UserError
from phi_azure.engine.export.missing import MissingError, need
from phi_azure.engine.export.sources import assemble, base_of, find
from phi_azure.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


NAMES = [
    "model.embed_tokens",
    "model.layers.0.input_layernorm",
    "model.layers.0.self_attn.qkv_proj",
    "model.layers.0.self_attn.o_proj",
    "model.layers.0.post_attention_layernorm",
    "model.layers.0.mlp.gate_up_proj",
    "model.layers.0.mlp.down_proj",
    "model.norm",
    "lm_head",
]


def weights(path: Path, cut: int = 0, names: Sequence[str] = ("w",)) -> None:
    """Writes a safetensors file of four numbers under each name, or one that ends too early."""
    header = json.dumps({name: {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]} for name in names}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((struct.pack("<Q", len(header)) + header + bytes(16))[: -cut or None])


def model(folder: Path, *, tokenizer: bool = True, **config: object) -> Path:
    """Writes a model of one file."""
    weights(folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "phi3", **config}))
    if tokenizer:
        (folder / "tokenizer.json").write_text("{}")
    return folder


def adapter(folder: Path, base: str = "nowhere") -> Path:
    """Writes an adapter."""
    weights(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
    return folder


@pytest.mark.parametrize(
    "place",
    ["", "data/model", "mlflow_model_folder/data/model", "named-outputs/output_model/mlflow_model_folder/data/model"],
    ids=["plain", "MLflow", "registered", "a job's outputs"],
)
def test_weights_tokenizer_and_adapter_are_found_wherever_they_lie(tmp_path: Path, place: str) -> None:
    """Each layout in which Azure hands out a model is understood as it comes."""
    model(tmp_path / place, tokenizer=False)
    beside = (tmp_path / place).parent if place else tmp_path
    (beside / "tokenizer").mkdir()
    (beside / "tokenizer" / "tokenizer.json").write_text("{}")
    (beside / "config").mkdir()
    (beside / "config" / "config.json").write_text("{}")
    adapter(beside / "adapter")
    model(tmp_path / place / "checkpoint-10")

    found = find(tmp_path)

    assert found.weights == tmp_path / place
    assert found.tokenizer == beside / "tokenizer"
    assert found.adapter == beside / "adapter"


def test_all_shards_that_are_missing_or_cut_are_named(tmp_path: Path) -> None:
    """A download that was cut is refused before anything is made of it."""
    model(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "model-1.safetensors")
    weights(tmp_path / "model-2.safetensors", cut=5)
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-3.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))

    with pytest.raises(UserError, match=r"lacks model-3.safetensors and has model-2.safetensors cut short, of 3 files"):
        find(tmp_path)


def test_tensors_that_the_model_needs_and_the_file_lacks_are_named(tmp_path: Path) -> None:
    """Nothing is made of weights with a gap, which transformers would fill at random."""
    model(tmp_path, num_hidden_layers=1)
    weights(tmp_path / "model.safetensors", names=[f"{name}.weight" for name in NAMES if name != "model.norm"])

    with pytest.raises(UserError, match=r"lacks tensors of its model \(1\): model\.norm\.weight\. Download it again\."):
        find(tmp_path)


def test_a_head_that_is_the_embedding_is_not_missed(tmp_path: Path) -> None:
    """Tied weights are kept once."""
    model(tmp_path, num_hidden_layers=1, tie_word_embeddings=True)
    weights(tmp_path / "model.safetensors", names=[f"{name}.weight" for name in NAMES[:-1]])

    found = find(tmp_path)

    assert found.weights == tmp_path


def test_a_shard_that_is_a_copy_of_another_is_refused(tmp_path: Path) -> None:
    """Each file must hold what the index says that it holds."""
    model(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    for shard in ("model-1.safetensors", "model-2.safetensors"):
        weights(tmp_path / shard, names=["a"])
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))

    with pytest.raises(UserError, match=r"the index names tensors that model-2\.safetensors does not hold: b\."):
        find(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", b"{", r"config\.json is no JSON"),
        ("config.json", b"[]", r"config\.json holds no JSON object"),
        ("config.json", b"{}", r"config\.json names no model_type"),
        ("model.safetensors", struct.pack("<Q", 2) + b"[]", r"model\.safetensors is no safetensors file"),
        ("model.safetensors", struct.pack("<Q", 8) + b'{"w":{}}', r"model\.safetensors is no safetensors file"),
        ("pytorch_model.bin", b"PK\x03\x04 and no end", r"has pytorch_model\.bin cut short"),
        ("adapter_config.json", b"{", r"adapter_config\.json is no JSON"),
    ],
    ids=["broken", "a list", "empty", "header is a list", "tensor without place", "cut zip", "broken adapter"],
)
def test_a_file_that_is_not_what_it_should_be_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """What is broken is told by its path, and not by what tripped over it."""
    adapter(model(tmp_path))
    (tmp_path / name).write_bytes(content)

    with pytest.raises(UserError, match=said):
        base_of(find(tmp_path).adapter or tmp_path, tmp_path)


def test_an_export_without_the_packages_of_an_extra_names_them(tmp_path: Path) -> None:
    """The plain installation has neither jinja2 nor tokenizers; it is told what to install."""
    lacking = "import sys; sys.modules.update(dict.fromkeys(['jinja2', 'tokenizers', 'torch']))\n"
    words = ["export", str(model(tmp_path / "model")), str(tmp_path / "out"), "--to", "merged"]

    with subprocess.Popen(
        [sys.executable, "-c", f"{lacking}from phi_azure.engine.__main__ import main; sys.exit(main({words}))"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        said = json.loads(process.stdout.readline() if process.stdout else b"")

    assert said["refused"] == {
        "message": "an export needs tokenizers, jinja2, not installed here.",
        "remedy": "pip install 'phi-azure[local]'",
    }


def test_the_engine_takes_no_module_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A yaml.py that lies where the user stands is theirs, and is not run."""
    monkeypatch.chdir(tmp_path)
    for name in ("yaml.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('mine')")

    with EngineProcess("export", "nowhere", "out", "--to", "adapter") as engine, pytest.raises(ConfigError) as error:
        engine.hear()

    assert "nowhere is no folder" in str(error.value)


@pytest.mark.skipif(sys.platform == "win32", reason="the system limits no file's size")
def test_a_full_disk_is_told_with_what_is_free_and_needed(tmp_path: Path) -> None:
    """A file that cannot grow, as on a full disk, ends in a message with figures and no traceback."""
    source = model(tmp_path / "model")
    (source / "extra.bin").write_bytes(bytes(50_000))
    small = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    small += "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)); sys.dont_write_bytecode = True\n"
    words = ["export", str(source), str(tmp_path / ".out.1.tmp" / "export"), "--to", "merged"]

    with subprocess.Popen(
        [sys.executable, "-c", f"{small}from phi_azure.engine.__main__ import main; sys.exit(main({words}))"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        said = json.loads(process.stdout.readline() if process.stdout else b"")["refused"]

    assert f"the disk of {tmp_path} is too small" in said["message"]
    assert "the model alone takes 50," in said["message"]
    assert said["remedy"] == "Make room, or name a folder on another disk."


def test_a_folder_of_several_models_is_refused_with_their_names(tmp_path: Path) -> None:
    """Which one is meant is not guessed."""
    model(tmp_path / "one")
    model(tmp_path / "two")

    with pytest.raises(UserError, match="several models: one, two"):
        find(tmp_path)


def test_a_folder_without_a_model_says_what_was_looked_for(tmp_path: Path) -> None:
    """The message tells what makes a model."""
    (tmp_path / "config.json").write_text("{}")

    with pytest.raises(UserError, match=r"config\.json and weights side by side"):
        find(tmp_path)


def test_an_adapter_alone_asks_for_its_base(tmp_path: Path) -> None:
    """Without the base weights there is nothing to ask; the error says how to name them."""
    found = find(adapter(tmp_path / "adapter"))

    with pytest.raises(MissingError, match="nowhere") as error:
        base_of(adapter(tmp_path / "adapter"), None)

    assert found.weights is None
    assert "--base" in error.value.remedy


def test_two_lengths_without_long_rotary_factors_become_one(tmp_path: Path) -> None:
    """Exporters take a model whose lengths differ for one with long factors; the source stays as it is."""
    source = model(tmp_path / "source", max_position_embeddings=512, original_max_position_embeddings=4096)

    made = assemble(find(source), tmp_path / "made", links=True)

    assert json.loads((made / "config.json").read_text())["original_max_position_embeddings"] == 512
    assert json.loads((source / "config.json").read_text())["original_max_position_embeddings"] == 4096
    assert (made / "model.safetensors").is_symlink()


def test_all_missing_packages_are_named_at_once() -> None:
    """One command installs what is missing."""
    with pytest.raises(MissingError, match="an export needs no-such, nor-such, not installed here") as error:
        need({"no-such": "no_such", "json": "json", "nor-such": "nor_such"}, "an export")

    assert error.value.remedy == "pip install 'phi-azure[edge]'"
