"""A small grid of settings as one batch with one budget: planned, sent, watched, judged; the best is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from phi_azure import judging
from phi_azure.config import FineTune
from phi_azure.endpoint import Speaker
from phi_azure.errors import ConfigError, OverBudget, PhiAzureError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from phi_azure.judging import Exam
    from phi_azure.plan import Plan
    from phi_azure.run import Run
    from phi_azure.workspace import Workspace

Settings = dict[str, object]
MOST = 64
"""Jobs of one sweep."""
LOSS = "eval_loss"


@dataclass(frozen=True)
class Tried:
    """One point of the grid, and what came of it."""

    settings: Settings
    """By field of the route, such as learning_rate."""
    run: str
    status: str
    loss: float | None
    """Of the validation rows, at the end; None where none was measured."""
    score: float | None = None
    """By the gate's metric on rows that were kept apart; None where it was not judged."""
    interval: tuple[float, float] | None = None
    """95 %, of the score."""
    price: tuple[float, float] | None = None
    """What was planned, in US dollars; None where no price is known."""
    model: str | None = None
    """Name and version, where it is registered."""
    error: str | None = None


@dataclass(frozen=True)
class Swept:
    """What a sweep found, best first."""

    by: str
    """What decides: a metric (more is better), or the loss of the validation rows (less is better)."""
    tried: tuple[Tried, ...]

    @property
    def best(self) -> Tried | None:
        """The best one that ended well."""
        return self.tried[0] if self.tried and _rank(self.tried[0])[0] == 0 else None


def grid(job: FineTune, vary: Mapping[str, Sequence[object]]) -> list[tuple[Settings, FineTune]]:
    """Returns a job for each combination, in the order of the values; a value that is given twice counts once.

    Args:
        job: what they have in common.
        vary: values by field of the route; a dot leads into a group: lora.r.

    Raises:
        ConfigError: a field that the route does not have, a value that it does not take, or too many jobs.
    """
    if not vary or not all(vary.values()):
        raise ConfigError("a sweep varies something; name a field and its values, such as learning_rate=1e-5,2e-5.")
    points = [dict(zip(vary, values, strict=True)) for values in product(*map(_distinct, vary.values()))]
    if len(points) > MOST:
        raise ConfigError(f"{len(points)} jobs are more than a sweep takes ({MOST}); vary less.")
    return [(point, _with(job, point)) for point in points]


def plan(workspace: Workspace, jobs: Sequence[FineTune], max_price: float | None) -> list[Plan]:
    """Plans every job, and refuses what may cost more than `max_price` US dollars together.

    Raises:
        OverBudget: the sum may be above it, or a price is not known that it would take.
    """
    plans = [workspace.plan(job) for job in jobs]
    if max_price is None:
        return plans
    prices = [one.chosen.price for one in plans]
    known = [price for price in prices if price is not None]
    if len(known) < len(prices):
        raise OverBudget(
            f"{len(prices) - len(known)} of {len(prices)} jobs have no known price; none can keep to {max_price:g}.",
            remedy="Serverless prices are not published: plan with --price-per-million, or sweep without --max-price.",
        )
    most = sum(price.high for price in known)
    if most > max_price:
        raise OverBudget(
            f"{len(prices)} jobs may cost USD {most:,.2f} together, above USD {max_price:,.2f}.",
            remedy="Vary less, train on fewer rows or epochs, or raise --max-price.",
        )
    return plans


def run(
    workspace: Workspace,
    points: Sequence[tuple[Settings, FineTune]],
    plans: Sequence[Plan],
    exam: Exam | None,
    *,
    at_once: int = 2,
    tell: Callable[[str], None] = lambda _: None,
) -> Swept:
    """Sends the jobs, so many at once, waits for all, judges them, and archives all models but the best.

    A job that fails is one line of the table and ends nothing else. The same sweep again takes up what was sent, as
    `Workspace.submit` does: nothing is paid twice.

    Args:
        workspace: where they run.
        points: as `grid` gave them.
        plans: as `plan` gave them.
        exam: rows that were kept apart: each model is put behind an endpoint in turn, asked them, and removed, which
            costs its machines for some minutes. None leaves the choice to the loss of the validation rows.
        at_once: jobs that run at the same time.
        tell: is told what goes on.
    """
    waiting = list(zip(points, plans, strict=True))
    tried: list[Tried] = []
    while waiting:
        batch, waiting = waiting[:at_once], waiting[at_once:]
        sent = [(settings, planned, _sent(workspace, job, tell)) for (settings, job), planned in batch]
        for settings, planned, started in sent:
            tried.append(_finished(settings, planned, started, tell))
    if exam is not None:
        tried = [_judged(workspace, one, exam, tell) for one in tried]
    ordered = sorted(tried, key=_rank)
    swept = Swept(exam.metric.metric if exam else LOSS, tuple(ordered))
    return replace(swept, tried=_kept(workspace, swept, tell))


def _distinct(values: Sequence[object]) -> list[object]:
    return [value for number, value in enumerate(values) if value not in values[:number]]


def _with(job: FineTune, point: Settings) -> FineTune:
    values = job.model_dump(exclude_unset=True)
    route = {"kind": job.route.kind, **job.route.model_dump(exclude_unset=True)}
    for field, value in point.items():
        *groups, last = field.removeprefix("route.").split(".")
        place: dict[str, object] = route
        for group in groups:
            inner = place.get(group)
            place[group] = dict(inner) if isinstance(inner, dict) else {}
            place = place[group]  # type: ignore[assignment]  # a dict, made in the line before
        place[last] = value
    return FineTune(**{**values, "route": route})


def _sent(workspace: Workspace, job: FineTune, tell: Callable[[str], None]) -> Run | str:
    """Sends a job; returns why not where Azure does not take it."""
    try:
        started = workspace.submit(job)
    except PhiAzureError as error:
        tell(f"not sent: {error}")
        return str(error)
    tell(f"{started.name}: {'taken up again' if started.attached else 'sent'}")
    return started


def _finished(settings: Settings, planned: Plan, started: Run | str, tell: Callable[[str], None]) -> Tried:
    price = (planned.chosen.price.low, planned.chosen.price.high) if planned.chosen.price else None
    if isinstance(started, str):
        return Tried(settings, "", "not sent", None, price=price, error=started)
    try:
        started.wait()
        error = None
    except PhiAzureError as ended:
        error = str(ended)
    points = started.metrics(LOSS).get(LOSS, [])
    loss = points[-1].value if points else None
    tell(f"{started.name}: {started.status}" + ("" if loss is None else f", {LOSS} {loss:.4g}"))
    return Tried(settings, started.name, started.status, loss, price=price, error=error)


def _judged(workspace: Workspace, one: Tried, exam: Exam, tell: Callable[[str], None]) -> Tried:
    """Puts a model behind an endpoint of its own, asks it, and removes the endpoint whatever happens."""
    if one.error is not None:
        return one
    try:
        model = workspace.run(one.run).register()
        name = f"sweep-{one.run}"[:26].rstrip("-") + f"-{one.run[-4:]}"
        tell(f"{one.run}: judging {model.name}:{model.version} on {name}")
        endpoint = model.deploy(name, keep="2h")
        try:
            deployments = [] if endpoint.kind == "serverless" else endpoint.deployments()
            found = judging.alone(
                Speaker(endpoint, deployments[0].name if deployments else None), exam, lambda: workspace.now
            )
        finally:
            endpoint.delete()
    except PhiAzureError as error:
        return replace(one, error=str(error))
    side = found.sides[0]
    return replace(one, score=side.scores[found.metric], interval=side.interval, model=f"{model.name}:{model.version}")


def _kept(workspace: Workspace, swept: Swept, tell: Callable[[str], None]) -> tuple[Tried, ...]:
    """Registers the best, and archives the models of the others."""
    best = swept.best
    if best is None:
        return swept.tried
    if best.model is None:
        made = workspace.run(best.run).register()
        best = replace(best, model=f"{made.name}:{made.version}")
    tell(f"best: {best.run}, kept as {best.model}")
    return best, *(_archived(workspace, one, str(best.model)) for one in swept.tried[1:])


def _archived(workspace: Workspace, one: Tried, best: str) -> Tried:
    if one.model is None or one.model == best:  # two points may be the same job
        return one
    name, _, version = one.model.partition(":")
    workspace.model(name, version).delete()
    return replace(one, model=None)


def _rank(one: Tried) -> tuple[int, float, float]:
    """Orders by score, then by loss; what did not end well comes last."""
    if one.error is not None or (one.score is None and one.loss is None):
        return 1, 0.0, 0.0
    loss = one.loss if one.loss is not None else float("inf")
    return 0, -(one.score if one.score is not None else 0.0), loss
