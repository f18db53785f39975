"""What is kept of a job when it is sent: by the machine that has the file and the rows."""

from __future__ import annotations

from importlib.metadata import version
from itertools import islice
from typing import TYPE_CHECKING

from phi_azure import __version__, catalog, dataset
from phi_azure.config import is_in_azure
from phi_azure.config.origins import resolve
from phi_azure.plan import LiveFacts, plan
from phi_azure.receipts.values import Data, Example, Planned, Sent, Setting, text_of
from phi_azure.secrecy import redact, redact_named

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from phi_azure.config import FineTune
    from phi_azure.dataset import Report

_EXAMPLES = 3
_LONGEST = 1_000  # characters of a message in an example


def sent_facts(
    job: FineTune,
    report: Report,
    digests: Mapping[str, str],
    defaults: Mapping[str, object] | None = None,
    size: str | None = None,
) -> Sent:
    """Returns what is to be kept of a job.

    Args:
        job: as a person wrote it.
        report: the check of its files.
        digests: the hash of each file, by split.
        defaults: the model's own, as Azure's registry gives them.
        size: of the machines that it will run on.
    """
    resolved = resolve(job, defaults)
    settings = [Setting(one.field, text_of(one.value), one.origin, one.azure_input) for one in resolved.values]
    return Sent(
        job_file=redact(_to_keep(resolved.job).to_yaml()),
        settings=tuple(settings),
        data=tuple(_data(job, report, digests)),
        versions={"phi_azure": __version__, "azure-ai-ml": version("azure-ai-ml"), "catalogue": str(catalog.AS_OF)},
        planned=planned(job, report, size),
        examples=() if is_in_azure(job.training_data) else tuple(_examples(job.training_data)),
        here=True,
    )


def planned(job: FineTune, report: Report, size: str | None) -> Planned:
    """Returns the time and the price that the job's route was expected to take."""
    if is_in_azure(job.training_data):
        return Planned(None, None, ("the rows lie in Azure and were not counted",))
    side = plan(job, report, facts=LiveFacts(cluster_size=size)).chosen
    note = (f"price: {side.machine.price_note}",) if side.machine else ()
    hours = (side.hours.low, side.hours.high) if side.hours else None
    usd = (side.price.low, side.price.high) if side.price else None
    return Planned(hours, usd, (*side.arithmetic, *note))


def _to_keep(job: FineTune) -> FineTune:
    """Returns the job with files as they are found from any folder, and without the secrets in its tags."""
    places = {name: getattr(job, name) for name in ("training_data", "validation_data", "test_data")}
    whole = {name: path.absolute() for name, path in places.items() if path is not None and not is_in_azure(path)}
    return job.model_copy(update={**whole, "tags": {name: redact_named(name, text) for name, text in job.tags.items()}})


def _data(job: FineTune, report: Report, digests: Mapping[str, str]) -> list[Data]:
    paths = {"training": job.training_data, "validation": job.validation_data, "test": job.test_data}
    checked = {file.path: file for file in report.files}
    found = []
    for split, digest in digests.items():
        path = paths[split]
        file = checked.get(str(path))
        known = (None, None) if file is None else (file.rows, file.bytes)
        name = redact(str(path)) if path is None or is_in_azure(path) else path.name
        found.append(Data(split, name, digest, *known))
    return found


def _examples(path: Path) -> list[Example]:
    if path.is_dir():
        return []
    rows = islice(dataset.rows(path), _EXAMPLES)
    return [Example(tuple((message.role, _short(message.content)) for message in row.messages)) for _, row in rows]


def _short(content: object) -> str:
    text = redact(content if isinstance(content, str) else "" if content is None else "(parts)")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ... ({len(text):,} characters)"
