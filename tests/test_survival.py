"""What a job survives: the death of the client, and, with its last checkpoint, that of the trainer."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from phi_azure.emulator.store import Store
from phi_azure.engine import headlines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.engine
JOB = """\
name: survivor
training_data: train.jsonl
route:
  kind: {kind}
  epochs: {epochs}
  batch_size: 16
  learning_rate: 0.002
"""
T = TypeVar("T")
PATIENCE = 240.0  # seconds; the machine may be busy


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Makes a folder with data and no jobs."""
    headlines.write_dataset(tmp_path, train=400, validation=40, test=40)
    return tmp_path


@pytest.mark.parametrize("kind", ["serverless", "managed"])
def test_job_finishes_after_its_client_was_killed(here: Path, kind: str) -> None:
    """After kill -9 of `submit --wait` while it trains; a new process finds the job, its log and its end."""
    write_job(here, kind, epochs=2)
    client = start(here, "submit", "job.yaml", "--wait", "--local", "--yes")
    name = until(lambda: training_job(here))

    os.killpg(client.pid, signal.SIGKILL)
    client.wait()
    waited = call(here, "wait", name, "--local", "--json")
    shown = json.loads(call(here, "show", name, "--local", "--json").stdout)
    log = call(here, "logs", name, "--local").stdout

    assert waited.returncode == 0, waited.stderr
    assert shown["status"] == "Completed"
    assert "loss" in log
    assert [run["name"] for run in json.loads(call(here, "runs", "--local", "--json").stdout)] == [name]


@pytest.mark.parametrize("kind", ["serverless", "managed"])
def test_killed_trainer_fails_the_run_and_resume_goes_on(here: Path, kind: str) -> None:
    """After kill -9 of the trainer the run is Failed, with a reason and its log; resume starts at a checkpoint."""
    write_job(here, kind, epochs=4)
    name = call(here, "submit", "job.yaml", "--local", "--yes").stdout.strip()
    worker = until(lambda: worker_with_checkpoint(here, name))

    os.kill(worker, signal.SIGKILL)
    waited = call(here, "wait", name, "--local")
    resumed = call(here, "resume", name, "--local", "--yes").stdout.strip()
    finished = call(here, "wait", resumed, "--local")
    log = call(here, "logs", resumed, "--local").stdout

    assert waited.returncode == 1
    assert "SIGKILL" in waited.stderr
    assert "loss" in waited.stderr
    assert finished.returncode == 0, finished.stderr
    assert "checkpoint" in log.lower()
    assert first_step(log) > 1


def test_killed_supervisor_takes_its_trainer_along(here: Path) -> None:
    """When nobody is left to watch a step, whoever finds that out ends it: nothing trains on unseen."""
    write_job(here, "managed", epochs=30)
    name = call(here, "submit", "job.yaml", "--local", "--yes").stdout.strip()
    worker = until(lambda: worker_with_checkpoint(here, name))

    os.kill(jobs(here)[0]["supervisor"]["pid"], signal.SIGKILL)
    waited = call(here, "wait", name, "--local")

    assert waited.returncode == 1
    assert "supervisor" in waited.stderr
    until(lambda: not is_running(worker))


def test_cancel_ends_the_trainer(here: Path) -> None:
    """Cancel stops the process within seconds, and `wait` exits with the code for cancelled."""
    write_job(here, "managed", epochs=30)
    name = call(here, "submit", "job.yaml", "--local", "--yes").stdout.strip()
    worker = until(lambda: worker_with_checkpoint(here, name))

    cancelled = call(here, "cancel", name, "--local", "--yes")
    waited = call(here, "wait", name, "--local")

    assert cancelled.returncode == 0, cancelled.stderr
    assert waited.returncode == 8
    until(lambda: not is_running(worker))


def write_job(folder: Path, kind: str, epochs: int) -> None:
    """Writes a job file."""
    (folder / "job.yaml").write_text(JOB.format(kind=kind, epochs=epochs), encoding="utf-8")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Starts the command line in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "phi_azure", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line to its end."""
    command = [sys.executable, "-m", "phi_azure", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)


def until(look: Callable[[], T | None]) -> T:
    """Looks until there is something to see."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise TimeoutError("what the test waits for did not come to pass")


def jobs(folder: Path) -> list[dict[str, Any]]:
    """Reads the emulator's jobs from its state."""
    state = folder / ".phi-azure" / "azure"
    if not (state / "state.db").exists():
        return []
    store = Store(state)
    found = store.find("job")
    store.close()
    return found


def training_job(folder: Path) -> str | None:
    """Returns the name of a job that has taken steps of training."""
    return next((job["name"] for job in jobs(folder) if checkpoints(folder)), None)


def worker_with_checkpoint(folder: Path, name: str) -> int | None:
    """Returns the process that trains, once there is a checkpoint to go on from."""
    job = next((job for job in jobs(folder) if job["name"] == name), None)
    return job["worker"]["pid"] if job and checkpoints(folder) else None


def checkpoints(folder: Path) -> list[Path]:
    """Returns the whole checkpoints of all jobs."""
    return [path for path in (folder / ".phi-azure" / "azure" / "jobs").glob("*/work/*") if path.is_dir()]


def is_running(pid: int) -> bool:
    """Says whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def first_step(log: str) -> int:
    """Returns the first step of training that a log speaks of."""
    return int(next(iter(re.findall(r"step (\d+)", log)), "0"))
