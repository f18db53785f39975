"""Serverless: the few knobs of a job on Azure's own machines."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from phi_azure.config.strict import Strict
from phi_azure.config.words import renamed


class Serverless(Strict):
    """Trains on Azure's own machines: nothing to set up, three knobs, paid by the token.

    Names and defaults of the service: azureml-assets, pipeline behind the service, 2026-02; batch of at most 256:
    Azure's documentation of 2024-07 (that of 2026-01 says 32, for another name of the knob).
    """

    kind: Literal["serverless"] = "serverless"
    learning_rate: float | None = Field(default=None, gt=0, le=1, json_schema_extra={"x-azure-input": "learning_rate"})
    """Step size of the optimiser; None means the service decides (0.0003 at last sight)."""
    epochs: int = Field(default=1, ge=1, le=50, json_schema_extra={"x-azure-input": "num_train_epochs"})
    """Times that training goes through the data."""
    batch_size: int = Field(default=1, ge=1, le=256, json_schema_extra={"x-azure-input": "per_device_train_batch_size"})
    """Rows that each device takes at once."""
    max_seq_length: int | None = Field(default=None, ge=1, json_schema_extra={"x-azure-input": "max_seq_length"})
    """Tokens of a row that count; None means the service decides (8192 at last sight)."""

    @model_validator(mode="before")
    @classmethod
    def _read_other_names(cls, data: object) -> object:
        return renamed(data)
