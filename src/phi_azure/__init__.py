"""Fine-tune Microsoft Phi on Azure, serverless or on your own GPU cluster, from one small file."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phi_azure.config import FineTune, Lora, ManagedCompute, Serverless
    from phi_azure.dataset import Report
    from phi_azure.endpoint import Endpoint
    from phi_azure.errors import (
        AzureError,
        ConfigError,
        ConflictError,
        DataError,
        GateNotPassed,
        NotFinished,
        NotFoundError,
        OverBudget,
        PhiAzureError,
        QuotaError,
        RegionError,
        RightsError,
        RunCancelled,
        RunFailed,
        RunNotResponding,
        RunPaused,
        SignInError,
        SizeError,
    )
    from phi_azure.model import Model
    from phi_azure.run import Run
    from phi_azure.workspace import Workspace

__version__ = "0.1.0"

__all__ = [
    "AzureError",
    "ConfigError",
    "ConflictError",
    "DataError",
    "Endpoint",
    "FineTune",
    "GateNotPassed",
    "Lora",
    "ManagedCompute",
    "Model",
    "NotFinished",
    "NotFoundError",
    "OverBudget",
    "PhiAzureError",
    "QuotaError",
    "RegionError",
    "Report",
    "RightsError",
    "Run",
    "RunCancelled",
    "RunFailed",
    "RunNotResponding",
    "RunPaused",
    "Serverless",
    "SignInError",
    "SizeError",
    "Workspace",
]

_HOMES = {
    "FineTune": "config",
    "Lora": "config",
    "ManagedCompute": "config",
    "Serverless": "config",
    "Report": "dataset",
    "Endpoint": "endpoint",
    "Model": "model",
    "Run": "run",
    "Workspace": "workspace",
}


def __getattr__(name: str) -> object:
    """Loads a public name from its module when it is first used, so that importing the package costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Lists the public names."""
    return sorted([*__all__, "__version__"])
