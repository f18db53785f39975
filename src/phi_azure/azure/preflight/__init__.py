"""Looks at Azure before a job is sent: reads only, side by side, and says what stands in the way.

`account` asks who it is and where; `reading` then reads all the rest at once, and `storage`, `rights`, `model` and
`machines` weigh it, each a pure function of what was told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure.azure.preflight import account, machines, model, rights, storage
from phi_azure.azure.preflight.reading import read
from phi_azure.config import ManagedCompute
from phi_azure.preflight import Finding, Preflight, ok, warning

if TYPE_CHECKING:
    from phi_azure.azure.client import Connection
    from phi_azure.azure.preflight.reading import Told
    from phi_azure.config import FineTune


def run(connection: Connection, job: FineTune | None = None) -> Preflight:
    """Looks at everything that the job needs to the last step; without a job, at what any job needs."""
    signed, caller = account.sign_in(connection)
    if caller is None:
        return Preflight((signed,))
    place, workspace = account.workspace(connection, caller)
    if workspace is None or place.state == "failed":
        return Preflight((signed, place))
    told = read(connection, workspace, job)
    findings = [signed, place, storage.judge(connection, workspace, caller, told)]
    made = job is not None and told.cluster is not None and told.cluster.missing
    route = job.route.kind if job else "managed"
    findings += rights.judge(told.permissions, caller, connection.id, cluster=made, route=route)
    region = machines.region_of(str(workspace["location"]), told)
    if job is None:
        return Preflight((*findings, model.offered(region.name), machines.survey(told, region)))
    row = model.live_row(job, told.versions)
    findings += model.judge(job, told.versions, row, region.name)
    if isinstance(job.route, ManagedCompute):
        findings += machines.judge(job, job.route, row, told, region)
    return Preflight((*findings, *_names(job, told)))


def _names(job: FineTune, told: Told) -> list[Finding]:
    """Says whether the name that an endpoint of the job would take is free."""
    if told.endpoint is None or (told.endpoint.error and not told.endpoint.missing):
        return []
    if told.endpoint.missing:
        return [ok("endpoint's name", f"{job.name} is free in this workspace")]
    message = f"an endpoint {job.name} is there already."
    return [warning("endpoint's name", message, "Deploy under another name: phi-azure deploy MODEL --endpoint NAME.")]
