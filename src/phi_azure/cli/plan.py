"""`plan`: what would this job take and cost, on either route?"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phi_azure.cli.reading import model_of, reader_of, tokenizer_option
from phi_azure.cli.session import Number, Session, shared_options

if TYPE_CHECKING:
    from phi_azure import FineTune
    from phi_azure.catalog import Price
    from phi_azure.dataset import Report
    from phi_azure.plan import Change, LiveFacts, Plan, RouteName
    from phi_azure.tokens import TokenCount


@click.command(epilog="Example: phi-azure plan job.yaml --price-per-million 3 --out plan.json")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--route", type=click.Choice(["serverless", "managed"]), help="Whose budget and results [the job's].")
@click.option("--price-per-million", type=Number(min=0), help="USD for a million trained tokens, serverless.")
@tokenizer_option
@click.option("--look-up", is_flag=True, help="Ask the workspace what is there already; reads alone.")
@click.option("--live", is_flag=True, help="Read machine prices from Azure's public price list.")
@click.option("--region", default="eastus", show_default=True, help="Region of the prices that --live reads.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Save the plan as JSON.")
@click.option("--against", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Show what has changed.")
@shared_options
@click.pass_obj
def command(
    session: Session,
    *,
    file: Path,
    route: RouteName | None,
    price_per_million: float | None,
    tokenizer: Path | None,
    look_up: bool,
    live: bool,
    region: str,
    out: Path | None,
    against: Path | None,
) -> int:
    """Plan a job on both routes: rows, memory, hours, money.

    Nothing is made, and no account is needed, but for --look-up. Exit code 3: the data has errors; 10: above max_price
    or max_hours of the job file.
    """
    from phi_azure import FineTune, OverBudget, display
    from phi_azure.plan import LiveFacts, check, plan

    job = FineTune.from_yaml(file)
    report = check(job, route)
    report.raise_for_errors()
    counted = _count(job, report, tokenizer) if tokenizer else None
    facts = _facts(session, job, price_per_million) if look_up else LiveFacts(price_per_million=price_per_million)
    if live:
        facts = replace(facts, hourly=_live_prices(session, region))
    made = plan(job, report, tokens=counted, facts=facts, route=route)
    changes = _read(against).compare(made) if against else None
    if out:
        out.write_text(json.dumps(made.to_dict(), indent=2) + "\n", encoding="utf-8")
    session.answer(_document(made, changes), lambda: display.show_plan(session.data(), made, changes))
    for problem in made.over_budget:
        session.say(f"over budget: {problem}")
    return OverBudget.exit_code if made.over_budget else 0


def _count(job: FineTune, report: Report, tokenizer: Path) -> TokenCount | None:
    """Counts the training rows; None where they lie in Azure."""
    from phi_azure import tokens

    paths = [Path(file.path) for file in report.files if file.split == "training"]
    reader = reader_of(model_of(None, job), job, job.route.kind)
    return tokens.count(paths, tokenizer, reader) if paths else None


def _facts(session: Session, job: FineTune, price_per_million: float | None) -> LiveFacts:
    with session.workspace() as workspace:
        return workspace.facts(job, price_per_million)


def _live_prices(session: Session, region: str) -> dict[str, Price]:
    from phi_azure import catalog
    from phi_azure.azure import prices

    try:
        return prices.read([size.name for size in catalog.SIZES], region)
    except (OSError, ValueError) as error:
        session.say(f"Azure's price list cannot be read ({error}); the prices are those of the table.")
        return {}


def _read(file: Path) -> Plan:
    from phi_azure.errors import ConfigError
    from phi_azure.plan import Plan

    try:
        return Plan.from_dict(json.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ConfigError(f"{file}: {error}", remedy="Save a plan: phi-azure plan job.yaml --out FILE.") from error


def _document(made: Plan, changes: tuple[Change, ...] | None) -> dict[str, object]:
    return made.to_dict() if changes is None else {**made.to_dict(), "changes": list(changes)}
