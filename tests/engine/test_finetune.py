"""Fine-tuning for real, on a model of 30,000 parameters: events, resume, cancel, what is written."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.engine import __main__ as engine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Steps

pytestmark = pytest.mark.engine

STEP = "chat_completion_finetune"


def values(events: list[dict[str, Any]], key: str) -> list[float]:
    """Returns the values of a metric, in order."""
    return [event["value"] for event in events if event["type"] == "metric" and event["key"] == key]


def weights(folder: Path) -> dict[str, Any]:
    """Returns the adapter's weights as bytes."""
    from safetensors.torch import load_file

    return {
        name: w.numpy().tobytes() for name, w in load_file(folder / "adapter" / "adapter_model.safetensors").items()
    }


def test_the_loss_falls_and_is_reported(steps: Steps) -> None:
    """A fine-tune reports loss, rate, norm, epoch and tokens as it goes, and evaluates each epoch."""
    steps.prepare()

    code = engine.main(["step", str(steps.finetune("model", {"num_train_epochs": "6", "apply_lora": "false"}))])

    events = steps.events(STEP)
    loss = values(events, "loss")
    assert code == 0
    assert loss[-1] < 0.5 * loss[0]
    assert len(values(events, "eval_loss")) == 6
    for key in ("learning_rate", "grad_norm", "epoch", "tokens"):
        assert len(values(events, key)) >= len(loss)
    assert [event["step"] for event in events if event["type"] == "progress"][-1] == 48
    tags = {event["key"]: event["value"] for event in events if event["type"] == "tag"}
    assert int(tags["__azureml_ft_training_tokens"]) == values(events, "tokens")[-1]


def test_merged_model_answers_as_base_with_adapter_does(steps: Steps) -> None:
    """The merged fp16 weights and base plus adapter give the same logits; both load with plain libraries."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    steps.prepare()
    engine.main(["step", str(steps.finetune("model", {"num_train_epochs": "2"}))])
    ids = torch.arange(3, 40)[None]

    merged = AutoModelForCausalLM.from_pretrained(steps.home / "model", dtype=torch.float32)
    base = AutoModelForCausalLM.from_pretrained(steps.model, dtype=torch.float32)
    adapted = PeftModel.from_pretrained(base, str(steps.home / "model" / "adapter"))

    assert json.loads((steps.home / "model" / "config.json").read_text())["dtype"] == "float16"
    with torch.no_grad():
        assert torch.allclose(merged(ids).logits, adapted(ids).logits, atol=2e-2)


@pytest.mark.parametrize("full", [False, True], ids=["lora", "full"])
def test_a_killed_run_resumes_to_the_same_weights(steps: Steps, full: bool) -> None:
    """A run killed in the middle and resumed ends with the very weights of a run that was left alone."""
    settings = {"num_train_epochs": "12", "lora_dropout": "0.1", "apply_lora": str(not full).lower()}
    steps.prepare()
    engine.main(["step", str(steps.finetune("whole", settings))])
    whole = steps.finetune("broken", settings)
    process = steps.start(whole)
    while not list(steps.home.glob("work/broken/checkpoints/checkpoint-*")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()

    code, log = steps.run(steps.finetune("broken", settings, resume=True))

    assert code == 0, log
    assert "resumed from the checkpoint at step" in log
    name = "model.safetensors" if full else "adapter/adapter_model.safetensors"
    assert (steps.home / "broken" / name).read_bytes() == (steps.home / "whole" / name).read_bytes()


def test_cancel_stops_soon_and_leaves_no_output(steps: Steps) -> None:
    """SIGTERM ends the process with 143 within two seconds, without half a model."""
    steps.prepare()
    process = steps.start(steps.finetune("model", {"num_train_epochs": "100000"}))
    while not list(steps.home.glob("work/model/checkpoints/best")):
        assert process.poll() is None
        time.sleep(0.01)

    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    log, _ = process.communicate(timeout=10)

    assert process.returncode == 143, log
    assert time.monotonic() - began < 2
    assert "cancelled" in log
    assert not (steps.home / "model").exists()


def test_early_stopping_uses_the_best_weights(steps: Steps) -> None:
    """Training stops when evaluation no longer improves, and the best weights are the ones written."""
    steps.prepare()
    settings = {"num_train_epochs": "50", "apply_early_stopping": "true", "early_stopping_threshold": "0.5"}

    engine.main(["step", str(steps.finetune("model", settings))])

    figures = json.loads((steps.home / "model" / "training_metrics.json").read_text())
    assert figures["steps"] < 50 * 8


@pytest.mark.parametrize(
    "settings",
    [
        {"optim": "adafactor"},
        {"apply_lora": "false"},
        {"gradient_accumulation_steps": "3", "logging_strategy": "epoch"},
        {"evaluation_strategy": "steps", "evaluation_steps_interval": "0.5", "metric_for_best_model": "exact"},
        {"evaluation_strategy": "disable", "save_total_limit": "1", "max_steps": "5"},
        {"lr_scheduler_type": "cosine", "warmup_steps": "2", "weight_decay": "0.1", "max_grad_norm": "0"},
        {"enable_full_determinism": "true", "seed": "7"},
    ],
    ids=" ".join,
)
def test_every_setting_trains(steps: Steps, settings: dict[str, str]) -> None:
    """Settings off the beaten path train too, and still lower the loss."""
    steps.prepare()

    code = engine.main(
        ["step", str(steps.finetune("model", {"num_train_epochs": "4", "logging_steps": "1"} | settings))]
    )

    loss = values(steps.events(STEP), "loss")
    assert code == 0
    assert loss[-1] < loss[0]


def test_accumulated_batches_learn_like_one_large_batch(steps: Steps) -> None:
    """Four batches of 15 rows make the update of one batch of 60: each answer token weighs the same."""
    steps.prepare()
    once = {"max_steps": "1", "evaluation_strategy": "disable"}
    engine.main(["step", str(steps.finetune("large", once | {"per_device_train_batch_size": "60"}))])
    small = {"per_device_train_batch_size": "15", "gradient_accumulation_steps": "4"}
    engine.main(["step", str(steps.finetune("small", once | small))])

    norms = values(steps.events(STEP), "grad_norm")

    assert norms[0] == pytest.approx(norms[1], rel=1e-3)


def test_padding_to_the_longest_changes_nothing(steps: Steps) -> None:
    """Right padding without a mask does not change the loss."""
    steps.prepare()
    once = {"max_steps": "2", "evaluation_strategy": "disable", "logging_steps": "1"}
    engine.main(["step", str(steps.finetune("a", once))])
    path = steps.home / "data" / "preprocess_args.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pad_to_max_length": True}))
    engine.main(["step", str(steps.finetune("b", once))])

    loss = values(steps.events(STEP), "loss")

    assert loss[:2] == pytest.approx(loss[2:], rel=1e-4)


def test_the_converted_model_is_complete(steps: Steps) -> None:
    """The MLflow folder names Azure's flavour and loads from data/model with plain transformers."""
    import yaml
    from transformers import AutoModelForCausalLM, AutoTokenizer

    steps.prepare()
    engine.main(["step", str(steps.finetune("model", {"max_steps": "2"}))])
    convert = steps.spec(
        "ft_nlp_model_converter", {"model_path": str(steps.home / "model")}, {"mlflow_model_folder": "mlflow"}
    )

    code = engine.main(["step", str(convert)])

    out = steps.home / "mlflow"
    mlmodel = yaml.safe_load((out / "MLmodel").read_text())
    assert code == 0
    assert mlmodel["flavors"]["hftransformersv2"]["task_type"] == "chat-completion"
    assert mlmodel["flavors"]["hftransformersv2"]["huggingface_id"] == "tiny-phi"
    assert {path.name for path in (out / "data").iterdir()} == {"model", "config", "tokenizer", "adapter"}
    assert AutoTokenizer.from_pretrained(out / "data" / "model").chat_template
    assert AutoModelForCausalLM.from_pretrained(out / "data" / "model").num_parameters() > 0


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Phi3", {"partial_rotary_factor": 0.75, "num_key_value_heads": 2}),
        ("Phimoe", {"num_local_experts": 2, "num_experts_per_tok": 1, "num_key_value_heads": 2}),
        ("Phi", {}),
    ],
    ids=["Phi-4-mini", "Phi-3.5-MoE", "phi-2"],
)
def test_other_phis_train_and_answer(steps: Steps, name: str, changes: dict[str, Any]) -> None:
    """The architectures of the other Phi models take LoRA, merge and answer."""
    import torch
    import transformers

    from phi_azure.engine.chat import Sampling, load_chat_model

    tiny = json.loads((steps.model / "config.json").read_text())
    shared = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    ends = ("max_position_embeddings", "eos_token_id", "pad_token_id")
    config = getattr(transformers, f"{name}Config")(**{key: tiny[key] for key in (*shared, *ends)}, **changes)
    torch.manual_seed(0)
    model = getattr(transformers, f"{name}ForCausalLM")(config)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        steps.home.joinpath("other").mkdir(exist_ok=True)
        (steps.home / "other" / file).write_bytes((steps.model / file).read_bytes())
    model.save_pretrained(str(steps.home / "other"))
    steps.model = steps.home / "other"
    steps.prepare()

    code = engine.main(["step", str(steps.finetune("model", {"num_train_epochs": "3", "logging_steps": "1"}))])

    loss = values(steps.events(STEP), "loss")
    answer = load_chat_model(steps.home / "model").answer([{"role": "user", "content": "Hi"}], Sampling(max_tokens=4))
    assert code == 0
    assert loss[-1] < loss[0]
    assert answer.prompt_tokens > 0
