"""Rows as a model reads them: through its own chat template, with what is trained, what is cut, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from phi_azure import template as templates
from phi_azure import tokens
from phi_azure.dataset import Problem, picking
from phi_azure.dataset.finding import shown
from phi_azure.dataset.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from phi_azure.dataset import Route, Row
    from phi_azure.tokens import Reader

Fate = Literal["kept", "dropped", "fails"]
_LEAST, _MOST = templates.MARKS - 1, templates.MARKS + 1


@dataclass(frozen=True)
class Choice:
    """Which rows of each file are shown."""

    rows: int = 3
    """The first ones, where nothing else is said."""
    lines: tuple[int, ...] = ()
    """The rows that begin on these lines."""
    sample: int | None = None
    """So many by lot."""
    seed: int = 0


@dataclass(frozen=True)
class Piece:
    """A part of the text that the model reads."""

    text: str
    kind: templates.Kind
    trained: bool
    """Whether the loss counts here."""
    cut: bool = False
    """Whether it lies behind the tokens that count, so that the model never sees it."""


@dataclass(frozen=True)
class Length:
    """The tokens of a row; of an estimate the bounds between which they lie."""

    low: int
    high: int
    exact: bool
    trained: int | None = None
    """After the cut; None where nothing was counted."""
    cut: int | None = None


@dataclass(frozen=True)
class Shown:
    """One row of a file."""

    file: str
    line: int
    fate: Fate
    """What Azure does with it: keeps it, leaves it out, or fails on it."""
    text: str
    """The row as the file has it."""
    pieces: tuple[Piece, ...] = ()
    """The row as the model reads it; empty where Azure does not come as far as that."""
    length: Length | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preview:
    """Rows of files, as one model reads them."""

    reader: Reader
    exact: bool
    """Tokens were counted; else they are estimated, and where the cut falls is not known."""
    rows: tuple[Shown, ...]


def preview(
    files: Sequence[Path], reader: Reader, route: Route, choice: Choice | None = None, tokenizer: Path | None = None
) -> Preview:
    """Returns rows as a model reads them; memory does not depend on how large the files are.

    Args:
        files: of rows, in any format that `check` takes.
        reader: the model's template, and how much of a row it reads.
        route: whose rules say what is dropped.
        choice: which rows; None takes the first three of each file.
        tokenizer: counts tokens and finds the cut; None estimates.

    Raises:
        DataError: a file cannot be read, or has no row on a line that was asked for.
        ConfigError: as `tokens.load` does.
    """
    encoder = tokens.load(tokenizer, reader.template) if tokenizer else None
    rules, choice = Rules(route, reader.system_role), choice or Choice()
    rows = [_shown(str(file), one, reader, encoder) for file in files for one in _picked(file, choice, rules)]
    return Preview(reader, encoder is not None, tuple(rows))


def _picked(file: Path, choice: Choice, rules: Rules) -> list[picking.Picked]:
    if choice.lines:
        return picking.at_lines(file, choice.lines, rules)
    if choice.sample:
        return picking.by_lot(file, choice.sample, choice.seed, rules)
    return picking.first(file, choice.rows, rules)


def _shown(file: str, one: picking.Picked, reader: Reader, encoder: Any) -> Shown:
    found = tuple(
        Problem(code, level, file, one.number, where, message, fix, effect)
        for code, level, where, message, fix, effect in one.verdict.findings
    )
    fails = any(problem.effect == "fails" for problem in found)
    fate: Fate = "dropped" if one.verdict.dropped else "fails" if fails else "kept"
    if fate != "kept" or one.row is None:
        return Shown(file, one.number, fate, one.text, problems=found)
    segments = reader.segments(one.row)
    notes = tuple(_notes(one.row, reader))
    if encoder is None:
        length = _estimated(segments, len(one.row.messages))
        notes += _doubts(length, reader)
        return Shown(file, one.number, fate, one.text, _pieces(segments, None), length, found, notes)
    encoding = encoder.encode("".join(piece.text for piece in segments), add_special_tokens=False)
    counted = tokens.lengths(segments, encoding, reader.max_seq_length)
    length = Length(counted.total, counted.total, exact=True, trained=counted.trained, cut=counted.cut)
    end = encoding.token_to_chars(counted.total - counted.cut - 1)[1] if counted.cut else None
    if counted.cut or not counted.trained:
        found += tuple(tokens.problems(file, one.number, counted, reader.max_seq_length))
    return Shown(file, one.number, fate, one.text, _pieces(segments, end), length, found, notes)


def _pieces(segments: Sequence[templates.Segment], end: int | None) -> tuple[Piece, ...]:
    """Returns the pieces, parted at the character where the cut falls."""
    pieces, start = [], 0
    for one in segments:
        kept = len(one.text) if end is None else max(0, end - start)
        start += len(one.text)
        if one.text[:kept]:
            pieces.append(Piece(one.text[:kept], one.kind, one.is_learnt))
        if one.text[kept:]:
            pieces.append(Piece(one.text[kept:], one.kind, trained=False, cut=True))
    return tuple(pieces)


def _estimated(segments: Sequence[templates.Segment], messages: int) -> Length:
    characters = sum(len(one.text) for one in segments if one.kind in {"prompt", "answer"})
    low = round(characters / tokens.SPARSE) + _LEAST * messages
    return Length(low, round(characters / tokens.DENSE) + _MOST * messages, exact=False)


def _doubts(length: Length, reader: Reader) -> tuple[str, ...]:
    """Says whether a row whose tokens are estimated may be cut."""
    limit = reader.max_seq_length
    if limit is None or length.high <= limit:
        return ()
    sure = "is cut" if length.low > limit else "may be cut"
    return (f"The row {sure}: {limit:,} tokens count. --tokenizer DIR shows where.",)


def _notes(row: Row, reader: Reader) -> Iterator[str]:
    if roles := templates.left_out(row.messages, reader.template):
        yield f"The template leaves out messages of {', '.join(map(shown, roles))}."
    if row.has_tools:
        yield "Tools and their calls are not shown: the templates here write text alone."
