"""What tests of the library share: an emulated Azure, a workspace in it, and rows to train on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from phi_azure.testing import Azure, azure
from phi_azure.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytest_plugins = ["tests.browser"]


@pytest.fixture
def emulator() -> Iterator[Azure]:
    """An Azure whose jobs are scripted."""
    with azure() as running:
        yield running


@pytest.fixture
def workspace(emulator: Azure) -> Workspace:
    """A workspace of the emulated Azure; it signs in as in Azure."""
    return Workspace(emulator.subscription_id, emulator.resource_group, emulator.workspace)


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    """Twelve good rows."""
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(row(f"Headline {number}.", "neutral") for number in range(12)), encoding="utf-8")
    return path


def row(question: str, answer: str) -> str:
    """Returns one line of a file of rows."""
    return json.dumps({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})
