"""Rendered YAML read back with the vendor's client, as `az ml job create` reads it."""

from __future__ import annotations

import logging
import tempfile
from typing import TYPE_CHECKING, Any

from phi_azure.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def read_back(text: str, folder: Path) -> Any:
    """Returns the job that azure-ai-ml makes of the YAML; relative paths start from the folder.

    Raises:
        ConfigError: the client refuses it; that is a defect of ours.
    """
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
