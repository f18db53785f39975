"""The catalogue's rows: whole, consistent with themselves, and with what the emulator's registry serves."""

from __future__ import annotations

import json
from datetime import date, timedelta
from importlib.resources import files
from typing import Any

import pytest

from phi_azure import catalog

MODELS = pytest.mark.parametrize("row", catalog.MODELS, ids=lambda row: row.name)
SIZES = pytest.mark.parametrize("row", catalog.SIZES, ids=lambda row: row.name)
CPU = {"Standard_DS3_v2", "Standard_DS4_v2"}


def _facts(name: str) -> dict[str, Any]:
    """Returns a file of the emulator, which was written apart from the catalogue."""
    found: dict[str, Any] = json.loads((files("phi_azure.emulator") / "facts" / name).read_text(encoding="utf-8"))
    return found


REGISTRY = {model["name"]: model for model in _facts("models.json")["models"]}
MACHINES = {size["name"]: size for size in _facts("vm_sizes.json")["sizes"]}


def test_there_are_17_models_and_25_sizes() -> None:
    """Every Phi of the registry and every GPU size has one row."""
    assert len({row.name for row in catalog.MODELS}) == len(catalog.MODELS) == 17
    assert len({row.name for row in catalog.SIZES}) == len(catalog.SIZES) == 25
    assert {row.name for row in catalog.MODELS} == set(REGISTRY)


@MODELS
def test_a_model_names_sizes_that_exist(row: catalog.PhiModel) -> None:
    """A size in a list is a row of ours, and the one that is taken by default is not retired."""
    known = {size.name for size in catalog.SIZES} | CPU

    assert set(row.finetune_sizes) | set(row.inference_sizes) <= known
    first = catalog.size(row.finetune_sizes[0])
    assert first is not None
    assert first.retired is None


@MODELS
def test_a_model_says_where_its_row_comes_from(row: catalog.PhiModel) -> None:
    """Source and day are there, and what is assumed is a field."""
    assert row.source
    assert row.as_of is not None
    assert row.as_of <= catalog.AS_OF
    assert all(hasattr(row, name) for name in row.assumed)


@pytest.mark.parametrize("row", [row for row in catalog.MODELS if row.dims], ids=lambda row: row.name)
def test_dimensions_give_the_number_of_weights(row: catalog.PhiModel) -> None:
    """Layers, widths and words multiply to what the makers say, within a tenth (multimodal: its text part alone)."""
    assert row.dims is not None
    if "dims" in row.assumed:
        assert row.dims.parameters < row.parameters
        return
    assert row.dims.parameters == pytest.approx(row.parameters, rel=0.1)
    assert row.dims.active_parameters == pytest.approx(row.active_parameters, rel=0.1)


@MODELS
def test_a_successor_is_a_model_that_is_not_retired_with_it(row: catalog.PhiModel) -> None:
    """Nobody is sent to a model that went on the same day."""
    if row.successor is None:
        return
    successor = catalog.model(row.successor)
    assert successor is not None
    assert successor.retires != row.retires


@MODELS
def test_a_model_agrees_with_the_registry(row: catalog.PhiModel) -> None:
    """Version, Hugging Face id, context, dates, regions and machines are those that the emulator's registry has."""
    theirs = REGISTRY[row.name]

    assert (row.version, row.hugging_face, row.context) == (
        theirs["version"],
        theirs["hf_id"],
        theirs["context_window"],
    )
    assert set(row.serverless_regions) == set(theirs["serverless_training_regions"])
    assert set(row.deploy_regions) == set(theirs["serverless_regions"])
    assert theirs["finetune_retirement_date"] in (None, str(row.retires))
    if "finetune_sizes" not in row.assumed:
        assert set(row.finetune_sizes) == set(theirs["finetune_compute_allow_list"])
    if "inference_sizes" not in row.assumed:
        assert set(row.inference_sizes) == set(theirs["inference_compute_allow_list"])
    ours = {name: str(value) for name, value in row.defaults.items()}
    rates = ("learning_rate_min", "learning_rate_max")
    assert ours == {
        name: str(value) for name, value in (theirs["model_specific_defaults"] or {}).items() if name not in rates
    }


@SIZES
def test_a_size_agrees_with_the_emulator(row: catalog.GpuSize) -> None:
    """Cores, GPUs, memory, price, retirement and family are those that the emulator serves."""
    theirs = MACHINES[row.name]

    assert (row.vcpus, row.gpus, row.ram_gib) == (theirs["vcpus"], theirs["gpus"], theirs["memory_gib"])
    assert (str(row.retired) if row.retired else None) == theirs["retired_on"]
    assert row.hourly == theirs["usd_per_hour"]
    assert any(catalog.same_family(theirs["family"], name) for name in (row.family, row.family_in_ml) if name)
    assert row.gpu in catalog.PEAK_TFLOPS


def test_quota_counts_the_reserve_of_endpoints() -> None:
    """A T4 endpoint needs 1.2 machines, rounded up; A100 sizes have no reserve; clusters never have."""
    small, large = catalog.size("Standard_NC4as_T4_v3"), catalog.size("Standard_NC24ads_A100_v4")
    assert small
    assert large

    assert small.vcpus_for(1, endpoint=True) == 2 * 4
    assert small.vcpus_for(5, endpoint=True) == 6 * 4
    assert small.vcpus_for(5) == 5 * 4
    assert large.vcpus_for(1, endpoint=True) == 24


@pytest.mark.parametrize(
    ("name", "day", "state"),
    [
        ("Phi-3.5-mini-instruct", date(2025, 6, 8), "current"),
        ("Phi-3.5-mini-instruct", date(2025, 6, 9), "legacy"),
        ("Phi-3.5-mini-instruct", date(2025, 6, 30), "deprecated"),
        ("Phi-3.5-mini-instruct", date(2025, 8, 30), "retired"),
        ("Phi-4", date(2027, 1, 16), "deprecated"),
        ("Phi-4", date(2027, 1, 17), "retired"),
        ("microsoft-phi-2", date(2030, 1, 1), "current"),
    ],
)
def test_state_changes_on_its_day(name: str, day: date, state: str) -> None:
    """A date is the first day of the new state."""
    row = catalog.model(name)

    assert row is not None
    assert row.state(day) == state


def test_a_retired_model_is_told_with_its_date_successor_and_what_still_works() -> None:
    """One sentence says when, the other what to do."""
    row = catalog.model("Phi-3.5-MoE-instruct")
    assert row is not None
    notice = catalog.retired(row, date(2026, 11, 24))

    assert notice is not None
    assert notice.message == "Phi-3.5-MoE-instruct was retired from serverless fine-tuning on 2025-08-30."
    for words in ("Take Phi-4-mini-instruct", "{huggingface: microsoft/Phi-3.5-MoE-instruct}", "{path: DIR}"):
        assert words in notice.remedy


def test_an_unconfirmed_retirement_says_so() -> None:
    """The day of the Phi-4 family comes from one secondary source."""
    row = catalog.model("Phi-4")
    assert row is not None
    notice = catalog.retiring(row, date(2026, 11, 24))

    assert notice is not None
    assert "2027-01-17" in notice.message
    assert "not confirmed" in notice.message


@pytest.mark.parametrize(("days", "stale"), [(0, None), (120, None), (121, 121), (400, 400)])
def test_a_table_is_stale_after_120_days(days: int, stale: int | None) -> None:
    """Older tables give their age."""
    assert catalog.stale(catalog.AS_OF + timedelta(days=days)) == stale


def test_tags_come_before_properties_and_both_before_the_table() -> None:
    """A tag wins, a property fills in, silence leaves the row."""
    row = catalog.model("Phi-4")
    assert row is not None

    live = catalog.with_live(
        row,
        {"finetune_compute_allow_list": "['A', 'B']", "FinetuneRetirementDate": "2028-02-01"},
        {"finetune-recommended-sku": "C", "inference-recommended-sku": "D, E"},
    )

    assert live.finetune_sizes == ("A", "B")
    assert live.inference_sizes == ("D", "E")
    assert live.retires == date(2028, 2, 1)
    assert live.lifecycle.confidence == "high"
    assert live.serverless_regions == row.serverless_regions
    assert catalog.with_live(row, None, None) == row


def test_live_defaults_replace_the_table_s() -> None:
    """The bounds of the learning rate are no inputs, and become the model's bounds."""
    row = catalog.model("Phi-4")
    assert row is not None
    said = "{'learning_rate': '1e-5', 'learning_rate_min': '1e-6', 'learning_rate_max': '1e-4', 'precision': 16}"

    live = catalog.with_live(row, {"model_specific_defaults": said}, {})

    assert live.defaults == {"learning_rate": "1e-5", "precision": 16}
    assert live.learning_rate == catalog.LearningRate(1e-5, 1e-6, 1e-4)


@pytest.mark.parametrize("text", ["__import__('os')", "[", "{", "nonsense", ""])
def test_odd_tags_change_nothing(text: str) -> None:
    """What is no literal is passed over, and never run."""
    row = catalog.model("Phi-4")
    assert row is not None

    assert catalog.with_live(row, {"model_specific_defaults": text}, {}) == row


def test_filters_leave_what_was_asked_for() -> None:
    """Route, region and price each take rows away."""
    day = date(2026, 11, 24)
    names = {row.name for row in catalog.models(route="serverless", region="EastUS2", today=day)}

    assert names == {"Phi-4", "Phi-4-mini-instruct", "Phi-4-multimodal-instruct"}
    assert len(catalog.models(retired=True, today=day)) == 17
    assert len(catalog.models(today=day)) == 7
    assert "Phi-3.5-mini-instruct" in {row.name for row in catalog.models(route="managed", today=day)}
    assert all(row.hourly is not None and row.hourly <= 4 for row in catalog.sizes(max_price=4, today=day))
    assert len(catalog.sizes(family="standardncadsa100V4 Family", today=day)) == 3
    assert len(catalog.sizes(retired=True, today=day)) == 25
