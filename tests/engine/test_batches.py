"""The order of rows, and how many threads train."""

from __future__ import annotations

from phi_azure.engine.batches import epoch_batches, groups
from phi_azure.engine.threads import Pace


def test_each_epoch_sees_every_row_once_in_an_order_of_its_own() -> None:
    """Batches cover all rows, differ from epoch to epoch, and are the same for the same seed."""
    lengths = [i % 17 for i in range(100)]

    first, again, second = (epoch_batches(lengths, 8, 42, epoch) for epoch in (0, 0, 1))

    assert sorted(row for batch in first for row in batch) == list(range(100))
    assert first == again != second


def test_batches_hold_rows_of_like_length() -> None:
    """Little is padded: within a batch the lengths are close."""
    lengths = [i % 17 for i in range(100)]

    batches = epoch_batches(lengths, 8, 42, 0)

    assert max(max(lengths[i] for i in batch) - min(lengths[i] for i in batch) for batch in batches) <= 2


def test_groups_hold_the_batches_of_one_step() -> None:
    """The last step of an epoch may have fewer batches."""
    assert groups([[1], [2], [3]], 2) == [[[1], [2]], [[3]]]


def test_a_busy_machine_trains_on_one_thread() -> None:
    """When two threads are slower than one, one is used, and two are tried again later."""
    pace = Pace(2)
    speed = {1: 1.0, 2: 8.0}  # seconds a step

    chosen = [pace.step(100, speed[pace.now]) for _ in range(200)]

    assert chosen[:2] == [2, 2]
    assert set(chosen[3:100]) == {1}
    assert 2 in chosen[100:]


def test_a_quiet_machine_trains_on_all() -> None:
    """When two threads are faster, one is only tried."""
    pace = Pace(2)
    speed = {1: 1.5, 2: 1.0}

    chosen = [pace.step(100, speed[pace.now]) for _ in range(100)]

    assert chosen.count(1) == 3
