"""The frame of every page: one file without scripts, that asks nothing of any host; light and dark, wide and narrow."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from phi_azure.display.harmless import escaped, harmless, is_harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --soft: #5a646e; --page: #f5f6f7; --card: #fff; --line: #d8dde1;
  --trained: #d3f2d8; --trained-ink: #0b4a1c; --cut: #fbe3e1; --cut-ink: #8a1f17; --warn: #7a5200; --bad: #a3201a;
  --note: #1d5a8a; --good: #1b6b34; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #9aa5b0; --page: #15181b; --card: #1e2226;
  --line: #363d44; --trained: #143d20; --trained-ink: #b6efc2; --cut: #45201e; --cut-ink: #f5b5af; --warn: #e8bd62;
  --bad: #ff9b92; --note: #8cc4f0; --good: #8fdca5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
article, section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; margin: 1rem 0;
  padding: .75rem 1rem; }
header p, .legend { margin: .25rem 0; color: var(--soft); }
.legend span { margin-right: 1rem; white-space: nowrap; }
ul { margin: .5rem 0; padding-left: 1.2rem; overflow-wrap: anywhere; }
.error { color: var(--bad); } .warning { color: var(--warn); } .info { color: var(--note); }
.text { font: .875rem/1.6 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere;
  tab-size: 4; margin: .5rem 0 0; }
.turn { display: block; padding-left: .75rem; border-left: 3px solid var(--line); margin: .25rem 0;
  unicode-bidi: isolate; }
.odd { border: 1px dotted currentColor; border-radius: .2rem; font-size: .8em; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 0; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0;
  border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; } th, td:first-child { white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
@media (max-width: 40rem) {
  .stack tr { display: block; border-bottom: 1px solid var(--line); padding: .35rem 0; }
  .stack thead { display: none; } .stack td { display: block; border: 0; padding: 0; white-space: normal; }
  .stack td:empty { display: none; }
  .stack td:not([data-of=""])::before { content: attr(data-of) ": "; color: var(--soft); } }
"""


def document(title: str, style: str, body: str) -> str:
    """Returns a whole page.

    Args:
        title: text, as it is.
        style: rules of this page, after the common ones.
        body: HTML.
    """
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<title>{escape(harmless(title))}</title>
<style>{STYLE}{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def text(words: str) -> str:
    """Returns a text for the page, with signs that nobody would see boxed in by their numbers."""
    if is_harmless(words):
        return escape(words)
    return "".join(escape(sign) if is_harmless(sign) else f'<span class="odd">{escaped(sign)}</span>' for sign in words)


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table, which on a narrow screen becomes a list."""
    cells = "".join(
        "<tr>"
        + "".join(f'<td data-of="{text(name)}">{text(cell)}</td>' for name, cell in zip(names, row, strict=True))
        + "</tr>"
        for row in rows
    )
    if not cells:
        return ""
    head = "".join(f"<th>{text(name)}</th>" for name in names)
    return f'<div class="wide"><table class="stack"><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table></div>'
