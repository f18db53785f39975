"""`chat`: ask an endpoint."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from phi_azure.cli.session import Number, Session, shared_options

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command(epilog='Example: phi-azure chat headlines "Contoso recovers from an attack."')
@click.argument("endpoint_name", metavar="ENDPOINT")
@click.argument("message", required=False)
@click.option("--system", help="A system message before it.")
@click.option(
    "--max-tokens", type=click.IntRange(min=1), default=256, show_default=True, help="The answer's length at most."
)
@click.option("--temperature", type=Number(0, 2), default=0.0, show_default=True, help="0 is always the same.")
@shared_options
@click.pass_obj
def command(
    session: Session,
    *,
    endpoint_name: str,
    message: str | None,
    system: str | None,
    max_tokens: int,
    temperature: float,
) -> None:
    """Ask an endpoint.

    One MESSAGE, or without it each line of stdin by itself.
    """
    from phi_azure import names

    names.refuse_endpoint(endpoint_name)
    if message is not None and not message.strip():
        raise click.UsageError("MESSAGE is empty; ask something.")
    with session.workspace() as workspace:
        endpoint = workspace.endpoint(endpoint_name)
        for text in [message] if message is not None else _lines():
            answer = endpoint.complete(text, system=system, max_tokens=max_tokens, temperature=temperature)
            session.answer(answer, lambda text=answer.text: click.echo(text))  # type: ignore[misc]


def _lines() -> Iterator[str]:
    """Reads messages: typed after a prompt on a terminal, else one a line."""
    while True:
        if sys.stdin.isatty():
            click.echo("> ", nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()
