"""Training settings: defaults, Azure's rules, what is left out, learning rate curves."""

from __future__ import annotations

from pathlib import Path

import pytest

from phi_azure.engine.errors import ProblemsError
from phi_azure.engine.settings import SCHEDULES, learning_rate_factor, left_out, read_settings
from phi_azure.engine.spec import Spec


def spec(**inputs: str) -> Spec:
    """Returns a fine-tune spec with these inputs."""
    return Spec("chat_completion_finetune", inputs, {}, Path("work"), Path("events"))


def test_defaults_are_those_of_the_component() -> None:
    """Without inputs the settings are Azure's defaults."""
    settings = read_settings(spec())

    assert (settings.learning_rate, settings.num_train_epochs, settings.train_batch) == (2e-5, 1, 1)
    assert settings.lora is None
    assert settings.evaluation_strategy == "epoch"


def test_lora_is_read_when_it_is_on() -> None:
    """apply_lora brings rank, alpha and dropout."""
    settings = read_settings(spec(apply_lora="true", lora_r="4", lora_dropout="0.1"))

    assert settings.lora is not None
    assert (settings.lora.r, settings.lora.alpha, settings.lora.dropout) == (4, 128, 0.1)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"learning_rate": "0"}, "learning_rate is 0"),
        ({"learning_rate": "fast"}, "must be a number"),
        ({"apply_early_stopping": "true", "evaluation_strategy": "disable"}, "apply_early_stopping needs"),
        ({"apply_deepspeed": "true", "auto_find_batch_size": "true"}, "apply_deepspeed cannot go with"),
        ({"apply_deepspeed": "true", "apply_ort": "true", "deepspeed_stage": "3"}, "apply_ort cannot go with"),
        ({"precision": "4"}, "precision 4 is refused"),
        ({"apply_lora": "yes"}, '"true" or "false"'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_azure_refuses_is_refused(inputs: dict[str, str], message: str) -> None:
    """Settings that Azure's training code would refuse stop the job, with the setting named."""
    with pytest.raises((ProblemsError, ValueError), match=message):
        read_settings(spec(**inputs))


def test_all_problems_are_said_at_once() -> None:
    """Two bad settings come in one error."""
    with pytest.raises(ProblemsError) as caught:
        read_settings(spec(learning_rate="-1", num_train_epochs="0"))

    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("name", ["apply_deepspeed", "apply_ort", "auto_find_batch_size", "ignore_mismatched_sizes"])
def test_what_is_left_out_is_said(name: str) -> None:
    """A switch that this engine does not act on is named, with the reason."""
    (note,) = left_out(spec(**{name: "true"}), on_cpu=True)

    assert note.startswith(f"{name}=true is left out: ")


def test_sixteen_bits_are_left_out_only_on_a_cpu() -> None:
    """precision=16 counts on a GPU."""
    asked = spec(precision="16")

    assert "no GPU" in left_out(asked, on_cpu=True)[0]
    assert left_out(asked, on_cpu=False) == []


@pytest.mark.parametrize(
    ("inputs", "every"),
    [
        ({"evaluation_strategy": "disable"}, 0),
        ({"evaluation_strategy": "epoch"}, 40),
        ({"evaluation_strategy": "steps", "eval_steps": "7"}, 7),
        ({"evaluation_strategy": "steps", "eval_steps": "7", "evaluation_steps_interval": "0.5"}, 20),
        ({"evaluation_strategy": "steps", "eval_steps": "7", "evaluation_steps_interval": "3"}, 7),
        ({"evaluation_strategy": "epoch", "evaluation_steps_interval": "0.5"}, 40),
    ],
)
def test_how_often_to_evaluate(inputs: dict[str, str], every: int) -> None:
    """The share of an epoch counts only with the strategy steps, and only from 0 to 1."""
    assert read_settings(spec(**inputs)).eval_every(40) == every


@pytest.mark.engine
@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("warmup", [0, 5])
def test_learning_rates_are_those_of_transformers(kind: str, warmup: int) -> None:
    """Each curve is the one that transformers draws, step for step."""
    import torch
    from transformers.optimization import get_scheduler

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=30)
    factor = learning_rate_factor(kind, warmup, 30, 0.1)
    theirs = []
    for _ in range(31):
        theirs.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()

    ours = [0.1 * factor(step) for step in range(31)]

    assert ours == pytest.approx(theirs)
