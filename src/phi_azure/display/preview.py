"""Rows as a model reads them, on the screen: a sign at the edge of each line tells what is trained."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Literal, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from phi_azure.display.harmless import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from phi_azure.dataset import Level
    from phi_azure.preview import Length, Piece, Preview, Shown

State = Literal["read", "trained", "cut", "raw", "left out"]
_SIGNS: dict[State, str] = {"read": "|", "trained": "+", "cut": "x", "raw": "!", "left out": "."}
_WORDS: dict[State, str] = {
    "read": "read, not trained",
    "trained": "trained",
    "cut": "cut off",
    "raw": "as in the file, not rendered",
    "left out": "too long, not shown",
}
_STYLES: dict[State, str] = {"read": "", "trained": "green", "cut": "red strike", "raw": "yellow", "left out": "dim"}
_LEVELS: dict[Level, str] = {"error": "red", "warning": "yellow", "info": "cyan"}
_MOST = 100  # columns
_HEAD, _TAIL = 1200, 300  # characters of a piece that are printed, at its beginning and at its end


class _Run(NamedTuple):
    """Text in one state, that begins on a line of its own."""

    state: State
    text: Text


def show_preview(out: Console, preview: Preview) -> None:
    """Prints the rows one after the other, with a legend of the signs that occur."""
    width = min(out.width, _MOST)
    _say(out, headline(preview), width)
    runs = [list(_runs(row)) for row in preview.rows]
    states = {run.state for one in runs for run in one}
    legend = "   ".join(f"{sign} {_WORDS[state]}" for state, sign in _SIGNS.items() if state in states)
    out.print(Text(legend, style="dim"), soft_wrap=True)
    for row, one in zip(preview.rows, runs, strict=True):
        out.print()
        _show_head(out, row, width)
        for run in one:
            _show_run(out, run, width)


def headline(preview: Preview) -> str:
    """Returns in a sentence how the rows are read."""
    reader = preview.reader
    cut = f"rows are cut at {reader.max_seq_length:,} tokens" if reader.max_seq_length else "nothing is cut"
    how = "counted" if preview.exact else "estimated from characters (--tokenizer DIR counts)"
    return f"As {reader.model} reads them (chat template {reader.template}); {cut}; tokens are {how}."


def fate_words(row: Shown) -> str:
    """Returns what Azure does with a row, where it is not kept."""
    return {"dropped": "Azure leaves this row out.", "fails": "Azure's job fails on this row.", "kept": ""}[row.fate]


def length_words(length: Length | None) -> str:
    """Returns a row's tokens: 82 tokens, 12 trained, 40 cut."""
    if length is None:
        return ""
    if not length.exact:
        return f"about {length.low:,} to {length.high:,} tokens"
    cut = f", {length.cut:,} cut" if length.cut else ""
    return f"{length.low:,} tokens, {length.trained:,} trained{cut}"


def state_of(piece: Piece) -> State:
    """Returns what becomes of a piece."""
    return "cut" if piece.cut else "trained" if piece.trained else "read"


def begins_message(before: Piece | None, piece: Piece) -> bool:
    """Whether a piece is the mark before a message."""
    return piece.kind == "special" and before is not None and before.kind in {"special", "end"}


def _show_head(out: Console, row: Shown, width: int) -> None:
    place = f"{harmless(row.file)}:{row.line}"
    out.print(Text.assemble((place, "bold"), "  ", length_words(row.length)), soft_wrap=True)
    if row.fate != "kept":
        out.print(Text(f"  {fate_words(row)}", style="red" if row.fate == "fails" else "yellow"), soft_wrap=True)
    for problem in row.problems:
        text = harmless(f"{problem.message}{f' {problem.fix}' if problem.fix else ''}")
        _say(out, f"{problem.level} {problem.code}: {text}", width, _LEVELS[problem.level])
    for note in row.notes:
        _say(out, note, width, "cyan")


def _say(out: Console, text: str, width: int, style: str = "") -> None:
    indent = "  " if style else ""
    lines = wrap(text, width - 1, initial_indent=indent, subsequent_indent=2 * indent, break_on_hyphens=False)
    for line in lines:
        out.print(Text(line, style=style), soft_wrap=True)


def _runs(row: Shown) -> Iterator[_Run]:
    """Yields what stands together: pieces of one message in one state; of a row that is not rendered its line."""
    if not row.pieces:
        yield from _shortened(row.text, "raw")
        return
    run: _Run | None = None
    before: Piece | None = None
    for piece in row.pieces:
        for part in _shortened(piece.text, state_of(piece), "dim" if piece.kind == "special" else ""):
            if run and run.state == part.state and not begins_message(before, piece):
                run.text.append_text(part.text)
                continue
            if run:
                yield run
            run = part
        before = piece
    if run:
        yield run


def _shortened(text: str, state: State, style: str = "") -> list[_Run]:
    """Returns a text, or its beginning and its end where it is long."""
    style = f"{_STYLES[state]} {style}".strip()
    more = len(text) - _HEAD - _TAIL
    if more <= _TAIL:
        return [_Run(state, Text().append(harmless(text), style))]  # the style of this part, not of the whole run
    head, tail = (Text().append(harmless(part), style) for part in (text[:_HEAD], text[-_TAIL:]))
    return [_Run(state, head), _Run("left out", Text(f"{more:,} characters; --html shows them")), _Run(state, tail)]


def _show_run(out: Console, run: _Run, width: int) -> None:
    """Prints a run behind its sign; where the text goes on in a new line stands a mark."""
    run.text.expand_tabs(4)
    style = _STYLES[run.state].removesuffix(" strike")
    mark = "\u21b5" if out.encoding.startswith("utf") else "\\n"
    lines = run.text.split("\n", allow_blank=True)
    for index, line in enumerate(lines):
        is_last = index == len(lines) - 1
        if is_last and not line.plain and index:
            return
        shown = line if is_last else Text.assemble(line, (mark, "dim"))
        for part in shown.divide(_folds(shown.plain, width - 5)):
            out.print(Text.assemble("  ", (_SIGNS[run.state], style), " ", part), soft_wrap=True)


def _folds(line: str, width: int) -> list[int]:
    """Returns where a line is folded: behind a blank if there is one in its last third, else at its edge."""
    folds: list[int] = []
    start, used = 0, 0
    for place, sign in enumerate(line):
        cells = cell_len(sign)
        if used + cells > width:
            blank = line.rfind(" ", start + 2 * width // 3, place)
            start = blank + 1 if blank >= 0 else place
            folds.append(start)
            used = cell_len(line[start:place])
        used += cells
    return folds
