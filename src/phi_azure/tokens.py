"""How many tokens rows have: counted with a model's tokenizer, or estimated from characters and said to be so.

The estimate takes 3 to 5 characters a token, 4.2 as the likeliest: the usual rule of thumb is 4 for English prose, and
fewer for code, names and other European languages. It was not measured against Phi's own tokenizers, which are not at
hand where this is built. Scripts without blanks have fewer characters a token than 3: there only a count tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from phi_azure import template as templates
from phi_azure.dataset import rows
from phi_azure.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from phi_azure.dataset import Report, Row

SPARSE, LIKELY, DENSE = 5.0, 4.2, 3.0
"""Characters of a token: at most, most likely, at least."""
AROUND = (6, 12)
"""Tokens that a template puts around the two or three messages of a row."""
LONGEST = 8
"""How many times the average the longest row is taken to have where nothing was counted."""
_CHUNK = 2_000  # rows that are encoded at once, on all cores


@dataclass(frozen=True)
class TokenCount:
    """The tokens of rows, with the template's own."""

    rows: int
    total: int
    low: int
    high: int
    """The total lies between `low` and `high`; they are equal when it was counted."""
    p50: int
    p95: int
    max: int
    """Tokens of the middle row, of the one that 95 in 100 do not pass, of the longest."""
    exact: bool
    max_seq_length: int | None = None
    cut_rows: int = 0
    """Rows longer than `max_seq_length`."""
    cut_tokens: int = 0
    """Tokens that the cut removes."""
    no_answer: int = 0
    """Rows of which no learnt token is left after the cut."""
    end_cut: int = 0
    """Rows that lose the token that ends the answer: the model does not learn to stop there."""
    lines: tuple[tuple[str, int], ...] = ()
    """The first rows without a learnt token: file and line."""


def estimate(report: Report) -> TokenCount:
    """Returns what a report's characters come to, as a range; nothing is counted."""
    kept = sum(file.kept for file in report.files)
    low = round(report.characters / SPARSE) + AROUND[0] * kept
    high = round(report.characters / DENSE) + AROUND[1] * kept
    total = round(report.characters / LIKELY) + round(kept * sum(AROUND) / 2)
    each = round(total / kept) if kept else 0
    return TokenCount(kept, total, low, high, each, 2 * each, LONGEST * round(high / kept) if kept else 0, exact=False)


def count(
    paths: Iterable[Path],
    tokenizer: Path,
    name: templates.Name,
    *,
    max_seq_length: int | None = None,
    system_role: bool = True,
) -> TokenCount:
    """Counts with a model's tokenizer, on all cores, in constant memory but for one number a row.

    Args:
        paths: JSONL files; rows that cannot be read are passed over, `phi-azure check` names them.
        tokenizer: a tokenizer.json, or a model's folder that holds one.
        name: the model's chat template.
        max_seq_length: tokens of a row that count; None cuts nothing.
        system_role: False where the model's template has no place for a system message.

    Raises:
        ConfigError: there is no tokenizer, or the package `tokenizers` is missing.
    """
    encoder = load(tokenizer)
    lengths: list[int] = []
    losses = _Losses(max_seq_length)
    for path in paths:
        for chunk in _chunks(rows(path)):
            pieces = [templates.segments(row.messages, name, system_role=system_role) for _, row in chunk]
            encoded = (
                encoder.encode_batch_fast(
                    ["".join(piece.text for piece in one) for one in pieces], add_special_tokens=False
                )
                if max_seq_length is None
                else encoder.encode_batch(
                    ["".join(piece.text for piece in one) for one in pieces], add_special_tokens=False
                )
            )
            for (line, _), one, encoding in zip(chunk, pieces, encoded, strict=True):
                lengths.append(len(encoding.ids))
                losses.add(str(path), line, one, encoding)
    return _summary(lengths, losses)


def load(tokenizer: Path) -> Any:
    """Loads a tokenizer from its file or its model's folder. Raises ConfigError."""
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
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


class _Losses:
    """Sums up what the cut takes away."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.rows = self.tokens = self.no_answer = self.end_cut = 0
        self.lines: list[tuple[str, int]] = []

    def add(self, path: str, line: int, pieces: list[templates.Segment], encoding: Any) -> None:
        length = len(encoding.ids)
        learnt = any(piece.kind == "answer" for piece in pieces)
        if self.limit is not None and length > self.limit:
            self.rows += 1
            self.tokens += length - self.limit
            ends_at = encoding.offsets[self.limit - 1][1] if self.limit else 0
            learnt = _starts(pieces, "answer") < ends_at
            self.end_cut += 1
        if not learnt:
            self.no_answer += 1
            self.lines += [(path, line)] if len(self.lines) < 100 else []


def _starts(pieces: list[templates.Segment], kind: templates.Kind) -> float:
    """Returns the character at which the first piece of a kind begins."""
    place = 0
    for piece in pieces:
        if piece.kind == kind:
            return place
        place += len(piece.text)
    return float("inf")


def _chunks(numbered: Iterator[tuple[int, Row]]) -> Iterator[list[tuple[int, Row]]]:
    while chunk := list(islice(numbered, _CHUNK)):
        yield chunk


def _summary(lengths: list[int], losses: _Losses) -> TokenCount:
    ordered = sorted(lengths)
    total = sum(ordered)
    return TokenCount(
        rows=len(ordered),
        total=total,
        low=total,
        high=total,
        p50=_share(ordered, 0.5),
        p95=_share(ordered, 0.95),
        max=ordered[-1] if ordered else 0,
        exact=True,
        max_seq_length=losses.limit,
        cut_rows=losses.rows,
        cut_tokens=losses.tokens,
        no_answer=losses.no_answer,
        end_cut=losses.end_cut,
        lines=tuple(losses.lines),
    )


def _share(ordered: Sequence[int], part: float) -> int:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0
