"""Weights that are not whole are refused when they load, and said to be so."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from phi_azure.engine.errors import UserError
from phi_azure.engine.export.make import Order, make
from phi_azure.engine.export.merged import with_adapter
from phi_azure.engine.template import load_chat_tokenizer
from phi_azure.engine.weights import load_model

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine


def test_weights_with_a_gap_are_not_loaded(tiny: Path, tmp_path: Path) -> None:
    """Transformers fills a gap with random numbers and says so to nobody who asks it in a script."""
    from safetensors.torch import load_file, save_file

    home = tmp_path / "gap"
    shutil.copytree(tiny, home)
    tensors = load_file(home / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, home / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(UserError, match=r"gap lacks tensors of its model \(1\): model\.norm\.weight\."):
        load_model(home)


def test_a_cut_file_of_pytorch_is_a_message(tiny: Path, tmp_path: Path) -> None:
    """What torch raises at half a file is told as the folder's fault."""
    import torch

    home = tmp_path / "cut"
    shutil.copytree(tiny, home)
    (home / "model.safetensors").unlink()
    torch.save({"model.norm.weight": torch.ones(32)}, home / "pytorch_model.bin")
    whole = (home / "pytorch_model.bin").read_bytes()
    (home / "pytorch_model.bin").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(UserError, match="transformers cannot load this model"):
        load_model(home)


def test_numbers_of_an_unknown_kind_are_a_message(tiny: Path, tmp_path: Path) -> None:
    """What safetensors raises at a header that it does not understand is told as well."""
    home = tmp_path / "odd"
    shutil.copytree(tiny, home)
    content = (home / "model.safetensors").read_bytes()
    (home / "model.safetensors").write_bytes(content.replace(b'"F16"', b'"X16"'))

    with pytest.raises(UserError, match="transformers cannot load this model"):
        load_model(home)


def test_an_adapter_of_another_size_is_a_message(tiny: Path, tmp_path: Path) -> None:
    """An adapter whose configuration tells another rank than its weights have does not fit."""
    from peft import LoraConfig, get_peft_model

    get_peft_model(load_model(tiny), LoraConfig(r=4, target_modules=["o_proj"])).save_pretrained(str(tmp_path))
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"r": 8}))

    with pytest.raises(UserError, match="peft cannot put this adapter on these weights"):
        with_adapter(load_model(tiny), tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tokenizer.json", "{", r"tokenizer\.json is no tokenizer"),
        ("tokenizer_config.json", "{", r"tokenizer_config\.json is no JSON"),
        ("chat_template.jinja", "{% if %}", "chat template is no Jinja template"),
    ],
    ids=["tokenizer", "its configuration", "template"],
)
def test_a_broken_tokenizer_is_a_message(tiny: Path, tmp_path: Path, name: str, content: str, said: str) -> None:
    """Each file of a tokenizer is told by its name."""
    home = tmp_path / "words"
    shutil.copytree(tiny, home)
    (home / name).write_text(content)

    with pytest.raises(UserError, match=said):
        load_chat_tokenizer(home)


def test_what_is_wrong_with_a_model_is_told_of_its_own_folder(tiny: Path, tmp_path: Path) -> None:
    """The folder in which an export is prepared is gone when the message is read."""
    pytest.importorskip("gguf", reason="needs gguf, of the extra edge")
    home = tmp_path / "home"
    shutil.copytree(tiny, home)
    (home / "model.safetensors").rename(home / "pytorch_model.bin")

    with pytest.raises(UserError) as error:
        make(Order(home, tmp_path / "out", "ollama"))

    assert str(error.value).startswith(f"{home} keeps its weights in no safetensors file")
