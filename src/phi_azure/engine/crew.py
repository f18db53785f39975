"""Processes that train one model together, one on each GPU: each takes its share of a step's rows, gradients are added.

The launcher is torch's own (`torch.distributed.run`); accelerate finds out where a process stands and connects it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phi_azure import starting
from phi_azure.engine.errors import UserError
from phi_azure.engine.weights import set_up_libraries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PROCESSES = "PHI_AZURE_PROCESSES"
"""Environment variable: how many processes train together; as it comes, one for each GPU that is visible."""


@dataclass(frozen=True)
class Crew:
    """This process's place among those that train together."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def leads(self) -> bool:
        """Whether it is the one that reports and writes."""
        return self.rank == 0

    def share(self, work: Sequence[Any]) -> Sequence[Any]:
        """Returns this process's part of a step's work."""
        return work[self.rank :: self.size]

    def total(self, numbers: Sequence[float]) -> list[float]:
        """Returns the sums of all processes' numbers."""
        if self.size == 1:
            return list(numbers)
        import torch

        held = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(held)
        return [float(one) for one in held]

    def add_gradients(self, weights: Iterable[Any]) -> None:
        """Makes every gradient the sum of all processes' gradients; who had no row has none to add."""
        if self.size == 1:
            return
        import torch

        for weight in weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            torch.distributed.all_reduce(weight.grad)

    def meet(self) -> None:
        """Waits until all have come this far."""
        if self.size > 1:
            import torch

            torch.distributed.barrier()


def is_launched() -> bool:
    """Whether this process is one of several already."""
    return "LOCAL_RANK" in os.environ and "WORLD_SIZE" in os.environ


def wanted() -> int:
    """Returns how many processes shall train: those of the environment, else one for each GPU, else one.

    Raises:
        UserError: the environment's number is none.
    """
    said = os.environ.get(PROCESSES)
    if said is not None:
        if not said.isdigit() or not int(said):
            raise UserError(f"{PROCESSES} is {said!r}; it must be a whole number of 1 or more.")
        return int(said)
    set_up_libraries()
    import torch

    return max(1, int(torch.cuda.device_count()))


def join() -> Crew:
    """Connects this process with the others, where it is one of several; returns its place."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if not is_launched():
        return Crew(device=device)
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu")
    return Crew(state.process_index, state.num_processes, str(state.device))


def launch(spec: Path, count: int) -> int:
    """Runs the step once more in so many processes, and returns the exit code; a wish to stop is passed on."""
    command = [sys.executable, *starting.module("torch.distributed.run"), "--standalone"]
    command += ["--nproc-per-node", str(count), "--no-python"]
    command += [sys.executable, *starting.module("phi_azure.engine"), "step", str(spec)]
    process = subprocess.Popen(command)
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
