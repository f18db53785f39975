"""The managed side of a plan: machines of one's own, paid by the hour."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from phi_azure import catalog
from phi_azure.config import ManagedCompute, Serverless
from phi_azure.plan import memory, money, steps, throughput, words
from phi_azure.plan.settings import Settings, foreign_knobs, on_managed, settings
from phi_azure.plan.values import ChosenBy, LiveFacts, Machine, Range, Rows, Side, Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from phi_azure.catalog import PhiModel, Price
    from phi_azure.config import FineTune

_PADDED = 1.5
"""How much longer rows may become that are padded to the longest of their pass: our round figure."""


def side(job: FineTune, row: PhiModel | None, rows: Rows, tokens: Tokens | None, facts: LiveFacts, today: date) -> Side:
    """Returns what the job takes and costs on machines of one's own."""
    there = on_managed(job)
    route = there.route
    if not isinstance(route, ManagedCompute):
        raise TypeError("the job was not moved")
    knobs = settings(there, row)
    name, chosen_by = _size(route, row, facts)
    held = knobs if knobs.padded else knobs.cut_at(tokens.longest if tokens else None)
    best = cheapest(row, held, facts.hourly, today) if row else None
    machine = replace(_machine(name, chosen_by, route, row, held, facts), cheapest=best)
    if tokens is None and not machine.fits:  # the longest row that the job allows may be far from the longest there is
        machine = replace(machine, fits=None)
    hours, price, arithmetic = _time(route, row, knobs, rows, tokens, machine)
    hosting, hosting_lines = money.managed_hosting(row, facts.hourly)
    per_step = knobs.batch * knobs.accumulation * machine.gpus * machine.nodes
    return Side(
        route="managed",
        open=row is None or row.tunable or not isinstance(job.model, str),
        why=_doubt(row, job, today),
        hours=hours,
        price=price,
        arithmetic=arithmetic,
        hosting=hosting,
        hosting_arithmetic=hosting_lines,
        steps=steps.steps(rows.training, per_step, 1, knobs.epochs, knobs.max_steps) if rows.training else 0,
        machine=machine,
        rows=rows,
        ignored=foreign_knobs(job, ManagedCompute) if isinstance(job.route, Serverless) else (),
    )


def cheapest(row: PhiModel, knobs: Settings, live: Mapping[str, Price], today: date) -> str | None:
    """Returns the cheapest single machine that the job fits on; of those without a price, the smallest.

    Left out: retired sizes, GPUs without bfloat16, and AMD's. Cheap by the hour is not always cheap by the job.
    """
    found = [
        (money.hourly(size.name, live)[0] or float("inf"), size.gpu_memory_gib, size.name)
        for size in catalog.SIZES
        if memory.usable(size)
        and not (size.retired and size.retired <= today)
        and memory.fits(memory.needed(row, knobs, size.gpus), size)
    ]
    return min(found)[2] if found else None


def _size(route: ManagedCompute, row: PhiModel | None, facts: LiveFacts) -> tuple[str, ChosenBy]:
    if route.size or route.instance_types:
        return route.size or route.instance_types[0], "you"
    if facts.cluster_size:
        return facts.cluster_size, "cluster"
    if row and row.finetune_sizes:
        return row.finetune_sizes[0], "default" if "finetune_sizes" in row.assumed else "model"
    return catalog.DEFAULT_SIZE, "default"


def _machine(
    name: str, chosen_by: ChosenBy, route: ManagedCompute, row: PhiModel | None, knobs: Settings, facts: LiveFacts
) -> Machine:
    size = catalog.size(name)
    rate, note = money.hourly(size.name if size else name, facts.hourly)
    gpus = route.gpus or (size.gpus if size else 1)
    held = memory.needed(row, knobs, gpus, route.nodes) if row else None
    return Machine(
        size=size.name if size else name,
        chosen_by=chosen_by,
        nodes=route.nodes,
        gpus=gpus,
        hourly=rate,
        price_note=note,
        vcpus=size.vcpus_for(route.nodes) if size else 0,
        family=size.family if size else None,
        memory=held,
        memory_gib=size.each_gib if size else None,
        fits=memory.fits(held, size) if held and size else None,
    )


def _time(
    route: ManagedCompute, row: PhiModel | None, knobs: Settings, rows: Rows, tokens: Tokens | None, machine: Machine
) -> tuple[Range | None, Range | None, tuple[str, ...]]:
    """Returns hours and dollars with the lines that lead to them."""
    size = catalog.size(machine.size)
    if tokens is None or not rows.training:
        return None, None, ("The rows are not here, so that their tokens are not known.",)
    if row is None:
        return None, None, ("The model's dimensions are not known.",)
    if size is None:
        return None, None, (f"{machine.size} is not in the catalogue: its GPUs and its price are not known.",)
    per_step = knobs.batch * knobs.accumulation * machine.gpus * machine.nodes
    work = _work(row, knobs, rows, tokens, per_step)
    speed = throughput.speed(row, knobs, size, machine.nodes, work.mean)
    training = throughput.hours(work.operations, size, machine.gpus * machine.nodes, speed.share)
    around = throughput.overhead_hours(row)
    hours = training + around
    lines = [
        *work.lines,
        *_speed_lines(machine, size.gpu, speed, training),
        f"+ {words.hours(around)} to start and to copy weights = {words.hours(hours)}",
    ]
    idle = route.idle_minutes / 60 if route.cluster else 0.0
    if machine.hourly is None:
        return hours, None, (*lines, f"x {machine.nodes} x {machine.size}: {machine.price_note}")
    billed = hours + Range(idle, idle)
    price = billed.times(machine.hourly * machine.nodes)
    if idle:
        lines.append(f"+ {route.idle_minutes} min until the idle cluster gives its machines back")
    lines.append(f"x {machine.nodes} x USD {machine.hourly:g} an hour = {words.price(price)}")
    return hours, price, tuple(lines)


@dataclass(frozen=True)
class _Work:
    """The operations of a training, with the lines that lead to them."""

    mean: float
    """Tokens of a row."""
    operations: Range
    lines: tuple[str, ...]


def _work(row: PhiModel, knobs: Settings, rows: Rows, tokens: Tokens, per_step: int) -> _Work:
    through = steps.passes(rows.training, per_step, knobs.epochs, knobs.max_steps)
    once = tokens.of(rows.training)
    if knobs.padded:
        once = Range(rows.training * knobs.length, rows.training * knobs.length)
    elif knobs.batch > 1:
        once = Range(once.low, once.high * _PADDED)
    trained = once.times(through)
    each = throughput.operations_per_token(row, knobs)
    checked = tokens.of(rows.validation).times(through * knobs.evaluates)
    operations = trained.times(each) + checked.times(throughput.evaluation_per_token(row))
    epochs = f"{through:.2f} epochs" if knobs.max_steps > 0 else _plural(knobs.epochs, "epoch")
    padded = " (the most: with padding)" if knobs.batch > 1 and not knobs.padded else ""
    aside = f"; {rows.validation + rows.test:,} set aside" if rows.validation + rows.test else ""
    each_text = f"{each / row.active_parameters:g} operations x {row.active_parameters / 1e9:g} G weights"
    lost = f"; {words.millions(tokens.cut)} tokens of the file cut at {knobs.length:,} a row" if tokens.cut.high else ""
    lines = (
        f"{rows.training:,} rows of {rows.given:,} train{aside}{lost}",
        f"{words.millions(once)} tokens x {epochs} = {words.millions(trained)} tokens{padded}",
        f"x {each_text}{' + evaluation' if checked.high else ''} = {words.operations(operations)}",
    )
    return _Work(once.high / rows.training, operations, lines)


def _speed_lines(machine: Machine, gpu: str, speed: throughput.Speed, hours: Range) -> tuple[str, ...]:
    gpus = machine.gpus * machine.nodes
    peak = catalog.PEAK_TFLOPS[gpu]
    line = f"/ {gpus} x {gpu}, {peak:g} T a second, {words.percent(speed.share)} used = {words.hours(hours)}"
    return (line, *(f"  lowered: {why}" for why in speed.why))


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _doubt(row: PhiModel | None, job: FineTune, today: date) -> str | None:
    """Returns what is doubtful about training this model on one's own machines."""
    if not isinstance(job.model, str) or "/" in job.model:
        return None
    if row is None:
        return f"Whether Azure's registry has {job.base_name} is not known."
    if not row.tunable:
        return f"Azure's chat fine-tuning does not list {row.name}."
    if row.state(today) == "retired":
        return f"{row.name} is retired; if the registry refuses it: model: {{huggingface: {row.hugging_face}}}."
    return None
