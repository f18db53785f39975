"""Rows as a model reads them, as a page: one file without scripts, that asks nothing of any host."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from phi_azure.display.harmless import escaped, harmless, is_harmless
from phi_azure.display.preview import begins_message, fate_words, headline, length_words, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phi_azure.preview import Piece, Preview, Shown

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --soft: #5a646e; --page: #f5f6f7; --card: #fff; --line: #d8dde1;
  --trained: #d3f2d8; --trained-ink: #0b4a1c; --cut: #fbe3e1; --cut-ink: #8a1f17; --warn: #7a5200; --bad: #a3201a;
  --note: #1d5a8a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #9aa5b0; --page: #15181b; --card: #1e2226;
  --line: #363d44; --trained: #143d20; --trained-ink: #b6efc2; --cut: #45201e; --cut-ink: #f5b5af; --warn: #e8bd62;
  --bad: #ff9b92; --note: #8cc4f0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: .5rem 0; }
h2 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
article { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; margin: 1rem 0;
  padding: .75rem 1rem; }
header p, .legend { margin: .25rem 0; color: var(--soft); }
.legend span { margin-right: 1rem; white-space: nowrap; }
ul { margin: .5rem 0; padding-left: 1.2rem; overflow-wrap: anywhere; }
.error { color: var(--bad); } .warning { color: var(--warn); } .info { color: var(--note); }
.fate { font-weight: 600; color: var(--bad); margin: .25rem 0; }
.text { font: .875rem/1.6 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere;
  tab-size: 4; margin: .5rem 0 0; }
.turn { display: block; padding-left: .75rem; border-left: 3px solid var(--line); margin: .25rem 0;
  unicode-bidi: isolate; }
.special { color: var(--soft); }
.trained { background: var(--trained); color: var(--trained-ink); border-bottom: 2px solid currentColor;
  box-decoration-break: clone; -webkit-box-decoration-break: clone; }
.cut { background: var(--cut); color: var(--cut-ink); text-decoration: line-through; }
.raw { color: var(--soft); }
.odd { border: 1px dotted currentColor; border-radius: .2rem; font-size: .8em; }
"""


def preview_page(preview: Preview) -> str:
    """Returns the rows as an HTML page; what stands in them is text there, whatever it looks like."""
    words = escape(harmless(headline(preview)))
    rows = "\n".join(_row(row) for row in preview.rows)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<title>Rows as {escape(harmless(preview.reader.model))} reads them</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{len(preview.rows):,} row{"" if len(preview.rows) == 1 else "s"}</h1>
<p>{words}</p>
<p class="legend"><span><b class="trained">trained</b>: the loss counts here</span>
<span>read, not trained</span> <span><b class="cut">cut off</b>: the model never sees it</span></p>
</header>
<main>
{rows}
</main>
</body>
</html>
"""


def _row(row: Shown) -> str:
    found = [
        f'<li class="{problem.level}"><b>{problem.level}</b> {_text(problem.code)}: {_text(problem.message)} '
        f"{_text(problem.fix or '')}</li>"
        for problem in row.problems
    ]
    found += [f'<li class="info">{_text(note)}</li>' for note in row.notes]
    fate = f'<p class="fate">{fate_words(row)}</p>' if row.fate != "kept" else ""
    problems = f"<ul>{''.join(found)}</ul>" if found else ""
    body = "".join(_turns(row.pieces)) if row.pieces else f'<span class="raw">{_text(row.text)}</span>'
    return f"""<article>
<h2>{_text(row.file)}:{row.line}</h2>
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
        yield f'<span class="{classes}">{_text(piece.text)}</span>'
        before = piece
    yield "</span>"


def _text(text: str) -> str:
    """Returns a text for the page, with signs that nobody would see boxed in by their numbers."""
    if is_harmless(text):
        return escape(text)
    return "".join(escape(sign) if is_harmless(sign) else f'<span class="odd">{escaped(sign)}</span>' for sign in text)
