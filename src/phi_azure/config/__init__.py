"""What a user wants trained: a job, its route and every knob; pure values."""

from phi_azure.config.gate import Gate, Metric
from phi_azure.config.job import FineTune, HuggingFaceModel, LocalModel, azure_address, is_in_azure
from phi_azure.config.managed import Lora, ManagedCompute
from phi_azure.config.origins import Resolved, Value, resolve, with_model_defaults
from phi_azure.config.rules import Note
from phi_azure.config.serverless import Serverless

__all__ = [
    "FineTune",
    "Gate",
    "HuggingFaceModel",
    "LocalModel",
    "Lora",
    "ManagedCompute",
    "Metric",
    "Note",
    "Resolved",
    "Serverless",
    "Value",
    "azure_address",
    "is_in_azure",
    "resolve",
    "with_model_defaults",
]
