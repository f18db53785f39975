"""`demo`: the whole story, on this machine, without an account."""

from __future__ import annotations

from pathlib import Path

import click

from phi_azure.cli.session import Session, shared_options


@click.command(epilog="Example: phi-azure demo --route serverless")
@click.option("--route", type=click.Choice(["both", "serverless", "managed"]), default="both", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="For the data and the training.")
@shared_options
@click.pass_obj
def command(session: Session, route: str, seed: int) -> int:
    """Tell the whole story on this machine, offline.

    A base Phi answers, data is checked, both routes train, and the tuned models answer. The requests are those that
    Azure would get, through Azure's own client, and a small Phi really trains; only what answers is not Azure.
    """
    from phi_azure import demo

    routes = ("serverless", "managed") if route == "both" else (route,)
    outcome = demo.tell(session.words() if session.json else session.data(), Path(session.folder), routes, seed)
    session.answer(outcome.document(), lambda: None)
    return 0 if outcome.ok else 1
