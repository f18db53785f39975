"""What tells a job from every other one: a hash of all that changes what is trained, and of nothing else. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from phi_azure.config import FineTune

_SCHEME = 1  # raised when a default of the job file changes: what has its default is left out of the hash
_OF_THE_CLUSTER = frozenset({"idle_minutes", "max_nodes", "size"})  # the size counts as it is in Azure
_SHORT = 6


def content(job: FineTune, model: str, size: str | None, rows: Mapping[str, str]) -> str:
    """Returns the SHA-256 of a job: its knobs, model, machines, data, and the name of what comes out.

    Tags, limits of price and time, the gate, the experiment, and how long an idle cluster stays do not count.

    Args:
        job: with the model's own defaults in it.
        model: as Azure knows it, with its version.
        size: of the machines; None on Azure's own.
        rows: the hash of each file, by what it is for.
    """
    said = {
        "scheme": _SCHEME,
        "route": {"kind": job.route.kind}
        | job.route.model_dump(mode="json", exclude_defaults=True, exclude=set(_OF_THE_CLUSTER)),
        "model": model,
        "size": size.casefold() if size else None,  # Azure answers it in capitals
        "rows": dict(rows),
        "makes": job.model_name,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """Returns the SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def run_name(name: str, content_hash: str) -> str:
    """Returns the name of a job's first attempt: the same on every machine."""
    return f"{name}-{content_hash[:_SHORT]}"
