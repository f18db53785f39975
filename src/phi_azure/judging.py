"""Asks a tuned model and others the same held-out questions, and judges the answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from phi_azure import compare
from phi_azure.compare import rows as held_out
from phi_azure.config.gate import Gate, Metric
from phi_azure.edge import Spoken
from phi_azure.errors import AzureError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from phi_azure.asking.batch import OnBatchProgress
    from phi_azure.azure.client import Connection
    from phi_azure.compare import Comparison, Item
    from phi_azure.config import FineTune
    from phi_azure.edge import Trial
    from phi_azure.endpoint import Endpoint, Speaker

    Side = tuple[str, "Speaker", Callable[[Item], list[dict[str, str]]]]
    """Name, endpoint, and the form of the question."""

TUNED, BASE = "tuned", "base"


@dataclass(frozen=True)
class Exam:
    """What is asked, and how the answers are judged."""

    data: Path
    """The rows that were kept apart."""
    metric: Metric = field(default_factory=Metric)
    gate: Gate | None = None
    training: Path | None = None
    """The rows that the model learnt from: for the leak check, and for examples."""
    prompt: str | None = None
    """A system message for the base model: a further side, without any training."""
    shots: int = 0
    """So many training rows before the question to the base model: a further side."""
    limit: int | None = None
    """The first so many rows."""
    max_tokens: int = 256
    concurrency: int = 8

    @classmethod
    def of_job(cls, job: FineTune, data: Path | None = None) -> Exam:
        """Takes rows and gate from a job: the test data, or the validation data where there is none.

        Raises:
            ConfigError: the job names neither.
        """
        chosen = data or job.test_data or job.validation_data
        if chosen is None:
            raise ConfigError(
                f"job {job.name} keeps no rows apart.", remedy="Give it test_data, or name a file with --data."
            )
        return cls(Path(chosen), metric=job.gate or Metric(), gate=job.gate, training=Path(job.training_data))


def run(
    tuned: Speaker,
    base: Speaker,
    exam: Exam,
    now: Callable[[], datetime],
    on_progress: Callable[[str], OnBatchProgress] | None = None,
) -> Comparison:
    """Asks every side every row and returns what came of it, with the gate's verdict.

    Args:
        tuned: the tuned model.
        base: what it is compared with.
        exam: what is asked.
        now: the moment.
        on_progress: is asked, for each side by its name, for whom to tell how far it is.

    Raises:
        DataError, ConfigError: rows, metric or examples are not what they should be; nothing was asked.
    """
    return compare.decide(_judged(exam, lambda: _sides(tuned, base, exam), now, on_progress), exam.gate)


def alone(tuned: Speaker, exam: Exam, now: Callable[[], datetime]) -> Comparison:
    """Asks one model the rows and returns its scores, with nothing to compare it with; otherwise as `run`."""
    return _judged(exam, lambda: [_side(TUNED, tuned)], now)


def _judged(
    exam: Exam,
    sides_of: Callable[[], list[Side]],
    now: Callable[[], datetime],
    on_progress: Callable[[str], OnBatchProgress] | None = None,
) -> Comparison:
    rows = compare.held_out(exam.data, exam.training, exam.limit)
    scorer = compare.scorer(exam.metric, [item.expected for item in rows.items])
    sides = []
    for name, speaker, ask in sides_of():
        said = speaker.endpoint.batch(
            [ask(item) for item in rows.items],
            deployment=speaker.deployment,
            max_tokens=exam.max_tokens,
            concurrency=exam.concurrency,
            on_progress=on_progress(name) if on_progress else None,
        )
        sides.append((name, str(speaker), said))
    return compare.judge(rows, sides, scorer, now())


def _side(name: str, speaker: Speaker) -> Side:
    """Returns a side that is asked the rows as they are."""
    return name, speaker, lambda item: item.messages


def _sides(tuned: Speaker, base: Speaker, exam: Exam) -> list[Side]:
    found = [_side(TUNED, tuned), _side(BASE, base)]
    if exam.prompt is not None:
        prompt = exam.prompt
        found.append((f"{BASE} + prompt", base, lambda item: held_out.with_prompt(item.messages, prompt)))
    if exam.shots:
        if exam.training is None:
            raise ConfigError("examples come from the training rows; name their file.")
        shown = held_out.examples_of(exam.training, exam.shots)
        found.append(
            (f"{BASE} + {exam.shots} examples", base, lambda item: held_out.with_examples(item.messages, shown))
        )
    return found


def against(endpoint: Endpoint, trial: Trial) -> Trial:
    """Returns the same proof of an export, held against the answers of an endpoint."""

    def asked(conversations: list[held_out.Turns], max_tokens: int) -> list[Spoken]:
        answers = endpoint.batch([*conversations], max_tokens=max_tokens, concurrency=1)
        if silent := next((one for one in answers if one.answer is None), None):
            raise AzureError(f"{endpoint.name} does not answer question {silent.index + 1}: {silent.error}")
        return [Spoken((one.answer or "").strip(), one.latency_s or 0.0) for one in answers]

    return replace(trial, reference=asked, reference_name=endpoint.name)


def record(connection: Connection, tuned: Speaker, found: Comparison) -> Comparison:
    """Keeps the verdict with the deployment, and the numbers with the run; returns the comparison with both's names.

    Raises:
        AzureError: it could not be written.
    """
    from phi_azure.azure import tracking, verdicts

    origin = verdicts.origin(connection, tuned.endpoint.name, tuned.endpoint.kind, tuned.deployment)
    found = replace(found, model=origin.model, run=origin.run or None)
    if found.run:
        tracking.log(connection, found.run, metrics_of(found), found.made)
    if found.verdict and origin.deployment:
        verdicts.keep(connection, tuned.endpoint.name, origin, passed=found.verdict.passed)
    return found


def metrics_of(found: Comparison) -> dict[str, float]:
    """Returns what is logged to the run, as MLflow metrics."""
    logged: dict[str, float] = {"compare.rows": float(found.counted)}
    for side in found.sides:
        name = side.name.replace(" + ", "_with_").replace(" ", "_")
        logged |= {f"compare.{metric}.{name}": score for metric, score in side.scores.items()}
        logged |= {f"compare.latency_s.{name}": side.latency_s[0]}
    for pair in found.pairs:
        if pair.against == BASE:
            logged |= {"compare.gained": float(len(pair.gained)), "compare.lost": float(len(pair.lost))}
    return logged | ({"compare.passed": float(found.verdict.passed)} if found.verdict else {})
