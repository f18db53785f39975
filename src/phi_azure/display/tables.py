"""Tables and lists of what a workspace holds, and of what a check found."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from phi_azure.display.console import SIGNS, console, print_plain, show_facts, signed
from phi_azure.display.curves import curve
from phi_azure.display.live import branches, step_line
from phi_azure.display.numbers import age, number, seconds
from phi_azure.secrecy import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from phi_azure.azure.rollout import Deployment
    from phi_azure.endpoint import EndpointInfo
    from phi_azure.model import ModelInfo
    from phi_azure.run import Run, RunInfo
    from phi_azure.workspace import WorkspaceInfo


def show_table(out: Console, columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str = "none") -> None:
    """Prints a table: fitted to a terminal, or whole and aligned where a program reads it."""
    rows = [[redact(cell) for cell in row] for row in rows]
    if not rows:
        console(stderr=True).print(empty, style="dim")
    elif out.is_terminal:
        out.print(_table(columns, rows))
    else:
        widths = [max(len(row[index]) for row in [list(columns), *rows]) for index in range(len(columns))]
        for row in [[column.upper() for column in columns], *rows]:
            print_plain(out, "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show_runs(out: Console, runs: Sequence[RunInfo], nothing: str) -> None:
    """Prints runs, a line each; where there are none, what to say then."""
    rows = [[run.name, run.status, run.route, age(run.created)] for run in runs]
    show_table(out, ["run", "status", "route", "sent"], rows, empty=nothing)


def show_models(out: Console, models: Sequence[ModelInfo]) -> None:
    """Prints the versions of registered models, a line each."""
    rows = [[one.name, one.version, one.kind or "", one.run_name or "", age(one.created)] for one in models]
    show_table(out, ["model", "version", "kind", "from run", "made"], rows, empty="No models yet.")


def show_endpoints(out: Console, endpoints: Sequence[EndpointInfo]) -> None:
    """Prints endpoints, a line each."""
    rows = [[endpoint.name, endpoint.kind, endpoint.status, endpoint.scoring_uri or ""] for endpoint in endpoints]
    show_table(out, ["endpoint", "kind", "status", "address"], rows, empty="No endpoint is up.")


def show_deployments(out: Console, found: Sequence[Deployment]) -> None:
    """Prints the deployments of an endpoint, a line each."""
    rows = [
        [
            one.name,
            "/".join(part for part in one.model.split("/")[-3::2]) or one.model,
            f"{one.instances} x {one.size.removeprefix('Standard_')}",
            one.status,
            f"{one.traffic} %" + (f" + {one.mirrored} % mirrored" if one.mirrored else ""),
            one.gate or "none",
        ]
        for one in found
    ]
    show_table(out, ["deployment", "model", "machines", "status", "traffic", "gate"], rows, empty="No deployment yet.")


def show_run(out: Console, run: Run, url: str | None) -> None:
    """Prints a run with its steps, its curve and its last numbers; `url` is its page, where it has one."""
    failed = run.failure()
    facts = {"run": run.name, "route": run.route, "status": _state(run), "reason": run.error}
    if failed:
        facts |= {"failed in": failed.step, "reason": failed.reason or run.error}
        facts |= {"cause": failed.cause.what, "do": failed.cause.remedy} if failed.cause else {}
    show_facts(out, {**facts, "see": url})
    for branch, step in branches(run.steps()):
        print_plain(out, f"  {branch}{step_line(step, datetime.now(timezone.utc)).plain}")
    metrics = run.metrics()
    losses = [point.value for point in metrics.get("loss", [])]
    for line in curve(losses, width=min(64, out.width - 12)) if len(losses) > 1 else []:
        print_plain(out, line)
    show_facts(out, {key: number(points[-1].value) for key, points in metrics.items() if points})


def _state(run: Run) -> str:
    """Returns the status, since when, what it usually takes, and why it waits, as far as these are known."""
    if run.over or run.since is None:
        return f"{run.status}, {age(run.since)}" if run.since else run.status
    lasts = seconds((datetime.now(timezone.utc) - run.since).total_seconds())
    usual = run.usual()
    usually = usual.of_state(run.status) if usual else None
    told = f"{run.status} for {lasts}" + (f", usually {seconds(usually)}" if usually is not None else "")
    return f"{told}: {run.queueing}" if run.queueing else told


def show_workspace(
    out: Console,
    info: WorkspaceInfo,
    endpoints: Sequence[EndpointInfo],
    runs: Sequence[RunInfo],
    nothing: str,
) -> None:
    """Prints which workspace it is, what is up in it, and its last runs; where there are none, what to say then."""
    where = "this machine" if info.local else info.region
    show_facts(
        out,
        {"workspace": info.name, "where": where, "group": info.resource_group, "subscription": info.subscription_id},
    )
    out.print()
    show_endpoints(out, endpoints)
    out.print()
    show_runs(out, runs, nothing)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*[signed(cell) if cell in SIGNS else Text(cell) for cell in row])
    return table
