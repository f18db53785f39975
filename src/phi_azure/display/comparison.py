"""A comparison in the terminal: scores, flips, the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure.display.console import done, failed, print_plain
from phi_azure.display.harmless import harmless
from phi_azure.display.numbers import moment, number
from phi_azure.display.tables import show_table

if TYPE_CHECKING:
    from rich.console import Console

    from phi_azure.compare import Comparison, Judged, Pair, Side

_FLIPS = 5
_WIDE = 60


def show_comparison(out: Console, found: Comparison) -> None:
    """Prints scores side by side, what changed, and what the gate says."""
    print_plain(out, f"{found.counted:,} rows of {found.data}, answered by all{leak_words(found)}")
    out.print()
    show_table(out, ["score", *(side.name for side in found.sides)], [*score_rows(found), *cost_rows(found)])
    for pair in found.pairs:
        out.print()
        print_plain(out, pair_words(pair))
        place = 1 + found.pairs.index(pair)
        _flips(out, "lost", found.rows_of(pair.lost), place, pair.against)
        _flips(out, "gained", found.rows_of(pair.gained), place, pair.against)
    if found.verdict:
        out.print()
        if found.verdict.passed:
            done(out, f"The gate is passed: {found.verdict.gate}.")
        else:
            failed(out, f"The gate is not passed: {found.verdict.gate}.")
            for reason in found.verdict.reasons:
                print_plain(out, f"  {reason}")


def score_rows(found: Comparison) -> list[list[str]]:
    """Returns the scores of each side, a row each."""
    names = dict.fromkeys(name for side in found.sides for name in side.scores)
    return [[name, *(_score(found, side, name) for side in found.sides)] for name in names]


def _score(found: Comparison, side: Side, name: str) -> str:
    """Returns a score in percent, that of the chosen metric with its interval."""
    if name not in side.scores:
        return ""
    low, high = side.interval
    interval = f" ({100 * low:.1f} to {100 * high:.1f})" if name == found.metric else ""
    return f"{100 * side.scores[name]:.1f} %{interval}"


def pair_words(pair: Pair) -> str:
    """Says what changed between two sides."""
    low, high = pair.interval
    return (
        f"tuned against {pair.against}: {100 * pair.difference:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}), "
        f"{len(pair.gained):,} gained, {len(pair.lost):,} lost, McNemar p {_p(pair.p)}"
    )


def cost_rows(found: Comparison) -> list[list[str]]:
    """Returns time, tokens and length of each side, a row each; what no side tells is left out."""
    rows = [
        ["median time", *(moment(side.latency_s[0]) for side in found.sides)],
        ["95th percentile", *(moment(side.latency_s[1]) for side in found.sides)],
        ["tokens read", *(_count(side.prompt_tokens) for side in found.sides)],
        ["tokens said", *(_count(side.completion_tokens) for side in found.sides)],
        ["characters said", *(number(side.characters) for side in found.sides)],
    ]
    return [row for row in rows if any(row[1:])]


def _count(value: float | None) -> str:
    return "" if value is None else number(value)


def _p(value: float) -> str:
    return "below 0.0001" if value < 0.0001 else f"{value:.4f}"


def leak_words(found: Comparison) -> str:
    """Says how many rows the model has learnt from."""
    if found.leaks is None:
        return ""
    return f"; {found.leaks:,} of them stand in the training file" if found.leaks else "; none is in the training file"


def flips(found: Comparison, lines: tuple[int, ...]) -> list[Judged]:
    """Returns the first rows of those that changed."""
    return found.rows_of(lines[:_FLIPS])


def _flips(out: Console, what: str, rows: list[Judged], place: int, against: str) -> None:
    for row in rows[:_FLIPS]:
        print_plain(out, f"  {what:6} {row.line:>5}  {_short(row.prompt)}")
        said = {"expected": row.expected, against: row.said[place].text or "", "tuned": row.said[0].text or ""}
        wide = max(map(len, said))
        for who, text in said.items():
            print_plain(out, f"                {who:{wide}}  {_short(text)}")
    if len(rows) > _FLIPS:
        print_plain(out, f"  and {len(rows) - _FLIPS:,} more {what}; the page has all")


def _short(text: str) -> str:
    line = harmless(" ".join(text.split()))
    return line if len(line) <= _WIDE else f"{line[: _WIDE - 3]}..."
