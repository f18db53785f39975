"""`playground`: ask one endpoint, or two side by side, on a page of this machine."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import click

from phi_azure.cli.session import Session, shared_options

if TYPE_CHECKING:
    from phi_azure.asking.streams import Stream
    from phi_azure.playground import Kept, Side
    from phi_azure.workspace import Workspace


@click.command(epilog="Example: phi-azure playground headlines --against phi-base")
@click.argument("endpoint_name", metavar="ENDPOINT")
@click.option("--against", metavar="ENDPOINT", help="Another to ask the same, such as the base model's.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 takes a free one.")
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@shared_options
@click.pass_obj
def command(session: Session, *, endpoint_name: str, against: str | None, port: int, opens: bool) -> None:
    """Ask one endpoint, or two side by side, on a local page.

    ENDPOINT/DEPLOYMENT asks one of a managed endpoint's deployments. Answers stream where the endpoint can. Keys stay
    in this process; the page is for this machine alone. Prompts are kept in prompts.jsonl of the folder (--folder),
    which may be edited. Ctrl-C ends it.
    """
    from phi_azure import display
    from phi_azure.engine.headlines import SYSTEM_PROMPT, TALK_HEADLINES
    from phi_azure.playground import Kept, Playground, PromptFile, served

    examples = [Kept(headline, SYSTEM_PROMPT) for headline in TALK_HEADLINES]
    with session.workspace() as workspace:
        sides = [side(workspace, name) for name in (endpoint_name, against) if name]
        prompts = PromptFile(session.folder / "prompts.jsonl", examples)
        playground = Playground(sides, prompts, _where(workspace), display.redact)
        with served(playground, port) as url:
            session.answer({"url": url}, lambda: click.echo(url))
            session.say("Open it in a browser of this machine. Ctrl-C ends it.")
            if opens:
                click.launch(url)
            try:
                wait_for_ever()
            except KeyboardInterrupt:
                session.say("")


def side(workspace: Workspace, name: str) -> Side:
    """Makes a side of the page of ENDPOINT or ENDPOINT/DEPLOYMENT. Raises NotFoundError."""
    from phi_azure.playground import Side

    speaker = workspace.speaker(name)

    def ask(kept: Kept) -> Stream:
        return speaker.endpoint.stream(
            kept.prompt,
            system=kept.system or None,
            max_tokens=kept.max_tokens,
            temperature=kept.temperature,
            deployment=speaker.deployment,
        )

    return Side(name, speaker.endpoint.kind, ask)


def _where(workspace: Workspace) -> str:
    info = workspace.info()
    return f"{info.name}, on this machine" if info.local else f"{info.name}, {info.region}"


def wait_for_ever() -> None:
    """Waits for Ctrl-C."""
    threading.Event().wait()
