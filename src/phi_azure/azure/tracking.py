"""Metrics of a run, from the workspace's MLflow endpoint.

Two plain requests do it; importing MLflow's own store would take longer (1.3 s) than most of what is asked for here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phi_azure.azure.failures import translated
from phi_azure.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.azure.client import Connection

Value = tuple[int, float, float]
"""Step, value, seconds since 1970."""


@dataclass
class MetricReader:
    """Reads the metrics of a run; a key whose newest value has been seen is not asked for again."""

    connection: Connection
    run_id: str
    newest: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    seen: dict[str, set[Value]] = field(default_factory=dict)

    def new_values(self) -> Iterator[tuple[str, list[Value]]]:
        """Yields each key with the values that came since the last call; what was yielded counts as read."""
        for key, newest in self._latest().items():
            if self.newest.get(key) == newest:
                continue
            known = self.seen.setdefault(key, set())
            values = [value for value in self._history(key) if value not in known]
            self.newest[key] = newest
            known.update(values)
            if values:
                yield key, values

    def _latest(self) -> dict[str, tuple[Any, ...]]:
        try:
            with translated():
                document = self.connection.get(self._url("runs/get"), {"run_id": self.run_id})
        except NotFoundError:
            return {}  # tracking knows a run from its first metric on
        metrics = document["run"].get("data", {}).get("metrics") or []
        return {
            metric["key"]: (metric.get("step"), metric.get("timestamp"), str(metric.get("value"))) for metric in metrics
        }

    def _history(self, key: str) -> list[Value]:
        values: list[Value] = []
        params = {"run_id": self.run_id, "metric_key": key}
        with translated():
            while True:
                page = self.connection.get(self._url("metrics/get-history"), params)
                values += [_value(metric) for metric in page.get("metrics") or []]
                if not page.get("next_page_token"):
                    return values
                params["page_token"] = page["next_page_token"]

    def _url(self, call: str) -> str:
        return f"{self.connection.data_plane}/mlflow/v2.0{self.connection.id}/api/2.0/mlflow/{call}"


def _value(metric: dict[str, Any]) -> Value:
    return int(metric.get("step") or 0), float(metric["value"]), float(metric.get("timestamp") or 0) / 1000
