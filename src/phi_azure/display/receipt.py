"""The receipt of a run as a page: what it learnt, took, cost, was told and saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure.display import charts
from phi_azure.display.numbers import number, seconds, size
from phi_azure.display.sheet import document, table, text
from phi_azure.plan import words
from phi_azure.plan.values import Range

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phi_azure.receipts import Example, Receipt, Setting

_STYLE = (
    charts.STYLE
    + """
.status { font-weight: 600; } .Completed { color: var(--good); } .Failed, .Canceled { color: var(--bad); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem;
  margin: 1rem 0; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .75rem; }
.figures b { display: block; font-size: 1.25rem; overflow-wrap: anywhere; } .figures span { color: var(--soft); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0 1rem; }
.you { font-weight: 600; } details summary { cursor: pointer; color: var(--soft); margin-top: .5rem; }
.role { color: var(--soft); } .how { color: var(--soft); font-size: .875rem; }
"""
)
_ORIGINS = {
    "you": "you",
    "model": "the model's own",
    "component": "Azure's component",
    "service": "the service",
    "phi_azure": "phi_azure",
    "azure": "as Azure has it",
}
_LOSSES = (("loss", "training loss"), ("eval_loss", "validation loss"))


def receipt_page(receipt: Receipt) -> str:
    """Returns the receipt as a page, which needs no network; what stands in it is text, whatever it looks like."""
    parts = (
        _head(receipt),
        _figures(receipt),
        _curves(receipt),
        _section("Compared with the base model", _compared(receipt)),
        _section("Plan and what it took", _plan(receipt)),
        _section("Steps", _steps(receipt)),
        _section("Settings", _settings(receipt.sent.settings)),
        _section("Data", _data(receipt)),
        _section("Examples of what it learnt from", "".join(map(_example, receipt.sent.examples))),
        _section("Where it comes from, and what came of it", _lineage(receipt)),
        _section("Versions", table(("what", "version"), sorted(receipt.sent.versions.items()))),
        _foot(receipt),
    )
    return document(f"{receipt.run}: receipt", _STYLE, "\n".join(part for part in parts if part))


def _head(receipt: Receipt) -> str:
    by = f"sent by {receipt.sent_by}" if receipt.sent_by else "sent"
    when = f" on {receipt.created:%Y-%m-%d at %H:%M} UTC" if receipt.created else ""
    error = f'<p class="error text">{text(receipt.error)}</p>' if receipt.error else ""
    route = "Azure's own machines (serverless)" if receipt.route == "serverless" else "managed compute"
    return f"""<header><h1>{text(receipt.run)}</h1>
<p><span class="status {text(receipt.status)}">{text(receipt.status)}</span> on {route}, workspace
{text(receipt.workspace)}; {text(by + when)}</p>{error}</header>"""


def _figures(receipt: Receipt) -> str:
    took = receipt.actual
    figures: list[tuple[str, str]] = []
    for key, name in _LOSSES:
        if points := receipt.metrics.get(key):
            figures.append((f"{number(points[0][1])} → {number(points[-1][1])}", name))
    if took and took.ran_s is not None:
        figures.append((seconds(took.ran_s), "it ran"))
    if took and took.usd is not None:
        figures.append((f"USD {words.dollars(took.usd)}", "its machines cost"))
    if rows := next((one.rows for one in receipt.sent.data if one.split == "training" and one.rows), None):
        figures.append((f"{rows:,}", "training rows"))
    cells = "".join(f"<div><b>{text(value)}</b><span>{text(name)}</span></div>" for value, name in figures)
    return f'<div class="figures">{cells}</div>' if cells else ""


def _curves(receipt: Receipt) -> str:
    def points(key: str) -> list[tuple[float, float]]:
        return [(step, value) for step, value, _ in receipt.metrics.get(key, ())]

    losses = charts.chart({name: points(key) for key, name in _LOSSES}, "Loss over the training steps", may_log=True)
    rate = charts.chart({"learning rate": points("learning_rate")}, "Learning rate over the training steps")
    norm = charts.chart({"gradient norm": points("grad_norm")}, "Gradient norm over the training steps")
    drawn = [
        _section(title, svg)
        for title, svg in (("Loss", losses), ("Learning rate", rate), ("Gradient norm", norm))
        if svg
    ]
    return f'<div class="charts">{"".join(drawn)}</div>' if drawn else ""


def _compared(receipt: Receipt) -> str:
    """Returns the newest numbers of `compare`; the page beside this one has the rows."""
    found = {
        name.removeprefix("compare."): points[-1][1]
        for name, points in receipt.metrics.items()
        if name.startswith("compare.") and points
    }
    return table(
        ("what", "value"), [(name.replace(".", ", ").replace("_", " "), number(found[name])) for name in found]
    )


def _plan(receipt: Receipt) -> str:
    plan, took = receipt.sent.planned, receipt.actual
    if plan is None and took is None:
        return ""
    hours = words.hours(Range(*plan.hours)) if plan and plan.hours else "not known"
    usd = words.price(Range(*plan.usd)) if plan and plan.usd else "not known"
    ran = seconds(took.ran_s) if took and took.ran_s is not None else "not known"
    cost = f"USD {words.dollars(took.usd)}" if took and took.usd is not None else "not known"
    waited = seconds(took.waited_s) if took and took.waited_s is not None else "not known"
    rows = [("time", hours, ran), ("price", usd, cost), ("wait for machines", "not planned", waited)]
    how = [*(plan.how if plan else ()), *([took.how] if took else [])]
    lines = "".join(f"<li>{text(line)}</li>" for line in how)
    return table(("", "planned", "actual"), rows) + f'<ul class="how">{lines}</ul>'


def _steps(receipt: Receipt) -> str:
    rows = []
    for step in receipt.steps:
        took = seconds((step.ended - step.started).total_seconds()) if step.started and step.ended else ""
        began = f"{step.started:%H:%M:%S}" if step.started else ""
        rows.append((step.name, step.status, began, took))
    return table(("step", "status", "began (UTC)", "took"), rows)


def _settings(settings: Sequence[Setting]) -> str:
    """Returns what a person set, and behind a fold all the rest."""
    chosen = [one for one in settings if one.origin in {"you", "model", "azure"}]
    rest = [one for one in settings if one not in chosen]
    shown = _setting_table(chosen)
    if not rest:
        return shown
    fold = f"<details><summary>{len(rest)} more, left as they come</summary>{_setting_table(rest)}</details>"
    return shown + fold


def _setting_table(settings: Iterable[Setting]) -> str:
    rows = [(one.field, one.value, _ORIGINS.get(one.origin, one.origin), one.azure_input or "") for one in settings]
    return table(("setting", "value", "set by", "Azure's name"), rows)


def _data(receipt: Receipt) -> str:
    rows = [
        (
            one.split,
            one.name,
            "" if one.rows is None else f"{one.rows:,}",
            "" if one.bytes is None else size(one.bytes),
            one.sha256 or "",
        )
        for one in receipt.sent.data
    ]
    return table(("split", "file", "rows", "size", "SHA-256"), rows)


def _example(example: Example) -> str:
    turns = "".join(
        f'<span class="turn"><span class="role">{text(role)}</span> {text(said)}</span>'
        for role, said in example.messages
    )
    return f'<div class="text">{turns}</div>'


def _lineage(receipt: Receipt) -> str:
    return table(("what", "name"), [(link.kind, link.name) for link in receipt.lineage])


def _foot(receipt: Receipt) -> str:
    where = "" if receipt.sent.here else " Plan, examples and who set each value are where it was sent."
    again = f"phi-azure report {receipt.run}"
    when = f"{receipt.made:%Y-%m-%d at %H:%M} UTC"
    return (
        f'<footer><p class="legend">As it was on {when}; <code>{text(again)}</code> makes it anew.{where}</p></footer>'
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{text(title)}</h2>{body}</section>" if body else ""
