"""How many tokens rows have: counted with a model's tokenizer, or estimated from characters and said to be so.

The estimate takes 3 to 5 characters a token, 4.2 as the likeliest: the usual rule of thumb is 4 for English prose, and
fewer for code, names and other European languages. It was not measured against Phi's own tokenizers, which are not at
hand where this is built. Scripts without blanks have fewer characters a token than 3: there only a count tells.
"""

from __future__ import annotations

from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi_azure import template as templates
from phi_azure.dataset import LIMIT, Notes, Problem, rows
from phi_azure.dataset.rules import MIN_MESSAGES
from phi_azure.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from phi_azure.catalog import PhiModel
    from phi_azure.config import FineTune
    from phi_azure.dataset import Report, Row

SPARSE, LIKELY, DENSE = 5.0, 4.2, 3.0
"""Characters of a token: at most, most likely, at least."""
AROUND = (6, 12)
"""Tokens that a template puts around the two or three messages of a row."""
LONGEST = 8
"""How many times the average the longest row is taken to have where nothing was counted."""
SERVERLESS_LENGTH = 8192
"""Tokens of a row that the serverless service reads when nothing is said (azureml-assets, 2026-07)."""
_CHUNK = 500  # rows that are encoded at once, on all cores
_CHUNK_CHARACTERS = 1_000_000
_REACH = 64  # characters in which the next token is looked for; a mark takes at most the blanks behind it

_Chunk = list[tuple[int, list[templates.Segment]]]


@dataclass(frozen=True)
class TokenCount:
    """The tokens of rows, with the template's own; `None` is what an estimate cannot tell."""

    rows: int
    total: int
    low: int
    high: int
    """The total, uncut, lies between `low` and `high`; they are equal when it was counted."""
    max: int
    """Tokens of the longest row; of an estimate what plans reckon with."""
    exact: bool
    min: int | None = None
    median: int | None = None
    p95: int | None = None
    """Tokens of the shortest row, of the middle one, of the one that 95 in 100 do not pass."""
    trained: int | None = None
    """Tokens that the loss counts on, after the cut: what the assistant says, and what ends it."""
    max_seq_length: int | None = None
    cut_rows: int = 0
    """Rows longer than `max_seq_length`."""
    cut_tokens: int = 0
    """Tokens that the cut removes."""
    no_answer: int = 0
    """Rows that keep no trained token."""
    end_cut: int = 0
    """Rows that lose the token that ends their last answer: the model does not learn to stop there."""
    lengths: Mapping[int, int] = field(default_factory=dict, repr=False)
    """How many rows have how many tokens; empty where nothing was counted."""

    def after_cut(self, limit: int | None) -> tuple[int, int]:
        """Returns the bounds of the total when rows are cut at so many tokens."""
        if limit is None:
            return self.low, self.high
        if self.exact:
            total = sum(min(length, limit) * times for length, times in self.lengths.items())
            return total, total
        return min(self.low, self.rows * limit), min(self.high, self.rows * limit)


@dataclass(frozen=True)
class Reader:
    """How a model reads rows."""

    template: templates.Name
    system_role: bool = True
    """False where its template has no place for a system message."""
    max_seq_length: int | None = None
    """Tokens of a row that count; None cuts nothing."""
    model: str = ""
    """Its name, for people."""

    def segments(self, row: Row) -> list[templates.Segment]:
        """Returns a row in the pieces that its template writes."""
        return templates.segments(row.messages, self.template, system_role=self.system_role)


def length_limit(job: FineTune, model: PhiModel | None) -> int | None:
    """Returns how many tokens of a row the job reads; None where neither the job nor the model says it."""
    route = job.route
    by_service = route.kind == "serverless" or route.job == "finetuning"
    return cut_length(route.max_seq_length, model, by_service=by_service)


def cut_length(asked: int | None, model: PhiModel | None, *, by_service: bool) -> int | None:
    """Returns how many tokens of a row count: those asked for, but not more than the model takes.

    Rules of azureml-acft-contrib-hf-nlp 0.0.91.

    Args:
        asked: what a person set; None and -1 leave it open.
        model: says how many tokens it takes, and which default Azure's samples set for it on managed compute.
        by_service: whether the service's own default holds instead, as in fine-tuning jobs.
    """
    default = SERVERLESS_LENGTH if by_service else int(model.defaults.get("max_seq_length", 0)) if model else None
    wanted = asked if asked and asked > 0 else default
    return min((length for length in (wanted, model.context if model else None) if length), default=None)


def estimate(report: Report) -> TokenCount:
    """Returns what a report's characters come to, as a range; nothing is counted."""
    kept = sum(file.kept for file in report.files)
    low = round(report.characters / SPARSE) + AROUND[0] * kept
    high = round(report.characters / DENSE) + AROUND[1] * kept
    total = round(report.characters / LIKELY) + round(kept * sum(AROUND) / 2)
    return TokenCount(kept, total, low, high, LONGEST * round(high / kept) if kept else 0, exact=False)


def count(paths: Iterable[Path], tokenizer: Path, reader: Reader) -> TokenCount:
    """Counts with a model's tokenizer, on all cores, in constant memory.

    Args:
        paths: files of rows; those that Azure leaves out or cannot read are passed over, `phi-azure check` names them.
        tokenizer: a tokenizer.json, or a model's folder that holds one.
        reader: the model's template, and how much of a row it reads.

    Raises:
        ConfigError: there is no tokenizer, it is another model's, or the package `tokenizers` is missing.
    """
    encoder = load(tokenizer, reader.template)
    return _summary([_tally(path, encoder, reader, Notes(0)) for path in paths], reader)


def check(report: Report, tokenizer: Path, reader: Reader, *, limit: int = LIMIT) -> tuple[Report, TokenCount]:
    """Counts the files of a report, and adds what the cut does to their rows to its problems.

    Args:
        report: what `dataset.check` found; files of which nothing is kept are left out.
        tokenizer: as in `count`.
        reader: likewise.
        limit: problems of one code that are kept; more are counted.

    Raises:
        ConfigError: as `count` does.
    """
    encoder, notes = load(tokenizer, reader.template), Notes(limit)
    tallies = []
    for file in report.files:
        if file.kept:
            tally = _tally(Path(file.path), encoder, reader, notes)
            tallies.append(tally)
            if file.split == "training" and tally.rows == tally.no_answer > 0:
                notes.add(_nothing_to_learn(file.path))
    return report.with_notes(notes), _summary(tallies, reader)


def load(tokenizer: Path, name: templates.Name | None = None) -> Any:
    """Loads a tokenizer from its file or its model's folder; with a template, one that knows its marks.

    Raises:
        ConfigError: there is none, it is another model's, or the package `tokenizers` is missing.
    """
    file = next((one for one in (tokenizer, tokenizer / "tokenizer.json") if one.is_file()), None)
    if file is None:
        raise ConfigError(
            f"{tokenizer}: no tokenizer.json there.", remedy="Give a model's folder, or its tokenizer.json."
        )
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise ConfigError("counting tokens needs the package tokenizers.", remedy="pip install tokenizers") from error
    try:
        loaded = Tokenizer.from_file(str(file))
    except Exception as error:  # the package raises bare Exception
        raise ConfigError(f"{file} is no tokenizer: {error}", remedy="Give another tokenizer.json.") from error
    if missing := [mark for mark in templates.marks(name) if loaded.token_to_id(mark) is None] if name else []:
        raise ConfigError(
            f"{file} does not know {', '.join(missing)} of the chat template {name}: it is another model's.",
            remedy="Name the model that it belongs to (--model), or give that model's tokenizer.json.",
        )
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


@dataclass(frozen=True)
class Lengths:
    """What the tokens of one row come to."""

    total: int
    trained: int
    """Of them, that the loss counts on, when the rest is cut."""
    cut: int = 0
    ends: bool = True
    """Whether the token that ends the last answer is trained; True where there is no answer."""


def lengths(pieces: Sequence[templates.Segment], encoding: Any, limit: int | None) -> Lengths:
    """Measures a row that was encoded from the joined text of its pieces."""
    total = len(encoding)
    kept = total if limit is None else min(total, limit)
    spans, ending, end = _learnt(pieces)
    trained = 0
    for start, stop in spans:
        behind = total if stop == end else _token_at(encoding, stop, end)
        trained += max(0, min(behind, kept) - _token_at(encoding, start, end))
    ends = kept == total or ending is None or _token_at(encoding, ending, end) < kept
    return Lengths(total, trained, total - kept, ends)


def _learnt(pieces: Sequence[templates.Segment]) -> tuple[list[tuple[int, int]], int | None, int]:
    """Returns between which characters a row is learnt, where the end of its last answer begins, and its length."""
    spans: list[tuple[int, int]] = []
    ending, place, before = None, 0, None
    for text, kind in pieces:
        stop = place + len(text)
        if kind in templates.LEARNT:
            begin = spans.pop()[0] if spans and spans[-1][1] == place else place
            spans.append((begin, stop))
            if kind == "end" and before != "end":
                ending = place
        place, before = stop, kind
    return spans, ending, place


def _token_at(encoding: Any, start: int, end: int) -> int:
    """Returns the first token that begins at a character or behind it; their number where none does.

    Phi-3's marks take the blanks behind them along, so a text may begin inside of its mark's token.
    """
    for place in range(start, min(start + _REACH, end)):
        token: int | None = encoding.char_to_token(place)
        if token is not None:
            return token + int(encoding.token_to_chars(token)[0] < start)
    return len(encoding)


@dataclass
class _Tally:
    """The sums of one file."""

    lengths: Counter[int] = field(default_factory=Counter)
    trained: int = 0
    cut_rows: int = 0
    cut_tokens: int = 0
    no_answer: int = 0
    end_cut: int = 0

    @property
    def rows(self) -> int:
        return self.lengths.total()

    def add(self, found: Lengths) -> None:
        self.lengths[found.total] += 1
        self.trained += found.trained
        self.cut_rows += found.cut > 0
        self.cut_tokens += found.cut
        self.no_answer += not found.trained
        self.end_cut += not found.ends


def _tally(path: Path, encoder: Any, reader: Reader, notes: Notes) -> _Tally:
    tally = _Tally()
    for line, pieces, encoding in _encoded(_chunks(path, reader), encoder):
        found = lengths(pieces, encoding, reader.max_seq_length)
        tally.add(found)
        if found.cut or not found.trained:
            for problem in problems(str(path), line, found, reader.max_seq_length):
                notes.add(problem)
    return tally


def _encoded(chunks: Iterable[_Chunk], encoder: Any) -> Iterator[tuple[int, list[templates.Segment], Any]]:
    """Yields rows with their tokens; while one chunk is encoded, on all cores, the next is read and the last judged."""
    waiting: deque[tuple[_Chunk, Future[list[Any]]]] = deque()
    with ThreadPoolExecutor(1) as pool:
        for chunk in chunks:
            texts = ["".join([text for text, _ in pieces]) for _, pieces in chunk]
            waiting.append((chunk, pool.submit(encoder.encode_batch, texts, add_special_tokens=False)))
            if len(waiting) > 1:
                yield from _joined(*waiting.popleft())
        for one in waiting:
            yield from _joined(*one)


def _joined(chunk: _Chunk, encoded: Future[list[Any]]) -> Iterator[tuple[int, list[templates.Segment], Any]]:
    for (line, pieces), encoding in zip(chunk, encoded.result(), strict=True):
        yield line, pieces, encoding


def _chunks(path: Path, reader: Reader) -> Iterator[_Chunk]:
    """Yields rows in pieces, as many as are encoded at once: not too many, and not too long ones."""
    chunk: _Chunk = []
    characters = 0
    for line, row in rows(path):
        if not _is_kept(row):
            continue
        pieces = reader.segments(row)
        chunk.append((line, pieces))
        characters += sum([len(text) for text, _ in pieces])
        if len(chunk) == _CHUNK or characters > _CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _is_kept(row: Row) -> bool:
    """Whether Azure keeps the row, whatever else is wrong with it."""
    return len(row.messages) >= MIN_MESSAGES and all(
        message.content is not None or message.tool_calls for message in row.messages
    )


def problems(path: str, line: int, found: Lengths, limit: int | None) -> Iterator[Problem]:
    """Yields what the cut at a limit does to one row."""
    longer = "Shorten the row, or raise max_seq_length."
    if found.cut:
        message = f"{found.total:,} tokens; Azure cuts the last {found.cut:,}."
        yield Problem("tokens-cut", "warning", path, line, "messages", message, longer)
    if not found.ends:
        message = "the token that ends the answer is cut; the model does not learn to stop there."
        yield Problem("end-token-cut", "warning", path, line, "messages", message, longer)
    if not found.trained:
        why = f"its answer begins behind the {limit:,} tokens that count" if found.cut else "nothing is the assistant's"
        message = f"the row keeps no trained token: {why}."
        fix = longer if found.cut else "Add an answer, or remove the row."
        yield Problem("no-trained-token", "warning", path, line, "messages", message, fix)


def _nothing_to_learn(path: str) -> Problem:
    message = "not one row keeps a trained token, and Azure refuses to train."
    return Problem(
        "no-trained-token", "error", path, None, None, message, "Shorten the rows, or raise max_seq_length.", "fails"
    )


def _summary(tallies: Sequence[_Tally], reader: Reader) -> TokenCount:
    lengths: Counter[int] = Counter()
    for tally in tallies:
        lengths.update(tally.lengths)
    total = sum(length * times for length, times in lengths.items())
    return TokenCount(
        rows=lengths.total(),
        total=total,
        low=total,
        high=total,
        max=max(lengths, default=0),
        exact=True,
        min=min(lengths, default=None),
        median=_share(lengths, 0.5),
        p95=_share(lengths, 0.95),
        trained=sum(tally.trained for tally in tallies),
        max_seq_length=reader.max_seq_length,
        cut_rows=sum(tally.cut_rows for tally in tallies),
        cut_tokens=sum(tally.cut_tokens for tally in tallies),
        no_answer=sum(tally.no_answer for tally in tallies),
        end_cut=sum(tally.end_cut for tally in tallies),
        lengths=dict(lengths),
    )


def _share(lengths: Counter[int], part: float) -> int | None:
    """Returns the length that this part of the rows does not pass."""
    place = int(part * lengths.total())
    for length in sorted(lengths):
        place -= lengths[length]
        if place < 0:
            return length
    return max(lengths, default=None)
