"""What a wait survives: a lost network, an ended sign-in, too many requests; and how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phi_azure import (
    AzureError,
    NotFinished,
    PhiAzureError,
    QuotaError,
    RightsError,
    SignInError,
    Workspace,
)
from phi_azure.looking import PATIENCE_S, Patience
from tests.test_watching import HOURS, send

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.run import Update
    from phi_azure.testing import Azure


def test_waiting_ends_in_time_while_azure_is_away(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """The time to wait is kept, whatever happens to the network."""
    emulator.jobs.script(runs=HOURS)
    run = send(workspace, chat)
    emulator.faults.add("unavailable", on="GET /history/", for_seconds=HOURS)

    with pytest.raises(NotFinished):
        run.wait(timeout=120)


@pytest.mark.parametrize(
    "fault", ["unavailable", "throttled", "token_expired", "never_arrived", "answer_lost", "reset"]
)
def test_minutes_of_errors_do_not_end_a_wait(emulator: Azure, workspace: Workspace, chat: Path, fault: str) -> None:
    """A lost network, an ended sign-in, too many requests: the wait goes on when they pass, and says so meanwhile."""
    emulator.jobs.script(runs=HOURS, metrics={"loss": [3.0, 2.0, 1.0]})
    run = send(workspace, chat)
    emulator.clock.turn(600)
    emulator.faults.add(fault, on="GET /history/", for_seconds=480)
    updates: list[Update] = []

    run.wait(on_update=updates.append)

    notes = [update.note for update in updates if update.note]
    losses = sorted(point.value for update in updates for point in update.new_metrics.get("loss", []))
    assert run.status == "Completed"
    assert notes[0].startswith("Azure gives no answer (0 s); the run goes on.")
    assert losses == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("fault", "kind"), [("unavailable", AzureError), ("token_expired", SignInError), ("throttled", QuotaError)]
)
def test_after_ten_minutes_the_error_says_that_the_run_goes_on(
    emulator: Azure, workspace: Workspace, chat: Path, fault: str, kind: type[PhiAzureError]
) -> None:
    """Patience has an end, and it is not that of the run."""
    emulator.jobs.script(runs=5 * HOURS)
    run = send(workspace, chat)
    emulator.faults.add(fault, on="GET /history/", for_seconds=4 * HOURS)
    began = emulator.clock.now()

    with pytest.raises(kind, match=rf"Azure gave no answer for 1\d min; the run {run.name} goes on") as caught:
        run.wait()

    assert f"phi-azure wait {run.name}" in (caught.value.remedy or "")
    assert PATIENCE_S <= emulator.clock.now() - began <= PATIENCE_S + 200


def test_what_does_not_pass_ends_a_wait_at_once(workspace: Workspace) -> None:
    """Rights that were taken away do not come back by waiting."""
    patience = Patience(workspace._connection, "tone-1")

    with pytest.raises(RightsError):
        patience.bear(RightsError("no"))


def test_a_followed_log_survives_an_outage(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Every line comes once."""
    emulator.jobs.script(runs=HOURS, log=[f"line {number}" for number in range(100)])
    run = send(workspace, chat)
    emulator.faults.add("unavailable", on="GET /history/", for_seconds=300)

    lines = list(run.logs(follow=True))

    assert [line for line in lines if line.startswith("line")] == [f"line {number}" for number in range(100)]


@pytest.mark.parametrize("times", [1, 3])
def test_keys_are_asked_for_again_where_their_answer_is_lost(emulator: Azure, workspace: Workspace, times: int) -> None:
    """Azure's client repeats no POST; one that only reads is sent again, by the clock."""
    endpoint = workspace.deploy_base(name="headlines")
    emulator.faults.add("answer_lost", on="POST /listKeys", times=times)

    assert endpoint.chat("Contoso recovers from a ransomware attack.")


def test_what_changes_something_is_not_sent_twice(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """A job that is cancelled by POST is asked for once; its lost answer is an error."""
    emulator.jobs.script(runs=HOURS)
    run = send(workspace, chat)
    emulator.faults.add("answer_lost", on="/cancel", times=1)

    with pytest.raises(AzureError, match="cannot be reached"):
        run.cancel()

    assert sum(sent.path.endswith("/cancel") for sent in emulator.requests) == 1
