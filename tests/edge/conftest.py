"""A tuned model as Azure leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.edge.folders import write_azure_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def azure_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a managed job's download looks like: nested, in shards, the adapter beside."""
    pytest.importorskip("peft", reason="needs the extra local")
    return write_azure_folder(tmp_path_factory.mktemp("azure"))
