"""Rendered YAML read back with the vendor's client, as `az ml job create` reads it, and held against what is sent."""

from __future__ import annotations

import logging
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi_azure.azure import managed, serverless
from phi_azure.azure.order import Asset, Order
from phi_azure.config import ManagedCompute, with_model_defaults
from phi_azure.errors import ConfigError
from phi_azure.render import settled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phi_azure.config import FineTune
    from phi_azure.config.component import FileInput

_OWN_NAMES = frozenset({"displayName", "tags", "properties"})  # submit gives each run a name and tags of its own

_ASSET = re.compile(r"[\w.-]+:[\w.-]+")


@dataclass(frozen=True)
class Bodies:
    """One job, as `submit` sends it and as azure-ai-ml reads it from YAML; paths are absolute."""

    sent: Mapping[str, Any]
    read: Mapping[str, Any]

    @property
    def different(self) -> list[str]:
        """The members that are not the same."""
        return sorted(name for name in {*self.sent, *self.read} if self.sent.get(name) != self.read.get(name))


def verify(job: FineTune, text: str, folder: Path) -> None:
    """Makes sure that rendered YAML is the job that `submit` would send; relative paths start from the folder.

    Raises:
        ConfigError: the client refuses it, or reads another job; that is a defect of ours.
    """
    if different := bodies(job, text, folder).different:
        raise ConfigError(f"azure-ai-ml reads another job: {', '.join(different)} differ.", remedy="Report it.")


def bodies(job: FineTune, text: str, folder: Path) -> Bodies:
    """Returns both: of a pipeline the inputs of its one step, of a fine-tuning job the whole body."""
    read, order = read_back(text, folder), _order(job)
    if isinstance(job.route, ManagedCompute) and job.route.job == "pipeline":
        inputs = {name: getattr(value, "_data", value) for name, value in read.jobs["training"].inputs.items()}
        return Bodies(_plain_inputs(managed.inputs(order), Path()), _plain_inputs(inputs, folder))
    return Bodies(_body(serverless.finetuning_job(order), Path()), _body(read, folder))


def read_back(text: str, folder: Path) -> Any:
    """Returns the job that azure-ai-ml makes of the YAML. Raises ConfigError where the client refuses it."""
    from azure.ai.ml import load_job
    from azure.ai.ml.exceptions import ValidationException

    logging.getLogger("azure.ai.ml._utils._experimental").setLevel(logging.ERROR)  # it warns of each class it passes
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", dir=folder, encoding="utf-8") as file:
        file.write(text)
        file.flush()
        try:
            return load_job(file.name)
        except (ValidationException, ValueError) as error:
            raise ConfigError(f"azure-ai-ml does not read what was rendered: {error}", remedy="Report it.") from error


def _order(job: FineTune) -> Order:
    job = with_model_defaults(job)
    known = settled(job)
    assets = {split: _asset(file) for split, file in known.files.items()}
    weights = None if isinstance(known.model, str) else known.model
    return Order(
        job=job,
        run_name=job.name,
        training=assets["train"],
        data_hash="",
        model_id=weights.path if weights else None,
        model_input="pytorch_model_path" if weights and weights.type == "custom_model" else "mlflow_model_path",
        validation=assets.get("validation"),
        test=assets.get("test"),
        size=known.size,
        gpus=known.gpus,
    )


def _asset(file: FileInput) -> Asset:
    return Asset(file.path, "mltable" if file.type == "mltable" else "uri_file")


def _plain_inputs(inputs: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    return {
        name: (value.type, _absolute(str(value.path), folder)) if hasattr(value, "path") else value
        for name, value in inputs.items()
    }


def _body(job: Any, folder: Path) -> dict[str, Any]:
    properties = job._to_rest_object().as_dict()["properties"]  # noqa: SLF001  the client has no public way to it
    flat = _flat({name: value for name, value in properties.items() if name not in _OWN_NAMES}, "")
    return {name: _absolute(value, folder) if name.endswith(".uri") else value for name, value in flat.items()}


def _flat(value: Mapping[str, Any], above: str) -> dict[str, Any]:
    """Returns the leaves of a body under their dotted names."""
    found: dict[str, Any] = {}
    for name, part in value.items():
        found |= _flat(part, f"{above}{name}.") if isinstance(part, dict) else {above + name: part}
    return found


def _absolute(path: str, folder: Path) -> str:
    """Makes paths one; azure-ai-ml reads azureml:name:version as name:version."""
    if _ASSET.fullmatch(path) and not path.startswith("azureml:"):
        return f"azureml:{path}"
    return path if path.startswith("azureml:") else str((folder / path).resolve())
