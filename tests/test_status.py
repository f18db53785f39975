"""Every word that Azure has for the state of a run leads to one end, or to going on."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import pytest
from azure.ai.ml._restclient.arm_ml_service.models import JobStatus as ManagementStatus
from azure.ai.ml._restclient.runhistory.models._azure_machine_learning_workspaces_enums import RunStatus
from azure.ai.ml.operations._run_history_constants import JobStatus, RunHistoryConstants

from phi_azure import FineTune, NotFinished, PhiAzureError, Serverless, Workspace, status
from phi_azure.cli import run as command
from phi_azure.testing import Azure, azure
from tests.conftest import row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phi_azure.run import Run, Update

EXIT_CODES = {"Completed": 0, "Failed": 1, "Canceled": 8, "NotResponding": 11, "Paused": 12}
GOES_ON = 7
"""With --timeout: the run was not over in time."""


def words(names: type[Enum | JobStatus]) -> set[str]:
    """Returns the words of an enumeration of the client, or of its class of constants."""
    if issubclass(names, Enum):
        return {str(one.value) for one in names}
    return {value for key, value in vars(names).items() if key.isupper()}


EVERY_WORD = sorted(
    words(JobStatus) | words(ManagementStatus) | words(RunStatus) | set(RunHistoryConstants.ALL_STATUSES)
)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Azure]:
    """One Azure for all words: each test sets the state anew."""
    with azure() as running:
        running.jobs.script(runs=1e6)
        yield running


@pytest.fixture(scope="module")
def sent(emulator: Azure, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a run that goes on for ever."""
    rows = tmp_path_factory.mktemp("rows") / "train.jsonl"
    rows.write_text("\n".join(row(f"Headline {number}.", "neutral") for number in range(12)), "utf-8")
    workspace = Workspace(emulator.subscription_id, emulator.resource_group, emulator.workspace)
    return workspace.submit(FineTune(name="tone", training_data=rows, route=Serverless()), preflight=False).name


@pytest.fixture
def told(emulator: Azure, sent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose state a test sets, beside a config.json for the command line."""
    monkeypatch.chdir(tmp_path)
    emulator.write_config(tmp_path)
    return Workspace(emulator.subscription_id, emulator.resource_group, emulator.workspace).run(sent)


def say(emulator: Azure, run: Run, word: str) -> None:
    """Has the service say a word for the state of a run, for good."""
    store = emulator.emulator.store
    [document] = [found for found in store.find("run") if found["id"] == run.name]
    document.update(status=word, started=emulator.clock.now(), ended=emulator.clock.now())
    store.put("run", document["prefix"] + run.name, document)
    emulator.emulator.runner.settle_job = lambda *_: None  # type: ignore[method-assign]  # time stands still for it


@pytest.mark.parametrize("word", EVERY_WORD)
def test_every_word_of_the_client_has_its_exit_code(emulator: Azure, told: Run, word: str) -> None:
    """`wait` ends with the code of the state, or goes on until its time is over."""
    say(emulator, told, word)

    code = command(["wait", told.name, "--timeout", "0"])

    assert code == EXIT_CODES.get(word, GOES_ON)


def test_the_client_agrees_on_what_is_an_end() -> None:
    """What its constants call terminal is over here, and nothing else is."""
    assert set(RunHistoryConstants.TERMINAL_STATUSES) == status.OVER == set(EXIT_CODES)
    assert set(RunHistoryConstants.IN_PROGRESS_STATUSES) < set(status.GOING)
    assert set(RunHistoryConstants.POST_PROCESSING_STATUSES) < set(status.GOING)


def test_every_word_of_the_client_is_known() -> None:
    """None is taken for a foreign one, and none of ours is made up."""
    assert set(EVERY_WORD) == set(status.GOING) | status.OVER


def test_a_foreign_word_is_taken_for_going_on_and_said(emulator: Azure, told: Run) -> None:
    """Azure may have new states; waiting does not end because of one, and does not hide it."""
    say(emulator, told, "Defragmenting")
    updates: list[Update] = []

    with pytest.raises(NotFinished, match="Defragmenting"):
        told.wait(timeout=0, on_update=updates.append)

    assert updates[-1].note is not None
    assert "'Defragmenting', a word that its own client does not know" in updates[-1].note


@pytest.mark.parametrize(("word", "code"), sorted(EXIT_CODES.items()))
def test_every_end_is_one_class_of_error(emulator: Azure, told: Run, word: str, code: int) -> None:
    """In Python as on the command line: no end but success returns."""
    say(emulator, told, word)
    raised: list[PhiAzureError] = []

    try:
        told.wait()
    except PhiAzureError as error:
        raised.append(error)

    assert [type(error).exit_code for error in raised] == ([code] if code else [])
    assert all(word in str(error) or word in {"Failed", "Canceled"} for error in raised)
