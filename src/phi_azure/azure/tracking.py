"""Metrics of a run, from the workspace's MLflow endpoint.

Two plain requests do it; importing MLflow's own store would take longer (1.3 s) than most of what is asked for here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from azure.core.rest import HttpRequest

from phi_azure.azure.failures import translated
from phi_azure.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from phi_azure.azure.client import Connection

Value = tuple[int, float, float]
"""Step, value, seconds since 1970."""


def log(connection: Connection, run_id: str, metrics: Mapping[str, float], when: datetime) -> None:
    """Adds a value to each metric of a run, which may be over."""
    moment = int(when.timestamp() * 1000)
    values = [{"key": key, "value": value, "timestamp": moment, "step": 0} for key, value in metrics.items()]
    with translated():
        connection.send(
            HttpRequest("POST", _url(connection, "runs/log-batch"), json={"run_id": run_id, "metrics": values})
        )


@dataclass
class MetricReader:
    """Reads the metrics of a run; a key whose newest value has been seen is not asked for again."""

    connection: Connection
    run_id: str
    newest: dict[str, Value] = field(default_factory=dict)
    """The newest value of each key at the last reading."""
    whole: dict[str, Value] = field(default_factory=dict)
    """The newest value of each key when all of its values were read."""
    seen: dict[str, set[Value]] = field(default_factory=dict)

    def new_values(self, *, full: bool = True) -> Iterator[tuple[str, list[Value]]]:
        """Yields each key with the values that came since the last call; what was yielded counts as read.

        Without `full` only the newest value of each key is read, by one request for all; those between come with the
        next full reading, which takes one more request for each key that has changed.
        """
        for key, newest in self._latest().items():
            known = self.seen.setdefault(key, set())
            complete = full and self.whole.get(key) != newest
            values = [value for value in (self._history(key) if complete else [newest]) if value not in known]
            self.newest[key] = newest
            if complete:
                self.whole[key] = newest
            known.update(values)
            if values:
                yield key, values

    def _latest(self) -> dict[str, Value]:
        try:
            with translated():
                document = self.connection.get(_url(self.connection, "runs/get"), {"run_id": self.run_id})
        except NotFoundError:
            return {}  # tracking knows a run from its first metric on
        metrics = document["run"].get("data", {}).get("metrics") or []
        return {metric["key"]: _value(metric) for metric in metrics}

    def _history(self, key: str) -> list[Value]:
        values: list[Value] = []
        params = {"run_id": self.run_id, "metric_key": key}
        with translated():
            while True:
                page = self.connection.get(_url(self.connection, "metrics/get-history"), params)
                values += [_value(metric) for metric in page.get("metrics") or []]
                if not page.get("next_page_token"):
                    return values
                params["page_token"] = page["next_page_token"]


def _url(connection: Connection, call: str) -> str:
    return f"{connection.data_plane}/mlflow/v2.0{connection.id}/api/2.0/mlflow/{call}"


def _value(metric: dict[str, Any]) -> Value:
    return int(metric.get("step") or 0), float(metric["value"]), float(metric.get("timestamp") or 0) / 1000
