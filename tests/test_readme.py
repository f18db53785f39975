"""What the README shows works: its job files are read, its commands parse, its Python runs."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from phi_azure import FineTune, testing
from phi_azure.cli import VERBS, group
from phi_azure.engine.headlines import write_dataset

if TYPE_CHECKING:
    from types import CodeType

README = Path(__file__).parents[1] / "README.md"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def _commands() -> list[str]:
    lines = [line.partition("#")[0].strip() for block in _blocks("bash") for line in block.splitlines()]
    return [line for line in lines if line.startswith("phi-azure ")]


def _code(source: str) -> CodeType:
    return compile(source, str(README), "exec")


def test_first_command_is_the_demo_and_the_second_the_tests() -> None:
    """A newcomer copies the first block, then the second."""
    assert [block.strip() for block in _blocks("bash")[:2]] == ["make demo", "make test"]


@pytest.mark.parametrize("block", _blocks("yaml"), ids=["serverless", "managed", "gated"])
def test_job_files_are_read(block: str, tmp_path: Path) -> None:
    """Each job file of the README is valid."""
    (tmp_path / "job.yaml").write_text(block, encoding="utf-8")

    assert FineTune.from_yaml(tmp_path / "job.yaml").name == "headline-sentiment"


@pytest.mark.parametrize("line", _commands())
def test_commands_parse(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command of the README has a verb and options that there are."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.yaml").touch()
    _, verb, *words = shlex.split(line)
    command = group.get_command(click.Context(group), verb)

    assert command is not None
    assert command.make_context(verb, words).command is command


def test_table_names_every_verb() -> None:
    """No verb is left out of the README."""
    text = README.read_text(encoding="utf-8")

    assert not [verb for verb in VERBS if not re.search(rf"`{verb}\b", text)]


@pytest.mark.parametrize("block", _blocks("python"), ids=["serverless", "managed", "own tests"])
def test_python_runs(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each Python block runs as it stands where Azure is emulated."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PHI_AZURE_LOCAL", raising=False)
    write_dataset(tmp_path, train=20, validation=5, test=5)
    if "testing.azure" in block:
        exec(_code(block), {})
        return
    with testing.azure() as azure:
        ids = {"subscription_id": azure.subscription_id, "resource_group": azure.resource_group}
        (tmp_path / "config.json").write_text(json.dumps({**ids, "workspace_name": azure.workspace}), encoding="utf-8")
        exec(_code(block), {})
