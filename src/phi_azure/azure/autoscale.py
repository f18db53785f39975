"""More machines for a deployment while its GPUs are busy, fewer while they idle: settings of Azure Monitor.

The rules are those of Azure's own guide for online endpoints (learn.microsoft.com, how-to-autoscale-endpoints, read
2026-11): one machine more where use is above 70 % for five minutes, one fewer where it is below 25 %. The guide takes
the CPU's use; a model on a GPU is busy there, so that the deployment's GpuUtilizationPercentage decides here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azure.core.rest import HttpRequest

from phi_azure.azure.client import MANAGEMENT
from phi_azure.azure.failures import translated
from phi_azure.errors import NotFoundError

if TYPE_CHECKING:
    from phi_azure.azure.client import Connection

TAG = "phi_azure.autoscale"
_API = "2022-10-01"
_METRIC = "GpuUtilizationPercentage"
_BUSY, _IDLE = 70, 25  # percent
_WINDOW = "PT5M"


def put(connection: Connection, endpoint: str, deployment: str, least: int, most: int) -> None:
    """Lets Azure keep between `least` and `most` machines; only those that are up are paid."""
    body = settings(f"{connection.id}/onlineEndpoints/{endpoint}/deployments/{deployment}", least, most)
    with translated():
        connection.send(
            HttpRequest(
                "PUT",
                _url(connection, endpoint, deployment),
                params={"api-version": _API},
                json={"location": connection.region, **body},
            )
        )


def remove(connection: Connection, endpoint: str, deployment: str) -> None:
    """Deletes the settings; none is no error."""
    try:
        with translated():
            connection.send(HttpRequest("DELETE", _url(connection, endpoint, deployment), params={"api-version": _API}))
    except NotFoundError:
        return


def settings(target: str, least: int, most: int) -> dict[str, Any]:
    """Returns the body: one profile, a rule up and a rule down."""
    capacity = {"minimum": str(least), "maximum": str(most), "default": str(least)}
    rules = [_rule(target, "GreaterThan", _BUSY, "Increase"), _rule(target, "LessThan", _IDLE, "Decrease")]
    return {
        "properties": {
            "enabled": True,
            "targetResourceUri": target,
            "profiles": [{"name": "phi_azure", "capacity": capacity, "rules": rules}],
        }
    }


def _rule(target: str, operator: str, threshold: int, direction: str) -> dict[str, Any]:
    return {
        "metricTrigger": {
            "metricName": _METRIC,
            "metricResourceUri": target,
            "timeGrain": "PT1M",
            "statistic": "Average",
            "timeWindow": _WINDOW,
            "timeAggregation": "Average",
            "operator": operator,
            "threshold": threshold,
        },
        "scaleAction": {"direction": direction, "type": "ChangeCount", "value": "1", "cooldown": _WINDOW},
    }


def _url(connection: Connection, endpoint: str, deployment: str) -> str:
    group = f"/subscriptions/{connection.subscription_id}/resourceGroups/{connection.resource_group}"
    return f"{MANAGEMENT}{group}/providers/microsoft.insights/autoscalesettings/{endpoint}-{deployment}"
