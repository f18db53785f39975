"""Base models in Azure's registry: an id for a name, and the sizes that the model itself lists."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from azure.core.exceptions import ResourceNotFoundError

from phi_azure import catalog
from phi_azure.azure.client import REGISTRY
from phi_azure.azure.data import folder_hash, size
from phi_azure.azure.failures import translated
from phi_azure.azure.staging import stage
from phi_azure.errors import ConfigError, NotFoundError
from phi_azure.names import like_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from phi_azure.azure.client import Connection
    from phi_azure.events import OnProgress


@dataclass(frozen=True)
class BaseModel:
    """A model that a job starts from."""

    name: str
    id: str | None
    """None for a Hugging Face id, which Azure's import step fetches itself."""
    finetune_sizes: tuple[str, ...]
    inference_sizes: tuple[str, ...]
    defaults: Mapping[str, object] | None = None
    """The model's own values of the component's inputs; None where nothing is known."""
    component_input: Literal["mlflow_model_path", "pytorch_model_path"] = "mlflow_model_path"
    version: str | None = None
    """Of own weights: the hash of their content."""

    @property
    def key(self) -> str:
        """What tells the model from every other one."""
        return self.id or (f"{self.name}:{self.version}" if self.version else self.name)


def find(connection: Connection, wanted: str) -> BaseModel:
    """Looks a model up: `Phi-4-mini-instruct`, `Phi-4:7`, an azureml: address, or a Hugging Face id such as org/name.

    Raises:
        NotFoundError: the registry does not have it; says which name is near, or when it was retired.
    """
    if wanted.startswith("azureml:"):
        return _known(wanted.rsplit("/models/", maxsplit=1)[-1].split("/", maxsplit=1)[0], wanted)
    if "/" in wanted:
        return _known(wanted, None)
    name, _, version = wanted.partition(":")
    row = catalog.model(name)
    try:
        with translated():
            found = _get(connection, row.name if row else name, version)
    except NotFoundError as error:
        raise _missing(wanted, error) from error
    live = catalog.with_live(row, found.tags, found.properties) if row else None
    return BaseModel(
        found.name,
        f"azureml://registries/{REGISTRY}/models/{found.name}/versions/{found.version}",
        sizes(found, "finetune_compute_allow_list", "finetune-recommended-sku", row.finetune_sizes if row else ()),
        sizes(found, "inference_compute_allow_list", "inference-recommended-sku", row.inference_sizes if row else ()),
        live.defaults if live else None,
    )


def read_own(folder: Path) -> BaseModel:
    """Reads a folder of weights to the hash of its content; nothing is asked of Azure.

    Raises:
        ConfigError: the folder holds no weights that Azure's import step could read.
    """
    is_mlflow = (folder / "MLmodel").is_file()
    if not is_mlflow and not (folder / "config.json").is_file():
        raise ConfigError(
            f"model: {folder} holds neither config.json nor MLmodel, so that it is no model.",
            remedy="Give the folder that save_pretrained wrote, or one that MLflow wrote.",
        )
    name, version = like_model(folder.resolve().name), folder_hash(folder)[:16]
    row = catalog.model(name)
    known = (row.finetune_sizes, row.inference_sizes) if row else ((catalog.DEFAULT_SIZE,), (catalog.DEFAULT_SIZE,))
    return BaseModel(name, None, *known, None, "mlflow_model_path" if is_mlflow else "pytorch_model_path", version)


def ensure_own(
    connection: Connection,
    folder: Path,
    base: BaseModel,
    say: Callable[[str, str], None],
    on_progress: OnProgress | None = None,
) -> BaseModel:
    """Registers a folder of weights once, under the hash of its content, and returns it as a model to start from."""
    from azure.ai.ml.entities import Model

    name, version = base.name, base.version
    kind: Literal["mlflow_model", "custom_model"] = (
        "mlflow_model" if base.component_input == "mlflow_model_path" else "custom_model"
    )
    with translated():
        try:
            made = connection.ml.models.get(name, version=version)
            say("model", f"{folder.name} is there already: {name}:{version}")
        except ResourceNotFoundError:
            say("model", f"uploading {folder.name}: {size(folder):,} bytes")
            own = Model(name=name, version=version, path=str(folder), type=kind)
            own._upload_hash = stage(connection, folder, name, str(version), on_progress)  # noqa: SLF001 (azure-ai-ml's)
            made = connection.ml.models.create_or_update(own)
    return replace(base, id=str(made.id))


def component(connection: Connection, name: str) -> Any:
    """Fetches the newest version of a registry component."""
    with translated():
        return connection.registry.components.get(name, label="latest")


def sizes(model: Any, tag: str, key: str, ours: tuple[str, ...]) -> tuple[str, ...]:
    """Returns a model's list of machine sizes: from its tags, else its properties, else our own table."""
    for text in ((model.tags or {}).get(tag), (model.properties or {}).get(key)):
        if text:
            return _listed(str(text))
    return ours or (catalog.DEFAULT_SIZE,)


def _listed(text: str) -> tuple[str, ...]:
    """Reads "['a', 'b']" and "a, b"."""
    if text.lstrip().startswith("["):
        return tuple(str(item) for item in ast.literal_eval(text))
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _known(name: str, address: str | None) -> BaseModel:
    row = catalog.model(name)
    default = (catalog.DEFAULT_SIZE,)
    return BaseModel(name, address, row.finetune_sizes if row else default, row.inference_sizes if row else default)


def _get(connection: Connection, name: str, version: str) -> Any:
    models = connection.registry.models
    return models.get(name, version=version) if version else models.get(name, label="latest")


def _missing(wanted: str, error: NotFoundError) -> NotFoundError:
    row = catalog.model(wanted.partition(":")[0])
    if row and row.successor:
        return NotFoundError(
            f"{wanted} is no longer in the registry: retired on {row.retires}.", remedy=catalog.still_works(row)
        )
    near = catalog.nearest(wanted)
    return NotFoundError(
        f"the registry has no model {wanted}: {error}", remedy=f"Did you mean {near}?" if near else None
    )
