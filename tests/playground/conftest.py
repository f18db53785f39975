"""A playground on two endpoints of an emulated Azure, served as the command serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phi_azure.cli.playground import side
from phi_azure.playground import Kept, Playground, PromptFile, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phi_azure import Workspace

HEADLINES = ("Contoso system breached.", "Contoso recovers from an attack.")


@pytest.fixture
def url(workspace: Workspace, tmp_path: Path) -> Iterator[str]:
    """The address of the page."""
    workspace.deploy_base(name="base-endpoint")
    sides = [side(workspace, name) for name in ("base-endpoint/blue", "base-endpoint")]
    prompts = PromptFile(tmp_path / "prompts.jsonl", [Kept(text, "Classify.") for text in HEADLINES])
    with served(Playground(sides, prompts, "a workspace")) as address:
        yield address
