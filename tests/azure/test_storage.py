"""Addresses and targets of downloads."""

from __future__ import annotations

import pytest

from phi_azure.azure.storage import parse
from phi_azure.errors import AzureError


@pytest.mark.parametrize(
    "address",
    [
        "azureml://datastores/store/paths/azureml/job/out/",
        "azureml://subscriptions/s/resourceGroups/g/workspaces/w/datastores/store/paths/azureml/job/out",
        "azureml://subscriptions/s/resourcegroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/datastores/store/paths/azureml/job/out",
    ],
)
def test_reads_an_address(address: str) -> None:
    """The short and the long forms lead to the same place."""
    assert parse(address) == ("store", "azureml/job/out")


def test_refuses_what_is_no_address() -> None:
    """Something else is an error that names it."""
    with pytest.raises(AzureError, match="https://x"):
        parse("https://x")
