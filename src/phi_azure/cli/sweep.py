"""`sweep`: try a small grid of settings, and keep the best."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import yaml

from phi_azure.cli.session import Number, Session, shared_options

if TYPE_CHECKING:
    from phi_azure import FineTune
    from phi_azure.judging import Exam
    from phi_azure.plan import Plan


def _vary(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, list[object]]:  # noqa: ARG001  click's signature
    """Reads FIELD=VALUE,VALUE; each value as YAML reads it, and all values of a field that is named more than once."""
    found: dict[str, list[object]] = {}
    for value in values:
        field, _, listed = value.partition("=")
        if not field or not listed:
            raise click.BadParameter(f"{value!r} is not FIELD=VALUE,VALUE, such as learning_rate=1e-5,2e-5.")
        found.setdefault(field.removeprefix("route."), []).extend(_read(one) for one in listed.split(","))
    return found


@click.command(epilog="Example: phi-azure sweep job.yaml --vary learning_rate=1e-5,2e-5")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--vary", multiple=True, required=True, callback=_vary, help="FIELD=VALUE,VALUE of the route; repeat.")
@click.option("--judge", is_flag=True, help="Ask each model the job's test_data, by the metric of its gate.")
@click.option("--max-price", type=Number(0), help="US dollars for all jobs together; refused above.")
@click.option("--at-once", type=click.IntRange(min=1), default=2, show_default=True, help="Jobs at the same time.")
@shared_options
@click.pass_obj
def command(
    session: Session,
    *,
    file: Path,
    vary: dict[str, list[object]],
    judge: bool,
    max_price: float | None,
    at_once: int,
) -> int:
    """Try a small grid of settings and keep the best.

    Plans all jobs first, asks once, sends them, and shows a table. The loss of the validation rows decides, or with
    --judge the metric of the gate on test_data: each model gets an endpoint for some minutes then. The same command
    again takes up what was sent. Exit code 10: above --max-price, nothing was sent; 1: no job ended well.
    """
    from phi_azure import FineTune, display, sweep
    from phi_azure.judging import Exam

    job = FineTune.from_yaml(file)
    points = sweep.grid(job, vary)
    exam = Exam.of_job(job) if judge else None
    _refuse_without_measure(job, exam)
    with session.workspace(narrated=True) as workspace:
        plans = sweep.plan(workspace, [each for _, each in points], max_price)
        if not session.local:
            session.agree(f"{_words(plans)} Send {len(points)} jobs?")
        found = sweep.run(workspace, points, plans, exam, at_once=at_once, tell=session.say)
    document = {"by": found.by, "tried": list(found.tried)}
    session.answer(document, lambda: display.show_sweep(session.data(), found))
    return 0 if found.best else 1


def _read(value: str) -> object:
    """Reads one value; YAML takes 1e-5 for a text."""
    try:
        return float(value) if "e" in value.lower() else yaml.safe_load(value)
    except ValueError:
        return yaml.safe_load(value)


def _refuse_without_measure(job: FineTune, exam: Exam | None) -> None:
    if exam is None and job.validation_data is None and job.route.kind == "serverless":
        raise click.UsageError(
            "Nothing says which one is best: give the job validation_data, or judge by its test_data with --judge."
        )


def _words(plans: list[Plan]) -> str:
    prices = [one.chosen.price for one in plans if one.chosen.price is not None]
    if len(prices) < len(plans):
        return "The price is not known."
    return f"Together USD {sum(one.low for one in prices):,.2f} to {sum(one.high for one in prices):,.2f}."
