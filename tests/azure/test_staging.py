"""What is uploaded here is found by azure-ai-ml, and the other way round: the same bytes go up once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from azure.ai.ml.entities import Data, Model

from phi_azure.azure.staging import stage
from phi_azure.azure.transfers import STAGING
from phi_azure.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.testing import Azure
    from phi_azure.workspace import Workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files that go up and files that do not."""
    made = tmp_path / "weights"
    (made / "sub").mkdir(parents=True)
    (made / "config.json").write_text("{}", encoding="utf-8")
    (made / "sub" / "model.bin").write_bytes(bytes(range(256)))
    (made / "sub" / "notes.txt").write_text("mine", encoding="utf-8")
    (made / ".amlignore").write_text("sub/notes.txt\n", encoding="utf-8")
    return made


def sent(emulator: Azure) -> list[str]:
    """Returns the names of the blobs that were sent."""
    return [
        request.path.rpartition("/")[2]
        for request in emulator.requests
        if request.method == "PUT" and ".blob." in request.host and request.query.get("comp") != "metadata"
    ]


def test_azure_ai_ml_finds_a_file(workspace: Workspace, emulator: Azure, chat: Path) -> None:
    """It registers what lies there, and sends nothing."""
    stage(workspace._connection, chat, "chat", "1")
    emulator.emulator.requests.clear()

    made = workspace.ml_client.data.create_or_update(Data(name="chat", version="1", path=str(chat), type="uri_file"))

    assert sent(emulator) == []
    assert made.path.endswith("/train.jsonl")


def test_azure_ai_ml_finds_a_folder(workspace: Workspace, emulator: Azure, folder: Path) -> None:
    """The same files under the same names, those of .amlignore left out."""
    stage(workspace._connection, folder, "own", "1")
    first = sent(emulator)
    emulator.emulator.requests.clear()

    workspace.ml_client.models.create_or_update(Model(name="own", version="1", path=str(folder), type="custom_model"))

    assert sorted(first) == [".amlignore", "config.json", "model.bin"]
    assert sent(emulator) == []


def test_what_azure_ai_ml_has_sent_is_not_sent_again(workspace: Workspace, emulator: Azure, folder: Path) -> None:
    """Its mark and its names are known here."""
    workspace.ml_client.models.create_or_update(Model(name="own", version="1", path=str(folder), type="custom_model"))
    emulator.emulator.requests.clear()

    stage(workspace._connection, folder, "other", "2")

    assert sent(emulator) == []


def test_a_download_that_has_not_ended_is_not_sent(workspace: Workspace, folder: Path) -> None:
    """Half a model is no model."""
    (folder / STAGING).mkdir()

    with pytest.raises(ConflictError, match="has not ended"):
        stage(workspace._connection, folder, "own", "1")


def test_an_empty_folder_is_not_sent(workspace: Workspace, tmp_path: Path) -> None:
    """Nothing is no upload."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(NotFoundError, match="no file to upload"):
        stage(workspace._connection, tmp_path / "empty", "own", "1")
