"""Reads from Azure what a run did; what only the sending machine knew is added where that is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phi_azure.outcome import SHOWN
from phi_azure.plan import money
from phi_azure.receipts.values import Actual, Data, Link, Receipt, Sent, Setting, StepTime
from phi_azure.secrecy import redact, redact_named

if TYPE_CHECKING:
    from datetime import datetime

    from phi_azure.azure.client import Connection
    from phi_azure.azure.receipts import Asked
    from phi_azure.azure.runs import Record
    from phi_azure.run import Run


def gather(connection: Connection, run: Run, kept: Sent | None) -> Receipt:
    """Returns the receipt of a run, as it stands now; a dozen reads.

    Args:
        connection: the workspace.
        run: the run.
        kept: what was kept when it was sent; None reads Azure's copy: all values, but not who set them, no examples.
    """
    from phi_azure.azure import receipts, runs

    record = runs.fetch(connection, run.name)
    asked = receipts.asked_of(connection, record)
    sent = kept or _of_azure(asked)
    return Receipt(
        run=record.run_id,
        status=record.status,
        route=run.route,
        url=run.url,
        workspace=connection.workspace,
        made=connection.time,
        sent=with_versions(sent, asked.versions),
        sent_by=record.sent_by,
        created=record.created,
        error=_why(run),
        tags={name: redact_named(name, value) for name, value in record.tags.items()},
        steps=tuple(StepTime(step.name, step.status, step.started, step.ended) for step in run.steps()),
        actual=actual(record, connection.time),
        metrics={
            name: tuple((point.step, point.value, point.time) for point in points)
            for name, points in run.metrics().items()
        },
        lineage=(
            *(Link(kind, redact(receipts.short(address)), redact(address)) for kind, address in asked.sources),
            Link("job", record.run_id),
            *(Link(kind, name) for kind, name in receipts.results_of(connection, run)),
        ),
    )


def _of_azure(asked: Asked) -> Sent:
    settings = tuple(
        Setting(field, redact_named(field, value), "azure", theirs) for field, value, theirs in asked.settings
    )
    return Sent(settings=settings, data=tuple(Data(split, redact(name), digest) for split, name, digest in asked.data))


def _why(run: Run) -> str | None:
    """Returns why it failed: the step, Azure's reason, the known cause, the end of its log."""
    found = run.failure()
    if found is None:
        return None
    known = [f"known cause: {found.cause.what} {found.cause.remedy}"] if found.cause else []
    step = f"{found.step}: " if found.step else ""
    return redact("\n".join([f"{step}{found.reason or 'Azure gives no reason'}", *known, *found.log[-SHOWN:]]))


def with_versions(sent: Sent, found: dict[str, str]) -> Sent:
    """Returns the same with the versions that Azure tells of."""
    return replace(sent, versions={**sent.versions, **found})


def actual(record: Record, now: datetime) -> Actual | None:
    """Returns what a run took; while it goes on, so far."""
    from phi_azure.azure.order import MACHINES_TAG

    if record.started is None:
        return None
    waited = (record.started - record.created).total_seconds() if record.created else None
    ran = ((record.ended or now) - record.started).total_seconds()
    machines = record.tags.get(MACHINES_TAG)
    if machines is None:
        return Actual(waited, ran, None, "Azure's own machines are paid by the trained token; no price is published")
    count, _, size = machines.partition(" x ")
    rate, note = money.hourly(size, {})
    if rate is None:
        return Actual(waited, ran, None, f"{machines}: {note}")
    usd = int(count) * rate * ran / 3600
    how = f"{machines}, {ran / 3600:.2f} h x USD {rate:.2f} ({note}); starting up and idling come on top"
    return Actual(waited, ran, usd, how)
