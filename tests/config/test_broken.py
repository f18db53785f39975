"""Wrong job files: each is refused with its line, in our words, with what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phi_azure import ConfigError, FineTune
from tests.config.broken import BROKEN

if TYPE_CHECKING:
    from pathlib import Path

VENDOR = ("pydantic", "Input should", "validation error", "pattern '^", "type=", "errors.pydantic")


@pytest.mark.parametrize(
    ("text", "line", "said"), [pytest.param(text, line, said, id=name) for name, text, line, said in BROKEN]
)
def test_is_refused_with_its_line(text: str, line: int, said: str, tmp_path: Path) -> None:
    """The message has the file, the line and our own words; the remedy is there."""
    path = tmp_path / "job.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        FineTune.from_yaml(path)

    place = f"{path}:{line}: " if line else f"{path}: "
    found = [message for message in str(caught.value).splitlines() if message.startswith(place)]
    assert any(said in message for message in found), str(caught.value)
    assert caught.value.remedy
    assert not any(word in str(caught.value) for word in VENDOR)


def test_there_are_a_hundred() -> None:
    """The corpus does not shrink unseen, and no case stands twice."""
    assert len({text for _, text, _, _ in BROKEN}) == len(BROKEN) >= 100


def test_names_all_at_once(tmp_path: Path) -> None:
    """Wrong values, strange keys and knobs that exclude each other are told together."""
    path = tmp_path / "job.yaml"
    path.write_text(
        "name: my tone\ntraining_data: ''\nlr: 1\nroute:\n  kind: managed\n  epochs: 0\n  deepspeed: 2\n"
        "  auto_find_batch_size: true\n  lora_rank: 3\n  seed: 1\n  n_epochs: 2\n",
        encoding="utf-8",
    )

    with pytest.raises(ConfigError) as caught:
        FineTune.from_yaml(path)

    lines = [message.removeprefix(f"{path}:").partition(":")[0] for message in str(caught.value).splitlines()]
    assert lines == ["1", "2", "3", "6", "7", "9", "11"]


@pytest.mark.parametrize(
    "gate",
    [
        "{at_least: 2}",
        "{at_last: 0.5}",
        "{metric: foo, pattern: a, at_least: 1}",
        "{metric: label, labels: 3, max_lost: 1}",
    ],
)
def test_a_wrong_gate_is_told_once(gate: str, tmp_path: Path) -> None:
    """What is left without the wrong field is not blamed for asking nothing, nor an option for another metric."""
    path = tmp_path / "job.yaml"
    path.write_text(f"name: tone\ntraining_data: a\ngate: {gate}\n", encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        FineTune.from_yaml(path)

    assert len(str(caught.value).splitlines()) == 1


def test_an_alias_bomb_is_refused_at_once(tmp_path: Path) -> None:
    """Ten lines that stand for ten thousand million values cost nothing."""
    layers = "\n".join(f"  a{n}: &a{n} {{{', '.join(f'k{i}: *a{n - 1}' for i in range(10))}}}" for n in range(1, 11))
    path = tmp_path / "job.yaml"
    path.write_text(f"name: tone\ntraining_data: a\ntags:\n  a0: &a0 x\n{layers}\n", encoding="utf-8")

    with pytest.raises(ConfigError, match="anchors"):
        FineTune.from_yaml(path)


@pytest.mark.parametrize("what", ["a folder", "nothing", "latin-1"])
def test_a_file_that_cannot_be_read(what: str, tmp_path: Path) -> None:
    """Says so, instead of a traceback."""
    path = tmp_path / "job.yaml"
    if what == "a folder":
        path.mkdir()
    elif what == "latin-1":
        path.write_bytes("name: Gr\xfc\xdfe\n".encode("latin-1"))

    with pytest.raises(ConfigError, match="cannot be read"):
        FineTune.from_yaml(path)


def test_python_raises_the_same_words() -> None:
    """A job built in Python is refused like a file, with the field instead of a line."""
    with pytest.raises(ConfigError) as caught:
        FineTune(name="my tone", training_data="", route={"epochs": 0})

    assert "name is 'my tone'" in str(caught.value)
    assert "training_data: it is empty" in str(caught.value)
    assert "route.epochs is 0; it takes a whole number from 1 to 50" in str(caught.value)
