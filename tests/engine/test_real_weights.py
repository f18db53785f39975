"""What real weights need: memory that is looked at before they load, checkpointing, several processes at once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure import Workspace
from phi_azure.cli import run
from phi_azure.engine import __main__ as engine
from phi_azure.engine import crew, finetune, memory
from phi_azure.engine.errors import UserError
from phi_azure.engine.memory import GIB, Fit, Judged, Load, Shape
from phi_azure.engine.settings import read_settings
from phi_azure.engine.spec import read_spec
from phi_azure.engine.weights import empty_model

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Steps

STEP = "chat_completion_finetune"
PHI_4_MINI = Shape(
    parameters=3_836_021_760,
    trained=11_534_336,
    layers=32,
    hidden=3072,
    keys=1024,
    wide=8192,
    vocabulary=200_064,
)
LONG = Load(
    weight_bytes=2, number_bytes=2, rows=8, tokens=2048, answers=64, checkpointing=False, moments=8.0, on_gpu=True
)
ARCHITECTURES: dict[str, tuple[str, dict[str, Any], int]] = {
    "Phi-3.5-mini": (
        "Phi3Config",
        {"vocab_size": 32_064, "num_attention_heads": 32, "num_key_value_heads": 32},
        3_821_079_552,
    ),
    "Phi-4-mini": (
        "Phi3Config",
        {
            "vocab_size": 200_064,
            "num_attention_heads": 24,
            "num_key_value_heads": 8,
            "tie_word_embeddings": True,
            "pad_token_id": 0,
        },
        3_836_021_760,
    ),
    "Phi-3.5-MoE": ("PhimoeConfig", {"num_key_value_heads": 8, "num_local_experts": 16}, 41_872_793_600),
}


def adapter(folder: Path) -> dict[str, Any]:
    """Returns the tensors of an adapter."""
    from safetensors.torch import load_file

    tensors: dict[str, Any] = load_file(folder / "adapter" / "adapter_model.safetensors")
    return tensors


def learnt(steps: Steps, key: str) -> list[float]:
    """Returns the values of a metric, in order."""
    return [event["value"] for event in steps.events(STEP) if event["type"] == "metric" and event["key"] == key]


@pytest.mark.parametrize(
    ("room", "checkpointing", "rows"),
    [(None, False, 8), (200, False, 8), (25, True, 8), (11, True, 2)],
    ids=["not known", "plenty", "tight", "tighter"],
)
def test_first_way_that_fits_is_taken(room: int | None, checkpointing: bool, rows: int) -> None:
    """As it is, then with checkpointing, then with fewer rows at a time."""
    fit = memory.fitted(PHI_4_MINI, LONG, None if room is None else room * GIB, "on the GPU")

    assert (fit.checkpointing, fit.rows) == (checkpointing, rows)


def test_what_does_not_fit_is_refused_with_figures() -> None:
    """The message has what is needed, what is free, line by line, and what to do."""
    with pytest.raises(UserError) as refused:
        memory.fitted(PHI_4_MINI, LONG, 6 * GIB, "on the GPU")

    said = str(refused.value)
    assert "GiB on the GPU, one row at a time and with gradient checkpointing; 6.00 GiB are free" in said
    assert "weights               7.19 GiB  3.84 G, 2 bytes each" in said
    assert "LoRA" in said


def test_long_validation_rows_are_counted() -> None:
    """An evaluation whose rows are longer than those that train is what takes most, and is cut with the batch."""
    load = replace(LONG, tokens=64, judged=Judged(rows=8, tokens=8_192, answers=64))

    fit = memory.fitted(PHI_4_MINI, load, 13 * GIB, "on the GPU")

    assert any("evaluation" in line and f"{fit.rows} rows of 8,192 tokens" in line for line in fit.lines)
    assert fit.rows == 2
    assert fit.need > memory.needed(PHI_4_MINI, replace(LONG, tokens=64, rows=fit.rows, checkpointing=True))[0]


def test_weights_must_fit_into_main_memory_on_their_way() -> None:
    """3.8 thousand million weights of two bytes pass where there is room for them, and not where there is less."""
    memory.refuse_to_load(PHI_4_MINI, 2, 10 * GIB)
    memory.refuse_to_load(PHI_4_MINI, 2, None)

    with pytest.raises(UserError, match=r"7\.75 GiB are needed, 4\.00 GiB are free"):
        memory.refuse_to_load(PHI_4_MINI, 2, 4 * GIB)


@pytest.mark.engine
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_shape_is_read_without_weights(name: str, tmp_path: Path) -> None:
    """The true architectures, counted to the last weight from their configuration alone."""
    import transformers

    kind, changes, parameters = ARCHITECTURES[name]
    getattr(transformers, kind)(**changes).save_pretrained(tmp_path)
    model = empty_model(tmp_path)

    assert model.num_parameters() == parameters
    assert {weight.device.type for weight in model.parameters()} == {"meta"}


@pytest.mark.engine
def test_adapter_is_counted_as_peft_makes_it(steps: Steps) -> None:
    """The number of weights that LoRA trains is known before there is an adapter."""
    steps.prepare()
    spec = read_spec(steps.finetune("model", {"max_steps": "1", "lora_r": "4"}))
    shape = memory.shape_of(steps.home / "base", read_settings(spec))

    engine.main(["step", str(steps.finetune("model", {"max_steps": "1", "lora_r": "4"}))])

    assert shape.trained == sum(tensor.numel() for tensor in adapter(steps.home / "model").values())


@pytest.mark.engine
def test_training_that_does_not_fit_is_refused_before_it_loads(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job ends as the user's fault, with the figures, and leaves nothing."""
    steps.prepare()
    monkeypatch.setattr(finetune, "room_on", lambda _: GIB // 4)

    code = engine.main(["step", str(steps.finetune("model", {}))])

    (error,) = [event for event in steps.events(STEP) if event["type"] == "error"]
    assert code == 1
    assert error["code"] == "UserError"
    assert "0.25 GiB are free" in error["message"]
    assert not (steps.home / "model").exists()


@pytest.mark.engine
def test_cut_and_checkpointed_it_learns_the_same(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows at a time, calculated twice: the update is that of the whole batch."""
    steps.prepare()
    once = {"max_steps": "3", "evaluation_strategy": "disable", "logging_steps": "1"}
    engine.main(["step", str(steps.finetune("whole", once))])
    monkeypatch.setattr(finetune, "fitted", lambda *_: Fit(checkpointing=True, rows=3, need=0, lines=()))

    engine.main(["step", str(steps.finetune("cut", once))])

    for key in ("loss", "grad_norm"):
        assert learnt(steps, key)[:3] == pytest.approx(learnt(steps, key)[3:], rel=1e-3)


@pytest.mark.engine
def test_two_processes_train_as_one(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes its share of every step; one reports, one writes, and the adapter is that of a single process."""
    import torch

    steps.prepare()
    settings = {"max_steps": "6", "gradient_accumulation_steps": "2", "logging_steps": "1"}
    engine.main(["step", str(steps.finetune("one", settings))])
    monkeypatch.setenv(crew.PROCESSES, "2")

    code, log = steps.run(steps.finetune("two", settings))

    assert code == 0, log
    assert "2 processes train together" in log
    assert log.count("is done") == 1
    loss, norm = learnt(steps, "loss"), learnt(steps, "grad_norm")
    assert loss[:6] == pytest.approx(loss[6:], rel=1e-3)
    assert norm[:6] == pytest.approx(norm[6:], rel=1e-3)
    one, two = adapter(steps.home / "one"), adapter(steps.home / "two")
    assert all(torch.allclose(one[name], two[name], atol=1e-3) for name in one)
    assert json.loads((steps.home / "two" / "training_metrics.json").read_text())["steps"] == 6


@pytest.mark.parametrize("said", ["0", "two", "-1"])
def test_number_of_processes_that_is_none(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused with the variable's name."""
    monkeypatch.setenv(crew.PROCESSES, said)

    with pytest.raises(UserError, match="PHI_AZURE_PROCESSES"):
        crew.wanted()


@pytest.mark.engine
def test_command_trains_the_weights_it_is_given(
    steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`submit --local --weights` puts them in the place of phi-tiny, in a folder that has used phi-tiny before."""
    monkeypatch.chdir(tmp_path)
    job = "{name: own, training_data: train.jsonl, route: {kind: managed, learning_rate: 0.01, lora: {r: 4}}}"
    (tmp_path / "job.yaml").write_text(job, encoding="utf-8")
    with Workspace.local(tmp_path / ".phi-azure") as workspace:
        workspace.deploy_base("Phi-4-mini-instruct", name="tiny").delete()

    code = run(["submit", "job.yaml", "--local", "--wait", "--weights", f"Phi-4-mini-instruct={steps.model}"])

    name = capsys.readouterr().out.strip()
    assert code == 0
    with Workspace.local(tmp_path / ".phi-azure") as workspace:
        log = "\n".join(workspace.run(name).logs())
    assert f"Phi3ForCausalLM, {empty_model(steps.model).num_parameters():,} parameters" in log


def test_weights_are_for_this_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --local nothing is sent."""
    (tmp_path / "job.yaml").touch()

    code = run(["submit", str(tmp_path / "job.yaml"), "--weights", f"Phi-4={tmp_path}"])

    assert code == 2
    assert "--weights are for this machine; add --local." in capsys.readouterr().err
