"""The memory of a GPU against figures that everybody knows, and against what may never happen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phi_azure import catalog
from phi_azure.plan import memory
from phi_azure.plan.settings import Settings

GIB = 1024**3
STATES = ("weights", "gradients", "optimizer")


def _row(name: str = "Phi-4") -> catalog.PhiModel:
    row = catalog.model(name)
    assert row is not None
    return row


def _states(settings: Settings, gpus: int = 1, nodes: int = 1) -> float:
    held = memory.needed(_row(), settings, gpus, nodes)
    return sum(line.gib for line in held.lines if line.what in STATES)


@pytest.mark.parametrize(
    ("settings", "bytes_each"),
    [
        (Settings(rank=None, stage=2), 16),
        (Settings(rank=None), 16),
        (Settings(rank=None, precision=32), 16),
        (Settings(rank=None, stage=2, optim="adafactor"), 8.1),
    ],
    ids=["mixed, DeepSpeed", "mixed", "32 bits", "adafactor"],
)
def test_full_training_takes_sixteen_bytes_a_weight(settings: Settings, bytes_each: float) -> None:
    """AdamW keeps weight, gradient, 32-bit copy and two averages: the well-known 16 bytes."""
    assert _states(settings) == pytest.approx(14.7e9 * bytes_each / GIB)


def test_zero_splits_what_its_stage_says() -> None:
    """Eight GPUs: stage 2 splits gradients and optimizer, stage 3 the weights too, less what is gathered."""
    assert _states(Settings(rank=None, stage=2), gpus=8) == pytest.approx((14.7e9 * 2 + 14.7e9 * 14 / 8) / GIB)
    assert _states(Settings(rank=None, stage=3), gpus=8) == pytest.approx((14.7e9 * 16 / 8 + 1e9 * 2) / GIB)


def test_offload_moves_weights_and_optimizer_to_main_memory() -> None:
    """2 bytes a weight and 12 for each that is trained lie in the machines' memory, beside 20 GiB for the system."""
    held = memory.needed(_row(), Settings(rank=None, stage=3, offload=True), 8, 2)

    assert held.ram_gib == pytest.approx(14.7e9 * 14 / 2 / GIB + 20)


def test_lora_trains_a_part_in_a_thousand() -> None:
    """Rank 8 on all linear layers of Phi-4: 27.9 million weights, 0.19 %."""
    each = (5120 + 7680) + (5120 + 5120) + (5120 + 2 * 17920) + (17920 + 5120)

    assert memory.trainable(_row(), 8) == 40 * 8 * each
    assert memory.trainable(_row(), 8) / 14.7e9 == pytest.approx(0.0019, abs=1e-4)


def test_a_large_vocabulary_is_seen() -> None:
    """Phi-4-mini predicts over 200,064 words: at 16,384 tokens that alone is 30 GiB."""
    held = memory.needed(_row("Phi-4-mini-instruct"), Settings(length=16384), 1)

    assert next(line.gib for line in held.lines if line.what == "predictions") == pytest.approx(30.5, abs=0.1)


def test_a_model_without_dimensions_is_marked_as_guessed() -> None:
    """Phi-3-small has no published dimensions here."""
    held = memory.needed(_row("Phi-3-small-8k-instruct"), Settings(), 1)

    assert held.guessed
    assert held.total_gib > 7e9 * 4 / GIB


settings = st.builds(
    Settings,
    batch=st.integers(1, 16),
    length=st.integers(1, 8192),
    rank=st.sampled_from([None, 8, 64]),
    stage=st.sampled_from([2, 3]),
    offload=st.booleans(),
)


@given(settings=settings, gpus=st.integers(1, 8), nodes=st.integers(1, 4), name=st.sampled_from(catalog.MODELS))
def test_more_gpus_never_hold_more_each(settings: Settings, gpus: int, nodes: int, name: catalog.PhiModel) -> None:
    """What DeepSpeed splits becomes less with each GPU, and nothing becomes more."""
    fewer = memory.needed(name, settings, gpus, nodes)
    more = memory.needed(name, settings, gpus + 1, nodes)

    assert more.total_gib <= fewer.total_gib + 1e-9


@given(settings=settings, name=st.sampled_from(catalog.MODELS))
def test_longer_rows_and_larger_batches_never_hold_less(settings: Settings, name: catalog.PhiModel) -> None:
    """Activations grow with tokens."""
    held = memory.needed(name, settings, 1).total_gib

    assert memory.needed(name, replace(settings, length=settings.length + 1), 1).total_gib >= held
    assert memory.needed(name, replace(settings, batch=settings.batch + 1), 1).total_gib >= held
