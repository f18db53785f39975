"""What the library returns, as the output of a notebook's cell: tables and lines that need no style and no script."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

from rich.console import Console

from phi_azure.display.comparison import cost_rows, flips, leak_words, pair_words, score_rows, show_comparison
from phi_azure.display.costs import NOTHING, show_costs
from phi_azure.display.harmless import harmless
from phi_azure.display.notebook import in_notebook
from phi_azure.display.plan import plan_rows, show_plan
from phi_azure.display.preflight import show_preflight
from phi_azure.display.preview import show_preview
from phi_azure.display.reports import show_report
from phi_azure.secrecy import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from phi_azure.compare import Comparison
    from phi_azure.costs import Costs
    from phi_azure.plan import Plan

_WIDTH = 100


@dataclass(frozen=True)
class Table:
    """Columns and rows that a notebook shows as a table, and everything else as text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def _repr_html_(self) -> str:
        head = "".join(_cell("th", cell) for cell in self.columns)
        body = "".join(f"<tr>{''.join(_cell('td', cell) for cell in row)}</tr>" for row in self.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def __repr__(self) -> str:
        """Returns aligned lines."""
        lines = [[redact(harmless(cell)) for cell in row] for row in [self.columns, *self.rows]]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.columns))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )


def teach_notebook() -> None:
    """Tells the notebook that runs this how to show plans, reports, comparisons and costs; elsewhere does nothing."""
    if not in_notebook():
        return
    warnings.filterwarnings("ignore", message="IProgress not found")  # of tqdm, when MLflow loads it; we show no widget
    formatter = sys.modules["IPython"].get_ipython().display_formatter.mimebundle_formatter
    for (module, name), bundle in BUNDLES.items():
        formatter.for_type_by_name(module, name, bundle)


def _lines(show: Callable[[Console, Any], None]) -> Callable[..., dict[str, str]]:
    """Returns what makes an output of what is printed on a terminal."""

    def bundle(value: Any, **_: object) -> dict[str, str]:
        text = _printed(show, value)
        return {"text/plain": text, "text/html": _pre(text)}

    return bundle


def _printed(show: Callable[[Console, Any], None], value: Any) -> str:
    out = Console(
        file=StringIO(), width=_WIDTH, force_terminal=False, force_jupyter=False, color_system=None, highlight=False
    )
    show(out, value)
    return out.file.getvalue().strip("\n")  # type: ignore[attr-defined, no-any-return]  # it is the StringIO above


def _plan(plan: Plan, **_: object) -> dict[str, str]:
    text = _printed(show_plan, plan)
    headline, rest = text.split("\n\n", 1)
    how = rest[rest.index("Serverless, how it comes") :]
    table = Table(("", "serverless", "managed compute"), list(plan_rows(plan)))
    details = f"<details><summary>how each figure comes about</summary>{_pre(how)}</details>"
    return {"text/plain": text, "text/html": f"<p>{escape(headline)}</p>{table._repr_html_()}{details}"}


def _comparison(found: Comparison, **_: object) -> dict[str, str]:
    scores = score_rows(found)
    costs = cost_rows(found)
    parts = [
        f"<p>{_safe(f'{found.counted:,} rows of {found.data}, answered by all{leak_words(found)}')}</p>",
        Table(("score", *(side.name for side in found.sides)), [*scores, *costs])._repr_html_(),
    ]
    for place, pair in enumerate(found.pairs, start=1):
        rows = [
            (what, str(row.line), row.prompt, row.expected, row.said[place].text or "", row.said[0].text or "")
            for what, lines in (("lost", pair.lost), ("gained", pair.gained))
            for row in flips(found, lines)
        ]
        table = Table(("", "line", "asked", "expected", pair.against, "tuned"), rows)
        parts += [f"<p>{_safe(pair_words(pair))}; of either the first ones:</p>", table._repr_html_() if rows else ""]
    parts += [f"<p><b>{_safe(line)}</b></p>" for line in _verdict(found)]
    return {"text/plain": _printed(show_comparison, found), "text/html": "".join(parts)}


def _verdict(found: Comparison) -> Iterable[str]:
    if found.verdict is None:
        return ()
    sign, word = ("✓", "is") if found.verdict.passed else ("✗", "is not")
    return (f"{sign} The gate {word} passed: {found.verdict.gate}.", *found.verdict.reasons)


def _costs(found: Costs, **_: object) -> dict[str, str]:
    text = _printed(show_costs, found) if any(line.of.count for line in found.lines) else NOTHING
    return {"text/plain": text, "text/html": _pre(text)}


def _cell(tag: str, text: str) -> str:
    """Returns a cell that stands on the left, where notebooks would put it on the right."""
    return f'<{tag} style="text-align:left">{_safe(text).replace(chr(10), "<br>")}</{tag}>'


def _pre(text: str) -> str:
    return f'<pre style="font-family:monospace">{escape(text)}</pre>'


def _safe(text: str) -> str:
    return escape(redact(harmless(text)))


BUNDLES: dict[tuple[str, str], Callable[..., dict[str, str]]] = {
    ("phi_azure.plan.values", "Plan"): _plan,
    ("phi_azure.compare.values", "Comparison"): _comparison,
    ("phi_azure.costs", "Costs"): _costs,
    ("phi_azure.dataset.report", "Report"): _lines(show_report),
    ("phi_azure.preflight", "Preflight"): _lines(show_preflight),
    ("phi_azure.preview", "Preview"): _lines(show_preview),
}
"""By the type's module and name, so that none of them is loaded for it."""
