"""A run in a notebook: one output that is replaced while it goes on, as HTML that needs nothing from outside.

Code hosts show kept outputs without styles, scripts and drawings inside of HTML. What stays therefore reads without
styles, and the curves stay as a picture of their own.
"""

from __future__ import annotations

import sys
import time
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

from phi_azure.display.console import RUNNING, SIGNS
from phi_azure.display.harmless import harmless
from phi_azure.display.numbers import seconds
from phi_azure.display.plots import picture, plot
from phi_azure.secrecy import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phi_azure.display.live import RunView
    from phi_azure.progress import Step, Update

_EVERY_S = 0.25  # between two pictures at least
_LOG_LINES = 8
_PLOTS = (
    ("loss", (("loss", "training"), ("eval_loss", "validation"))),
    ("learning rate", (("learning_rate", "rate"),)),
    ("gradient norm", (("grad_norm", "norm"),)),
)
_COLOURS = {"green": "#1a7f37", "red": "#c93c37", "yellow": "#9a6700", "cyan": "#0969da", "dim": "#768390"}
_STYLE = """
.phi-run{font:13px/1.45 system-ui,sans-serif;max-width:60em}
.phi-run table{border-collapse:collapse;margin:.3em 0}
.phi-run td{padding:.05em 1.2em .05em 0;text-align:left!important;background:none;white-space:pre;font-size:13px}
.phi-run pre{font-size:12px;margin:.4em 0;padding:.4em .6em;border-left:3px solid #8884;overflow-x:auto;max-height:12em}
.phi-run .dim{opacity:.65}.phi-run .note{color:#9a6700}.phi-run .plots{display:flex;flex-wrap:wrap;gap:.4em 1.4em}
.phi-run .bar{height:6px;width:20em;max-width:100%;background:#8883;border-radius:3px}
.phi-run .bar div{height:6px;background:#0969da;border-radius:3px}
"""


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel; IPython is not loaded to find out."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "ipykernel" in sys.modules and type(shell).__name__ != "TerminalInteractiveShell"


class NotebookView:
    """Shows a run in the output of the cell, and replaces it four times a second at most.

    Args:
        view: what is known of the run.
        clock: by which the pictures are counted.
    """

    def __init__(self, view: RunView, clock: Callable[[], float] = time.monotonic) -> None:
        self.view = view
        self._clock = clock
        self._drawn: float | None = None
        self._waits = False
        self._handle: Any = None

    def apply(self, update: Update) -> None:
        """Takes in what is new, and shows it unless something was shown just now."""
        self.view.apply(update)
        self._waits = True
        if self._drawn is None or self._clock() - self._drawn >= _EVERY_S:
            self.finish()

    def finish(self) -> None:
        """Shows what was not shown yet."""
        if self._waits:
            self._show(run_html(self.view))

    def close(self) -> None:
        """Leaves what is to be kept: the state and the steps, and below them the curves as a picture."""
        if self._handle is None and not self._waits:
            return
        self._show(run_html(self.view, curves=False))
        if drawn := _plots(self.view):
            kept = {"image/svg+xml": picture(drawn), "text/plain": self.view.numbers()}
            told = {"image/svg+xml": {"alt": f"curves of {self.view.name}"}}
            import_module("IPython.display").display(kept, raw=True, metadata=told)

    def _show(self, html: str) -> None:
        output = {"text/html": html, "text/plain": run_text(self.view)}
        if self._handle is None:
            self._handle = import_module("IPython.display").display(output, raw=True, display_id=True)
        else:
            self._handle.update(output, raw=True)
        self._drawn, self._waits = self._clock(), False


def run_text(view: RunView) -> str:
    """Returns a run as a few plain lines, for whoever shows no HTML."""
    steps = [f"  {'  ' * step.depth}{step.name}  {step.status}" for step in view.steps]
    numbers = [f"  {view.numbers()}"] if view.values("loss") else []
    return redact(harmless("\n".join([f"{view.state()}  {view.name}", *steps, *numbers])))


def run_html(view: RunView, *, curves: bool = True) -> str:
    """Returns a run as HTML; whatever is not ours is escaped, and secrets are taken out.

    Args:
        view: what is known of the run.
        curves: draw them inside of it.
    """
    sign, style = SIGNS.get(view.status, RUNNING)
    parts = [
        f"<style>{_STYLE}</style>",
        f'<span style="color:{_COLOURS[style]}">{sign} {_safe(view.state())}</span> <b>{_safe(view.name)}</b>',
        _steps(view),
        _progress(view),
        f'<div class="note">! {_safe(view.note)}</div>' if view.note else "",
        f'<div class="plots">{"".join(f"<div>{drawn}</div>" for drawn in _plots(view))}</div>' if curves else "",
        _log(view),
    ]
    return f'<div class="phi-run">{"".join(parts)}</div>'


def _steps(view: RunView) -> str:
    rows = "".join(_row(step, view) for step in view.steps)
    return f"<table>{rows}</table>" if rows else ""


def _row(step: Step, view: RunView) -> str:
    sign, style = SIGNS.get(step.status, RUNNING)
    took = seconds(((step.ended or view.now) - step.started).total_seconds()) if step.started else ""
    name = f'<span style="padding-left:{step.depth * 1.5}em;color:{_COLOURS[style]}">{sign}</span> {_safe(step.name)}'
    return f'<tr><td>{name}</td><td class="dim">{_safe(step.status)}</td><td class="dim">{took}</td></tr>'


def _progress(view: RunView) -> str:
    if not view.values("loss"):
        return ""
    bar = f'<div class="bar"><div style="width:{view.progress:.0%}"></div></div>' if view.progress is not None else ""
    return f'{bar}<div class="dim">{_safe(view.numbers())}</div>'


def _plots(view: RunView) -> list[str]:
    drawn = []
    for title, keys in _PLOTS:
        lines = {name: sorted(view.metrics[key].items()) for key, name in keys if view.metrics.get(key)}
        if any(len(points) > 1 for points in lines.values()):
            drawn.append(plot(title, lines, by_ratio=title == "loss"))
    return drawn


def _log(view: RunView) -> str:
    lines: Sequence[str] = list(view.tail)[-_LOG_LINES:]
    return f"<pre>{_safe(chr(10).join(lines))}</pre>" if lines and not view.is_over else ""


def _safe(text: str) -> str:
    return escape(harmless(redact(text)))
