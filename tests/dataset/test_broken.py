"""Each broken file gets its own problem, in its own line, with its own remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phi_azure import dataset
from tests.dataset.broken import BROKEN, KEY, Broken

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in BROKEN])
def test_broken_file_gets_its_problem(tmp_path: Path, case: Broken) -> None:
    """Code, line, level and remedy are those that the table says."""
    path = tmp_path / f"rows{case.suffix}"
    path.write_bytes(case.data)

    report = dataset.check_files(path, route=case.route)

    found = [problem for problem in report.problems if problem.code == case.code]
    assert [(problem.line, problem.level) for problem in found[:1]] == [(case.line, case.level)], report.problems
    assert case.word in str(found[0])
    assert report.ok is not any(problem.level == "error" for problem in report.problems)
    assert not any(KEY in str(problem) for problem in report.problems)


def test_one_fault_is_one_error(tmp_path: Path) -> None:
    """A line with a single fault brings no second error along."""
    path = tmp_path / "rows.jsonl"
    doubled: dict[str, list[str]] = {}
    for case in BROKEN:
        if case.line == 7 and case.level == "error":
            path.write_bytes(case.data)
            codes = [problem.code for problem in dataset.check(path, case.route).errors]
            doubled |= {case.name: codes} if codes != [case.code] else {}

    assert doubled == {}


def test_corpus_is_wide() -> None:
    """There are at least 150 broken files, each of another name."""
    assert len({case.name for case in BROKEN}) == len(BROKEN) >= 150
