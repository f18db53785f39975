"""GGUF, the file that Ollama and llama.cpp load, written with the package `gguf`; and Ollama's Modelfile beside it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phi_azure.engine.errors import UserError
from phi_azure.engine.export import tensors
from phi_azure.engine.export.missing import MissingError, need
from phi_azure.engine.folders import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.engine.export.turns import Turns

PRECISIONS = {"fp32": "F32", "fp16": "F16", "int8": "Q8_0", "int4": "Q4_0"}
_NEVER = 10**9  # the rank of a token that no merge makes
_ASKED = 4096  # tokens that a GGUF is run with at most
_SIZES = (
    "hidden_size",
    "intermediate_size",
    "max_position_embeddings",
    "num_attention_heads",
    "num_hidden_layers",
    "rms_norm_eps",
    "vocab_size",
)
_ROW = 32  # numbers that 8 and 4 bits scale together
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6  # kinds of tokens in GGUF
_FAMILY = re.compile(r"phi-?3", re.IGNORECASE)
_O200K = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"  # how Phi-4-mini's tokenizer, and GPT-4o's, cuts
_BLOCK = {
    "input_layernorm": "attn_norm",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OUTSIDE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


@dataclass(frozen=True)
class _Vocabulary:
    """A tokenizer as GGUF keeps it."""

    model: str
    pre: str
    tokens: list[str]
    kinds: list[int]
    scores: list[float] | None
    merges: list[str] | None
    strips: bool
    """Space after a chat token belongs to it."""


def write(home: Path, file: Path, name: str, precision: str) -> None:
    """Writes the weights and the tokenizer of a plain folder into one file.

    Args:
        home: a plain Hugging Face folder of a Phi-3, 3.5 or 4-mini.
        file: the file to write.
        name: what the model is called in it.
        precision: one of `PRECISIONS`.

    Raises:
        MissingError: packages are not installed.
        UserError: the model is of another kind, or its rows do not divide as the precision asks.
    """
    need({"gguf": "gguf", "tokenizers": "tokenizers", "jinja2": "jinja2"}, "a GGUF file")
    config = read_json(home / "config.json")
    if config.get("model_type") == "phimoe":
        # with llama.cpp's weights in its place, a random model's likeliest token was the same at 10 % of the positions
        raise MissingError(
            "llama.cpp, and so Ollama, adds the two experts of Phi-3.5-MoE (phimoe) by a softmax of both, which weighs "
            "them one together; the model itself gives each nearly one (sparse mixing). Its answers would be others.",
            "Take --to merged for transformers or vLLM, or tune Phi-3.5-mini or Phi-4-mini for the device.",
        )
    if config.get("model_type") != "phi3":
        raise UserError(
            f"GGUF is written here for Phi-3, 3.5 and 4-mini (model_type phi3), not for {config.get('model_type')}. "
            "convert_hf_to_gguf.py of llama.cpp knows more."
        )
    if unsaid := [name for name in _SIZES if not isinstance(config.get(name), int | float)]:
        raise UserError(f"the model's config.json does not tell {', '.join(unsaid)}.")
    vocabulary = _vocabulary(read_json(home / "tokenizer.json"), int(config["vocab_size"]))
    import gguf

    writer = gguf.GGUFWriter(str(file), "phi3", use_temp_file=True)
    # llama.cpp lets a chat token swallow the space after it only in models with this in their name
    bare = _FAMILY.sub("phi", name)
    writer.add_name(f"{bare} phi3" if vocabulary.strips else bare)
    _shape(writer, config)
    _words(writer, home, config, vocabulary)
    writer.add_file_type(getattr(gguf.LlamaFileType, f"{'MOSTLY_' * (precision != 'fp32')}{_file_type(precision)}"))
    _tensors(writer, home, config, PRECISIONS[precision])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def context_of(home: Path) -> int:
    """Returns how many tokens a GGUF is to be run with, at most 4,096.

    llama.cpp takes the long rotary factors of a Phi whenever it is run with more than the model's original length, and
    transformers only when a conversation is that long: below it both say the same. It rounds the length up to a
    multiple of 256, so that a model made shorter than that for a trial always gets its long factors.
    """
    config = read_json(home / "config.json")
    lengths = (config.get("original_max_position_embeddings"), config.get("max_position_embeddings"), _ASKED)
    return min(next(int(length) for length in lengths if length), _ASKED)


def modelfile(gguf_name: str, turns: Turns, context: int) -> str:
    """Returns Ollama's Modelfile: the file, the template in Ollama's own words, the tokens that end an answer."""
    parts = []
    if turns.system:
        parts.append(f"{{{{ if .System }}}}{turns.system[0]}{{{{ .System }}}}{turns.system[1]}{{{{ end }}}}")
    asked = f"{turns.user[0]}{{{{ .Prompt }}}}{turns.user[1]}"
    parts.append(f"{{{{ if .Prompt }}}}{asked}{{{{ end }}}}{turns.opening}{{{{ .Response }}}}{turns.assistant[1]}")
    stops = "".join(f'PARAMETER stop "{stop}"\n' for stop in turns.stops())
    return (
        f'FROM ./{gguf_name}\nTEMPLATE """{"".join(parts)}"""\n{stops}'
        f"PARAMETER temperature 0\nPARAMETER num_ctx {context}\n"
    )


def _file_type(precision: str) -> str:
    return "ALL_F32" if precision == "fp32" else PRECISIONS[precision]


def _shape(writer: Any, config: dict[str, Any]) -> None:
    """Writes the sizes of the model and what its rotary embedding is like."""
    heads = int(config["num_attention_heads"])
    rope = config.get("rope_parameters") or {}
    part = float(config.get("partial_rotary_factor") or rope.get("partial_rotary_factor") or 1.0)
    original = int(config.get("original_max_position_embeddings") or config["max_position_embeddings"])
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_rope_scaling_orig_ctx_len(original)
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_head_count(heads)
    writer.add_head_count_kv(int(config.get("num_key_value_heads") or heads))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_rope_dimension_count(int(part * int(config["hidden_size"])) // heads)
    writer.add_rope_freq_base(float(config.get("rope_theta") or rope.get("rope_theta") or 10_000.0))
    writer.add_sliding_window(int(config.get("sliding_window") or 0))
    if _long(config):
        scale = int(config["max_position_embeddings"]) / original
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(scale) / math.log(original)) if scale > 1 else 1.0)


def _long(config: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the factors of a long rotary embedding, where the model has one."""
    for name in ("rope_scaling", "rope_parameters"):
        found = config.get(name) or {}
        if found.get("rope_type", found.get("type")) in {"longrope", "su"}:
            return dict(found)
    return None


def _words(writer: Any, home: Path, config: dict[str, Any], vocabulary: _Vocabulary) -> None:
    writer.add_vocab_size(len(vocabulary.tokens))
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.kinds)
    if vocabulary.scores is not None:
        writer.add_token_scores(vocabulary.scores)
    if vocabulary.merges is not None:
        writer.add_token_merges(vocabulary.merges)
    from phi_azure.engine.template import load_chat_tokenizer  # once jinja2 and tokenizers are known to be there

    generation = read_json(home / "generation_config.json")
    ends = generation.get("eos_token_id", config.get("eos_token_id"))
    ends = ends if isinstance(ends, list) else [ends]
    writer.add_eos_token_id(int(ends[0]))
    turn = next((at for at, token in enumerate(vocabulary.tokens) if token in {"<|end|>", "<|im_end|>"}), None)
    if turn is not None:
        writer.add_eot_token_id(turn)
    for add, value in (
        (writer.add_bos_token_id, config.get("bos_token_id")),
        (writer.add_pad_token_id, config.get("pad_token_id")),
    ):
        if value is not None:
            add(int(value))
    writer.add_add_bos_token(False)
    writer.add_chat_template(load_chat_tokenizer(home).source)


def _vocabulary(form: dict[str, Any], size: int) -> _Vocabulary:
    """Reads tokenizer.json; llama.cpp knows two kinds that Phi has: Llama's, and GPT-4o's."""
    model = form.get("model", {})
    texts: dict[int, str] = {number: text for text, number in model.get("vocab", {}).items()}
    special = {int(token["id"]): token for token in form.get("added_tokens", [])}
    texts |= {number: str(token["content"]) for number, token in special.items()}
    tokens = [texts.get(number, f"[PAD{number}]") for number in range(max(size, *texts) + 1)][:size]
    kinds = [_kind(number, text, number in texts, special, model) for number, text in enumerate(tokens)]
    strips = any(token.get("rstrip") for token in special.values())
    merges = [one if isinstance(one, str) else " ".join(one) for one in model.get("merges", [])]
    if model.get("byte_fallback"):
        rank = {"".join(one.split(" ")): at for at, one in enumerate(merges)}
        scores = [
            -float(rank.get(text, _NEVER)) if kind == _NORMAL else 0.0 for text, kind in zip(tokens, kinds, strict=True)
        ]
        return _Vocabulary("llama", "default", tokens, kinds, scores, None, strips)
    if _O200K in json.dumps(form.get("pre_tokenizer")).replace("\\\\", "\\"):
        return _Vocabulary("gpt2", "gpt-4o", tokens, kinds, None, merges, strips)
    raise UserError(
        "GGUF names the kind of a tokenizer, and this one is neither of Phi-3's kind nor of Phi-4-mini's. "
        "convert_hf_to_gguf.py of llama.cpp knows more."
    )


def _kind(number: int, text: str, known: bool, special: dict[int, dict[str, Any]], model: dict[str, Any]) -> int:
    if text == model.get("unk_token"):
        return _UNKNOWN
    if number in special or not known:
        return _CONTROL
    return _BYTE if model.get("byte_fallback") and re.fullmatch(r"<0x[0-9A-F]{2}>", text) else _NORMAL


def _tensors(writer: Any, home: Path, config: dict[str, Any], kind: str) -> None:
    import gguf
    import numpy as np

    wanted = getattr(gguf.GGMLQuantizationType, kind)
    for name, data in tensors.read(home):
        target = _target(name.removesuffix(".weight"))
        if target == "output" and config.get("tie_word_embeddings"):
            continue
        if data.ndim == 1:  # norms stay as they are
            writer.add_tensor(f"{target}.weight", data)
            continue
        if kind.startswith("Q") and data.shape[-1] % _ROW:
            raise UserError(f"{name} has rows of {data.shape[-1]}; {kind} asks for multiples of {_ROW}. Take fp16.")
        writer.add_tensor(f"{target}.weight", gguf.quants.quantize(data, wanted), raw_dtype=wanted)
    if factors := _long(config):
        for which in ("long", "short"):
            writer.add_tensor(f"rope_factors_{which}.weight", np.array(factors[f"{which}_factor"], dtype=np.float32))


def _target(name: str) -> str:
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    layer = re.fullmatch(r"model\.layers\.(\d+)\.(.+)", name)
    if layer is None or layer[2] not in _BLOCK:
        raise UserError(f"GGUF has no place for the weights {name}.")
    return f"blk.{layer[1]}.{_BLOCK[layer[2]]}"
