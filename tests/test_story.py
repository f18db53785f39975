"""The story as commands: told with the engine as people run it, and cut by kill -9 at random places."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.emulator import ledger
from phi_azure.emulator.clock import TurnedClock
from phi_azure.emulator.course import Script
from phi_azure.engine.headlines import write_dataset
from tests.killing import KILLED, Cut, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.killing import Ended

STORY = Path(__file__).parents[1] / "examples" / "story.sh"
COURSES = int(os.environ.get("PHI_AZURE_COURSES", "6"))
"""Random courses; `make chaos` goes through 200."""
MOST_REQUESTS = 25  # of a command: a cut beyond its last request cuts nothing, and is one way to go too
JOB = """\
name: tone
training_data: train.jsonl
test_data: test.jsonl
gate: {metric: rouge_l, at_least: 0}
route: {kind: managed, cluster: gpu-cluster, size: Standard_NC24ads_A100_v4}
"""
COMMANDS: tuple[Sequence[str], ...] = (
    ("deploy", "Phi-4-mini-instruct", "--base", "--endpoint", "headlines", "--yes"),
    ("submit", "job.yaml", "--yes", "--wait", "--no-preflight"),
    ("register", "RUN"),
    ("deploy", "tone", "--endpoint", "headlines", "--yes"),
    ("compare", "headlines/green", "--against", "headlines/blue", "--job", "job.yaml"),
    ("traffic", "headlines", "green=100"),
    ("rollback", "headlines"),
    ("traffic", "headlines", "green=100"),
    ("traffic", "headlines", "--retire", "--yes"),
    ("deploy", "Phi-4", "--base", "--endpoint", "others", "--yes"),
)
"""What may come in any course: each at its place, left out, cut, or done again."""


@pytest.mark.engine
@pytest.mark.skipif(sys.platform == "win32", reason="the script is bash's")
def test_story_ends_as_it_should(tmp_path: Path) -> None:
    """A model that earns its traffic, one that does not, and nothing left; each command ends with its exit code."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    told = subprocess.run(
        [str(STORY), str(tmp_path)], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )

    assert told.returncode == 0, told.stderr[-3000:]
    assert told.stdout.splitlines()[-1] == "The story ended as it should."
    assert "300 rows of test.jsonl" in told.stdout
    assert (tmp_path / "compare.html").is_file()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An emulator for commands that will be killed; jobs are done at once."""
    with Stage(tmp_path, Script(queued=0, runs=0)) as opened:
        yield opened


@pytest.mark.killing
def test_down_leaves_nothing_whatever_was_cut(stage: Stage, subtests: pytest.Subtests) -> None:
    """Some of the story, hours between its commands, any of them killed at any request, `down` itself too.

    Before `down` the costs are those of the emulator's bill, to the cent; after it nothing is paid.
    """
    cuts = 0

    for seed in range(COURSES):
        with subtests.test(str(seed)):
            dice = random.Random(seed)
            clock = TurnedClock(time.time() - 48 * 3600)
            folder = stage.begin(f"course-{seed}", clock)
            write_dataset(folder, train=20, validation=5, test=5)
            (folder / "job.yaml").write_text(JOB, encoding="utf-8")
            cuts += sum(ended.code == KILLED for ended in lived(stage, clock, dice))
            clock.turn(max(0.0, time.time() - clock.now()))  # commands look at the machine's clock

            told, billed = costs(stage), bill(stage, time.time())
            assert told == pytest.approx(billed, abs=0.01), (told, billed)
            removed = stage.run(["down", "--yes"], Cut(dice.randint(1, MOST_REQUESTS), "unheard"))
            again = stage.run(["down", "--yes"])

            assert (removed.code in {KILLED, 0}, again.code) == (True, 0), again.err
            assert (bill(stage, time.time()), costs(stage)) == ((0, 0), (0, 0))

    assert cuts >= COURSES


def lived(stage: Stage, clock: TurnedClock, dice: random.Random) -> Iterator[Ended]:
    """Runs some of the commands, kills some of them, and lets hours pass between."""
    for words in COMMANDS:
        if dice.random() < 0.15:
            continue
        chosen = [run_name(stage) if word == "RUN" else word for word in words]
        if dice.random() < 0.5:
            yield stage.run(chosen, Cut(dice.randint(1, MOST_REQUESTS), dice.choice(["undone", "unheard"])))
            clock.turn(dice.uniform(0, 2 * 3600))
        if dice.random() < 0.7:
            yield stage.run(chosen)
        clock.turn(dice.uniform(0, 2 * 3600))


def run_name(stage: Stage) -> str:
    """Returns the run that there is, or a name that none has."""
    return next((job["name"] for job in stage.emulator.store.find("job")), "none")


def costs(stage: Stage) -> tuple[float, float]:
    """Returns what the command says: US dollars an hour, and so far."""
    ended = stage.run(["costs", "--json"])
    assert ended.code == 0, ended.err
    document: dict[str, Any] = json.loads(ended.out)
    return float(document["usd_per_hour"]), float(document["usd_so_far"])


def bill(stage: Stage, now: float) -> tuple[float, float]:
    """Returns the same of what goes on now, from the emulator's own bill."""
    open_now = [one for one in ledger.entries(stage.emulator) if one.until is None]
    return sum(one.usd_per_hour or 0 for one in open_now), sum(one.cost(now) for one in open_now)
