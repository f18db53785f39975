"""What a check of data files found, for people: by file, worst first, what repeats folded."""

from __future__ import annotations

import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from phi_azure.dataset import FileReport, Level, Problem, Report
    from phi_azure.tokens import TokenCount

_FEW = 3  # places of one kind of problem that are shown
_WIDTH = 78
_STYLES: dict[Level, str] = {"error": "red", "warning": "yellow", "info": "cyan"}
_WORDS: dict[Level, tuple[str, str]] = {
    "error": ("error", "errors"),
    "warning": ("warning", "warnings"),
    "info": ("remark", "remarks"),
}


def show_reports(out: Console, reports: Iterable[Report], shown: int = _FEW) -> None:
    """Prints several reports after each other."""
    for report in reports:
        show_report(out, report, shown)


def show_report(out: Console, report: Report, shown: int = _FEW, *, tokens: TokenCount | None = None) -> None:
    """Prints each file's rows and problems, how long they are, and what Azure would do with the files.

    Args:
        out: where to.
        report: what a check found.
        shown: problems of one kind that are printed with their place; the rest is a number.
        tokens: what the rows come to.
    """
    for file in report.files:
        of_file = [problem for problem in report.problems if problem.file == file.path]
        _show_file(out, file, of_file)
        for level in _STYLES:
            _show_level(out, [problem for problem in of_file if problem.level == level], shown)
    _show_rest(out, report)
    for line in _token_lines(tokens) if tokens and tokens.rows else ():
        _wrapped(out, "  ", line)
    style = "green" if report.ok else "red"
    _wrapped(out, f"{'✓' if report.ok else '✗'} ", outcome(report), style)


def outcome(report: Report) -> str:
    """Returns in a sentence what Azure would do with these files."""
    totals = [_number(report.levels.get(level, 0), *_WORDS[level]) for level in _STYLES if report.levels.get(level)]
    found = f"{', '.join(totals)}. " if totals else ""
    dropped = f"Azure would drop {_number(report.dropped, 'row', 'rows')} without failing. " if report.dropped else ""
    if any(problem.effect == "fails" for problem in report.problems):
        return f"{found}{dropped}The job would fail on Azure: mend the errors first."
    trained = f"{_number(report.training_rows, 'row', 'rows')} would train."
    if "not-read" in report.counts and report.ok:
        return f"{found}Rows were not looked at; what Azure would do with them is not known."
    if report.ok:
        return f"{found}{dropped}{trained}"
    return f"{found}{dropped}Azure would run it all the same, and {trained[:-1]}; the errors spoil what it learns."


def _show_file(out: Console, file: FileReport, problems: Sequence[Problem]) -> None:
    sign, style = ("✗", "red") if any(problem.level == "error" for problem in problems) else ("✓", "green")
    size = f", {file.bytes:,} bytes" if file.bytes else ""
    out.print(f"[{style}]{sign}[/] [bold]{escape(file.path)}[/]", soft_wrap=True)
    out.print(f"  {file.split}: {_number(file.rows, 'row', 'rows')}{size}", soft_wrap=True, highlight=False)


def _show_level(out: Console, problems: list[Problem], shown: int) -> None:
    problems.sort(key=lambda problem: problem.code)
    for code, group in groupby(problems, key=lambda problem: problem.code):
        alike = sorted(group, key=lambda problem: problem.line or 0)
        out.print(f"  [{_STYLES[alike[0].level]}]{alike[0].level}[/] {code}", highlight=False)
        for problem in alike[:shown]:
            place = f"line {problem.line}: " if problem.line else ""
            _wrapped(out, "    ", f"{place}{problem.message}{f' {problem.fix}' if problem.fix else ''}")
        if more := alike[shown:]:
            lines = ", ".join(str(problem.line) for problem in more[:5] if problem.line)
            rest = f" (line {lines}{', ...' if len(more) > 5 else ''})" if lines else ""
            _wrapped(out, "    ", f"and {len(more):,} more{rest}", "dim")


def _show_rest(out: Console, report: Report) -> None:
    """Says how many were counted beyond those that the report keeps."""
    kept: dict[str, int] = {}
    for problem in report.problems:
        kept[problem.code] = kept.get(problem.code, 0) + 1
    for code, count in report.counts.items():
        if count > kept.get(code, 0):
            out.print(f"  [dim]{code}: {count:,} in all[/]", highlight=False)


def _token_lines(count: TokenCount) -> Iterator[str]:
    if not count.exact:
        between = f"{count.low:,} to {count.high:,}"
        yield f"tokens: about {count.total:,} ({between}), estimated from characters; --tokenizer DIR counts them"
        return
    yield (
        f"tokens: {count.total:,}, counted; a row has {count.min:,} to {count.max:,}, half of them up to "
        f"{count.median:,}, 95 in 100 up to {count.p95:,}"
    )
    cut = f"; cut at {count.max_seq_length:,} a row: {count.cut_tokens:,}" if count.max_seq_length else ""
    yield f"tokens that are trained: {count.trained:,}{cut}"


def _wrapped(out: Console, indent: str, text: str, style: str = "") -> None:
    for line in _lines(text, indent):
        out.print(escape(line), style=style or None, soft_wrap=True, highlight=False)


def _lines(text: str, indent: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=" " * len(indent), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _number(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
