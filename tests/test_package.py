"""The package as a whole: its names, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import phi_azure


@pytest.mark.parametrize("name", phi_azure.__all__)
def test_public_names_load(name: str) -> None:
    """Each public name can be reached."""
    assert getattr(phi_azure, name).__name__ == name


def test_import_loads_no_vendor() -> None:
    """Importing the package loads neither Azure, MLflow, torch nor pydantic."""
    program = (
        "import sys, phi_azure; print([m for m in ('azure.core', 'mlflow', 'torch', 'pydantic') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
