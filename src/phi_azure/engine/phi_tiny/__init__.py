"""phi-tiny: a Phi-3 of 1.6 million parameters that ships with the package and is fine-tuned in seconds."""

from __future__ import annotations

import hashlib
from pathlib import Path

SHA256 = {
    "config.json": "6bcedaab0a211ff58cb375273b8ae76725a15844b35ca9125ab90d1d5c916f17",
    "generation_config.json": "4ea5490dc7010c4e458ce76ec8e22353d214bec3052c8de8db72566d1671fd40",
    "model.safetensors": "95cb83d494177cdb50eff99bff8a31c6e03eadfa181814c33d5c40790fb589d0",
    "tokenizer.json": "394aaf928d5f88233a42e419220f7a4e55d8a5b2dd8edab57cfb6d8fe8dba166",
    "tokenizer_config.json": "80002680a40cca1ba984c2a0197f2e860b4c181bc7bf2720d5b090cf0075c3e8",
}
"""The digest of each file of the weights, as they were made and measured."""


def path() -> Path:
    """Returns the Hugging Face folder: weights, tokenizer with chat template, configuration, model card."""
    return Path(__file__).with_name("weights")


def sha256() -> dict[str, str]:
    """Returns the digest of each pinned file as it is on disk now; equal to `SHA256` unless one was changed."""
    return {name: hashlib.sha256((path() / name).read_bytes()).hexdigest() for name in SHA256}
