"""What `--json` answers: plain values of the objects that a user holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure.outcome import SHOWN

if TYPE_CHECKING:
    from phi_azure.cli.session import Session
    from phi_azure.config import FineTune
    from phi_azure.dataset import Report
    from phi_azure.endpoint import Endpoint
    from phi_azure.model import Model
    from phi_azure.outcome import Failure
    from phi_azure.run import Run
    from phi_azure.tokens import TokenCount


def report_document(report: Report) -> dict[str, object]:
    """Returns what a check of data files found."""
    return {
        "ok": report.ok,
        "rows": report.rows,
        "dropped": report.dropped,
        "training_rows": report.training_rows,
        "characters": report.characters,
        "bytes": report.bytes,
        "levels": {level: report.levels.get(level, 0) for level in ("error", "warning", "info")},
        "counts": report.counts,
        "files": list(report.files),
        "problems": list(report.problems),
    }


def tokens_document(count: TokenCount) -> dict[str, object]:
    """Returns how many tokens rows have; what an estimate cannot tell is null."""
    names = ("rows", "exact", "total", "low", "high", "trained", "min", "median", "p95", "max")
    document = {name: getattr(count, name) for name in names}
    if not count.exact:
        return {**document, "max": None, "max_seq_length": None, "cut": None}
    cut = {
        "rows": count.cut_rows,
        "tokens": count.cut_tokens,
        "end_cut": count.end_cut,
        "no_trained_token": count.no_answer,
    }
    return {**document, "max_seq_length": count.max_seq_length, "cut": cut}


def run_document(run: Run) -> dict[str, object]:
    """Returns a run with its steps, and the first and the last value of each metric."""
    metrics = {key: points for key, points in run.metrics().items() if points}
    failed = run.failure()
    return {
        "name": run.name,
        "route": run.route,
        "status": run.status,
        "since": run.since,
        "queueing": run.queueing,
        "failure": _failure(failed) if failed else None,
        "url": run.url,
        "steps": [{"name": s.name, "status": s.status, "started": s.started, "ended": s.ended} for s in run.steps()],
        "metrics": {
            key: {"first": points[0].value, "last": points[-1].value, "steps": points[-1].step}
            for key, points in metrics.items()
        },
    }


def _failure(failed: Failure) -> dict[str, object]:
    from phi_azure.display import redact

    cause = failed.cause
    return {
        "step": failed.step,
        "reason": failed.reason,
        "cause": {"name": cause.name, "what": cause.what, "remedy": cause.remedy} if cause else None,
        "said": [redact(text) for text in failed.said],
        "log": [redact(line) for line in failed.log[-SHOWN:]],
    }


def model_document(model: Model) -> dict[str, object]:
    """Returns what identifies a model and where it came from."""
    return {"name": model.name, "version": model.version, "id": model.id, "kind": model.kind, "run": model.run_name}


def endpoint_document(endpoint: Endpoint) -> dict[str, object]:
    """Returns what a caller of an endpoint needs, without its keys."""
    return {
        "name": endpoint.name,
        "kind": endpoint.kind,
        "status": endpoint.status,
        "scoring_uri": endpoint.scoring_uri,
    }


def job_facts(job: FineTune, report: Report, session: Session) -> dict[str, str | None]:
    """Returns what a job would make, for people."""
    is_asset = str(job.training_data).startswith("azureml:")
    rows = "a data asset of the workspace" if is_asset else f"{report.files[0].rows:,} rows"
    facts: dict[str, str | None] = {
        "job": job.name,
        "model": str(job.model),
        "route": "serverless (Azure's machines)" if job.route.kind == "serverless" else "managed compute",
        "data": f"{job.training_data}, {rows}",
        "warnings": _warnings(report),
        "where": f"this machine, {session.folder}" if session.local else "Azure",
    }
    if job.route.kind == "managed":
        facts["cluster"] = job.route.cluster
        facts["machines"] = f"{job.route.nodes} x {job.route.size or 'a size that the model fits'}"
    return facts


def _warnings(report: Report) -> str | None:
    """Returns how many warnings the rows gave, and of which kinds."""
    kinds = dict.fromkeys(problem.code for problem in report.problems if problem.level == "warning")
    return f"{report.levels['warning']:,} ({', '.join(kinds)}); phi-azure check shows them" if kinds else None
