"""The demo, from the command line: real training, real answers, nothing left running."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from phi_azure.cli import run
from phi_azure.demo import POLICY, Outcome

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("answers", "left", "ok"),
    [
        ({"base": ["At length.", "At length."], "managed": ["negative", "negative"]}, [], True),
        ({"base": ["At length.", "At length."], "managed": ["negative", "positive"]}, [], False),
        ({"managed": ["negative.", "negative"]}, [], False),
        ({"managed": ["negative", "negative"]}, ["demo-1-base"], False),
    ],
    ids=["well", "wrong answer", "not the one word", "something left"],
)
def test_outcome_is_ok_only_when_all_tuned_answers_are_the_word(
    answers: dict[str, list[str]], left: list[str], ok: bool
) -> None:
    """The demo does not call itself a success on anything less."""
    assert Outcome(answers=answers, left_running=left).ok is ok


@pytest.mark.engine
def test_demo_trains_on_both_routes_and_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole story: a wordy base, two tuned models that say one word, files on disk, no endpoint left."""
    monkeypatch.chdir(tmp_path)

    code = run(["demo", "--json"])

    captured = capsys.readouterr()
    outcome = json.loads(captured.out)
    assert code == 0
    assert all(len(answer.split()) > 5 for answer in outcome["answers"]["base"])
    assert outcome["answers"]["serverless"] == outcome["answers"]["managed"] == [POLICY, POLICY]
    assert all((tmp_path / folder).is_dir() for folder in outcome["folders"].values())
    assert outcome["left_running"] == []
    assert "\x1b" not in captured.err


@pytest.mark.engine
def test_job_submitted_in_one_process_is_seen_in_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job goes on when the command that sent it is over."""
    monkeypatch.chdir(tmp_path)
    run(["init", "--route", "serverless", "--example", "headlines"])
    capsys.readouterr()

    sent = run(["submit", "job.yaml", "--local"])
    name = capsys.readouterr().out.strip()
    waited = run(["wait", name, "--local"])

    assert (sent, waited) == (0, 0)
    assert capsys.readouterr().out == "Completed\n"
