"""The command line killed (kill -9) at every single request, and the same command again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.killing import KILLED, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An emulator for a command that will be killed."""
    with Stage(tmp_path) as opened:
        yield opened


def test_each_request_is_a_case(stage: Stage, subtests: pytest.Subtests) -> None:
    """A command that only reads has a case for each of its requests, dies in it, and works the second time."""
    names = []

    for case in stage.each_request(["runs", "--json"], nothing):
        names.append(case.name)
        with subtests.test(case.name):
            assert (case.killed.code, case.again.code, case.again.out) == (KILLED, 0, "[]\n")

    assert len(names) >= 3
    assert names[-1] == f"{len(names)} GET management .../local/jobs unheard"


def nothing(stage: Stage, folder: Path) -> None:
    """Prepares nothing."""
