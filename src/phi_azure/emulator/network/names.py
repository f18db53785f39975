"""The host names that belong to Azure, and so to the emulator."""

from __future__ import annotations

_EXACT = frozenset(
    {
        "169.254.169.254",  # IMDS, where a managed identity asks for its token: an address, never a name
        "graph.microsoft.com",
        "graph.windows.net",
        "login.microsoft.com",
        "login.microsoftonline.com",
        "login.windows.net",
        "management.azure.com",
        "management.core.windows.net",
        "ml.azure.com",
        "prices.azure.com",
        "sts.windows.net",
    },
)
_TELEMETRY = (
    ".applicationinsights.azure.com",
    ".applicationinsights.microsoft.com",
    ".monitor.azure.com",
    ".services.visualstudio.com",
)
_SUFFIXES = (
    ".api.azureml.ms",
    ".azurecr.io",
    ".blob.core.windows.net",
    ".cognitiveservices.azure.com",
    ".dfs.core.windows.net",
    ".experiments.azureml.net",
    ".file.core.windows.net",
    ".inference.ml.azure.com",
    ".management.azure.com",
    ".modelmanagement.azureml.net",
    ".models.ai.azure.com",
    ".openai.azure.com",
    ".queue.core.windows.net",
    ".services.ai.azure.com",
    ".table.core.windows.net",
    ".vault.azure.net",
    *_TELEMETRY,
)


def is_azure(host: str) -> bool:
    """Tell whether a host, given without a port, is one that Azure answers for; letter case does not matter."""
    name = host.lower().rstrip(".")
    return name in _EXACT or name.endswith(_SUFFIXES)


def is_telemetry(host: str) -> bool:
    """Tell whether a host only collects what clients report about themselves."""
    return host.lower().rstrip(".").endswith(_TELEMETRY)
