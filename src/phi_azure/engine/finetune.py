"""The step chat_completion_finetune: trains on the tokenised rows and writes the model in Hugging Face layout."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phi_azure.engine.batches import TokenRows, load_rows
from phi_azure.engine.checkpoints import Checkpoints
from phi_azure.engine.crew import Crew, join
from phi_azure.engine.errors import UserError
from phi_azure.engine.events import log
from phi_azure.engine.finetune_config import NAME, read_config
from phi_azure.engine.folders import TOKENIZER_FILES, copy_files, whole_folder
from phi_azure.engine.memory import GIB, Fit, Judged, Load, fitted, give_back_at_once, refuse_to_load, room_on, shape_of
from phi_azure.engine.settings import Settings, left_out, read_settings
from phi_azure.engine.threads import TINY, most_threads
from phi_azure.engine.training import Training
from phi_azure.engine.weights import load_model, lora_targets, set_up_libraries, stored_dtype

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.engine.events import Events
    from phi_azure.engine.spec import Spec


def run(spec: Spec, events: Events) -> None:
    """Trains, then writes merged weights, adapter, tokenizer and figures."""
    settings = read_settings(spec)
    base, data = spec.path("model_selector_output"), spec.path("preprocess_output")
    if base is None or data is None:
        raise UserError("model_selector_output and preprocess_output are needed.")
    set_up_libraries()
    began = time.perf_counter()
    import torch

    crew = join()
    for note in left_out(spec, on_cpu=not torch.cuda.is_available()):
        log(note)
    _be_repeatable(settings)
    rows = _read_rows(data)
    fit, half = _fitted(base, settings, rows, crew)
    model = _prepare(base, settings, crew, half)
    if fit.checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    log(f"model loaded in {time.perf_counter() - began:.1f} s")
    _say_params(spec, events, model)
    at_once = fit.rows if fit.rows < settings.train_batch else 0
    training = Training(
        model,
        rows.training,
        rows.validation,
        settings,
        Checkpoints(spec.work / "checkpoints", settings.save_total_limit),
        events,
        pad_to=rows.pad_to,
        at_once=at_once,
        half=half,
        crew=crew,
    )
    figures = training.run(resume=spec.resume or spec.flag("resume_from_checkpoint"))
    log(f"trained {training.at.step} steps in {figures['train_runtime']:.1f} s, {figures['tokens']:.0f} tokens")
    if not crew.leads:
        return
    with whole_folder(spec.output("pytorch_model_folder")) as out:
        _write(training.model, base, out, settings)
        _write_facts(spec, base, out, figures)
    events.tag("__azureml_ft_training_tokens", str(int(figures["tokens"])))
    events.tag("__azureml_ft_assistant_tokens", str(int(figures["assistant_tokens"])))


def _be_repeatable(settings: Settings) -> None:
    import torch

    torch.manual_seed(settings.seed)
    if settings.enable_full_determinism:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)


@dataclass(frozen=True)
class _Rows:
    """The tokenised rows, and how long a row is padded to, 0 for no longer than its batch."""

    training: TokenRows
    validation: TokenRows | None
    pad_to: int

    def longest(self, rows: TokenRows) -> int:
        """Returns the tokens of the longest row, as it is padded."""
        return max(self.pad_to, *rows.lengths())

    def judged(self, at_once: int) -> Judged | None:
        """Returns how much is evaluated at a time; None where there is nothing to evaluate."""
        if not self.validation:
            return None
        return Judged(at_once, self.longest(self.validation), self.validation.most_answers())


def _read_rows(data: Path) -> _Rows:
    args = json.loads((data / "preprocess_args.json").read_text(encoding="utf-8"))
    rows = load_rows(data / "train.safetensors")
    validation = load_rows(data / "validation.safetensors") if (data / "validation.safetensors").is_file() else None
    log(f"{len(rows)} training rows, {len(validation) if validation else 0} validation rows")
    return _Rows(rows, validation, args["max_seq_length"] if args.get("pad_to_max_length") else 0)


def _fitted(base: Path, settings: Settings, rows: _Rows, crew: Crew) -> tuple[Fit, bool]:
    """Decides precision, checkpointing and rows at a time, and says so; refuses what does not fit, before it loads.

    On a GPU the layers calculate in bfloat16 where 16 bits are asked for, and where the model is a real one.
    """
    shape = shape_of(base, settings, read_config(base).get("lora_target_modules"))
    gpu = crew.device.startswith("cuda")
    half = gpu and (settings.precision == "16" or shape.parameters >= TINY)
    if not gpu and shape.parameters >= TINY:
        give_back_at_once()
    load = Load(
        weight_bytes=2 if half else 4,
        number_bytes=2 if half else 4,
        rows=settings.train_batch,
        tokens=rows.longest(rows.training),
        answers=rows.training.most_answers(),
        checkpointing=False,
        moments=8.0 if settings.optim.startswith("adamw") else 0.1,
        judged=rows.judged(settings.eval_batch),
        adds_up=settings.gradient_accumulation_steps > 1,
        data=sum(part.size() for part in (rows.training, rows.validation) if part),
        on_gpu=gpu,
    )
    room = room_on("cuda" if gpu else "cpu")
    fit = fitted(shape, load, room if gpu or room is None else room // crew.size, "on the GPU" if gpu else "here")
    if gpu:
        here = room_on("cpu")
        refuse_to_load(shape, 2 if half and settings.lora else 4, here and here // crew.size)
    log(f"memory: {fit.need / GIB:.2f} GiB counted" + (f", {room / GIB:.2f} GiB there" if room else ""))
    if fit.checkpointing:
        log(f"gradient checkpointing is on, {fit.rows} of {settings.train_batch} rows go through at a time: memory")
    if half:
        log("calculated in bfloat16")
    return fit, half


def _prepare(base: Path, settings: Settings, crew: Crew, half: bool) -> Any:
    """Loads the base model in 32 bits, or 16 where the layers calculate so and LoRA alone learns; adds the adapter."""
    import torch

    gpu = crew.device.startswith("cuda")
    model = load_model(base, "bfloat16" if half and settings.lora is not None else "float32")
    threads = max(1, most_threads(model.num_parameters()) // crew.size)
    torch.set_num_threads(threads)
    place = "the GPU" if gpu else f"at most {threads} CPU threads"
    log(f"{type(model).__name__}, {model.num_parameters():,} parameters, on {place}")
    if settings.lora is not None:
        model = _with_lora(model, settings, read_config(base).get("lora_target_modules"))
    return model.to(crew.device) if gpu else model


def _with_lora(model: Any, settings: Settings, asked: list[str] | None) -> Any:
    from peft import LoraConfig, get_peft_model

    lora = settings.lora
    if lora is None:
        return model
    targets = lora_targets(model.config.model_type, asked)
    config = LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets, task_type="CAUSAL_LM"
    )
    return get_peft_model(model, config)


def _say_params(spec: Spec, events: Events, model: Any) -> None:
    learning = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    log(f"{learning:,} parameters are trained")
    paths = {"preprocess_output", "model_selector_output", "deepspeed"}
    values = {name: value for name, value in spec.inputs.items() if name not in paths}
    for name, value in {**values, "trainable_parameters": str(learning)}.items():
        events.param(name, value)


def _write(model: Any, base: Path, out: Path, settings: Settings) -> None:
    """Writes the adapter as PEFT does, then the merged model in the base's own precision."""
    import torch

    if settings.lora is not None:
        model.peft_config["default"].base_model_name_or_path = _name(base)
        model.save_pretrained(str(out / "adapter"), save_embedding_layers=False)
        model = model.merge_and_unload()
    model.to(getattr(torch, stored_dtype(base))).save_pretrained(str(out))
    copy_files(base, out, (*TOKENIZER_FILES, "generation_config.json", NAME))


def _write_facts(spec: Spec, base: Path, out: Path, figures: dict[str, float]) -> None:
    paths = {"preprocess_output", "model_selector_output", "deepspeed"}
    settings = {name: value for name, value in spec.inputs.items() if name not in paths}
    args = {"model": _name(base), "task_name": "ChatCompletion", **settings}
    (out / "finetune_args.json").write_text(json.dumps(args, indent=2) + "\n", encoding="utf-8")
    (out / "training_metrics.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _name(base: Path) -> str:
    path = base / "model_import.json"
    return str(json.loads(path.read_text(encoding="utf-8"))["model"]) if path.is_file() else base.name
