"""Rows as a model reads them, as a page: one file without scripts, that asks nothing of any host."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from phi_azure.display.harmless import harmless
from phi_azure.display.preview import begins_message, fate_words, headline, length_words, state_of
from phi_azure.display.sheet import document, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phi_azure.preview import Piece, Preview, Shown

_STYLE = """
.fate { font-weight: 600; color: var(--bad); margin: .25rem 0; }
.special { color: var(--soft); }
.trained { background: var(--trained); color: var(--trained-ink); border-bottom: 2px solid currentColor;
  box-decoration-break: clone; -webkit-box-decoration-break: clone; }
.cut { background: var(--cut); color: var(--cut-ink); text-decoration: line-through; }
.raw { color: var(--soft); }
"""


def preview_page(preview: Preview) -> str:
    """Returns the rows as an HTML page; what stands in them is text there, whatever it looks like."""
    words = escape(harmless(headline(preview)))
    rows = "\n".join(_row(row) for row in preview.rows)
    body = f"""<header>
<h1>{len(preview.rows):,} row{"" if len(preview.rows) == 1 else "s"}</h1>
<p>{words}</p>
<p class="legend"><span><b class="trained">trained</b>: the loss counts here</span>
<span>read, not trained</span> <span><b class="cut">cut off</b>: the model never sees it</span></p>
</header>
<main>
{rows}
</main>"""
    return document(f"Rows as {preview.reader.model} reads them", _STYLE, body)


def _row(row: Shown) -> str:
    found = [
        f'<li class="{problem.level}"><b>{problem.level}</b> {text(problem.code)}: {text(problem.message)} '
        f"{text(problem.fix or '')}</li>"
        for problem in row.problems
    ]
    found += [f'<li class="info">{text(note)}</li>' for note in row.notes]
    fate = f'<p class="fate">{fate_words(row)}</p>' if row.fate != "kept" else ""
    problems = f"<ul>{''.join(found)}</ul>" if found else ""
    body = "".join(_turns(row.pieces)) if row.pieces else f'<span class="raw">{text(row.text)}</span>'
    return f"""<article>
<h2>{text(row.file)}:{row.line}</h2>
<p class="legend">{length_words(row.length)}</p>
{fate}{problems}<div class="text">{body}</div>
</article>"""


def _turns(pieces: Sequence[Piece]) -> Iterator[str]:
    """Yields each message in a block of its own."""
    before: Piece | None = None
    for piece in pieces:
        if before is None or begins_message(before, piece):
            yield f'{"</span>" if before else ""}<span class="turn">'
        state = state_of(piece)
        classes = " ".join(name for name in (state, piece.kind) if name in {"trained", "cut", "special"})
        yield f'<span class="{classes}">{text(piece.text)}</span>'
        before = piece
    yield "</span>"
