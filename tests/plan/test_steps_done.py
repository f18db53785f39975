"""What a plan says of steps is what the engine does: whole jobs, from the files to the last step that was logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phi_azure import FineTune, ManagedCompute, Serverless, Workspace
from phi_azure.engine.headlines import write_dataset

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine
SERVERLESS = Serverless(epochs=2, batch_size=4, learning_rate=2e-3)
MANAGED = ManagedCompute(epochs=2, batch_size=4, learning_rate=2e-3, logging_steps=1)


@pytest.mark.parametrize(
    ("route", "given", "steps"),
    [
        (SERVERLESS, ("validation",), 28),
        (SERVERLESS, (), 22),
        (MANAGED, ("validation",), 22),
        (MANAGED, ("validation", "test"), 28),
    ],
    ids=["serverless", "serverless without validation", "managed without a test", "managed with both"],
)
def test_plan_counts_the_steps_that_are_done(
    tmp_path: Path, route: Serverless | ManagedCompute, given: tuple[str, ...], steps: int
) -> None:
    """53 rows, four a step, twice: all of them, or without the fifth that Azure sets aside for a missing file."""
    files = write_dataset(tmp_path / "data", train=53, validation=9, test=9)
    data: dict[str, Any] = {f"{split}_data": files[split] for split in given}
    job = FineTune(name="steps", training_data=files["train"], route=route, **data)

    with Workspace.local(tmp_path / "state") as workspace:
        planned = workspace.plan(job)
        run = workspace.submit(job).wait()
        done = max(point.step for point in run.metrics("loss")["loss"])

    assert getattr(planned, job.route.kind).steps == done == steps
