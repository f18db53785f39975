"""`compare`: judge a tuned model beside the base model, on rows that were kept apart."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phi_azure.cli.session import Number, Session, shared_options
from phi_azure.errors import GateNotPassed

if TYPE_CHECKING:
    from phi_azure.asking.batch import OnBatchProgress
    from phi_azure.compare import Comparison
    from phi_azure.judging import Exam

METRICS = ("exact_match", "normalised_match", "label", "regex", "json_schema", "rouge_l", "function")
"""Those of the job file; its module is not loaded for the help."""
_FILE = click.Path(path_type=Path, dir_okay=False)
_METRIC = ("metric", "labels", "pattern", "json_schema", "function")
_GATE = ("at_least", "better_than", "max_lost")


@click.command(epilog="Example: phi-azure compare headlines --against phi-base --job job.yaml")
@click.argument("tuned", metavar="ENDPOINT[/DEPLOYMENT]")
@click.option("--against", required=True, metavar="ENDPOINT[/DEPLOYMENT]", help="The base model's.")
@click.option("--job", type=_FILE, help="A job file: its test_data, its training_data, its gate.")
@click.option("--data", type=_FILE, help="Rows that were kept apart [test_data of the job].")
@click.option("--training", type=_FILE, help="What it learnt from, for the leak check [training_data of the job].")
@click.option("--metric", type=click.Choice(METRICS), help="How answers are scored [exact_match].")
@click.option(
    "--labels", callback=lambda _, __, value: value and tuple(value.split(",")), help="Of metric label: a,b,c."
)
@click.option("--pattern", help="Of metric regex.")
@click.option("--json-schema", type=_FILE, help="Of metric json_schema.")
@click.option("--function", help="Of metric function: FILE.py:NAME.")
@click.option("--at-least", type=Number(0, 1), help="Gate: the mean score.")
@click.option("--better-than", type=click.Choice(["base", "all"]), help="Gate: beyond chance.")
@click.option("--max-lost", type=click.IntRange(min=0), help="Gate: answers that were right and are not.")
@click.option("--prompt", help="Try the base model with this system message too.")
@click.option("--shots", type=click.IntRange(min=0), default=0, help="Try the base model with so many examples too.")
@click.option("--limit", type=click.IntRange(min=1), help="The first so many rows.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=256, show_default=True, help="Of each answer.")
@click.option("--concurrency", type=click.IntRange(min=1), default=8, show_default=True, help="Questions at once.")
@click.option("--out", type=_FILE, help="Write the page there too.")
@click.option("--traffic", type=click.IntRange(0, 100), help="Percent of the questions for TUNED, if it passes.")
@shared_options
@click.pass_obj
def command(
    session: Session, /, *, tuned: str, against: str, out: Path | None, traffic: int | None, **options: Any
) -> int:
    """Judge a tuned model beside the base model.

    Asks both the same rows. Shows scores with intervals, what was gained and what was lost, time and tokens. The gate
    of the job file, or of the options, opens the way to traffic: exit code 9 where it is not passed. The result goes to
    the run's metrics and, as a page, to its receipt.
    """
    from phi_azure import display, receipts

    exam = _exam(options)
    with session.workspace() as workspace, ExitStack() as stack:

        def progress(side: str) -> OnBatchProgress:
            stack.close()
            session.say(f"asking {side}")
            return stack.enter_context(display.asking(session.words()))

        found = workspace.compare(tuned, against, exam, on_progress=progress)
        stack.close()
        if out:
            receipts.replace(out, display.comparison_page(found))
        if traffic is not None and _passed(found):
            endpoint, _, deployment = tuned.partition("/")
            workspace.endpoint(endpoint).shift({deployment: traffic})
        if workspace.receipts and found.run:
            session.say(f"page: {workspace.receipts / found.run / receipts.COMPARISON_PAGE}")
    document = found.to_dict()
    session.answer(document, lambda: display.show_comparison(session.data(), found))
    return 0 if _passed(found) else GateNotPassed.exit_code


def _passed(found: Comparison) -> bool:
    return found.verdict is None or found.verdict.passed


def _exam(options: dict[str, Any]) -> Exam:
    """Builds the exam: the job file's, with what the options say instead."""
    from dataclasses import replace

    from phi_azure.config import FineTune
    from phi_azure.config.gate import Gate, Metric
    from phi_azure.judging import Exam

    job, data = options.pop("job"), options.pop("data")
    metric = {name: value for name in _METRIC if (value := options.pop(name)) is not None}
    gate = {name: value for name in _GATE if (value := options.pop(name)) is not None}
    if job:
        exam = Exam.of_job(FineTune.from_yaml(job), data)
    elif data:
        exam = Exam(data)
    else:
        raise click.UsageError("Which rows? Name a job file with --job, or rows with --data.")
    if metric or gate:
        own = exam.metric.model_dump(exclude_defaults=True) if "metric" not in metric else {}
        merged = {**{name: value for name, value in own.items() if name in _METRIC}, **metric}
        asked = {**(exam.gate.model_dump(include=set(_GATE), exclude_none=True) if exam.gate else {}), **gate}
        exam = replace(exam, metric=Metric(**merged), gate=Gate(**merged, **asked) if asked else None)
    chosen = {name: value for name, value in options.items() if value is not None}
    return replace(exam, **chosen)
