"""What every verb shares: where to work, how to answer, and whether it may ask."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import sys
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from phi_azure.names import file_in_the_way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rich.console import Console

    from phi_azure.events import Event
    from phi_azure.workspace import Workspace

Command = TypeVar("Command", bound="Callable[..., object]")
_FOLDER = ".phi-azure"
_IN_A_WORKSPACE = (
    "submit|sweep|runs|show|logs|wait|watch|report|cancel|resume|"
    "register|deploy|traffic|rollback|chat|batch|playground|compare|download|export|costs|down|models --registered"
)
_COMMAND = re.compile(
    rf"(?<=`)phi-azure (?:{_IN_A_WORKSPACE})\b[^`\n]*(?=`)|^phi-azure (?:{_IN_A_WORKSPACE})\b[^`\n]*$"
)


class FolderPath(click.Path):
    """A folder that is there, or that can be made."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Refuses an empty path, a file, and a place below a file, before anything is done."""
        if not str(value):
            self.fail("it is empty; name a folder.", param, ctx)
        folder = Path(value)
        if blocked := file_in_the_way(folder):
            instead = "name a folder" if blocked == folder else f"{folder} cannot be made"
            self.fail(f"{blocked} is a file; {instead}.", param, ctx)
        return folder


class Number(click.FloatRange):
    """A number of a range; `nan` is below and above nothing, and click lets it through, as it does `inf`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Refuses what cannot be counted with."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no number to count with.", param, ctx)
        return number


@dataclass
class Session:
    """One command's surroundings; options given before or after the verb end up here."""

    local: bool = False
    folder: Path = Path(_FOLDER)
    config: Path | None = None
    json: bool = False
    yes: bool = False
    debug: bool = False
    watched: str | None = None
    """The run that goes on when this command is interrupted."""
    found: dict[str, object] = field(default_factory=dict)
    """What is known when something goes wrong: with --json it stands beside the error, in the one document."""

    @classmethod
    def from_environment(cls, *, json: bool, debug: bool) -> Session:
        """Reads PHI_AZURE_LOCAL and PHI_AZURE_FOLDER."""
        local = os.environ.get("PHI_AZURE_LOCAL", "").lower() in {"1", "true", "yes", "on"}
        return cls(local=local, folder=Path(os.environ.get("PHI_AZURE_FOLDER") or _FOLDER), json=json, debug=debug)

    def workspace(self, *, narrated: bool = False, weights: Mapping[str, Path] | None = None) -> Workspace:
        """Opens the workspace: on this machine with --local, else the one that config.json names.

        Args:
            narrated: say what is made on the way.
            weights: folders with real weights by model name, for --local.
        """
        from phi_azure.workspace import Workspace

        tell = self._tell if narrated else None
        if self.local:
            return Workspace.local(self.folder, weights, on_event=tell)
        return Workspace.from_config(self.config, on_event=tell)

    def _tell(self, event: Event) -> None:
        """Says on stderr what is made on the way, with the time: a deployment takes many minutes."""
        from phi_azure import display

        text = display.redact(display.harmless(self.here(event.message)))
        self.say(f"{datetime.now().astimezone():%H:%M:%S}  {event.kind:<10}  {text}")

    def words(self) -> Console:
        """Returns the console for people: stderr."""
        from phi_azure import display

        return display.console(stderr=True)

    def data(self) -> Console:
        """Returns the console for results: stdout."""
        from phi_azure import display

        return display.console()

    def say(self, text: str) -> None:
        """Tells people something, on stderr."""
        click.echo(text, err=True)

    def answer(self, document: object, show: Callable[[], object]) -> None:
        """Gives the result on stdout: as one JSON document with --json, else as people read it."""
        if self.json:
            click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=_plain))
        else:
            show()

    def agree(self, question: str) -> None:
        """Asks before something is paid for or removed; refuses where nobody can answer and --yes was not given."""
        if self.yes:
            return
        if self.json or not sys.stdin.isatty():
            raise click.UsageError(f"{question} Nobody can answer here; add --yes if it is meant.")
        if not click.confirm(question, err=True):
            self.say("Nothing was done.")
            raise click.exceptions.Exit(1)

    @property
    def no_runs(self) -> str:
        """What is said where there are none."""
        return f"No runs yet. Start one: {self.again('submit', 'job.yaml')}"

    def again(self, *words: str) -> str:
        """Returns a command line that works where this one did."""
        return shlex.join(["phi-azure", *words, *self._where()])

    def here(self, text: str) -> str:
        """Completes the commands of a text, which stand in backticks or are all of it, so that they work here too."""
        return _COMMAND.sub(lambda found: found[0] + "".join(f" {shlex.quote(word)}" for word in self._where()), text)

    def _where(self) -> list[str]:
        """Returns the options that lead to the workspace of this command."""
        if self.local:
            return ["--local"] + (["--folder", str(self.folder)] if self.folder != Path(_FOLDER) else [])
        return ["--config", str(self.config)] if self.config else []


def weight_folders(texts: Iterable[str]) -> dict[str, Path]:
    """Reads NAME=DIR, a model and the folder with its weights, each as --weights takes it."""
    found = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if not (name and equals and Path(folder).is_dir()):
            raise click.BadParameter(f"{text!r} is not NAME=DIR with a folder that is there.", param_hint="--weights")
        found[name] = Path(folder)
    return found


def shared_options(command: Command) -> Command:
    """Adds the options that the group and every verb take."""
    for names, attributes in reversed(_SHARED):
        option = click.option(*names, **attributes, expose_value=False, callback=_remember)  # type: ignore[arg-type]
        command = option(command)
    return command


_SHARED: tuple[tuple[tuple[str, ...], dict[str, object]], ...] = (
    (
        ("--local",),
        {"is_flag": True, "default": None, "help": "Work on this machine instead of Azure [PHI_AZURE_LOCAL]."},
    ),
    (
        ("--folder",),
        {"type": FolderPath(), "help": "Where --local keeps everything [PHI_AZURE_FOLDER; .phi-azure]."},
    ),
    (
        ("--config",),
        {"type": click.Path(path_type=Path), "help": "Azure's config.json of the workspace [searched upwards]."},
    ),
    (("--json",), {"is_flag": True, "default": None, "help": "Answer with one JSON document on stdout."}),
    (("--yes", "-y"), {"is_flag": True, "default": None, "help": "Ask nothing."}),
    (("--debug",), {"is_flag": True, "default": None, "help": "Show the traceback of an error."}),
)


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value is not None and parameter.name is not None:
        setattr(context.find_object(Session), parameter.name, value)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
