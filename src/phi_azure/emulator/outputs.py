"""The outputs of a job: where each goes, and what it is registered as."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure.emulator import assets, references
from phi_azure.emulator.blobs import DATASTORES, DEFAULT_CONTAINER, DEFAULT_DATASTORE
from phi_azure.emulator.references import Place
from phi_azure.emulator.wire import Call, WireError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.emulator.store import Document

_MODELS = frozenset({"mlflow_model", "custom_model", "triton_model"})


def require_possible(call: Call, plan: Document) -> None:
    """Refuses a job with outputs that cannot go where they are wanted, or cannot be registered under that version."""
    details = [("OutputInvalid", problem) for output in plan["outputs"] for problem in _problems(call, output)]
    if details:
        raise WireError(400, "UserError", "The outputs of the job are invalid.", details, inner="ValidationError")


def _problems(call: Call, output: Document) -> Iterator[str]:
    uri, asset, version = output.get("uri"), output.get("asset"), output.get("version")
    name = output["bound"] or output["name"]
    if uri and references.datastore_path(_filled(uri, "job", name)) is None:
        stores = " or ".join(f"azureml://datastores/{store}/paths/..." for store in DATASTORES)
        yield f"outputs.{name}: the emulator writes to {stores}, not to '{uri}'."
    kind = _kind(output)
    if asset and version and call.emulator.store.get(kind.word, f"{call.scope.key}{asset}/{version}"):
        yield f"outputs.{name}: version {version} of the {kind.word} asset {asset} exists already."


def place_of(job: Document, output: Document, node_run: str) -> Place:
    """Returns where an output lies: where it is wanted, else with the job or with the node that leaves it."""
    owner, name = (job["name"], output["bound"]) if output["bound"] else (node_run, output["name"])
    wanted = references.datastore_path(_filled(output["uri"], owner, name)) if output.get("uri") else None
    return wanted or Place(DEFAULT_CONTAINER, f"azureml/{owner}/{name}")


def _filled(uri: str, owner: str, name: str) -> str:
    """Returns a path with the names that Azure fills into it."""
    filled = {"name": owner, "output_name": name, "default_datastore": DEFAULT_DATASTORE}
    for word, value in filled.items():
        uri = uri.replace(f"${{{{{word}}}}}", value)
    return uri


def leave(call: Call, job: Document, output: Document, place: Place) -> None:
    """Records where an output of the job lies, and registers what is to be registered."""
    key = call.scope.key + job["name"]
    name = output["bound"]
    if name:
        where = [place.container, place.prefix]
        call.emulator.store.change("job", key, lambda doc: doc["output_places"].update({name: where}))
    if job["type"] == "FineTuning":
        _register_tuned_model(call, job, key, place)
    elif output.get("asset"):
        version = _register(call, job, output, place)
        if name:
            call.emulator.store.change(
                "job", key, lambda doc: doc.setdefault("output_versions", {}).update({name: version})
            )


def uri_of(place: Place, kind: str) -> str:
    """Returns how the service writes the place of an output of a kind: a folder ends in a slash."""
    path = f"azureml://datastores/{references.datastore(place)}/paths/{place.prefix}"
    return path if kind.lower() == "uri_file" else f"{path}/"


def _register_tuned_model(call: Call, job: Document, key: str, place: Place) -> None:
    asset = job["body"]["outputs"]["registered_model"]["assetName"]
    properties = {
        "modelUri": uri_of(place, "mlflow_model").rstrip("/"),
        "modelType": "mlflow_model",
        "jobName": job["name"],
        "tags": job["tags"],
        "properties": {
            "baseModelId": job["body"]["fineTuningDetails"]["model"]["uri"],
            "_fineTuningJobType": job["properties"]["_fineTuningJobType"],
        },
    }
    version = assets.add(call, assets.MODELS, asset, properties)
    call.emulator.store.change("job", key, lambda doc: doc.update(model={"name": asset, "version": version}))


def _register(call: Call, job: Document, output: Document, place: Place) -> str:
    kind, uri = _kind(output), uri_of(place, output["type"])
    own = (
        {"modelUri": uri, "modelType": output["type"], "jobName": job["name"]}
        if kind is assets.MODELS
        else {"dataUri": uri, "dataType": output["type"]}
    )
    return assets.add(call, kind, output["asset"], {"tags": {}, "properties": {}} | own, output.get("version"))


def _kind(output: Document) -> assets.Kind:
    return assets.MODELS if output["type"] in _MODELS else assets.DATA
