"""`init`: a job file with every field explained, and example data if wanted."""

from __future__ import annotations

import shlex
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phi_azure.cli.session import Session, shared_options
from phi_azure.names import file_in_the_way

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import BaseModel

WIDTH = 100


@click.command(epilog="Example: phi-azure init job.yaml --route managed --example headlines")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default="job.yaml")
@click.option("--route", type=click.Choice(["serverless", "managed"]), default="serverless", show_default=True)
@click.option(
    "--example", type=click.Choice(["headlines"]), help="Write example data too, and the numbers that fit it."
)
@click.option("--force", is_flag=True, help="Overwrite what is there.")
@shared_options
@click.pass_obj
def command(session: Session, *, file: Path, route: str, example: str | None, force: bool) -> None:
    """Write a job file with every field explained.

    It goes to FILE, or job.yaml, and nothing is overwritten without --force.
    """
    data = [file.parent / f"{name}.jsonl" for name in ("train", "validation", "test")] if example else []
    if blocked := file_in_the_way(file.parent):
        raise click.UsageError(f"{blocked} is a file; {file} cannot be made.")
    _refuse_to_overwrite([file, *data], force)
    file.parent.mkdir(parents=True, exist_ok=True)
    if example:
        from phi_azure.engine.headlines import write_dataset

        write_dataset(file.parent)
    file.write_text(job_file(file, route, example=example is not None), encoding="utf-8")
    written = [str(path) for path in (file, *data)]
    session.answer({"files": written}, lambda: click.echo("\n".join(written)))


def job_file(file: Path, route: str, *, example: bool) -> str:
    """Returns the text of a job file; its first line is the command that runs it."""
    from phi_azure.config import FineTune, ManagedCompute, Serverless

    numbers = _numbers_for_phi_tiny() if example else {}
    if route == "managed":
        numbers |= {"cluster": "gpu-cluster", "size": "Standard_NC24ads_A100_v4"}
    top = {"name": "headline-sentiment", "training_data": "train.jsonl", "validation_data": "validation.jsonl"}
    lines = [
        f"# phi-azure submit {shlex.quote(str(file))} --wait{' --local' if example else ''}",
        "# --local rehearses the job on this machine. A field behind a # has the value that holds without it.",
        *(_for_phi_tiny() if example else []),
        *_fields(FineTune, top, leave_out={"route"}),
        "",
        "route:",
        *_indented(_route_fields(ManagedCompute if route == "managed" else Serverless, numbers)),
    ]
    return "\n".join(lines) + "\n"


_LIVE = {"kind", "learning_rate", "epochs", "batch_size", "lora"}  # what people change first
_OBVIOUS = ("text", "names and values", "letters", "a list")  # what the meaning of the field says already
_FIRST = ("kind", "cluster", "size", "epochs", "learning_rate", "batch_size", "lora")


def _route_fields(route: type[BaseModel], values: Mapping[str, object]) -> Iterator[str]:
    """Yields what people change first, then every other knob under the heading of its group."""
    from phi_azure.config.managed import ManagedCompute, group_of

    first = [name for name in _FIRST if name in route.model_fields]
    yield from _fields(route, values, live=_LIVE, only=first)
    rest = [name for name in route.model_fields if name not in first]
    if route is not ManagedCompute:
        yield from _fields(route, values, live=_LIVE, only=rest)
        return
    order = ["Job", *(group.__name__ for group in ManagedCompute.GROUPS)]
    for group in order:
        names = [name for name in rest if group_of(name) == group]
        yield from ("", f"# ---- {group}") if names else ()
        yield from _fields(route, values, live=_LIVE, only=names)


def _refuse_to_overwrite(paths: list[Path], force: bool) -> None:
    there = [str(path) for path in paths if path.exists()]
    if there and not force:
        raise click.UsageError(f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} there; --force overwrites.")


def _numbers_for_phi_tiny() -> dict[str, object]:
    from phi_azure import demo

    rate = {"learning_rate": demo.LEARNING_RATE, "epochs": demo.EPOCHS, "batch_size": demo.BATCH_SIZE}
    return {**rate, "lora": demo.LORA}


def _for_phi_tiny() -> list[str]:
    return [
        "# The numbers of the route are those of phi-tiny, which stands in for Phi with --local and is two thousand",
        "# times smaller. On Azure begin with learning_rate: 2.0e-05 and epochs: 1.",
    ]


def _fields(
    model: type[BaseModel],
    values: Mapping[str, object],
    live: set[str] | None = None,
    leave_out: set[str] | None = None,
    only: Sequence[str] | None = None,
) -> Iterator[str]:
    """Yields the fields of a model with their meaning; those without a value of their own stand behind a #."""
    from phi_azure.config.refusals import takes

    for name in model.model_fields if only is None else only:
        if name in (leave_out or ()):
            continue
        info = model.model_fields[name]
        yield ""
        range_ = takes(model, name)
        meaning = (info.description or "").replace("None ", "null ")
        meaning += "" if range_.startswith(_OBVIOUS) or name == "kind" else f" Takes {range_}."
        yield from (f"# {line}" for line in textwrap.wrap(meaning, WIDTH - 4))
        value = values.get(name, info.get_default(call_default_factory=True))
        mark = "" if name in values or (name in (live or {"model"}) and value is not None) else "# "
        yield from (mark + line for line in _yaml({name: _plain(value)}))


def _plain(value: object) -> object:
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if dump else value


def _yaml(value: Mapping[str, object]) -> list[str]:
    import yaml

    return str(yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True)).splitlines()


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" if line else "" for line in lines)
