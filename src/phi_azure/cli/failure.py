"""Turns whatever went wrong into one short block on stderr and an exit code."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import sys
import traceback
from typing import TYPE_CHECKING

import click

from phi_azure.errors import PhiAzureError

if TYPE_CHECKING:
    from phi_azure.cli.session import Session

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # told without the file
USAGE = 2
INTERRUPTED = 130
BROKEN_PIPE = 141
BUG = 1


def explain(error: BaseException, session: Session) -> int:
    """Says what went wrong and what to do, and returns the exit code."""
    if isinstance(error, BrokenPipeError):  # `phi-azure runs | head`: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    code, word, message, remedy = _describe(error, session)
    if session.debug and not isinstance(error, click.ClickException):
        traceback.print_exception(type(error), error, error.__traceback__)
    _print(session, word, message, remedy)
    return code


def _describe(error: BaseException, session: Session) -> tuple[int, str, str, str | None]:
    """Returns the exit code, the short word, what went wrong and what to do."""
    if isinstance(error, PhiAzureError):
        return error.exit_code, error.code, str(error), session.here(error.remedy) if error.remedy else None
    if isinstance(error, click.ClickException):
        return USAGE, "usage", error.format_message(), _usage_remedy(error)
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return INTERRUPTED, "interrupted", _interrupted(session), _come_back(session)
    if isinstance(error, OSError) and (error.filename is not None or error.errno in _FULL):
        said = (error.strerror or type(error).__name__).lower()
        where = f"{error.filename}: " if error.filename is not None else ""
        return USAGE, "path", f"{where}{said}", "Name another place, or change what is there."
    if isinstance(error, sqlite3.Error):
        message = f"{session.folder}, where this machine's workspace is kept, cannot be used: {error}"
        return USAGE, "path", message, "Name another --folder, or move this one away."
    return BUG, "bug", f"{type(error).__name__}: {error}", _bug_remedy(session)


def _usage_remedy(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{context.command_path if context else 'phi-azure'} --help shows how."


def _interrupted(session: Session) -> str:
    return f"interrupted; the job {session.watched} goes on" if session.watched else "interrupted"


def _come_back(session: Session) -> str | None:
    if session.watched is None:
        return None
    come_back, stop = (session.again(verb, session.watched) for verb in ("wait", "cancel"))
    return f"come back with: {come_back}; stop it with: {stop}"


def _bug_remedy(session: Session) -> str:
    shown = "" if session.debug else " Run it again with --debug to see where it happened."
    return f"this is a bug in phi_azure; please report it.{shown}"


def _print(session: Session, word: str, message: str, remedy: str | None) -> None:
    from phi_azure.display import redact

    message, remedy = redact(message), redact(remedy) if remedy else None
    if session.json:
        error = {"code": word, "message": message, "remedy": remedy}
        click.echo(json.dumps({**session.found, "error": error}, ensure_ascii=False))
        return
    click.echo(f"error: {_indented(message)}", err=True)
    if remedy:
        click.echo(f"remedy: {_indented(remedy)}", err=True)


def _indented(text: str) -> str:
    return "\n".join(line if number == 0 else f"  {line}" for number, line in enumerate(text.strip().splitlines()))
