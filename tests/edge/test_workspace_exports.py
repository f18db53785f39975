"""What is registered is exported by its name, and held against an endpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.cli import run
from phi_azure.errors import NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure import Workspace
    from phi_azure.testing import Azure

pytestmark = pytest.mark.engine


@pytest.fixture
def registered(
    emulator: Azure, workspace: Workspace, azure_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The name of a model that was uploaded with Azure's own client; a config.json leads to the workspace."""
    from azure.ai.ml.entities import Model

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PHI_AZURE_LOCAL", raising=False)
    emulator.write_config(tmp_path)
    workspace.ml_client.models.create_or_update(
        Model(name="tuned", path=str(azure_folder / "mlflow_model_folder"), type="mlflow_model")
    )
    return "tuned"


def test_a_registered_model_is_downloaded_and_exported(registered: str, tmp_path: Path, capsys: Any) -> None:
    """One command; the download is gone when the export is there, and the format is called as the model."""
    code = run(["export", registered, "--to", "adapter", "--out", "edge", "--no-proof", "--json"])

    document = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (document["format"], document["proof"]) == ("adapter", None)
    assert (tmp_path / "edge" / "adapter_model.safetensors").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "edge"]


def test_an_export_is_held_against_an_endpoint(
    registered: str, emulator: Azure, workspace: Workspace, capsys: Any
) -> None:
    """The endpoint's words take the place of the merged model's; what disagrees is not passed."""
    pytest.importorskip("onnxruntime_genai", reason="needs onnxruntime-genai, of the extra edge")
    workspace.deploy_base(name="base-endpoint")
    emulator.reply(lambda _: "something else")
    words = ["export", registered, "--out", "edge", "--against", "base-endpoint", "--require", "0.5", "--limit", "2"]

    code = run([*words, "--json"])

    proof = json.loads(capsys.readouterr().out)["proof"]
    assert code == 9
    assert (proof["agreement"]["by"], proof["agreement"]["exact"]) == ("text", 0)
    assert proof["reference"]["subject"]["name"] == "base-endpoint"


def test_a_name_that_nothing_has_is_said_so(workspace: Workspace) -> None:
    """A model is looked for, then a run; the error names both lists."""
    with pytest.raises(NotFoundError, match="no registered model and no run") as error:
        workspace.tuned("nothing")

    assert "models --registered" in str(error.value.remedy)
