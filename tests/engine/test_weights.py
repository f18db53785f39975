"""Weights that are not whole are refused when they load, and said to be so."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from phi_azure.engine.errors import UserError
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
