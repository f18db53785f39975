"""Both routes from the rows to the last deletion, while things go wrong: the right result or the right error, once.

Each course is one life of a job: sent, watched, registered, deployed, asked, taken down, by the emulator's clock. After
whatever went wrong the same course again, with nothing wrong, comes to its end and finds what was there.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from phi_azure import FineTune, ManagedCompute, PhiAzureError, Serverless, Workspace
from phi_azure.emulator import ledger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phi_azure.testing import Azure

ROUTES: dict[str, Serverless | ManagedCompute] = {
    "serverless": Serverless(),
    "managed": ManagedCompute(cluster="gpu-cluster", size="Standard_NC24ads_A100_v4"),
}
COURSES = int(os.environ.get("PHI_AZURE_COURSES", "60"))
"""Random mixtures that are lived; `make chaos` lives 200."""
WEEK = 7 * 24 * 3600.0
PASSING = ("throttled", "unavailable", "never_arrived", "answer_lost", "reset", "slow")
"""What passes by itself: whoever is patient gets the right result."""
SECONDS = {"slow": 60.0}
PLACES = (
    "jobs.put_job",
    "jobs.get_job",
    "GET /history/",
    "GET /computes/",
    "PUT /data/",
    "GET storage",
    "PUT storage",
    "PUT /models/",
    "GET /models",
    "endpoints.put_endpoint",
    "endpoints.put_deployment",
    "endpoints.get_endpoint",
    "serverless.put_endpoint",
    "serverless.get_endpoint",
    "operations.get_operation",
    "/workspaces/",
)
ENDS: dict[str, tuple[str, int]] = {
    "preempted_node": ("job", 0),
    "not_responding": ("job", 11),
    "image_build_failed": ("job", 1),
    "deployment_unhealthy": ("deployment", 1),
    "deployment_image_failed": ("deployment", 1),
    "deployment_out_of_memory": ("deployment", 1),
    "deployment_role_missing": ("deployment", 1),
    "deployment_without_quota": ("deployment", 5),
    "deployment_stuck": ("deployment", 7),
}
"""What a fault on a job or a deployment ends in, by exit code, and where."""


@dataclass
class Life:
    """One course, as far as it came."""

    done: list[str] = field(default_factory=list)
    answer: str = ""
    code: int = 0
    error: str = ""


def live(workspace: Workspace, chat: Path, route: Serverless | ManagedCompute) -> Life:
    """Goes from the rows to the deleted endpoint, or as far as an error lets it; only our own errors may come."""
    life = Life()
    try:
        run = workspace.submit(FineTune(name="tone", training_data=chat, route=route))
        life.done.append("submitted")
        run.wait()
        life.done.append("trained")
        model = run.register()
        life.done.append("registered")
        endpoint = model.deploy("headlines")
        life.done.append("deployed")
        life.answer = endpoint.chat("Contoso recovers from a ransomware attack.")
        life.done.append("asked")
        workspace.down()
        life.done.append("removed")
    except PhiAzureError as error:
        life.code, life.error = error.exit_code, f"{type(error).__name__}: {error}"
    return life


def give_up(workspace: Workspace) -> None:
    """Cancels what is silent, as its error proposes: until then the same job would be taken up again."""
    for one in workspace.runs():
        if one.status == "NotResponding":
            workspace.run(one.name).cancel()


def check_nothing_is_left(emulator: Azure, workspace: Workspace) -> None:
    """After a `down` in quiet nothing is paid for, whatever happened before."""
    workspace.down(clusters=True)
    assert workspace.endpoints() == []
    assert [one for one in ledger.entries(emulator.emulator) if one.until is None] == []


def jobs(emulator: Azure) -> Sequence[str]:
    """Returns the names of the jobs that Azure has."""
    return [job["name"] for job in emulator.emulator.store.find("job")]


@pytest.fixture
def hours(emulator: Azure) -> None:
    """A job is queued for ten minutes and runs for three hours."""
    emulator.jobs.script(queued=600, runs=3 * 3600, metrics={"loss": [3.0, 2.0, 1.0]}, log=["loading", "training"])


@pytest.mark.usefixtures("hours")
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_waited_for(emulator: Azure, workspace: Workspace, chat: Path, name: str, route: str) -> None:
    """Each fault that passes meets requests of every kind, and the course ends well, with one job and nothing left."""
    for skip in (0, 7, 15, 30, 45, 60):
        emulator.faults.add(name, "/workspaces/", skip=skip, seconds=SECONDS.get(name, 0))
    emulator.faults.add(name, "storage", seconds=SECONDS.get(name, 0))

    life = live(workspace, chat, ROUTES[route])

    assert life.error == ""
    assert life.done[-1] == "removed"
    assert len(jobs(emulator)) == 1
    check_nothing_is_left(emulator, workspace)


@pytest.mark.usefixtures("hours")
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", ENDS)
def test_what_ends_a_job_or_a_deployment_has_its_code(
    emulator: Azure, workspace: Workspace, chat: Path, name: str, route: str
) -> None:
    """A job or a deployment that fails ends the course with its exit code; the same course again comes to its end."""
    _, code = ENDS[name]
    emulator.faults.add(name, "headlines*" if name.startswith("deployment") else "*")

    life = live(workspace, chat, ROUTES[route])
    give_up(workspace)
    again = live(workspace, chat, ROUTES[route])

    assert life.code == code, life.error
    assert again.done[-1] == "removed", again.error
    assert len(jobs(emulator)) == (2 if name in {"not_responding", "image_build_failed"} else 1)
    check_nothing_is_left(emulator, workspace)


@pytest.mark.usefixtures("hours")
@pytest.mark.parametrize("seed", range(COURSES))
def test_random_mixture(emulator: Azure, workspace: Workspace, chat: Path, seed: int) -> None:
    """One to five faults anywhere, or one on the job or the deployment beside them: an end in time, and once."""
    dice = random.Random(seed)
    route = dice.choice(list(ROUTES))
    began = emulator.clock.now()
    hard = throw(emulator, dice)

    life = live(workspace, chat, ROUTES[route])
    emulator.faults.clear()
    give_up(workspace)
    again = live(workspace, chat, ROUTES[route])

    assert life.code == 0 or life.error.split(":")[0] in EXPECTED[hard], life.error
    assert again.done[-1] == "removed", again.error
    assert len(jobs(emulator)) <= (2 if hard in {"not_responding", "image_build_failed"} else 1)
    assert emulator.clock.now() - began < WEEK
    check_nothing_is_left(emulator, workspace)


_PATIENCE_IS_OVER = {  # a fresh signature that storage refuses once more is no expired one: RightsError
    "AzureError",
    "ConflictError",
    "NotFinished",
    "NotFoundError",
    "QuotaError",
    "RightsError",
    "SignInError",
}
EXPECTED: dict[str, set[str]] = {
    "": _PATIENCE_IS_OVER,
    "preempted_node": _PATIENCE_IS_OVER,
    "not_responding": {"RunNotResponding", *_PATIENCE_IS_OVER},
    "image_build_failed": {"RunFailed", *_PATIENCE_IS_OVER},
    **dict.fromkeys((name for name in ENDS if name.startswith("deployment")), _PATIENCE_IS_OVER),
}


def throw(emulator: Azure, dice: random.Random) -> str:
    """Queues a mixture; returns the fault on the job or the deployment, if there is one in it."""
    for _ in range(dice.randint(1, 5)):
        name = dice.choice((*PASSING, "token_expired"))
        on = dice.choice(PLACES)
        emulator.faults.add(name, on, times=dice.randint(1, 3), skip=dice.randint(0, 20))
    hard = dice.choice(["", "", *ENDS])
    if hard:
        emulator.faults.add(hard, "*")
    return hard
