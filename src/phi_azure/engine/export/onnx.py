"""ONNX Runtime GenAI: the format that Microsoft publishes Phi in for devices. Its own builder makes it, offline."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

from phi_azure.engine.errors import UserError
from phi_azure.engine.export.missing import MissingError, need
from phi_azure.engine.folders import read_json
from phi_azure.engine.weights import set_up_libraries

if TYPE_CHECKING:
    from pathlib import Path

PRECISIONS = ("int4", "int8", "fp16", "fp32")
PROVIDERS = ("cpu", "cuda", "dml", "webgpu")
_PACKAGES = {
    "onnxruntime-genai": "onnxruntime_genai",
    "onnx": "onnx",
    "onnx-ir": "onnx_ir",
    "torch": "torch",
    "transformers": "transformers",
}
_OTHERS = {
    "cuda": "pip install onnxruntime-genai-cuda in the place of onnxruntime-genai, on a machine with an NVIDIA GPU.",
    "dml": "pip install onnxruntime-genai-directml in the place of onnxruntime-genai, on Windows.",
    "webgpu": "pip install an onnxruntime-genai that is built with WebGPU, and its plugin of ONNX Runtime.",
}


def refuse_absent(provider: str) -> None:
    """Refuses an execution provider that is not on this machine: its model could be neither asked nor proven.

    Raises:
        MissingError: it is not there, or ONNX Runtime GenAI is not.
    """
    need(_PACKAGES, "an ONNX export", "edge,local")
    if provider == "cpu":
        return
    import onnxruntime_genai

    if not getattr(onnxruntime_genai, f"is_{provider}_available", lambda: False)():
        raise MissingError(
            f"ONNX Runtime GenAI {onnxruntime_genai.__version__} finds no {provider} here.", _OTHERS[provider]
        )


def build(home: Path, out: Path, precision: str, provider: str) -> None:
    """Makes the folder that ONNX Runtime GenAI loads, of a plain Hugging Face folder.

    Raises:
        UserError: its builder does not know this model.
        MissingError: it knows it on other machines alone.
    """
    kind = str(read_json(home / "config.json").get("model_type"))
    if kind == "phimoe":
        raise MissingError(
            "ONNX Runtime calculates a mixture of experts (phimoe, Phi-3.5-MoE) on CUDA alone, and onnxruntime-genai's "
            "builder makes it in int4 alone, of Microsoft's own folder, whose class is PhiMoEForCausalLM.",
            "Take --to merged for transformers or vLLM; or let onnxruntime-genai-cuda's builder try the folder on a "
            "machine with an NVIDIA GPU: python -m onnxruntime_genai.models.builder -m DIR -o OUT -p int4 -e cuda",
        )
    set_up_libraries()
    from onnxruntime_genai.models import builder

    logging.disable(logging.INFO)  # the quantizer tells every matrix
    cache = out.with_name(f"{out.name}.cache")
    where = (None, str(home), str(out), precision, provider, str(cache))
    try:
        builder.create_model(*where, **builder.parse_extra_options(*where, []))
    except (NotImplementedError, ValueError, KeyError, AttributeError) as error:
        why = str(error).replace(str(home), kind)
        raise UserError(
            f"ONNX Runtime GenAI's builder cannot make {precision} for {provider} of a {kind}: {why}"
        ) from error
    finally:
        shutil.rmtree(cache, ignore_errors=True)
        logging.disable(logging.NOTSET)
    if not (out / "genai_config.json").is_file():
        raise UserError(f"ONNX Runtime GenAI's builder left no genai_config.json in {out}.")
