"""What a check of data files answers: problems with their place, and what was counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Literal

from phi_azure.errors import DataError

Route = Literal["serverless", "managed"]
Split = Literal["training", "validation", "test"]
Level = Literal["error", "warning", "info"]
Effect = Literal["drops", "fails", "none"]

LIMIT = 100
"""Problems of one code that a report keeps; the rest is only counted."""
LEVELS: tuple[Level, ...] = ("error", "warning", "info")
_SHOWN = 20


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a file of rows."""

    code: str
    """A short word that stays the same between versions, such as `last-not-assistant`."""
    level: Level
    file: str
    line: int | None
    """Counted from 1; None when the whole file is meant. In parquet it is the row; of a JSON array the message
    names the row as well."""
    field: str | None
    """Where in the row, such as `messages[2].role`."""
    message: str
    fix: str | None = None
    effect: Effect = "none"
    """What Azure does about it: leaves the row out, fails the job, or nothing."""

    def __str__(self) -> str:
        """Reads as `file:line: what is wrong. What to do.`."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}{f' {self.fix}' if self.fix else ''}"


@dataclass(frozen=True)
class FileReport:
    """What was counted in one file."""

    path: str
    split: Split
    rows: int = 0
    """Rows that hold something, good or bad."""
    dropped: int = 0
    """Rows that the service leaves out without failing."""
    bytes: int = 0
    characters: int = 0
    """Of the contents of all messages in rows that are kept."""

    @property
    def kept(self) -> int:
        """The rows that are left for the service to work with."""
        return self.rows - self.dropped


@dataclass(frozen=True)
class Report:
    """What a check found over all its files; `ok` when nothing in it stops a job."""

    files: tuple[FileReport, ...]
    problems: tuple[Problem, ...] = ()
    """In the order of the files and their lines; of each code the first ones only, see `counts`."""
    counts: dict[str, int] = field(default_factory=dict)
    """How often each code was met, complete where `problems` is not."""
    levels: dict[Level, int] = field(default_factory=dict)
    """How many errors, warnings and remarks there are, complete likewise."""
    training_rows: int = 0
    """Rows that the model learns from, when the service has dropped some and set some aside."""

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings do not count."""
        return not self.levels.get("error")

    @property
    def file(self) -> str:
        """The path of the first file."""
        return self.files[0].path

    @property
    def rows(self) -> int:
        """Rows of all files that hold something, good or bad."""
        return sum(file.rows for file in self.files)

    @property
    def dropped(self) -> int:
        """Rows of all files that the service leaves out without failing."""
        return sum(file.dropped for file in self.files)

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files)

    @property
    def characters(self) -> int:
        """Characters of all contents in rows that are kept."""
        return sum(file.characters for file in self.files)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that stop a job."""
        return tuple(problem for problem in self.problems if problem.level == "error")

    def with_notes(self, notes: Notes) -> Report:
        """Returns the same with more problems: by file, then line; what is said of a whole file comes last."""
        place = {file.path: index for index, file in enumerate(self.files)}
        problems = sorted(
            (*self.problems, *notes.kept),
            key=lambda problem: (place[problem.file], problem.line is None, problem.line or 0),
        )
        counts, levels = Counter(self.counts), Counter(self.levels)
        counts.update(notes.counts)
        levels.update(notes.levels)
        return replace(self, problems=tuple(problems), counts=dict(counts), levels=dict(levels))

    def raise_for_errors(self) -> None:
        """Raises DataError with the first twenty errors, if there is any."""
        errors = self.errors
        if self.ok:
            return
        lines = [str(problem) for problem in errors[:_SHOWN]]
        if (more := self.levels["error"] - len(lines)) > 0:
            lines.append(f"and {more} more")
        raise DataError("\n".join(lines), remedy=f"phi-azure check {self.file} shows all of them.")


class Notes:
    """Gathers problems: keeps the first of each code, counts all."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self.kept: list[Problem] = []
        self.counts: Counter[str] = Counter()
        self.levels: Counter[Level] = Counter()

    def add(self, problem: Problem) -> None:
        """Counts a problem, and keeps it if there are few of its code yet."""
        self.counts[problem.code] += 1
        self.levels[problem.level] += 1
        if self.counts[problem.code] <= self._limit:
            self.kept.append(problem)

    def count(self, code: str, level: Level, times: int) -> None:
        """Counts problems of which nobody keeps the place."""
        if times:
            self.counts[code] += times
            self.levels[level] += times
