"""`chat`: ask an endpoint, or an exported folder of this machine."""

from __future__ import annotations

import io
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phi_azure.cli.session import Number, Session, shared_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.endpoint import Endpoint


@click.command(epilog='Example: phi-azure chat headlines "Contoso recovers from an attack."')
@click.argument("endpoint_name", metavar="ENDPOINT|DIR")
@click.argument("message", required=False)
@click.option("--system", help="A system message before it.")
@click.option(
    "--max-tokens", type=click.IntRange(min=1), default=256, show_default=True, help="The answer's length at most."
)
@click.option("--temperature", type=Number(0, 2), default=0.0, show_default=True, help="0 is always the same.")
@click.option("--deployment", help="Ask this one of a managed endpoint's deployments.")
@click.option("--base", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Of an adapter in DIR.")
@shared_options
@click.pass_obj
def command(
    session: Session, /, *, endpoint_name: str, message: str | None, base: Path | None, **settings: Any
) -> None:
    """Ask an endpoint.

    One MESSAGE, or without it each line of stdin by itself. On a terminal the answer shows while it comes, where the
    endpoint streams. A path with a slash, or of a folder that is there, is an exported model: it is asked offline.
    """
    from phi_azure import names

    if message is not None and not message.strip():
        raise click.UsageError("MESSAGE is empty; ask something.")
    if "/" in endpoint_name or Path(endpoint_name).is_dir():
        _offline(session, Path(endpoint_name), message, base, settings)
        return
    names.refuse_endpoint(endpoint_name)
    with session.workspace() as workspace:
        endpoint = workspace.endpoint(endpoint_name)
        for text in [message] if message is not None else _lines():
            if sys.stdout.isatty() and not session.json:
                _stream(endpoint, text, settings)
            else:
                answer = endpoint.complete(text, **settings)
                session.answer(answer, lambda text=answer.text: click.echo(text))  # type: ignore[misc]


def _offline(session: Session, folder: Path, message: str | None, base: Path | None, settings: dict[str, Any]) -> None:
    """Asks a folder; the words show as they come on a terminal."""
    from phi_azure import display, edge

    if settings.pop("deployment"):
        raise click.UsageError("--deployment is of an endpoint; a folder has none.")
    system = settings.pop("system")
    before = [{"role": "system", "content": system}] if system else []
    live = sys.stdout.isatty() and not session.json
    show = (lambda words: click.echo(display.harmless(words), nl=False)) if live else None
    with edge.Player(folder, base) as player:
        for text in [message] if message is not None else _lines():
            answer = player.ask([*before, {"role": "user", "content": text}], **settings, on_words=show)
            ending = "" if live else answer.text
            session.answer(answer, lambda ending=ending: click.echo(ending))  # type: ignore[misc]


def _stream(endpoint: Endpoint, text: str, settings: dict[str, Any]) -> None:
    """Shows the words as they come; what would steer the terminal is shown by its number."""
    from phi_azure import display

    with endpoint.stream(text, **settings) as stream:
        for words in stream:
            click.echo(display.harmless(words), nl=False)
        click.echo()


def _lines() -> Iterator[str]:
    """Reads messages: typed after a prompt on a terminal, else one a line. Raises DataError where one is no UTF-8."""
    from phi_azure.asking.prompts import NO_TEXT, no_text
    from phi_azure.errors import DataError

    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # a strict reader fails before it is known on which line
    for number in count(1):
        if sys.stdin.isatty():
            click.echo("> ", nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            return
        if no_text(line):
            raise DataError(f"stdin:{number}: the line {NO_TEXT}.", remedy="Give it as UTF-8.")
        if line.strip():
            yield line.strip()
