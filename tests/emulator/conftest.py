from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

# jobs.stream waits at least 2 s between looks; azure.ai.ml reads this when it is imported, which is later than here
os.environ.setdefault("AZUREML_RUN_POLLING_INTERVAL_MIN", "0")

from phi_azure.emulator.app import Emulator
from phi_azure.emulator.clock import TurnedClock
from phi_azure.emulator.scripted import ScriptedRunner
from tests.emulator.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phi_azure.testing import Azure


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    """An emulator that nothing leads to: for requests of the test's own making."""
    made = Emulator(tmp_path / "state", ScriptedRunner(), clock=TurnedClock(), pause_ms=1)
    yield made
    made.close()


@pytest.fixture
def wire(emulator: Emulator) -> Wire:
    """A client of that emulator."""
    return Wire(emulator)


@pytest.fixture
def azure(azure_ml: Azure) -> Azure:
    """The whole process in front of an emulator."""
    return azure_ml


@pytest.fixture
def client(azure: Azure) -> Any:
    """Azure's own client of the workspace."""
    from azure.ai.ml import MLClient

    return MLClient(azure.credential, azure.subscription_id, azure.resource_group, azure.workspace)


@pytest.fixture
def registry(azure: Azure) -> Any:
    """Azure's own client of the registry."""
    from azure.ai.ml import MLClient

    return MLClient(azure.credential, registry_name="azureml")


@pytest.fixture
def chat_file(tmp_path: Path) -> Path:
    """A file of one conversation."""
    path = tmp_path / "chat.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n')
    return path
