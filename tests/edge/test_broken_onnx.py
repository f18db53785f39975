"""An ONNX folder whose files are broken says so, whichever of them it is."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from phi_azure import edge
from phi_azure.engine.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def onnx_folder(azure_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the builder leaves it."""
    pytest.importorskip("onnxruntime_genai", reason="needs onnxruntime-genai, of the extra edge")
    return edge.export(azure_folder, tmp_path_factory.mktemp("onnx") / "out", edge.Order()).folder


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("genai_config.json", "{", r"genai_config\.json is no JSON"),
        ("genai_config.json", "{}", r"genai_config\.json is not what ONNX Runtime GenAI's builder writes"),
        ("tokenizer.json", "{", "ONNX Runtime GenAI cannot load"),
        ("chat_template.jinja", "", "chat template cannot render"),
        ("chat_template.jinja", "{{ raise_exception('no') }}", "chat template cannot render"),
    ],
    ids=["configuration", "empty configuration", "tokenizer", "no template", "template that refuses"],
)
def test_a_broken_file_is_a_message(onnx_folder: Path, tmp_path: Path, name: str, content: str, said: str) -> None:
    """Whoever asks such a folder is told what is wrong with it."""
    from phi_azure.engine.export.play_genai import GenaiPlayer

    home = tmp_path / "broken"
    shutil.copytree(onnx_folder, home)
    (home / name).write_text(content)

    with pytest.raises(UserError, match=said):
        GenaiPlayer(home).prompt([{"role": "user", "content": "hi"}])
