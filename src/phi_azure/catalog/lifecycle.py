"""What to say of models that are gone or going, and of a table that has grown old: one wording for every command."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from phi_azure.catalog.phis import AS_OF

if TYPE_CHECKING:
    from phi_azure.catalog.phi import PhiModel

FRESH_DAYS = 120


@dataclass(frozen=True)
class Notice:
    """A sentence about a model, and what to do about it."""

    message: str
    remedy: str


def stale(today: date | None = None) -> int | None:
    """Returns how many days old the tables are, once they are older than 120; None while they are fresh."""
    age = ((today or date.today()) - AS_OF).days  # noqa: DTZ011  a day, not a moment
    return age if age > FRESH_DAYS else None


def stale_note(today: date | None = None) -> str | None:
    """Returns the sentence that goes with stale tables, or None."""
    days = stale(today)
    if days is None:
        return None
    return f"This table is of {AS_OF}, {days} days old: dates, regions and prices may have changed since."


def retired(row: PhiModel, today: date | None = None) -> Notice | None:
    """Returns what to say where a retired model is asked for serverlessly; None while it is not retired."""
    if row.state(today) != "retired":
        return None
    return Notice(f"{row.name} was retired from serverless fine-tuning on {row.retires}.", still_works(row))


def retiring(row: PhiModel, today: date | None = None) -> Notice | None:
    """Returns what to say where a model is on its way out: closed to new customers, or with a day of retirement."""
    if row.retires is None or row.state(today) == "retired":
        return None
    sure = "" if row.lifecycle.confidence == "high" else " (announced, not confirmed by Azure's own tables)"
    closed = " and probably takes no new customers" if row.state(today) == "deprecated" else ""
    message = f"{row.name} retires from the serverless route on {row.retires}{sure}{closed}."
    return Notice(message, still_works(row))


def still_works(row: PhiModel) -> str:
    """Returns what can be done without the serverless route: the successor, the same weights, one's own."""
    first = f"Take {row.successor}; or train this one" if row.successor else "Train it"
    return (
        f"{first} on managed compute: from Hugging Face, model: {{huggingface: {row.hugging_face}}}, "
        "or from your own copy of the weights, model: {path: DIR}."
    )
