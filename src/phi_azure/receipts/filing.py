"""A folder for each run; every file in it is whole, or not there."""

from __future__ import annotations

import csv
import io
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from phi_azure.receipts.values import Sent, sent_to_dict

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.receipts.values import Receipt

SENT, JOB, RECEIPT = "sent.json", "job.yaml", "receipt.json"
METRICS_CSV, METRICS_JSON, PAGE = "metrics.csv", "metrics.json", "report.html"
COMPARISON, COMPARISON_PAGE = "comparison.json", "comparison.html"
_DUE = "sending"  # there while a job is being sent


def write_sent(folder: Path, sent: Sent) -> None:
    """Keeps what is known of a job before it is sent, and a mark that it has not been answered yet."""
    replace(folder / JOB, sent.job_file)
    replace(folder / SENT, _json(sent_to_dict(sent)))
    replace(folder / _DUE, "")


def is_due(folder: Path) -> bool:
    """Says whether a command was cut between keeping what it sends and hearing the answer."""
    return (folder / _DUE).exists()


def answered(folder: Path) -> None:
    """Takes the mark away."""
    with suppress(OSError):  # a disk that takes nothing holds no mark
        (folder / _DUE).unlink()


def read_sent(folder: Path) -> Sent | None:
    """Returns what was kept when the job was sent; None where another machine sent it."""
    try:
        return msgspec.json.decode((folder / SENT).read_bytes(), type=Sent)
    except (OSError, msgspec.MsgspecError):
        return None


def write(folder: Path, receipt: Receipt, page: str) -> Path:
    """Writes everything, and returns the page."""
    document = receipt.to_dict()
    metrics = document.pop("metrics")
    replace(folder / JOB, receipt.sent.job_file)
    replace(folder / RECEIPT, _json(document))
    replace(folder / METRICS_JSON, _json(metrics))
    replace(folder / METRICS_CSV, _csv(receipt))
    replace(folder / PAGE, page)
    return folder / PAGE


def write_comparison(folder: Path, document: dict[str, Any], page: str) -> Path:
    """Writes what a comparison found, and returns its page."""
    replace(folder / COMPARISON, _json(document))
    replace(folder / COMPARISON_PAGE, page)
    return folder / COMPARISON_PAGE


def replace(file: Path, text: str) -> None:
    """Writes a file beside its place and moves it there: whoever reads it finds the old one or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.tmp")  # the same each time: what a killed command left is overwritten
    with draft.open("w", encoding="utf-8", newline="") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _csv(receipt: Receipt) -> str:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["metric", "step", "value", "time"])
    for name, points in receipt.metrics.items():
        table.writerows([name, step, value, when.isoformat()] for step, value, when in points)
    return out.getvalue()
