"""Deployments that fail: stage, cause, the container's own words, what to do, and nothing left that costs money."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from phi_azure import AzureError, ConflictError, NotFinished, PhiAzureError, QuotaError, Workspace
from phi_azure.emulator import ledger

if TYPE_CHECKING:
    from phi_azure.testing import Azure


class Failure(NamedTuple):
    """One way in which a deployment fails, and what has to be said of it."""

    fault: str
    kind: type[PhiAzureError]
    reason: str
    log: str
    remedy: str
    minutes: float
    """How long it may take by the emulator's clock."""


FAILURES = [
    Failure("deployment_unhealthy", AzureError, "Readiness probe failed", "could not be loaded", "larger size", 10),
    Failure("deployment_image_failed", AzureError, "Failed to build the environment image", "", "deploy it again", 5),
    Failure("deployment_out_of_memory", AzureError, "OOMKilled", "CUDA out of memory", "deploy --size", 10),
    Failure(
        "deployment_role_missing",
        AzureError,
        "Storage Blob Data Reader",
        "AuthorizationPermission",
        "endpoint's identity",
        5,
    ),
    Failure("deployment_without_quota", QuotaError, "Not enough quota", "", "a fifth more cores", 5),
    Failure("deployment_stuck", NotFinished, "stuck", "", "studio", 200),
]
NAMES = [one.fault for one in FAILURES]


@pytest.mark.parametrize("failure", FAILURES, ids=NAMES)
def test_failed_deployment_is_explained_and_leaves_nothing(
    emulator: Azure, workspace: Workspace, failure: Failure
) -> None:
    """A new endpoint whose deployment fails is gone afterwards; the error says all that Azure and the container do."""
    began = emulator.clock.now()
    emulator.faults.add(failure.fault, "headlines/blue")

    with pytest.raises(failure.kind) as caught:
        workspace.deploy_base(name="headlines")

    said = str(caught.value)
    assert "headlines" in said
    assert failure.reason in said
    assert failure.log in said
    assert failure.remedy in str(caught.value.remedy).lower()
    assert workspace.endpoints() == []
    assert [one for one in ledger.entries(emulator.emulator) if one.until is None] == []
    assert emulator.clock.now() - began < failure.minutes * 60


@pytest.mark.parametrize("failure", FAILURES, ids=NAMES)
def test_failed_second_deployment_leaves_the_first_as_it_was(
    emulator: Azure, workspace: Workspace, failure: Failure
) -> None:
    """What is live keeps all of its traffic, and the one that failed is gone."""
    endpoint = workspace.deploy_base(name="headlines")
    emulator.faults.add(failure.fault, "headlines/green")

    with pytest.raises(failure.kind):
        workspace.deploy_base(model="Phi-4", name="headlines")

    assert [(one.name, one.traffic) for one in endpoint.deployments()] == [("blue", 100)]
    assert endpoint.chat("Contoso recovers.")


def test_name_that_is_taken_elsewhere_is_said(emulator: Azure, workspace: Workspace) -> None:
    """Names are the region's; the error proposes another."""
    emulator.faults.add("name_taken", "endpoints.put_endpoint")

    with pytest.raises(ConflictError, match="taken"):
        workspace.deploy_base(name="headlines")

    assert workspace.endpoints() == []


def test_failed_serverless_endpoint_leaves_nothing(emulator: Azure, workspace: Workspace) -> None:
    """The same for an endpoint without machines of its own."""
    emulator.faults.add("deployment_unhealthy", "headlines")

    with pytest.raises(AzureError, match="Readiness probe failed"):
        workspace.deploy_base(name="headlines", kind="serverless")

    assert workspace.endpoints() == []
