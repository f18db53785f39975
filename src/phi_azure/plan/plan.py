"""Plans a job: both routes side by side, from values alone; nothing is asked of Azure and nothing is made."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from phi_azure import catalog, dataset
from phi_azure.config import LocalModel, ManagedCompute, is_in_azure, with_model_defaults
from phi_azure.plan import managed, money, serverless, words
from phi_azure.plan.settings import lowered, on_managed, on_serverless, settings
from phi_azure.plan.steps import missing_files, rows_on
from phi_azure.plan.tokens import of_training
from phi_azure.plan.values import Existence, Item, LiveFacts, Machine, Plan, RouteName, Side
from phi_azure.tokens import length_limit

if TYPE_CHECKING:
    from phi_azure.catalog import PhiModel
    from phi_azure.config import FineTune
    from phi_azure.dataset import Report
    from phi_azure.plan.tokens import Count


def plan(
    job: FineTune,
    report: Report,
    *,
    tokens: Count | None = None,
    facts: LiveFacts | None = None,
    today: date | None = None,
    route: RouteName | None = None,
) -> Plan:
    """Returns what the job would make, take and cost, on the route that it asks for and on the other one.

    Args:
        job: the job as the file has it.
        report: the check of its files; files that lie in Azure are not in it, and leave times and prices open.
        tokens: what its training rows come to, uncut (`phi_azure.tokens.count`); None estimates it from the characters.
        facts: what was asked of Azure; None takes the catalogue alone.
        today: decides what is retired and how old the tables are; None is this day.
        route: the side that budgets and `creates` are about; None takes the job's.
    """
    facts = facts or LiveFacts()
    today = today or date.today()  # noqa: DTZ011  a day, not a moment
    row = facts.model or row_of(job)
    length = of_training(report, tokens)
    limits = length_limit(on_serverless(job), row), settings(on_managed(job), row).length
    cut = [of_training(report, tokens, limit) for limit in limits]
    sides = (
        serverless.side(job, row, rows_on(report, missing_files(job, "serverless")), cut[0], facts, today),
        managed.side(job, row, rows_on(report, missing_files(job, "managed")), cut[1], facts, today),
    )
    asked: RouteName = route or job.route.kind
    chosen = next(side for side in sides if side.route == asked)
    return Plan(
        job=job.name,
        model=job.base_name,
        route=asked,
        made=today,
        tables=catalog.AS_OF,
        epochs=job.route.epochs,
        tokens=length,
        serverless=sides[0],
        managed=sides[1],
        creates=_creates(job, asked, facts),
        break_even=None if _unequal(job) else money.break_even(sides[1].price, serverless.trained(job, length)),
        max_price=job.max_price,
        max_hours=job.max_hours,
        over_budget=_over_budget(job, chosen),
        notes=_notes(job, row, chosen, sides[1].machine, today),
    )


def check(job: FineTune, route: RouteName | None = None) -> Report:
    """Checks the job's files by the rules of the route; files that lie in Azure are left out."""
    paths = (job.training_data, job.validation_data, job.test_data)
    training, validation, test = (None if path is None or is_in_azure(path) else path for path in paths)
    if training is None:
        return dataset.Report(())
    route = route or job.route.kind
    absent = missing_files(job, route)
    return dataset.check_files(training, validation, test, route=route, model=row_of(job), missing=absent)


def row_of(job: FineTune) -> PhiModel | None:
    """Returns the catalogue's row; for a folder of weights what its config.json says."""
    if isinstance(job.model, LocalModel):
        own = catalog.read_folder(job.model.path)
        return catalog.as_model(job.base_name, own) if own else None
    return catalog.model(job.base_name)


def _creates(job: FineTune, asked: RouteName, facts: LiveFacts) -> tuple[Item, ...]:
    """Returns what the job would leave in the workspace, in the order in which it is made."""
    there = (on_managed(job) if asked == "managed" else on_serverless(job)).route
    files = {"training": job.training_data, "validation": job.validation_data}
    if asked == "managed":
        files["test"] = job.test_data
    named = [("data", f"{job.name}-{split}") for split, path in files.items() if path and not is_in_azure(path)]
    if isinstance(there, ManagedCompute) and there.cluster:
        named.append(("cluster", there.cluster))
    named += [("job", f"{job.name}-..."), ("model", job.model_name)]
    return tuple(
        Item(kind, name, "new" if kind == "job" else _state(f"{kind} {name}", facts.existing)) for kind, name in named
    )


def _state(name: str, existing: frozenset[str] | None) -> Existence:
    if existing is None:
        return "not looked up"
    return "exists" if name in existing else "new"


def _over_budget(job: FineTune, side: Side) -> tuple[str, ...]:
    """Says why the training may go above the limits: its high bounds count, because a limit is meant to hold.

    A price that nobody can know does not hold a limit either. Hours that nobody can know cost nothing by themselves,
    and can be held while the job runs: a note says so.
    """
    found = []
    if job.max_price is not None:
        limit = words.dollars(job.max_price)
        if side.price is None:
            found.append(
                f"max_price is USD {limit}, and the price of training on {side.route} is not known, so that the limit "
                "cannot be held."
                + (" Give your price of a million tokens: --price-per-million." if side.route == "serverless" else "")
            )
        elif side.price.high > job.max_price:
            found.append(f"training may cost USD {words.dollars(side.price.high)}; max_price is USD {limit}.")
    if job.max_hours is not None and side.hours and side.hours.high > job.max_hours:
        found.append(f"training may take {side.hours.high:.1f} hours; max_hours is {job.max_hours:g}.")
    return tuple(found)


def _notes(job: FineTune, row: PhiModel | None, chosen: Side, machine: Machine | None, today: date) -> tuple[str, ...]:
    notes = [*filter(None, [chosen.why, catalog.stale_note(today)])]
    if row is None:
        notes.append(f"{_unknown(job)}: its memory, time and price are not known.")
    elif row.dims is None:
        notes.append(f"The dimensions of {row.name} are not published here; its memory is a guess from its weights.")
    if machine is not None and chosen.route == "managed":
        notes += _machine_notes(machine)
    notes += _unequal(job)
    if job.max_hours is not None and chosen.hours is None:
        notes.append(_held_later(job.max_hours, chosen))
    return (*notes, *(f"{note.field}: {note.message}" for note in with_model_defaults(job).notes()))


def _unequal(job: FineTune) -> list[str]:
    """Says why the two routes would not train alike, so that no price makes them equal."""
    route, found = job.route, []
    for knob, (said, most) in lowered(job).items():
        found.append(f"Serverless takes {knob} of {most} at most, not {said}: its column is reckoned with {most}.")
    if isinstance(route, ManagedCompute) and route.max_steps > 0:
        found.append("max_steps ends the training on managed compute alone: serverless goes through all epochs.")
    return [f"{why} The two prices are of different trainings." for why in found]


def _held_later(max_hours: float, side: Side) -> str:
    return (
        f"How long it trains on {side.route} is not known, and max_hours ({max_hours:g}) refuses nothing beforehand: "
        "whoever waits for the job, or `phi-azure down --expired`, cancels it when it has run so long."
    )


def _unknown(job: FineTune) -> str:
    """Says why nothing is known of a model."""
    if not isinstance(job.model, LocalModel):
        return f"{job.base_name} is not in the catalogue"
    folder = job.model.path
    return (
        f"{folder} has no config.json that tells its dimensions" if folder.is_dir() else f"There is no folder {folder}"
    )


def _machine_notes(machine: Machine) -> list[str]:
    notes = []
    size = catalog.size(machine.size)
    if machine.fits is False:
        instead = f" {machine.cheapest} is the cheapest that does." if machine.cheapest else " No single machine does."
        notes.append(f"The job does not fit on {machine.size}.{instead}")
    elif machine.fits is None and machine.memory and machine.memory_gib:
        notes.append(
            "Its rows are not here: the memory is that of the longest that it allows. max_seq_length lowers it."
        )
    if machine.chosen_by == "default":
        notes.append(f"No list of machines is published for this model; {machine.size} is our choice.")
    if size is None:
        return notes
    if size.retired:
        notes.append(f"{size.name} was retired on {size.retired}.")
    if machine.gpus > size.gpus:
        notes.append(f"gpus is {machine.gpus}, and {size.name} has {size.gpus}; nodes is the number of machines.")
    elif machine.gpus < size.gpus:
        notes.append(f"{size.gpus} GPUs are paid on each machine, and {machine.gpus} of them used.")
    if machine.nodes > 1 and not size.rdma:
        notes.append(f"{size.name} has no fast network between machines; one larger machine trains quicker.")
    return notes
