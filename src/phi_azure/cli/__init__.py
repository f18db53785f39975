"""The command line: a group of verbs, one a file, and the process boundary where errors become exit codes."""

from __future__ import annotations

import importlib
import io
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phi_azure.cli.failure import explain
from phi_azure.cli.session import Session, shared_options

if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS = (
    "models",
    "sizes",
    "init",
    "convert",
    "split",
    "check",
    "preview",
    "render",
    "schema",
    "plan",
    "doctor",
    "submit",
    "sweep",
    "runs",
    "show",
    "logs",
    "wait",
    "watch",
    "report",
    "cancel",
    "resume",
    "register",
    "deploy",
    "traffic",
    "rollback",
    "chat",
    "batch",
    "playground",
    "compare",
    "download",
    "export",
    "bench",
    "costs",
    "down",
    "demo",
    "emulator",
)


class Verbs(click.Group):
    """Finds a verb in the module of its name, so that a command loads no other's code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Returns the verbs in the order of a job's life."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """Returns a verb's command."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"phi_azure.cli.{cmd_name}").command
        return command


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
    epilog="Without an Azure account: phi-azure demo",
)
@click.version_option(package_name="phi-azure", prog_name="phi-azure")
@shared_options
@click.pass_context
def group(context: click.Context) -> None:
    """Fine-tune Microsoft Phi on Azure, or rehearse the whole job on this machine (--local)."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Unicode shows ? instead of breaking
    sys.exit(run(sys.argv[1:]))


def _open_what_is_closed() -> None:
    """Puts an empty stream in the place of one that the caller closed (`<&-`), which Python makes None.

    Azure's client writes to stderr while it is imported.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  open as long as we are


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code; whatever goes wrong is said in one short block."""
    ours = list(arguments)[: arguments.index("--")] if "--" in arguments else arguments  # not those of COMMAND
    session = Session.from_environment(json="--json" in ours, debug="--debug" in ours)
    if not session.debug:
        logging.getLogger("azure").setLevel(logging.CRITICAL)  # what goes wrong is said once, by us
    try:
        code = group.main(args=list(arguments), prog_name="phi-azure", standalone_mode=False, obj=session)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the process boundary: no traceback without --debug
        return explain(error, session)
    except SystemExit as ended:
        if ended.code != 1:  # a signal's
            raise
        return explain(BrokenPipeError(), session)  # click and rich end so where nobody reads on; nothing of ours does
    return code if isinstance(code, int) else 0
