"""The registry `azureml`: Phi models with the tags and properties that notebooks read, and the pipeline component."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi_azure.emulator import storage
from phi_azure.emulator.references import Place, RegistryEntry
from phi_azure.emulator.shapes import TEXT, Object, require
from phi_azure.emulator.wire import (
    PROVIDER,
    REGIONAL,
    Call,
    DataPlaneError,
    Route,
    answer,
    not_found,
    page,
    system_data,
)

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from phi_azure.emulator.app import Emulator
    from phi_azure.emulator.store import Document

NAME = "azureml"
FOLDER = "mlflow_model_folder"
_REGION = "eastus2"
_SUBSCRIPTION = "00000000-0000-4000-8000-000000000022"
_GROUP = "rg-azureml"
_VERSIONS = frozenset({"2021-10-01-dataplanepreview"})
_SIZES = [
    "Standard_NC24ads_A100_v4",
    "Standard_NC48ads_A100_v4",
    "Standard_NC96ads_A100_v4",
    "Standard_ND96amsr_A100_v4",
]
_UNSUPPORTED_DEFAULTS = {
    "learning_rate_min",
    "learning_rate_max",
}  # not inputs of the component: notebooks pass all keys
_MLMODEL = """\
artifact_path: model
flavors:
  python_function:
    data: data
    loader_module: mlflow.transformers
  transformers:
    model_binary: data/model
    task: text-generation
metadata:
  base_model_name: {name}
  note: {note}
"""
_DATAREF_BODY = Object("DataReference", {"assetId": TEXT, "blobUri": TEXT}, frozenset({"blobUri"}))


@cache
def pipeline() -> Document:
    """Returns the component chat_completion_pipeline: its inputs, outputs and steps, with their source."""
    document: Document = _facts("chat_completion_pipeline.json")
    return document


@cache
def models() -> dict[str, Document]:
    """Returns the registry's models by lower-case name, with their source facts."""
    return {row["name"].lower(): row for row in _facts("models.json")["models"]}


def _facts(name: str) -> Any:
    return json.loads((Path(__file__).parent / "facts" / name).read_text(encoding="utf-8"))


def model_place(entry: RegistryEntry) -> Place | None:
    """Returns where the files of a model lie, or None when the registry has no such model or version."""
    model = models().get(entry.name.lower())
    if entry.registry.lower() != NAME or model is None or entry.version not in {None, model["version"]}:
        return None
    return Place(_container(model), FOLDER)


def _container(model: Document) -> str:
    return f"registry-{model['name'].lower().replace('.', '-')}"


def lay_out(emulator: Emulator, container: str) -> None:
    """Puts the weights that stand for a model into its container, once: an MLmodel file and data/model/.

    Weights that are named later take the place of those that were laid out before.
    """
    model = next((m for m in models().values() if _container(m) == container), None)
    if model is None:
        return
    folder, note = emulator.weights_of(model["name"])
    there = emulator.store.get("laid out", container)
    if emulator.blobs.get(container, f"{FOLDER}/MLmodel") and (there or {"of": note})["of"] == note:
        return
    with emulator.store.transaction():
        emulator.store.put("laid out", container, {"of": note})
        for blob in list(emulator.blobs.find(container, f"{FOLDER}/")):
            emulator.blobs.delete(blob)
        if (folder / "MLmodel").exists():
            emulator.blobs.put_folder(container, FOLDER, folder)
            return
        emulator.blobs.put_folder(container, f"{FOLDER}/data/model", folder)
        mlmodel = _MLMODEL.format(name=model["name"], note=json.dumps(note))
        emulator.blobs.put_bytes(container, f"{FOLDER}/MLmodel", mlmodel.encode())


def discovery(call: Call, region: str, registry: str) -> Response:  # noqa: ARG001
    """Answers where a registry is; only `azureml` can be read here."""
    if registry.lower() != NAME:
        raise DataPlaneError(
            403,
            "User/tenant/subscription is not allowed to access registry {feedName}",
            "Auth/Authorization/UnAuthorizedRegistryAccess",
            feedName=registry,
        )
    return answer(
        {
            "registryName": NAME,
            "primaryRegionResourceProviderUri": f"https://{_REGION}.api.azureml.ms/",
            "resourceGroup": _GROUP,
            "primaryRegion": _REGION,
            "subscriptionId": _SUBSCRIPTION,
            "additionalRegions": [],
            "id": NAME,
            "registryFqdns": {},
        }
    )


def list_models(call: Call, registry: str, **_: str) -> Response:
    """Answers the models that are not archived."""
    _require_registry(registry)
    return page([_model_container(call, model) for model in models().values() if not model["archived"]])


def list_model_versions(call: Call, registry: str, name: str, **_: str) -> Response:
    """Answers the one version of a model that is known, and the archived ones where they are asked for."""
    model = _require_model(registry, name)
    view = call.request.args.get("listViewType", "ActiveOnly")
    found = [model | {"version": version} for version in (model["version"], *_archived(call, model))]
    wanted = [one for one in found if view == "All" or _is_archived(call, one) == (view == "ArchivedOnly")]
    return page([_model_version(call, one) for one in wanted])


def get_model_version(call: Call, registry: str, name: str, version: str, **_: str) -> Response:
    """Answers one version of a model."""
    model = _require_model(registry, name, None if f"{name}:{version}".lower() in call.emulator.archived else version)
    return answer(_model_version(call, model | {"version": version}))


def data_reference(call: Call, registry: str, name: str, version: str, **_: str) -> Response:
    """Answers a signed address of a model's files."""
    body = call.json()
    require(_DATAREF_BODY, body)
    model = _require_model(registry, name, version)
    uri = f"https://{call.emulator.account}.blob.core.windows.net/{_container(model)}"
    return answer(
        {
            "blobReferenceForConsumption": {
                "blobUri": f"{uri}/{FOLDER}",
                "storageAccountArmId": f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/{_GROUP}/providers/"
                f"Microsoft.Storage/storageAccounts/{call.emulator.account}",
                "credential": {"credentialType": "SAS", "sasUri": f"{uri}?{storage.signature()}"},
            }
        }
    )


def list_component_versions(call: Call, registry: str, name: str, **_: str) -> Response:
    """Answers the one version of a component that is known."""
    _require_component(registry, name)
    return page([_component_version(call)])


def get_component_version(call: Call, registry: str, name: str, version: str, **_: str) -> Response:
    """Answers one version of a component."""
    _require_component(registry, name, version)
    return answer(_component_version(call))


def _archived(call: Call, model: Document) -> list[str]:
    """Returns the archived versions of a model, other than the one that is known."""
    named = (one.rpartition(":") for one in call.emulator.archived)
    return [version for name, _, version in named if name == model["name"].lower() and version != model["version"]]


def _is_archived(call: Call, model: Document) -> bool:
    return f"{model['name']}:{model['version']}".lower() in call.emulator.archived


def _require_registry(registry: str) -> None:
    if registry.lower() != NAME:
        raise not_found(f"Registry {registry} not found.", ("RegistryNotFound", registry))


def _require_model(registry: str, name: str, version: str | None = None) -> Document:
    _require_registry(registry)
    model = models().get(name.lower())
    if model is None or version not in {None, model["version"]}:
        said = f"Model container with name: {name}" + (f" and version: {version}" if version else "") + " not found."
        raise not_found("The specified resource was not found.", ("ModelNotFound", said))
    return model


def _require_component(registry: str, name: str, version: str | None = None) -> None:
    _require_registry(registry)
    if name.lower() != pipeline()["name"] or version not in {None, pipeline()["version"]}:
        raise not_found(
            "The specified resource was not found.",
            (
                "ComponentNotFound",
                (
                    f"Component {name}{f' {version}' if version else ''} not found: the emulator's registry has one, "
                    f"{pipeline()['name']} {pipeline()['version']}."
                ),
            ),
        )


def _model_container(call: Call, model: Document) -> Document:
    base = f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/{_GROUP}{PROVIDER}/registries/{NAME}"
    following = str(int(model["version"]) + 1) if str(model["version"]).isdecimal() else None
    return {
        "id": f"{base}/models/{model['name']}",
        "name": model["name"],
        "type": "Microsoft.MachineLearningServices/registries/models",
        "systemData": system_data(call.emulator.started),
        "properties": {
            "description": None,
            "tags": {},
            "properties": {},
            "isArchived": model["archived"],
            "latestVersion": model["version"],
            "nextVersion": following,
            "provisioningState": "Succeeded",
        },
    }


def _model_version(call: Call, model: Document) -> Document:
    account = call.emulator.account
    return {
        "id": f"azureml://registries/{NAME}/models/{model['name']}/versions/{model['version']}",
        "name": model["version"],
        "type": "Microsoft.MachineLearningServices/registries/models/versions",
        "properties": {
            "description": f"{model['name']}, as the emulator's registry offers it.",
            "isArchived": model["archived"] or _is_archived(call, model),
            "isAnonymous": False,
            "modelType": "mlflow_model",
            "flavors": {"hftransformersv2": {"data": {}}, "python_function": {"data": {}}},
            "modelUri": f"https://{account}.blob.core.windows.net/{_container(model)}/{FOLDER}",
            "stage": "Production",
            "jobName": None,
            "tags": _tags(model),
            "properties": _properties(model),
        },
        "systemData": system_data(call.emulator.started),
    }


def _tags(model: Document) -> dict[str, str]:
    """Returns the tags in the form that notebooks take apart with ast.literal_eval."""
    defaults = {k: v for k, v in (model["model_specific_defaults"] or {}).items() if k not in _UNSUPPORTED_DEFAULTS}
    tags = {
        "task": model["task"],
        "author": "Microsoft",
        "license": str(model["license"]).lower(),
        "SharedComputeCapacityEnabled": "",
        "finetune_compute_allow_list": str(model["finetune_compute_allow_list"] or _SIZES),
        "inference_compute_allow_list": str(model["inference_compute_allow_list"] or _SIZES),
        "model_specific_defaults": str(defaults),
        "huggingface_model_id": model["hf_id"] or "",
    }
    if model["tag_regions"]:
        tags["maas-finetuning-deploy-regions"] = ",".join(model["tag_regions"])
    for date in ("finetune_retirement_date", "inference_retirement_date"):
        if model[date]:
            tags["".join(word.capitalize() for word in date.split("_"))] = model[date]
    return tags


def _properties(model: Document) -> dict[str, str]:
    return {
        "finetune-recommended-sku": ",".join(model["finetune_recommended_skus"] or _SIZES),
        "inference-recommended-sku": ",".join(model["inference_recommended_skus"] or _SIZES),
        "finetuning-tasks": ",".join(model["finetuning_tasks"] or []),
        "languages": "en",
    }


def _component_version(call: Call) -> Document:
    facts = pipeline()
    inputs = {name: _component_input(given) for name, given in facts["inputs"].items()}
    return {
        "id": f"azureml://registries/{NAME}/components/{facts['name']}/versions/{facts['version']}",
        "name": facts["version"],
        "type": "Microsoft.MachineLearningServices/registries/components/versions",
        "properties": {
            "description": "Fine-tunes a model for chat completion.",
            "tags": {},
            "properties": {},
            "isArchived": False,
            "isAnonymous": False,
            "componentSpec": {
                "name": facts["name"],
                "version": facts["version"],
                "type": "pipeline",
                "display_name": facts["display_name"],
                "is_deterministic": False,
                "_source": "REMOTE.REGISTRY",
                "inputs": inputs,
                "outputs": {name: {"type": kind} for name, kind in facts["outputs"].items()},
                "jobs": {},
            },
        },
        "systemData": system_data(call.emulator.started),
    }


def _component_input(given: Document) -> Document:
    """Returns an input as the service writes it: every default is a string."""
    return {key: str(value) if key == "default" else value for key, value in given.items()}


_REGISTRY = (
    "/mferp/managementfrontend/subscriptions/<subscription>/resourceGroups/<group>"
    + PROVIDER
    + "/registries/<registry>"
)
ROUTES = [
    Route(
        "GET", REGIONAL, "/registrymanagement/v1.0/registries/<registry>/discovery", discovery, frozenset({"", "v1.0"})
    ),
    Route("GET", REGIONAL, f"{_REGISTRY}/models", list_models, _VERSIONS),
    Route("GET", REGIONAL, f"{_REGISTRY}/models/<name>/versions", list_model_versions, _VERSIONS),
    Route("GET", REGIONAL, f"{_REGISTRY}/models/<name>/versions/<version>", get_model_version, _VERSIONS),
    Route("POST", REGIONAL, f"{_REGISTRY}/datarefs/<name>/versions/<version>", data_reference, _VERSIONS),
    Route("GET", REGIONAL, f"{_REGISTRY}/components/<name>/versions", list_component_versions, _VERSIONS),
    Route("GET", REGIONAL, f"{_REGISTRY}/components/<name>/versions/<version>", get_component_version, _VERSIONS),
]
