"""Plans that were worked out by hand: each figure is written here as plain arithmetic, apart from the code."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from phi_azure import FineTune, Lora, ManagedCompute, Serverless
from phi_azure.dataset import FileReport, Report
from phi_azure.plan import LiveFacts, Plan, plan
from phi_azure.tokens import TokenCount

TODAY = date(2026, 11, 24)
GIB = 1024**3


class Counted:
    """1,000 rows of 2,000 tokens, counted: with full passes and whole tokens the arithmetic is short."""

    low = 2_000_000
    high = 2_000_000
    max = 2048
    exact = True

    def after_cut(self, limit: int | None) -> tuple[int, int]:
        """Cuts nothing: all rows are of one length, and shorter than any limit here."""
        assert limit is None or limit >= self.max
        return self.low, self.high


REPORT = Report((FileReport("train.jsonl", "training", rows=1000, bytes=9_000_000, characters=8_000_000),))


def _plan(model: str, route: ManagedCompute | Serverless, price: float | None = None) -> Plan:
    job = FineTune(name="tone", model=model, training_data=Path("train.jsonl"), route=route)
    return plan(job, REPORT, tokens=Counted(), facts=LiveFacts(price_per_million=price), today=TODAY)


MANAGED = ManagedCompute(epochs=3, size="Standard_NC24ads_A100_v4", lora=Lora(r=8))
# Rows: without files of their own, validation and test take a tenth each: 1,000 - 100 - 100 = 800.
# Tokens: 800 x 2,000 x 3 epochs = 4.8 million; the loss of 100 rows x 2,000 x 3 = 0.6 million besides.


@pytest.mark.parametrize("model", ["Phi-4-mini-instruct", "Phi-4", "Phi-3.5-MoE-instruct", "Phi-3.5-mini-instruct"])
def test_serverless_is_tokens_times_epochs_times_price(model: str) -> None:
    """2 million tokens, 3 epochs, 4 dollars a million: 24 dollars; the endpoint 0.80 x 730 = 584 a month."""
    made = _plan(model, Serverless(epochs=3), price=4.0).serverless

    assert made.price is not None
    assert made.price.low == made.price.high == pytest.approx(2_000_000 * 3 / 1_000_000 * 4)
    assert made.hosting is not None
    assert made.hosting.high == pytest.approx(0.80 * 730)
    assert made.steps == 800 * 3  # a fifth validates, where no file does
    assert made.arithmetic[0] == "2.000 M tokens x 3 epochs = 6.000 M tokens billed"


def test_what_is_cut_is_billed_by_the_token_and_not_trained() -> None:
    """800 rows of 1,000 tokens and 200 of 6,000 are 2 million; cut at 2,048 those 200 have 409,600: 1.2096 million."""
    counted = TokenCount(1000, 2_000_000, 2_000_000, 2_000_000, 6000, exact=True, lengths={1000: 800, 6000: 200})
    routes = (Serverless(epochs=3, max_seq_length=2048), ManagedCompute(epochs=3, max_seq_length=2048))
    jobs = [FineTune(name="tone", training_data=Path("train.jsonl"), route=route) for route in routes]

    sides = plan(jobs[0], REPORT, tokens=counted, today=TODAY), plan(jobs[1], REPORT, tokens=counted, today=TODAY)

    assert sides[0].serverless.arithmetic[0].startswith("2.000 M tokens x 3 epochs = 6.000 M tokens billed (790,400 of")
    assert "790,400 tokens of the file cut at 2,048 a row" in sides[1].managed.arithmetic[0]
    assert sides[1].managed.arithmetic[1].startswith("967,680 tokens x 3 epochs = 2.903 M")  # 0.8 x 1.2096, times 3


@pytest.mark.parametrize("model", ["Phi-4-mini-instruct", "Phi-4"])
def test_without_a_price_none_is_made_up(model: str) -> None:
    """No training price of a Phi is published; the plan gives the price at which both routes cost the same."""
    made = _plan(model, MANAGED)

    assert made.serverless.price is None
    assert "not known" in made.serverless.arithmetic[1]
    assert made.managed.price is not None
    assert made.break_even is not None
    assert made.break_even.low == pytest.approx(made.managed.price.low / 6)
    assert made.break_even.high == pytest.approx(made.managed.price.high / 6)


def test_managed_phi_4_mini() -> None:
    """3.8 G weights, LoRA without DeepSpeed: 4 operations; one A100 of 312 T at 20 to 45 %."""
    side = _plan("Phi-4-mini-instruct", MANAGED).managed
    operations = 4.8e6 * 4 * 3.8e9 + 0.6e6 * 2 * 3.8e9
    copies = 4 * 2 * 3.8  # GB: four times two bytes a weight
    quick = operations / (312e12 * 0.45 * 3600) + 10 / 60 + copies / 0.5 / 3600
    slow = operations / (312e12 * 0.20 * 3600) + 30 / 60 + copies / 0.1 / 3600

    assert side.hours is not None
    assert side.price is not None
    assert side.hours.low == pytest.approx(quick)
    assert side.hours.high == pytest.approx(slow)
    assert side.price.low == pytest.approx(quick * 3.673)
    assert side.price.high == pytest.approx(slow * 3.673)
    assert side.steps == 800 * 3
    assert side.hosting is not None
    assert side.hosting.high == pytest.approx(3.673 * 730)


def test_managed_phi_4() -> None:
    """14.7 G weights; the model's own default is stage 3: 6 operations, a quarter to 0.6 of the usual speed."""
    side = _plan("Phi-4", MANAGED).managed
    operations = 4.8e6 * 6 * 14.7e9 + 0.6e6 * 2 * 14.7e9
    copies = 4 * 2 * 14.7
    quick = operations / (312e12 * 0.45 * 0.6 * 3600) + 10 / 60 + copies / 0.5 / 3600
    slow = operations / (312e12 * 0.20 * 0.25 * 3600) + 30 / 60 + copies / 0.1 / 3600

    assert side.hours is not None
    assert side.hours.low == pytest.approx(quick)
    assert side.hours.high == pytest.approx(slow)


def test_managed_phi_3_5_moe() -> None:
    """6.6 G of 41.9 G weights work on a token, on four A100; stage 3, and experts take turns: 0.4 to 0.6 again."""
    route = ManagedCompute(epochs=3, size="Standard_NC96ads_A100_v4", lora=Lora(r=8))
    side = _plan("Phi-3.5-MoE-instruct", route).managed
    operations = 4.8e6 * 6 * 6.6e9 + 0.6e6 * 2 * 6.6e9
    copies = 4 * 2 * 41.9
    quick = operations / (4 * 312e12 * 0.45 * 0.6 * 0.6 * 3600) + 10 / 60 + copies / 0.5 / 3600
    slow = operations / (4 * 312e12 * 0.20 * 0.25 * 0.4 * 3600) + 30 / 60 + copies / 0.1 / 3600

    assert side.hours is not None
    assert side.price is not None
    assert side.hours.low == pytest.approx(quick)
    assert side.hours.high == pytest.approx(slow)
    assert side.price.high == pytest.approx(slow * 14.692)
    assert side.steps == 200 * 3  # four GPUs, a row each
    assert side.machine is not None
    assert side.machine.vcpus == 96


def test_managed_phi_3_5_mini() -> None:
    """3.8 G weights; the model's own default is stage 2, so that activations are calculated again: 6 operations."""
    side = _plan("Phi-3.5-mini-instruct", MANAGED).managed
    operations = 4.8e6 * 6 * 3.8e9 + 0.6e6 * 2 * 3.8e9
    copies = 4 * 2 * 3.8
    quick = operations / (312e12 * 0.45 * 3600) + 10 / 60 + copies / 0.5 / 3600
    slow = operations / (312e12 * 0.20 * 3600) + 30 / 60 + copies / 0.1 / 3600

    assert side.hours is not None
    assert side.hours.low == pytest.approx(quick)
    assert side.hours.high == pytest.approx(slow)


def test_memory_of_phi_3_5_mini_line_by_line() -> None:
    """Stage 2 on one GPU, rows of 2,048 tokens: 2 bytes a weight, 12 + 2 for each weight of the adapters."""
    machine = _plan("Phi-3.5-mini-instruct", MANAGED).managed.machine
    assert machine is not None
    assert machine.memory is not None
    lines = {line.what: line.gib for line in machine.memory.lines}
    # each layer: qkv 3072 -> 9216, o 3072 -> 3072, gate and up 3072 -> 16384, down 8192 -> 3072; rank 8; 32 layers
    adapters = 32 * 8 * ((3072 + 9216) + (3072 + 3072) + (3072 + 16384) + (8192 + 3072))
    # a layer keeps 6 x 3072 + 2 x 3072 + 4 x 8192 numbers of a token, 2 bytes each; of the others their input alone
    activations = 2048 * (32 * 2 * 3072 + 2 * (6 * 3072 + 2 * 3072 + 4 * 8192))

    assert lines["weights"] == pytest.approx(3.8e9 * 2 / GIB)
    assert lines["gradients"] == pytest.approx(adapters * 2 / GIB)
    assert lines["optimizer"] == pytest.approx(adapters * 12 / GIB)
    assert lines["activations"] == pytest.approx(activations / GIB)
    assert lines["predictions"] == pytest.approx(2048 * 32064 * 10 / GIB)
    assert machine.fits is True
