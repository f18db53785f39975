"""Azure ML in a test: a context manager that needs no argument, inside which any code reaches the emulator.

with phi_azure.testing.azure() as azure:
    client = MLClient(DefaultAzureCredential(), "any-subscription", "any-group", "any-workspace")
    client.jobs.create_or_update(job)
    assert azure.last("PUT", "/jobs/").json["properties"]["jobType"] == "Pipeline"
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phi_azure.emulator.app import Recorded
    from phi_azure.emulator.course import Script, Step
    from phi_azure.emulator.faults import FAULTS
    from phi_azure.testing.cloud import Azure, azure
    from phi_azure.testing.sent import ANY

__all__ = ["ANY", "FAULTS", "Azure", "Recorded", "Script", "Step", "azure"]
_HOMES = {
    "ANY": "phi_azure.testing.sent",
    "FAULTS": "phi_azure.emulator.faults",
    "Recorded": "phi_azure.emulator.app",
    "Script": "phi_azure.emulator.course",
    "Step": "phi_azure.emulator.course",
}


def __getattr__(name: str) -> object:
    """Loads a name when it is first used: pytest imports the plugin beside, whatever it is going to test."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES.get(name, f"{__name__}.cloud")), name)
    globals()[name] = value
    return value
