"""The serverless side of a plan: Azure's own machines, paid by the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure import catalog
from phi_azure.config import ManagedCompute, Serverless, resolve
from phi_azure.plan import money, steps, words
from phi_azure.plan.settings import foreign_knobs, on_serverless
from phi_azure.plan.values import LiveFacts, Range, Rows, Side, Tokens

if TYPE_CHECKING:
    from datetime import date

    from phi_azure.catalog import PhiModel
    from phi_azure.config import FineTune

_SHOWN = {"lora_r": "LoRA r", "lora_alpha": "alpha", "optim": "", "lr_scheduler_type": "", "deepspeed_stage": "stage"}


def side(job: FineTune, row: PhiModel | None, rows: Rows, tokens: Tokens | None, facts: LiveFacts, today: date) -> Side:
    """Returns what the job takes and costs on Azure's own machines."""
    there = on_serverless(job)
    route = there.route
    if not isinstance(route, Serverless):
        raise TypeError("the job was not moved")
    closed, why = _offer(row, job, today)
    price, arithmetic = _price(tokens, route.epochs, facts.price_per_million)
    hosting, hosting_lines = money.serverless_hosting(row)
    return Side(
        route="serverless",
        open=not closed,
        why=why,
        hours=None,
        price=price,
        arithmetic=arithmetic,
        hosting=hosting,
        hosting_arithmetic=hosting_lines,
        steps=steps.steps(rows.training, route.batch_size, 1, route.epochs) if rows.training else 0,
        machine=None,
        rows=rows,
        fixed=_fixed(there),
        ignored=foreign_knobs(job, Serverless) if isinstance(job.route, ManagedCompute) else (),
    )


def trained(job: FineTune, tokens: Tokens | None) -> Range | None:
    """Returns the tokens that would be billed: those of the file, for each epoch."""
    return tokens.total.times(on_serverless(job).route.epochs) if tokens else None


def _offer(row: PhiModel | None, job: FineTune, today: date) -> tuple[bool, str | None]:
    """Tells whether Azure does not offer it, and why not or what is doubtful."""
    if row is None or not isinstance(job.model, str) or not row.serverless:
        return True, "Azure trains only Phi models of its own registry serverlessly."
    if gone := catalog.retired(row, today):
        return True, f"{gone.message} {gone.remedy}"
    if not row.tunable:
        return True, f"Azure does not offer {row.name} for fine-tuning."
    going = catalog.retiring(row, today)
    return False, going.message if going else None


def _price(tokens: Tokens | None, epochs: int, per_million: float | None) -> tuple[Range | None, tuple[str, ...]]:
    """Returns the price of the whole file: Azure bills its tokens, cut or not."""
    if tokens is None:
        return None, ("The rows are not here, so that their tokens are not known.",)
    whole = tokens.total + tokens.cut
    billed = whole.times(epochs)
    times = f"{epochs} epoch" if epochs == 1 else f"{epochs} epochs"
    cut = f" ({words.millions(tokens.cut)} of the file are cut, and learnt by nobody)" if tokens.cut.high else ""
    first = f"{words.millions(whole)} tokens x {times} = {words.millions(billed)} tokens billed{cut}"
    if per_million is None:
        return None, (first, "x price of a million: not known; none is published for a Phi")
    price = billed.times(per_million / 1e6)
    return price, (first, f"x USD {per_million:g} a million (your figure) = {words.price(price)}")


def _fixed(there: FineTune) -> tuple[str, ...]:
    values = {one.field: one.value for one in resolve(there).values}
    return tuple(f"{text} {values[name]}".strip() for name, text in _SHOWN.items() if name in values)
