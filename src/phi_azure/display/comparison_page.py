"""A comparison as a page: what was lost and gained first, then the scores, then every row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure.display.comparison import cost_rows, pair_words, score_rows
from phi_azure.display.sheet import document, table, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phi_azure.compare import Comparison, Judged, Pair, Side

_STYLE = """
.verdict { font-weight: 600; font-size: 1.1rem; } .passed { color: var(--good); } .refused { color: var(--bad); }
.flip { border-top: 1px solid var(--line); padding: .6rem 0; } .flip:first-of-type { border-top: 0; }
.flip p { margin: 0 0 .25rem; } .flip dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .75rem;
  margin: 0; } .flip dt { color: var(--soft); } .flip dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
.right { color: var(--good); } .wrong { color: var(--bad); } .line { color: var(--soft); font-size: .875rem; }
.lost h3 { color: var(--bad); } .gained h3 { color: var(--good); } h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
.bar { height: .5rem; background: var(--line); border-radius: .25rem; position: relative; margin: .25rem 0 .75rem; }
.bar i { position: absolute; inset: 0 auto 0 0; background: var(--good); border-radius: .25rem; }
.bar b { position: absolute; top: -.2rem; height: .9rem; background: var(--ink); opacity: .35; }
summary { cursor: pointer; color: var(--soft); }
.matrix td { font-variant-numeric: tabular-nums; } .matrix .hit { font-weight: 600; }
"""

_OPEN = 20
"""Flips of a kind that are not behind a fold."""


def comparison_page(found: Comparison) -> str:
    """Returns the comparison as a page, which needs no network; what stands in it is text, whatever it looks like."""
    parts = [
        _head(found),
        *(_pair(found, pair, place) for place, pair in enumerate(found.pairs, start=1)),
        _scores(found),
        *(_confusion(side) for side in found.sides if side.confusion),
        _unanswered(found),
        _every(found),
    ]
    name = found.model or found.sides[0].what
    return document(f"{name}: compared", _STYLE, "\n".join(part for part in parts if part))


def _head(found: Comparison) -> str:
    name = found.model or found.sides[0].what
    leaks = {None: "", 0: "; none of them is in the training file"}.get(
        found.leaks, f"; {found.leaks} of them stand in the training file"
    )
    return f"""<header><h1>{text(name)}, compared</h1>
<p>{found.counted:,} rows of {text(found.data)}, answered by every side{text(leaks)};
{found.made:%Y-%m-%d at %H:%M} UTC</p>
{_verdict(found)}</header>"""


def _verdict(found: Comparison) -> str:
    if found.verdict is None:
        return ""
    word, state = ("passed", "passed") if found.verdict.passed else ("not passed", "refused")
    reasons = "".join(f"<li>{text(reason)}</li>" for reason in found.verdict.reasons)
    listed = f"<ul>{reasons}</ul>" if reasons else ""
    return f'<p class="verdict {state}">The gate is {word}: {text(found.verdict.gate)}</p>{listed}'


def _pair(found: Comparison, pair: Pair, place: int) -> str:
    flips = [
        f'<div class="{what}"><h3>{len(lines):,} {what}: {meaning}</h3>'
        f"{_flips(found.rows_of(lines), place, pair.against)}</div>"
        for what, lines, meaning in (
            ("lost", pair.lost, f"right by {pair.against}, wrong now"),
            ("gained", pair.gained, f"wrong by {pair.against}, right now"),
        )
        if lines
    ]
    none = "" if flips else "<p>No answer changed between right and wrong.</p>"
    return f"<section><h2>{text(pair_words(pair))}</h2>{''.join(flips)}{none}</section>"


def _flips(rows: Sequence[Judged], place: int, against: str) -> str:
    """Returns the first ones, and the others behind a fold."""
    drawn = [_flip(row, place, against) for row in rows]
    rest = "".join(drawn[_OPEN:])
    fold = f"<details><summary>{len(drawn) - _OPEN:,} more</summary>{rest}</details>" if rest else ""
    return "".join(drawn[:_OPEN]) + fold


def _flip(row: Judged, place: int, against: str) -> str:
    return f"""<div class="flip"><p><span class="line">line {row.line}</span> {text(row.prompt)}</p>
<dl><dt>expected</dt><dd>{text(row.expected)}</dd>{_said(row, place, against)}{_said(row, 0, "tuned")}</dl></div>"""


def _said(row: Judged, place: int, name: str) -> str:
    said = row.said[place]
    state = "right" if said.right else "wrong"
    return f'<dt>{text(name)}</dt><dd class="{state}">{text(said.text or said.error or "")}</dd>'


def _scores(found: Comparison) -> str:
    rows = score_rows(found)
    bars = "".join(f"<p>{text(side.name)}: {text(side.what)}</p>{_bar(found, side)}" for side in found.sides)
    heads = ["score", *(side.name for side in found.sides)]
    costs = cost_rows(found)
    return (
        f"<section><h2>{text(found.metric)}, with its 95 % interval</h2>{bars}{table(heads, rows)}"
        f"{table(['time and length', *heads[1:]], costs)}</section>"
    )


def _bar(found: Comparison, side: Side) -> str:
    low, high = (100 * bound for bound in side.interval)
    score = 100 * side.scores[found.metric]
    return (
        f'<div class="bar"><i style="width: {score:.2f}%"></i>'
        f'<b style="left: {low:.2f}%; width: {max(high - low, 0.3):.2f}%"></b></div>'
    )


def _confusion(side: Side) -> str:
    read = sorted({label for counts in side.confusion.values() for label in counts} | set(side.confusion))
    read = [*(label for label in read if label != "none"), *(["none"] if "none" in read else [])]
    rows = [[expected, *(str(counts.get(label, 0)) for label in read)] for expected, counts in side.confusion.items()]
    heads = ["expected", *(f"read {label}" for label in read)]
    return f'<section class="matrix"><h2>{text(side.name)}: labels expected and read</h2>{table(heads, rows)}</section>'


def _unanswered(found: Comparison) -> str:
    left = [row for row in found.rows if not row.answered]
    if not left:
        return ""
    said = [
        [str(row.line), side.name, row.said[place].error or ""]
        for row in left
        for place, side in enumerate(found.sides)
        if row.said[place].error
    ]
    rows = table(["line", "side", "why"], said)
    return f"<section><h2>{len(left):,} rows without an answer, which do not count</h2>{rows}</section>"


def _every(found: Comparison) -> str:
    heads = ["line", "prompt", "expected", *(side.name for side in found.sides)]
    rows = [[str(row.line), row.prompt, row.expected, *_texts(row)] for row in found.rows]
    return f"<section><details><summary>All {len(rows):,} rows</summary>{table(heads, rows)}</details></section>"


def _texts(row: Judged) -> Sequence[str]:
    return [said.text if said.text is not None else f"({said.error})" for said in row.said]
