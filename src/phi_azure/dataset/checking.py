"""The check of whole files: reads them as a stream, gathers problems, and counts what the service would keep."""

from __future__ import annotations

import codecs
import gc
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from phi_azure.dataset import sources
from phi_azure.dataset.finding import Finding, error, info, warning
from phi_azure.dataset.lines import Verdict, judge_row
from phi_azure.dataset.repeats import Place, Repeats
from phi_azure.dataset.report import LIMIT, FileReport, Notes, Problem, Report, Route, Split
from phi_azure.dataset.rules import Rules
from phi_azure.dataset.sieve import Sifted, looked_at, sift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phi_azure import catalog
    from phi_azure.dataset.record import Record

MIN_TRAINING_ROWS = 10  # below it, Azure refuses to train; counted after rows were dropped
MAX_SERVERLESS_BYTES = 512 * 1024 * 1024
_DOUBTFUL_SERVERLESS_BYTES = 512 * 1000 * 1000  # Azure writes MB and does not say which
_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")  # of managed compute; .txt is listed, but nothing loads it
_UTF = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_GIVE = (("one", "it"), ("both", "them"))
_PARQUET = b"PAR1"
_MAGIC = (
    (b"PK\x03\x04", "a zip or Excel file", "Unpack or convert it."),
    (b"\x1f\x8b", "a gzip file", "Unpack it."),
    (_PARQUET, "a parquet file", "Convert it."),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file", "Fetch the file: git lfs pull."),
)

_Given = tuple[Path, Split]


def check(
    path: Path | str,
    route: Route = "serverless",
    split: Split = "training",
    *,
    model: catalog.PhiModel | None = None,
    limit: int = LIMIT,
) -> Report:
    """Reads a file of rows once and reports every problem with its line.

    Memory stays the same however large the file is; beyond a million rows a temporary file of 24 bytes a row is
    written. Nothing is raised for what stands in the file, nor for a file that is not there: both are problems.

    Args:
        path: one JSON object a line, each with `messages`; on managed compute also a JSON array, csv, tsv or parquet.
        route: whose limits count; serverless jobs take files under 512 MiB, named .jsonl.
        split: training data needs ten rows; validation and test data need one.
        model: the model that is to learn; without it, one with a system role is assumed.
        limit: problems of one code that are kept; more are counted.
    """
    return _check([(Path(path), split)], route, model, limit)


def check_files(
    training: Path | str | None,
    validation: Path | str | None = None,
    test: Path | str | None = None,
    route: Route = "serverless",
    model: catalog.PhiModel | None = None,
    *,
    missing: tuple[Split, ...] | None = None,
    limit: int = LIMIT,
) -> Report:
    """Checks the files of a job together, so that rows that training shares with the others are found.

    A file that lies in Azure is left out as None. It says as well which part of the training rows Azure sets aside for
    the files that are `missing`; None takes those that are not given, a test on managed compute alone. Else as `check`.
    """
    given: tuple[tuple[Path | str | None, Split], ...] = (
        (training, "training"),
        (validation, "validation"),
        (test, "test"),
    )
    files = [(Path(path), split) for path, split in given if path is not None]
    if missing is None:
        served = given[1:] if route == "managed" else given[1:2]
        missing = tuple(split for path, split in served if path is None)
    return _check(files, route, model, limit, missing if training is not None else ())


def set_aside(rows: int, missing: int) -> int:
    """Returns how many training rows Azure takes for each file that is missing: a fifth for one, else a tenth each.

    Which rows it takes and how it rounds is the service's affair, so that a count may be off by one.
    """
    return round(rows * 0.2 / missing) if missing else 0


def _check(
    given: list[_Given],
    route: Route,
    model: catalog.PhiModel | None,
    limit: int,
    missing: tuple[Split, ...] = (),
) -> Report:
    notes, rules = Notes(limit), Rules(route, getattr(model, "system_role", True))
    files = []
    with closing(Repeats()) as repeats, _no_collector():
        for index, (path, split) in enumerate(given):
            files.append(_File(index, path, split, rules, notes, repeats).checked())
        _note_repeats(repeats, given, notes, limit)
    trained = sum(file.kept for file in files if file.split == "training")
    if missing:
        trained = _note_split(files[0], missing, notes)
    report = Report(tuple(files), training_rows=trained)
    return report.with_notes(notes)


@contextmanager
def _no_collector() -> Iterator[None]:
    """Keeps the garbage collector from walking over rows that are gone in a moment anyway; it took half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _File:
    """One file while it is checked."""

    def __init__(self, index: int, path: Path, split: Split, rules: Rules, notes: Notes, repeats: Repeats) -> None:
        self._index, self._path, self._split, self._rules = index, path, split, rules
        self._notes, self._repeats = notes, repeats
        self._rows = self._dropped = self._characters = 0

    def checked(self) -> FileReport:
        """Reads the file to its end."""
        name = str(self._path)
        try:
            refusals = list(_unreadable(self._path, self._rules.route))
            for finding in refusals:
                self._note(None, finding)
            size = self._path.stat().st_size if self._path.is_file() else 0
            if any(finding.level == "error" for finding in refusals):
                return FileReport(name, self._split, bytes=size)
            if self._read():
                self._note_count()
        except OSError as problem:
            self._note(
                None, error("no-file", None, f"the file cannot be read: {problem.strerror}.", "Check its rights.")
            )
            return FileReport(name, self._split)
        return FileReport(name, self._split, self._rows, self._dropped, size, self._characters)

    def _read(self) -> bool:
        """Reads as the suffix says; returns whether rows could be looked at."""
        records = sources.records(self._path)
        if records is None:
            self._read_lines()
            return True
        try:
            self._take_records(records)
        except ImportError:
            message = "pyarrow is not installed, so the rows were not looked at."
            self._note(None, warning("not-read", None, message, "pip install pyarrow, or write JSONL."))
            return False
        return True

    def _read_lines(self) -> None:
        for block in sources.blocks(self._path):
            if block.too_long:
                self._note(block.first, sources.TOO_LONG)
                self._rows += 1
                continue
            for sifted in sift(block.lines, block.first, self._rules, is_end=block.is_end):
                self._take(sifted)

    def _take_records(self, records: Iterator[Record]) -> None:
        for record in records:
            self._take(looked_at(record.number, _judged(record, self._rules)), record.element)

    def _take(self, sifted: Sifted, element: int = 0) -> None:
        self._rows += sifted.rows
        self._characters += sifted.characters
        self._repeats.add(Place(self._index, sifted.first, element), sifted.prompts, sifted.wholes)
        if sifted.verdict:
            self._dropped += sifted.verdict.dropped
            for finding in sifted.verdict.findings:
                self._note(sifted.first, finding, element)

    def _note(self, line: int | None, finding: Finding, element: int = 0) -> None:
        code, level, field, message, fix, effect = finding
        said = _of_row(element, message)
        self._notes.add(Problem(code, level, str(self._path), line, field, said, fix, effect))

    def _note_count(self) -> None:
        least = MIN_TRAINING_ROWS if self._split == "training" else 1
        kept = self._rows - self._dropped
        if kept < least:
            after = f" of {self._rows} are left when Azure has dropped what it cannot use" if self._dropped else ""
            message = f"{kept} row{'' if kept == 1 else 's'}{after}; Azure needs {least} or more."
            self._note(None, error("few-rows", None, message, "Add more.", "fails"))


def _judged(record: Record, rules: Rules) -> Verdict:
    if record.finding:
        return Verdict((record.finding,), is_row=record.is_row)
    return judge_row(record.row, rules, record.doubtful)


def _unreadable(path: Path, route: Route) -> Iterator[Finding]:
    """Yields what is wrong with the file as such; an error makes reading its lines pointless."""
    if path.is_dir():
        yield error("no-file", None, "this is a folder, not a file.", "Give the path of a JSONL file.", "fails")
        return
    if not path.is_file():
        what = "this is no regular file" if path.exists() else "there is no such file"
        yield error("no-file", None, f"{what}.", "Give the path of a JSONL file.", "fails")
        return
    yield from _suffix(path.suffix, route)
    with path.open("rb") as file:
        start = file.read(64)
    if path.suffix.lower() != ".parquet":
        yield from _encoding(start, route)
    elif not start.startswith(_PARQUET):
        yield error("format", None, "this is no parquet file by its first bytes.", "Write it again.", "fails")
    if route == "serverless":
        yield from _size(path.stat().st_size)


def _suffix(suffix: str, route: Route) -> Iterator[Finding]:
    if route == "serverless" and suffix.lower() != ".jsonl":
        message = f'serverless jobs take .jsonl only, not "{suffix}".'
        yield error("suffix", None, message, "Rename or convert it.", "fails")
    elif route == "managed" and suffix.lower() not in _SUFFIXES:
        message = f'managed compute loads {", ".join(_SUFFIXES)}, not "{suffix}".'
        yield error("suffix", None, message, "Rename or convert it.", "fails")


def _encoding(start: bytes, route: Route) -> Iterator[Finding]:
    kind = next((name for mark, name in _UTF if start.startswith(mark)), None) or _wide(start)
    magic = next(((name, fix) for mark, name, fix in _MAGIC if start.startswith(mark)), None)
    if kind:
        yield error("encoding", None, f"the file is {kind}.", "Save it as UTF-8.", "fails")
    elif magic:
        name, fix = magic
        yield error("format", None, f"this is {name} by its first bytes.", fix, "fails")
    elif start.startswith(codecs.BOM_UTF8):
        message = "the file begins with a byte-order mark"
        if route == "serverless":
            yield info("bom", None, f"{message}; Azure's import takes it.")
        else:
            yield warning("bom", None, f"{message}, which not every loader takes.", "Save it as UTF-8 without one.")


def _wide(start: bytes) -> str | None:
    """Tells UTF-16 and UTF-32 without a mark by the zeros beside ASCII."""
    head = start[:8]
    if len(head) >= 8 and head.count(0) == 6:
        return "UTF-32"
    return "UTF-16" if len(head) >= 4 and len(head) == 2 * head.count(0) else None


def _size(size: int) -> Iterator[Finding]:
    if size >= MAX_SERVERLESS_BYTES:
        message = f"{size:,} bytes; serverless jobs take files under 512 MiB."
        yield error("too-large", None, message, "Use fewer rows, or managed compute.", "fails")
    elif size >= _DOUBTFUL_SERVERLESS_BYTES:
        message = f'{size:,} bytes; Azure says "less than 512 MB" and may count in thousands.'
        yield warning("too-large", None, message, "Stay under 512,000,000 bytes.")


def _of_row(element: int, message: str) -> str:
    """Names the row where its line may hold others."""
    return f"row {element}: {message}" if element else message


_REPEATED: dict[str, Callable[[str, Place], Finding]] = {
    "duplicate": lambda _, there: warning(
        "duplicate", None, f"the same row as {_beside(there)}.", "Remove one of them."
    ),
    "contradiction": lambda _, there: warning(
        "contradiction",
        None,
        f"the same prompt as {_beside(there)}, with another answer.",
        "Keep the one that you want.",
    ),
    "leak": lambda file, there: warning(
        "leak", None, f"the same row as {_within(file, there)}; a loss on it proves nothing.", "Keep it in one file."
    ),
    "leaked-prompt": lambda file, there: warning(
        "leaked-prompt",
        None,
        f"the same prompt as {_within(file, there)}, another answer.",
        "Keep equal prompts in one file.",
    ),
}


def _beside(place: Place) -> str:
    return f"line {_spot(place)}"


def _within(file: str, place: Place) -> str:
    return f"{file}:{_spot(place)}"


def _spot(place: Place) -> str:
    return f"{place.line}, row {place.row}" if place.row else str(place.line)


def _note_repeats(repeats: Repeats, given: list[_Given], notes: Notes, limit: int) -> None:
    found, counts = repeats.found(limit)
    for code, there, earlier in found:
        code_, level, field, message, fix, effect = _REPEATED[code](str(given[earlier.file][0]), earlier)
        said = _of_row(there.row, message)
        notes.add(Problem(code_, level, str(given[there.file][0]), there.line, field, said, fix, effect))
        counts[code] -= 1
    for code, more in counts.items():
        notes.count(code, "warning", more)


def _note_split(training: FileReport, missing: tuple[Split, ...], notes: Notes) -> int:
    """Says which part of the training rows Azure sets aside for files that are not given; returns how many train."""
    if not training.kept:
        return 0
    aside = max(1, set_aside(training.kept, len(missing)) * len(missing))
    trained = training.kept - aside
    without = f"no {' and no '.join(missing)} file"
    what = f"{without}: Azure sets about {aside:,} of {training.kept:,} rows aside, {trained:,} train."
    remedy = "Give {} to train on all rows (phi-azure split makes {}).".format(*_GIVE[len(missing) - 1])
    finding = info("split", None, what, remedy)
    if trained < MIN_TRAINING_ROWS <= training.kept:
        finding = finding._replace(level="warning")
    notes.add(Problem(finding.code, finding.level, training.path, None, None, finding.message, finding.fix))
    return trained
