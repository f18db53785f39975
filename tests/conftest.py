"""What tests of the library share: the fixtures that users have, under the names that our tests call them by."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.testing import Azure

pytest_plugins = [
    "phi_azure.testing.plugin",  # an installed package brings it; a working tree may not be installed
    "tests.browser",
]

settings.register_profile("phi-azure", deadline=None)  # a busy machine is no fault of what is tested
settings.load_profile("phi-azure")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest tests first: begun last, one of them keeps a core busy for minutes while the other waits."""
    items.sort(key=lambda item: item.get_closest_marker("killing") is None)


@pytest.fixture
def emulator(azure_ml: Azure) -> Azure:
    """An Azure whose jobs are scripted."""
    return azure_ml


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    """Twelve good rows, whose hash stands in the bodies that tests compare."""
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(row(f"Headline {number}.", "neutral") for number in range(12)), encoding="utf-8")
    return path


def row(question: str, answer: str) -> str:
    """Returns one line of a file of rows."""
    return json.dumps({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})
