"""What people look at. The only package that imports rich; one subject a module."""

from phi_azure.display.batches import asking, batch_numbers
from phi_azure.display.catalogue import show_phi, show_phis, show_sizes
from phi_azure.display.comparison import show_comparison
from phi_azure.display.comparison_page import comparison_page
from phi_azure.display.console import busy, console, done, failed, print_plain, show_facts
from phi_azure.display.costs import show_costs, show_removals
from phi_azure.display.curves import BARS, curve, evenly, sparkline
from phi_azure.display.exports import show_export, show_figures
from phi_azure.display.harmless import harmless
from phi_azure.display.live import RunView, print_curve, step_line, watching
from phi_azure.display.numbers import age, number, seconds, size
from phi_azure.display.page import preview_page
from phi_azure.display.plan import show_plan
from phi_azure.display.preflight import show_preflight
from phi_azure.display.preview import show_preview
from phi_azure.display.receipt import receipt_page
from phi_azure.display.reports import show_report, show_reports
from phi_azure.display.shown import Table, teach_notebook
from phi_azure.display.story import chapter, quote, show_times, side_by_side
from phi_azure.display.sweeps import show_sweep
from phi_azure.display.tables import (
    show_deployments,
    show_endpoints,
    show_models,
    show_run,
    show_runs,
    show_table,
    show_workspace,
)
from phi_azure.display.transfers import copying
from phi_azure.secrecy import redact

__all__ = [
    "BARS",
    "RunView",
    "Table",
    "age",
    "asking",
    "batch_numbers",
    "busy",
    "chapter",
    "comparison_page",
    "console",
    "copying",
    "curve",
    "done",
    "evenly",
    "failed",
    "harmless",
    "number",
    "preview_page",
    "print_curve",
    "print_plain",
    "quote",
    "receipt_page",
    "redact",
    "seconds",
    "show_comparison",
    "show_costs",
    "show_deployments",
    "show_endpoints",
    "show_export",
    "show_facts",
    "show_figures",
    "show_models",
    "show_phi",
    "show_phis",
    "show_plan",
    "show_preflight",
    "show_preview",
    "show_removals",
    "show_report",
    "show_reports",
    "show_run",
    "show_runs",
    "show_sizes",
    "show_sweep",
    "show_table",
    "show_times",
    "show_workspace",
    "side_by_side",
    "size",
    "sparkline",
    "step_line",
    "teach_notebook",
    "watching",
]
