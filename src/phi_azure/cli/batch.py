"""`batch`: ask an endpoint many questions."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phi_azure.cli.session import Number, Session, shared_options

if TYPE_CHECKING:
    from phi_azure.asking.journal import Answered
    from phi_azure.endpoint import Endpoint


@click.command(epilog="Example: phi-azure batch headlines prompts.jsonl --out answers.jsonl")
@click.argument("endpoint_name", metavar="ENDPOINT")
@click.argument("prompts", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="JSONL, an answer a line [stdout].")
@click.option("--concurrency", type=click.IntRange(min=1), default=8, show_default=True, help="Questions at once.")
@click.option("--system", help="A system message for questions without one.")
@click.option(
    "--max-tokens", type=click.IntRange(min=1), default=256, show_default=True, help="Each answer's length at most."
)
@click.option("--temperature", type=Number(0, 2), default=0.0, show_default=True, help="0 is always the same.")
@click.option("--deployment", help="Ask this one of a managed endpoint's deployments.")
@shared_options
@click.pass_obj
def command(session: Session, /, *, endpoint_name: str, prompts: Path, out: Path | None, **settings: Any) -> int:
    """Ask an endpoint many questions, several at once.

    PROMPTS is JSONL: rows with `prompt`, or with `messages` as training rows have them. Answers come in its order, each
    once. The same command goes on where it was interrupted, and asks again what found no answer (exit code 1).
    """
    from phi_azure import names

    names.refuse_endpoint(endpoint_name)
    with session.workspace() as workspace:
        began = time.monotonic()
        answers = _asked(session, workspace.endpoint(endpoint_name), prompts, out, settings)
        return _told(session, answers, out, time.monotonic() - began)


def _asked(
    session: Session, endpoint: Endpoint, prompts: Path, out: Path | None, settings: dict[str, Any]
) -> list[Answered]:
    from phi_azure import display

    try:
        with display.asking(session.words()) as on_progress:
            return endpoint.batch(prompts, out=out, on_progress=on_progress, **settings)
    except KeyboardInterrupt:
        if out:
            session.say(f"What was answered is kept; the same command goes on from {out}.part.")
        raise


def _told(session: Session, answers: list[Answered], out: Path | None, took: float) -> int:
    from phi_azure import display

    failed = sum(answered.error is not None for answered in answers)
    whole = f"{len(answers) - failed:,} of {len(answers):,} answered"
    display.done(session.words(), f"{whole}{f' in {out}' if out else ''}", took)
    if failed:
        display.failed(session.words(), f"{failed:,} found no answer; the rows say why.")
    rows = [asdict(answered) for answered in answers]
    counted = {"answered": len(answers) - failed, "failed": failed, "seconds": round(took, 3)}
    document = counted | ({"out": str(out)} if out else {"answers": rows})
    lines = [] if out else [json.dumps(row, ensure_ascii=False) for row in rows]
    session.answer(document, lambda: click.echo("\n".join(lines)) if lines else None)
    return 1 if failed else 0
