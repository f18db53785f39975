"""The long rotary factors of Phi-3.5 and Phi-4-mini in a GGUF file."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

from tests.edge.test_architectures import ARCHITECTURES, rope, write_model

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="needs gguf, of the extra edge"),
]
ORIGINAL = 256  # llama.cpp rounds its context up to a multiple of 256, and beyond this length takes the long factors
LONG = [name for name, shape in ARCHITECTURES.items() if "rope_parameters" in shape]


def export(folder: Path, name: str) -> tuple[Path, Path]:
    """Writes a random model with long factors, and its GGUF; returns the model's folder and the file."""
    from phi_azure.engine.export.make import Order, make

    shape = dict(ARCHITECTURES[name])
    part = shape.get("partial_rotary_factor")
    more: dict[str, Any] = {"partial_rotary_factor": part} if part else {}
    pairs = len(shape["rope_parameters"]["short_factor"])
    shape |= {"max_position_embeddings": 4 * ORIGINAL, "original_max_position_embeddings": ORIGINAL}
    shape["rope_parameters"] = rope(pairs, **more) | {"original_max_position_embeddings": ORIGINAL}
    model = write_model(folder / "model", **shape)
    make(Order(model, folder / "gguf", "ollama", "fp32"))
    return model, folder / "gguf" / "phi-fp32.gguf"


@pytest.mark.parametrize("name", LONG)
def test_file_has_the_angles_of_transformers(tmp_path: Path, name: str) -> None:
    """Base, part, both lists of factors and the scale of attention give the frequencies that transformers takes."""
    import gguf
    import torch

    from phi_azure.engine.weights import load_model

    folder, path = export(tmp_path, name)
    file = gguf.GGUFReader(str(path))
    fields = {key: field.contents() for key, field in file.fields.items()}
    tensors = {tensor.name: torch.tensor(tensor.data) for tensor in file.tensors}
    rotary = load_model(folder).model.rotary_emb

    width = fields["phi3.rope.dimension_count"]
    steps = fields["phi3.rope.freq_base"] ** (-torch.arange(0, width, 2) / width)
    for which, length in (("short", ORIGINAL), ("long", ORIGINAL + 1)):
        cos, sin = rotary(torch.zeros(1, 1), torch.arange(length)[None])
        angles = torch.arange(length)[:, None] * steps / tensors[f"rope_factors_{which}.weight"]
        scale = fields["phi3.rope.scaling.attn_factor"]
        assert torch.allclose(scale * angles.cos(), cos[0, :, : width // 2], atol=1e-4)
        assert torch.allclose(scale * angles.sin(), sin[0, :, : width // 2], atol=1e-4)


@pytest.mark.parametrize("name", LONG)
def test_llama_differs_only_between_words_that_are_nearly_as_likely(tmp_path: Path, name: str) -> None:
    """The scores are those of transformers but for rounding; the likeliest word is theirs, or one as likely."""
    llama_cpp = pytest.importorskip("llama_cpp", reason="needs llama-cpp-python, which is built for ten minutes")
    import torch

    from phi_azure.engine.weights import load_model

    folder, path = export(tmp_path, name)
    ids = torch.randint(3, 2000, (1, ORIGINAL - 6), generator=torch.Generator().manual_seed(0))
    f32 = llama_cpp.GGML_TYPE_F32  # of what it remembers; as it comes, that is in 16 bits
    how = {"n_ctx": ORIGINAL, "n_threads": 1, "logits_all": True, "verbose": False, "type_k": f32, "type_v": f32}
    llama = llama_cpp.Llama(str(path), **how)
    llama.eval(ids[0].tolist())
    with torch.inference_mode():
        wanted = load_model(folder).eval()(ids).logits[0]

    said = torch.tensor(llama.scores[: ids.shape[1]])
    apart = (said - wanted).abs().max()
    taken = wanted.gather(1, said.argmax(1, keepdim=True))[:, 0]
    assert apart < 0.02 * wanted.std()
    assert (wanted.max(1).values - taken).max() <= 2 * apart
