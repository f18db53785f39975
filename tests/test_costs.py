"""What costs money now, what is on the leash, and what `down` takes, held against the emulator's own bill."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from phi_azure import AzureError, ConfigError, FineTune, ManagedCompute, OverBudget, Serverless, Workspace, leash
from phi_azure.azure import prices
from phi_azure.costs import Billed, Costs, costs
from phi_azure.emulator import ledger

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.testing import Azure

NOW = datetime(2026, 11, 25, 12, tzinfo=timezone.utc)
A100 = "Standard_NC24ads_A100_v4"
HOUR = 3600.0


def bill(emulator: Azure, *, going_on: bool = True) -> list[ledger.Entry]:
    """Returns the emulator's own bill: what goes on, or all."""
    return [one for one in ledger.entries(emulator.emulator) if one.until is None or not going_on]


def by_name(found: Costs) -> dict[str, float | None]:
    """Returns the rates by name."""
    return {line.of.name: line.usd_per_hour for line in found.lines}


@pytest.fixture
def here(emulator: Azure) -> Workspace:
    """A workspace that waits by the emulator's clock."""
    ids = (emulator.subscription_id, emulator.resource_group, emulator.workspace)
    return Workspace(*ids, clock=emulator.clock)


@pytest.mark.parametrize("passed", [1.0, 12345.6, 90 * 24 * HOUR], ids=["a second", "hours", "a quarter"])
def test_costs_are_those_of_the_bill_to_the_cent(emulator: Azure, here: Workspace, passed: float) -> None:
    """Machines of two endpoints, one of them somebody else's: rate and sum agree with what the emulator bills."""
    here.deploy_base(name="base-endpoint", instances=2)
    somebody_elses(here)
    emulator.clock.turn(passed)

    found = here.costs()

    now = emulator.clock.now()
    assert found.usd_per_hour == pytest.approx(sum(one.usd_per_hour or 0 for one in bill(emulator)))
    assert found.usd_so_far == pytest.approx(sum(one.cost(now) for one in bill(emulator)), abs=0.005)
    assert {line.of.name: line.of.ours for line in found.lines} == {"base-endpoint/blue": True, "theirs/green": False}


def somebody_elses(here: Workspace) -> None:
    """Makes an endpoint with plain azure-ai-ml."""
    from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint

    here.ml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="theirs")).result()
    here.ml_client.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name="green",
            endpoint_name="theirs",
            model="azureml://registries/azureml/models/Phi-4-mini-instruct/versions/1",
            instance_type="Standard_NC40ads_H100_v5",
            instance_count=1,
        )
    ).result()


def test_serverless_endpoint_of_a_tuned_model_costs_its_hosting(emulator: Azure, here: Workspace, chat: Path) -> None:
    """A tuned model is paid by the hour, a base model by the token alone."""
    here.submit(FineTune(name="tone", training_data=chat, route=Serverless())).wait().register().deploy("tone-endpoint")
    here.deploy_base(name="base-endpoint", kind="serverless")

    found = here.costs()

    assert by_name(found) == {"tone-endpoint": 0.8, "base-endpoint": 0.0}
    assert [one.usd_per_hour for one in bill(emulator)] == [0.8]


def test_running_job_costs_its_machines(emulator: Azure, here: Workspace, chat: Path) -> None:
    """A job on a cluster costs what the cluster's machines cost, once; idle clusters cost nothing."""
    emulator.jobs.script(queued=0.0, runs=2 * HOUR)
    route = ManagedCompute(cluster="gpu-cluster", size=A100)
    run = here.submit(FineTune(name="tone", training_data=chat, route=route))
    emulator.clock.turn(HOUR / 2)

    running = by_name(here.costs())
    emulator.clock.turn(3 * HOUR)
    idle = by_name(here.costs())

    assert running == {"gpu-cluster": pytest.approx(3.673), run.name: 0.0}
    assert idle == {"gpu-cluster": 0.0}


def test_what_has_no_price_is_named() -> None:
    """A size that no table knows is no zero: it is named as unknown, and the rest is summed up."""
    found = costs([deployment("a/blue", "Standard_New"), deployment("b/blue", A100)], NOW)

    assert found.unknown == ("a/blue",)
    assert found.usd_per_hour == pytest.approx(3.673)


def test_price_list_that_cannot_be_read_is_an_error_with_a_way_on(emulator: Azure, here: Workspace) -> None:
    """With --live and no network the prices of the table are not passed off as today's."""
    here.deploy_base(name="base-endpoint")

    with pytest.raises(AzureError, match="price list cannot be read") as caught:
        here.costs(live=True)

    assert "--live" in str(caught.value.remedy)
    emulator.emulator.unserved.clear()  # the emulator has no price list: that is what is tried here


def test_live_price_comes_first() -> None:
    """A price of today is taken before the table's."""
    answer = b'{"Items": [{"retailPrice": 9.5, "unitOfMeasure": "1 Hour", "skuName": "NC24", "productName": "Linux"}]}'
    live = prices.read([A100], "eastus", fetch=lambda _: answer)

    found = costs([deployment("a/blue", A100)], NOW, live)

    assert found.usd_per_hour == pytest.approx(9.5)


def deployment(name: str, size: str) -> Billed:
    """Returns one machine behind an endpoint, two hours old."""
    return Billed(name, "deployment", size, 1, NOW - timedelta(hours=2), ours=True)


# The leash


def test_endpoint_carries_owner_purpose_and_end(emulator: Azure, here: Workspace) -> None:
    """Who made it, what for, and eight hours from now."""
    here.deploy_base(name="base-endpoint")

    (line,) = here.costs().lines

    ends = datetime.fromtimestamp(emulator.clock.now(), timezone.utc) + timedelta(hours=8)
    assert line.of.leash.owner
    assert line.of.leash.purpose == "base model Phi-4-mini-instruct"
    assert line.of.leash.expires == ends.replace(microsecond=0)


@pytest.mark.parametrize(
    ("keep", "hours"),
    [("90m", 1.5), ("8h", 8.0), ("2d", 48.0), ("1w", 168.0), (" 1.5H ", 1.5), ("forever", None)],
)
def test_length_of_time_is_read(keep: str, hours: float | None) -> None:
    """Minutes, hours, days, weeks, or for ever."""
    assert leash.hours(keep) == hours


@pytest.mark.parametrize("keep", ["", "8", "h", "-1h", "0h", "8 hours", "99999w", "nan"])
def test_what_is_no_length_of_time_is_refused(here: Workspace, emulator: Azure, keep: str) -> None:
    """Before anything is made."""
    with pytest.raises(ConfigError, match="no length of time"):
        here.deploy_base(name="base-endpoint", keep=keep)

    assert not [sent for sent in emulator.requests if sent.method == "PUT"]


def test_expired_is_removed_and_the_rest_stays(emulator: Azure, here: Workspace) -> None:
    """A scheduler's `down --expired` takes what is past its time, nothing else, and says what it took."""
    here.deploy_base(name="short", keep="1h")
    here.deploy_base(name="long", keep="forever")
    somebody_elses(here)
    before = here.down(expired=True)
    emulator.clock.turn(HOUR + 1)

    removed = here.down(expired=True)

    assert before == []
    assert removed == ["endpoint short"]
    assert sorted(one.resource.rsplit("/", 2)[1] for one in bill(emulator)) == ["long", "theirs"]


def test_job_over_its_budget_is_stopped(emulator: Azure, here: Workspace, chat: Path) -> None:
    """`max_hours` of the file is kept with the job; `down --expired` cancels what runs longer, from any machine."""
    emulator.jobs.script(queued=HOUR, runs=30 * HOUR)
    route = ManagedCompute(cluster="gpu-cluster", size=A100)
    run = here.submit(FineTune(name="tone", training_data=chat, route=route, max_hours=3))
    emulator.clock.turn(HOUR + 2.9 * HOUR)
    early = here.down(expired=True)
    emulator.clock.turn(0.2 * HOUR)

    removed = here.down(expired=True)

    assert early == []
    assert removed == [f"job {run.name}"]
    assert run.refresh().status == "Canceled"


def test_serverless_job_over_its_hours_is_stopped(emulator: Azure, here: Workspace, chat: Path) -> None:
    """No plan knows its hours; `max_hours` is held all the same, by `down --expired` as by whoever waits."""
    emulator.jobs.script(runs=30 * HOUR)
    job = FineTune(name="tone", training_data=chat, max_hours=3, max_price=1)
    left = here.submit(job)
    emulator.clock.turn(2.9 * HOUR)
    early = here.down(expired=True)
    emulator.clock.turn(0.2 * HOUR)
    removed = here.down(expired=True)

    with pytest.raises(OverBudget, match="longer than the 3 h"):
        here.submit(job).wait()

    assert early == []
    assert removed == [f"job {left.name}"]
    assert left.refresh().status == "Canceled"


def test_whoever_waits_stops_a_job_over_its_budget(emulator: Azure, here: Workspace, chat: Path) -> None:
    """While somebody waits, the budget of the file is kept to the minute; queueing does not count."""
    emulator.jobs.script(queued=5 * HOUR, runs=30 * HOUR)
    route = ManagedCompute(cluster="gpu-cluster", size=A100)
    run = here.submit(FineTune(name="tone", training_data=chat, route=route, max_hours=3))
    began = emulator.clock.now()

    with pytest.raises(OverBudget, match="longer than the 3 h"):
        run.wait()

    assert run.refresh().status == "Canceled"
    assert 8 * HOUR <= emulator.clock.now() - began <= 8 * HOUR + 120


@pytest.mark.parametrize(
    ("max_hours", "max_price", "rate", "most"),
    [
        (3.0, None, 4.0, 3.0),
        (None, 10.0, 4.0, 2.5),
        (3.0, 10.0, 4.0, 2.5),
        (None, 10.0, None, None),
        (None, None, 4.0, None),
    ],
    ids=["hours", "price", "the tighter one", "price of an unknown size", "none"],
)
def test_budget_becomes_hours(
    max_hours: float | None, max_price: float | None, rate: float | None, most: float | None
) -> None:
    """What a job may cost is how long it may run at its machines' price."""
    assert leash.most_hours(max_hours, max_price, rate) == most


def test_endpoint_without_deployment_is_removed_too(here: Workspace) -> None:
    """What an interrupted `deploy` has left costs nothing yet, and goes all the same."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    half = ManagedOnlineEndpoint(name="half", tags={"phi_azure": "1"})
    here.ml_client.online_endpoints.begin_create_or_update(half).result()

    assert here.down() == ["endpoint half"]
    assert here.endpoints() == []


def test_cluster_goes_only_when_asked_for(emulator: Azure, here: Workspace, chat: Path) -> None:
    """An idle cluster costs nothing and stays; --clusters takes it."""
    route = ManagedCompute(cluster="gpu-cluster", size=A100)
    here.submit(FineTune(name="tone", training_data=chat, route=route)).wait()

    plain = here.down()
    asked = here.down(clusters=True)

    assert (plain, asked) == ([], ["cluster gpu-cluster"])
    assert not bill(emulator)
