"""The registry `azureml`, through Azure's own client."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml import MLClient
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.emulator.wire import GPU

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.testing import Azure

PHI = "Phi-4-mini-instruct"


def test_latest_model_has_what_notebooks_read(registry: Any) -> None:
    """Sizes, defaults and regions stand in tags and properties, as text that notebooks take apart."""
    model = registry.models.get(PHI, label="latest")

    assert model.id == f"azureml://registries/azureml/models/{PHI}/versions/{model.version}"
    assert GPU in ast.literal_eval(model.tags["finetune_compute_allow_list"])
    assert isinstance(ast.literal_eval(model.tags["model_specific_defaults"]), dict)
    assert "eastus2" in model.tags["maas-finetuning-deploy-regions"]
    assert GPU in model.properties["finetune-recommended-sku"]


def test_model_specific_defaults_are_inputs_of_the_component(registry: Any) -> None:
    """A notebook passes every one of them on; the component takes them all."""
    model = registry.models.get(PHI, label="latest")

    component = registry.components.get("chat_completion_pipeline", label="latest")

    assert set(ast.literal_eval(model.tags["model_specific_defaults"])) <= set(component.inputs)


def test_model_is_found_by_version(registry: Any) -> None:
    """The latest version can be asked for by its number."""
    latest = registry.models.get(PHI, label="latest")

    found = registry.models.get(PHI, version=latest.version)

    assert found.id == latest.id


@pytest.mark.parametrize(("name", "version"), [("Phi-9", "1"), (PHI, "99999")], ids=["name", "version"])
def test_unknown_model_is_not_found(name: str, version: str, registry: Any) -> None:
    """A model or version that the registry does not have is named."""
    with pytest.raises(ResourceNotFoundError, match=name):
        registry.models.get(name, version=version)


def test_models_are_listed_without_the_archived(registry: Any) -> None:
    """The list holds the Phi family."""
    names = [model.name for model in registry.models.list()]

    assert PHI in names
    assert len(names) == len(set(names))


def test_model_is_downloaded(registry: Any, tmp_path: Path) -> None:
    """The files that stand for a model come with an MLmodel file that says what they are."""
    latest = registry.models.get(PHI, label="latest")

    registry.models.download(PHI, version=latest.version, download_path=str(tmp_path))

    (mlmodel,) = tmp_path.rglob("MLmodel")
    assert "phi-tiny" in mlmodel.read_text()
    assert list(tmp_path.rglob("config.json"))


@pytest.mark.parametrize("how", [{"label": "latest"}, {"version": "0.0.82"}], ids=["latest", "version"])
def test_component_has_its_inputs(how: dict[str, str], registry: Any) -> None:
    """The pipeline component comes with the inputs that a job gives and the output that it reads."""
    component = registry.components.get("chat_completion_pipeline", **how)

    assert component.version == "0.0.82"
    assert {"mlflow_model_path", "train_file_path", "num_train_epochs", "apply_lora"} <= set(component.inputs)
    assert "mlflow_model_folder" in component.outputs


def test_unknown_component_is_not_found(registry: Any) -> None:
    """Only the one component that can run is there."""
    with pytest.raises(ResourceNotFoundError, match="image_pipeline"):
        registry.components.get("image_pipeline", version="1")


def test_other_registry_may_not_be_read(azure: Azure) -> None:
    """A registry that the caller has no right to is refused at discovery."""
    with pytest.raises(HttpResponseError, match="not allowed to access registry contoso"):
        MLClient(azure.credential, registry_name="contoso")
