"""The training loop: plain torch, so that every number it reports and every stop is its own."""

from __future__ import annotations

import math
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phi_azure.engine.batches import TokenRows, chunks, epoch_batches, even_batches, groups, padded
from phi_azure.engine.checkpoints import Checkpoints, Position
from phi_azure.engine.crew import Crew
from phi_azure.engine.events import log
from phi_azure.engine.settings import Settings, learning_rate_factor
from phi_azure.engine.threads import TINY, Pace, most_threads

if TYPE_CHECKING:
    from phi_azure.engine.events import Events

_CHECKPOINTS = 5  # at least this many in a run: a killed one loses a fifth at most
_SECONDS = 0.25  # between two reports of progress


@dataclass
class Training:
    """One run: a model, its rows and how to train, with everything that changes while it runs."""

    model: Any
    rows: TokenRows
    validation: TokenRows | None
    settings: Settings
    checkpoints: Checkpoints
    events: Events
    pad_to: int = 0
    at_once: int = 0
    """Rows that go through the model together; 0 takes the batch whole."""
    half: bool = False
    """Whether the layers calculate in bfloat16."""
    crew: Crew = field(default_factory=Crew)
    at: Position = field(default_factory=Position)
    _reported: float = 0.0

    def __post_init__(self) -> None:
        """Works out the lengths of things once."""
        self.lengths = self.rows.lengths()
        batches = math.ceil(len(self.rows) / self.settings.train_batch)
        self.steps_per_epoch = math.ceil(batches / self.settings.gradient_accumulation_steps)
        self.total = self.settings.total_steps(self.steps_per_epoch)
        self.log_every = self.settings.log_every(self.steps_per_epoch)
        self.eval_every = self.settings.eval_every(self.steps_per_epoch) if self.validation else 0
        self.save_every = math.ceil(self.total / _CHECKPOINTS)
        parameters = sum(weight.numel() for weight in self.model.parameters())
        self.pace = Pace(most_threads(parameters) if parameters < TINY else 1)
        self.device = next(self.model.parameters()).device
        self.optimizer = make_optimizer(self.model, self.settings)
        settings = self.settings
        self.factor = learning_rate_factor(
            settings.lr_scheduler_type, settings.warmup_steps, self.total, settings.learning_rate
        )

    def run(self, resume: bool) -> dict[str, float]:
        """Trains to the end, puts the best weights back, and returns the run's figures."""
        self._find_start(resume)
        self.model.train()
        while self.at.step < self.total and not self.at.stopped:
            epoch, done = divmod(self.at.step, self.steps_per_epoch)
            order = epoch_batches(self.lengths, self.settings.train_batch, self.settings.seed, epoch)
            for group in groups(order, self.settings.gradient_accumulation_steps)[done:]:
                self._one_step(group)
                if self.at.step >= self.total or self.at.stopped:
                    break
        self._use_best()
        return self._figures()

    def _find_start(self, resume: bool) -> None:
        position = self.checkpoints.load_last(self.model, self.optimizer) if resume else None
        if position:
            self.at = position
            log(f"resumed from the checkpoint at step {position.step} of {self.total}")
        elif resume:
            log("no complete checkpoint: training starts from the beginning")
        elif self.crew.leads and self.checkpoints.clear():
            log("checkpoints of an earlier run removed (no resume was asked for)")
        self.crew.meet()  # nobody writes a checkpoint before all have looked for one
        self.events.progress(self.at.step, self.total, self.at.step / self.steps_per_epoch)

    def _one_step(self, group: list[list[int]]) -> None:
        began = time.perf_counter()
        self._set_learning_rate(self.at.step)
        norm = self._learn(group)
        self.at.step += 1
        seconds = time.perf_counter() - began
        self.at.seconds += seconds
        self._keep_pace(sum(self.lengths[row] for batch in group for row in batch), seconds)
        self._report(norm)
        self._evaluate_if_due()
        self._save_if_due()

    def _keep_pace(self, tokens: int, seconds: float) -> None:
        import torch

        before = self.pace.now
        if self.device.type == "cpu" and self.pace.step(tokens, seconds) != before:
            torch.set_num_threads(self.pace.now)

    def _learn(self, group: list[list[int]]) -> float:
        """Makes one update from a group of batches, each answer token weighing the same."""
        import torch

        mine = self.crew.share(chunks(group, self.at_once))
        batches = [padded(self.rows, batch, self.device, self.pad_to) for batch in mine]
        count = int(self.crew.total([sum(int(answer[:, 1:].sum()) for _, answer in batches)])[0])
        said = 0.0
        for ids, answer in batches:
            loss = self._forward(ids, answer)[0]  # holding on to the predictions would keep their memory
            (loss / max(1, count)).backward()
            said += float(loss.detach())
        self._count_loss(self.crew.total([said])[0], count)
        limit = self.settings.max_grad_norm if self.settings.max_grad_norm > 0 else math.inf
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.crew.add_gradients(weights)
        norm = float(torch.nn.utils.clip_grad_norm_(weights, limit))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.at.tokens += sum(self.lengths[row] for batch in group for row in batch)
        self.at.answer_tokens += count
        return norm

    def _forward(self, ids: Any, answer: Any) -> tuple[Any, Any]:
        """Returns the summed loss of the answer tokens and the logits there; other positions get no logits at all."""
        from torch.nn.functional import cross_entropy

        wanted = answer[:, 1:]
        language_model = self.model.get_base_model() if hasattr(self.model, "peft_config") else self.model
        with self._precision():
            hidden = language_model.base_model(input_ids=ids, use_cache=False)[0]
            logits = language_model.get_output_embeddings()(hidden[:, :-1][wanted])
        return cross_entropy(logits.float(), ids[:, 1:][wanted], reduction="sum"), logits

    def _precision(self) -> Any:
        import torch

        return torch.autocast(self.device.type, dtype=torch.bfloat16) if self.half else nullcontext()

    def _count_loss(self, loss: float, count: int) -> None:
        self.at.window_loss += loss
        self.at.window_count += count
        self.at.total_loss += loss
        self.at.total_count += count

    def _set_learning_rate(self, step: int) -> float:
        rate = self.settings.learning_rate * self.factor(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _report(self, norm: float) -> None:
        step, epoch = self.at.step, self.at.step / self.steps_per_epoch
        last = step == self.total
        if time.monotonic() - self._reported > _SECONDS or last:
            self._reported = time.monotonic()
            self.events.progress(step, self.total, epoch)
        if step % self.log_every and not last:
            return
        loss = self.at.window_loss / max(1, self.at.window_count)
        self.at.window_loss, self.at.window_count = 0.0, 0
        rate = self.settings.learning_rate * self.factor(step)
        values = {"loss": loss, "grad_norm": norm, "learning_rate": rate, "epoch": epoch, "tokens": self.at.tokens}
        self._emit(values)
        log(f"step {step}/{self.total} epoch {epoch:.2f} loss {loss:.4f} grad_norm {norm:.3f} learning_rate {rate:.3g}")

    def _emit(self, values: dict[str, float]) -> None:
        for key, value in values.items():
            self.events.metric(key, value, self.at.step)

    def _evaluate_if_due(self) -> None:
        if self.validation is None or not self.eval_every:
            return
        if self.at.step % self.eval_every and self.at.step != self.total:
            return
        began = time.perf_counter()
        values = self.evaluate(self.validation)
        self._emit(
            {**values, "eval_runtime": time.perf_counter() - began, "epoch": self.at.step / self.steps_per_epoch}
        )
        log("evaluation: " + ", ".join(f"{key} {value:.4f}" for key, value in values.items()))
        self._judge(values)

    def _judge(self, values: dict[str, float]) -> None:
        """Keeps the weights if they are the best so far; stops the run if they have not improved for too long."""
        metric = self.settings.metric_for_best_model
        score = values[f"eval_{metric}"] * (-1 if metric == "loss" else 1)
        enough = self.at.best is None or score - self.at.best > self.settings.early_stopping_threshold
        if self.at.best is None or score > self.at.best:
            self.at.best, self.at.best_step = score, self.at.step
            if self.crew.leads:
                self.checkpoints.save_best(self.model)
        self.at.unimproved = 0 if enough else self.at.unimproved + 1
        if self.settings.apply_early_stopping and self.at.unimproved >= self.settings.early_stopping_patience:
            self.at.stopped = True
            log(f"stopped early: eval_{metric} did not improve in {self.at.unimproved} evaluations")

    def _save_if_due(self) -> None:
        step = self.at.step
        due = step % self.save_every == 0 or step % self.steps_per_epoch == 0 or step == self.total
        if due or self.at.stopped or (self.eval_every and step % self.eval_every == 0):
            if self.crew.leads:
                self.checkpoints.save(self.at, self.model, self.optimizer)
            self.crew.meet()

    def evaluate(self, rows: TokenRows) -> dict[str, float]:
        """Returns loss, share of answers right in every token, and token F1, each token given the true ones before."""
        import torch

        loss, count, exact, f1 = 0.0, 0, 0, 0.0
        size = min(self.settings.eval_batch, self.at_once or self.settings.eval_batch)
        self.model.eval()
        with torch.no_grad():
            for batch in self.crew.share(even_batches(rows.lengths(), size)):
                ids, answer = padded(rows, batch, self.device, self.pad_to)
                part, logits = self._forward(ids, answer)
                loss, count = loss + float(part), count + int(answer[:, 1:].sum())
                for said, meant in _answers(ids, answer, logits):
                    exact, f1 = exact + (said == meant), f1 + token_f1(said, meant)
        self.model.train()
        sums = self.crew.total([loss, count, exact, f1])
        return {
            "eval_loss": sums[0] / max(1, sums[1]),
            "eval_exact": sums[2] / len(rows),
            "eval_f1": sums[3] / len(rows),
        }

    def _use_best(self) -> None:
        self.crew.meet()
        if self.at.best_step and self.at.best_step != self.at.step:
            self.checkpoints.load_best(self.model)
            log(f"the weights of step {self.at.best_step} were the best in evaluation and are used")

    def _figures(self) -> dict[str, float]:
        seconds = max(self.at.seconds, 1e-9)
        samples = self.at.step / self.steps_per_epoch * len(self.rows)
        figures = {
            "train_loss": self.at.total_loss / max(1, self.at.total_count),
            "train_runtime": self.at.seconds,
            "train_samples_per_second": samples / seconds,
            "train_steps_per_second": self.at.step / seconds,
        }
        self._emit(figures)
        return {**figures, "steps": self.at.step, "tokens": self.at.tokens, "assistant_tokens": self.at.answer_tokens}


def make_optimizer(model: Any, settings: Settings) -> Any:
    """Returns the optimizer; weight decay spares biases and norms, as in transformers."""
    import torch

    weights = [weight for weight in model.parameters() if weight.requires_grad]
    decayed = {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": settings.weight_decay}
    spared = {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0}
    parts = [part for part in (decayed, spared) if part["params"]]
    if settings.optim == "adafactor":
        from transformers.optimization import Adafactor

        return Adafactor(parts, lr=settings.learning_rate, scale_parameter=False, relative_step=False)
    return torch.optim.AdamW(
        parts,
        lr=settings.learning_rate,
        betas=(settings.adam_beta1, settings.adam_beta2),
        eps=settings.adam_epsilon,
        fused=True,
    )


def token_f1(said: list[int], meant: list[int]) -> float:
    """Returns the overlap of two answers as bags of tokens, from 0 to 1."""
    common = sum((Counter(said) & Counter(meant)).values())
    return 2 * common / (len(said) + len(meant)) if said or meant else 1.0


def _answers(ids: Any, answer: Any, logits: Any) -> list[tuple[list[int], list[int]]]:
    """Returns, for each row, the tokens predicted and the tokens meant."""
    wanted = answer[:, 1:]
    sizes = wanted.sum(dim=1).tolist()
    said = logits.argmax(dim=-1).split(sizes)
    meant = ids[:, 1:][wanted].split(sizes)
    return [(a.tolist(), b.tolist()) for a, b in zip(said, meant, strict=True)]
