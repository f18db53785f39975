"""Addresses and targets of downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phi_azure.azure.storage import parse, target
from phi_azure.errors import AzureError

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.mark.parametrize("name", ["out/../../secret", "out/..\\secret", "out//../../x"])
def test_refuses_to_leave_the_folder(tmp_path: Path, name: str) -> None:
    """A blob's name cannot write beside the folder that was asked for."""
    with pytest.raises(AzureError, match="outside"):
        target(tmp_path / "in", name, "out")


def test_keeps_the_folders(tmp_path: Path) -> None:
    """Folders below the address stay."""
    assert target(tmp_path, "out/data/model/config.json", "out") == tmp_path / "data" / "model" / "config.json"
