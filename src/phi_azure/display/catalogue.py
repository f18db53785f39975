"""The catalogue on the screen: models, one model's sheet, machine sizes."""

from __future__ import annotations

import re
from textwrap import wrap
from typing import TYPE_CHECKING

from phi_azure import catalog
from phi_azure.display.console import print_plain, show_facts
from phi_azure.display.tables import show_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from phi_azure.catalog import GpuSize, PhiModel


def show_phis(out: Console, rows: Sequence[PhiModel]) -> None:
    """Prints models, a line each, and how old the table is."""
    cells = [
        [row.name, f"{row.parameters / 1e9:g} G", f"{row.context:,}", "yes" if row.tunable else "no", _state(row)]
        for row in rows
    ]
    show_table(out, ["model", "weights", "context", "tunable", "serverless"], cells, empty="No such model.")
    _age(out)


def show_phi(out: Console, row: PhiModel) -> None:
    """Prints all that is known of one model."""
    rate = row.learning_rate
    facts = {
        "model": row.name,
        "hugging face": row.hugging_face,
        "version": row.version,
        "weights": _size(row),
        "context": f"{row.context:,} tokens",
        "reads": ", ".join(row.modalities),
        "task": ", ".join(row.tasks),
        "tunable": "yes" if row.tunable else "no",
        "serverless": _state(row),
        "successor": row.successor,
        "trains in": ", ".join(row.serverless_regions) or None,
        "served in": ", ".join(row.deploy_regions) or None,
        "trains on": ", ".join(map(_short, row.finetune_sizes)) or None,
        "served on": ", ".join(map(_short, row.inference_sizes)) or None,
        "template": row.chat_template,
        "system role": "yes" if row.system_role else "no",
        "layers": ", ".join(row.lora_modules) or None,
        "dimensions": _dims(row),
        "defaults": ", ".join(f"{name} {value}" for name, value in row.defaults.items()) or None,
        "learning rate": None if rate is None else f"{rate.default:g}" + _bounds(rate.min, rate.max),
        "tokens in / out": f"USD {row.price.input:g} / {row.price.output:g} a million" if row.price else None,
        "our guess": ", ".join(row.assumed) or None,
        "source": f"{row.source} ({row.as_of})",
    }
    width = max(map(len, facts)) + 2
    for name, value in facts.items():
        for index, line in enumerate(wrap(value or "", max(20, min(out.width, 100) - width))):
            show_facts(out, {name.ljust(width - 2): line}) if index == 0 else print_plain(out, " " * width + line)
    notice = catalog.retired(row) or catalog.retiring(row)
    if notice:
        out.print()
        for line in wrap(f"{notice.message} {notice.remedy}", min(out.width, 100), break_on_hyphens=False):
            print_plain(out, line)
    _age(out)


def show_sizes(out: Console, rows: Sequence[GpuSize], needs: Mapping[str, float]) -> None:
    """Prints machine sizes, a line each; `needs` adds what a GPU would hold, by name."""
    columns = ["size", "gpus", "GiB", "USD/h", "cores", "quota family"]
    cells = [
        [
            _short(row.name) + (f" (retired {row.retired})" if row.retired else ""),
            f"{row.gpus} x {row.gpu}",
            f"{needs[row.name]:.0f} of {row.each_gib:g}" if row.name in needs else f"{row.each_gib:g}",
            "?" if row.hourly is None else f"{row.hourly:.2f}",
            str(row.vcpus),
            _bare(row.family),
        ]
        for row in rows
    ]
    show_table(out, columns, cells, empty="No such size.")
    if rows:
        price = next((row.price for row in rows if row.price), None)
        if price:
            when = f"{price.currency}, {price.region}, list, about {price.as_of:%Y-%m}"
            print_plain(out, f"Names begin with Standard_. GiB: of each GPU. Prices: {when}.")
    _age(out)


def _state(row: PhiModel) -> str:
    if not row.serverless:
        return "never"
    state = row.state()
    if row.retires is None:
        return state
    sure = "" if row.lifecycle.confidence == "high" else "?"
    return f"retired {row.retires}" if state == "retired" else f"until {row.retires}{sure}"


def _size(row: PhiModel) -> str:
    total = f"{row.parameters / 1e9:g} G"
    return f"{total} ({row.active_parameters / 1e9:g} active)" if row.mixture else total


def _dims(row: PhiModel) -> str | None:
    dims = row.dims
    if dims is None:
        return None
    heads = f"{dims.heads} heads, {dims.kv_heads} of keys"
    experts = f", {dims.experts} experts, {dims.active_experts} at work" if dims.experts > 1 else ""
    return f"{dims.layers} layers of {dims.hidden}, {heads}, inner {dims.intermediate}, {dims.vocab:,} words{experts}"


def _bounds(least: float | None, most: float | None) -> str:
    return "" if least is None or most is None else f" ({least:g} to {most:g})"


def _bare(family: str) -> str:
    """Returns a quota family's name without the words that all have."""
    return re.sub(r"^standard ?| ?family$", "", family, flags=re.IGNORECASE)


def _short(size: str) -> str:
    return size.removeprefix("Standard_")


def _age(out: Console) -> None:
    note = catalog.stale_note() or f"Table of {catalog.AS_OF}; `?` is a date that Azure has not confirmed."
    for line in wrap(note, min(out.width, 100), break_on_hyphens=False):
        print_plain(out, line)
