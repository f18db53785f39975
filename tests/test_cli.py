"""The command line without Azure: help, parsing, errors as blocks and exit codes."""

from __future__ import annotations

import io
import json
import os
import shlex
import sqlite3
import sys
from pathlib import Path

import click
import pytest

from phi_azure import errors
from phi_azure.cli import VERBS, group, run
from phi_azure.cli.failure import explain
from phi_azure.cli.session import Session

CODES = {
    errors.PhiAzureError: 1,
    errors.RunFailed: 1,
    errors.AzureError: 1,
    errors.ConfigError: 2,
    errors.ConflictError: 2,
    errors.DataError: 3,
    errors.SignInError: 4,
    errors.RightsError: 4,
    errors.QuotaError: 5,
    errors.RegionError: 5,
    errors.SizeError: 5,
    errors.NotFoundError: 6,
    errors.NotFinished: 7,
    errors.RunCancelled: 8,
    errors.GateNotPassed: 9,
    errors.OverBudget: 10,
    errors.RunNotResponding: 11,
    errors.RunPaused: 12,
}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PHI_AZURE_LOCAL", raising=False)
    monkeypatch.delenv("PHI_AZURE_FOLDER", raising=False)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_verb_ends_in_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A reader of any help sees a command to copy."""
    code = run([verb, "--help"])

    last = capsys.readouterr().out.rstrip().splitlines()[-1]
    assert code == 0
    assert last.strip().startswith(f"Example: phi-azure {verb}")


@pytest.mark.parametrize("verb", VERBS)
def test_example_in_the_help_parses(verb: str, tmp_path: Path) -> None:
    """The example is a command that the verb takes."""
    for name in ("job.yaml", "train.jsonl", "all.jsonl", "alpaca.json"):
        (tmp_path / name).touch()
    command = group.get_command(click.Context(group), verb)
    assert command is not None
    assert command.epilog is not None
    words = shlex.split(command.epilog.removeprefix("Example: phi-azure "))

    context = command.make_context(verb, words[1:], obj=Session())

    assert words[0] == verb
    assert context.command is command


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_takes_the_shared_options(verb: str) -> None:
    """`--local` and `--json` stand before or after any verb."""
    command = group.get_command(click.Context(group), verb)

    assert command is not None
    assert {"local", "folder", "config", "json", "yes", "debug"} <= {parameter.name for parameter in command.params}


def test_help_lists_every_verb_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """No verb's one line is cut short."""
    run([])

    lines = capsys.readouterr().out.partition("Commands:")[2].splitlines()
    assert {line.split()[0] for line in lines if line.startswith("  ") and line.endswith(".")} == set(VERBS)
    assert not [line for line in lines if line.endswith("...")]


@pytest.mark.parametrize(("kind", "code"), CODES.items(), ids=lambda value: getattr(value, "__name__", str(value)))
def test_each_error_has_its_exit_code(
    kind: type[errors.PhiAzureError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error of ours becomes a short block on stderr and its own exit code."""
    error = kind("what is wrong", remedy="what to do")

    result = explain(error, Session())

    captured = capsys.readouterr()
    assert result == code
    assert captured.err == "error: what is wrong\nremedy: what to do\n"
    assert not captured.out


def test_every_error_of_ours_is_in_the_table() -> None:
    """A new error type is not forgotten here."""
    kinds = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)}

    assert kinds == set(CODES)


def test_error_as_json_is_one_object_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that asked for JSON gets the error as JSON."""
    explain(errors.QuotaError("no cores", remedy="ask for some"), Session(json=True))

    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"error": {"code": "quota", "message": "no cores", "remedy": "ask for some"}}
    assert not captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["submit"],
        ["submit", "no-such-file.yaml"],
        ["no-such-verb"],
        ["runs", "--limit", "none"],
        ["--no-such-option"],
        ["wait", "tone", "--timeout", "nan"],
        ["split", "all.jsonl", "--validation", "nan"],
        ["sizes", "--max-price", "inf"],
        ["chat", "tone", "hello", "--temperature", "nan"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2_and_points_at_the_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A command that cannot be read says why and where to look."""
    code = run(arguments)

    err = capsys.readouterr().err
    assert code == 2
    assert err.startswith("error: ")
    assert "--help shows how." in err


def test_wrong_usage_with_json_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """--json holds even where the command cannot be parsed."""
    code = run(["submit", "--no-such-option", "--json"])

    assert code == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


def test_interruption_says_that_the_job_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C during a watch exits 130 and gives the command that comes back."""
    code = explain(KeyboardInterrupt(), Session(local=True, watched="headlines-1"))

    err = capsys.readouterr().err
    assert code == 130
    assert "the job headlines-1 goes on" in err
    assert "phi-azure wait headlines-1 --local" in err


def test_interruption_elsewhere_promises_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C where no job runs does not speak of one."""
    code = explain(click.Abort(), Session())

    assert code == 130
    assert capsys.readouterr().err == "error: interrupted\n"


@pytest.mark.parametrize(
    ("session", "where"),
    [
        (Session(), ""),
        (Session(local=True), " --local"),
        (Session(local=True, folder=Path("my things")), " --local --folder 'my things'"),
        (Session(config=Path("prod/config.json")), " --config prod/config.json"),
        (Session(config=Path("it's.json")), """ --config 'it'"'"'s.json'"""),
    ],
    ids=["azure", "local", "folder", "config", "quote"],
)
def test_commands_to_run_again_keep_where_one_works(
    session: Session, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A remedy can be copied: it leads to the same workspace."""
    explain(errors.NotFinished("not yet", remedy="phi-azure wait tone-1"), session)
    explain(errors.NotFoundError("none", remedy="`phi-azure runs` lists them; phi-azure models does not."), session)

    err = capsys.readouterr().err
    assert f"remedy: phi-azure wait tone-1{where}\n" in err
    assert f"remedy: `phi-azure runs{where}` lists them; phi-azure models does not.\n" in err
    assert session.again("wait", "tone 1") == f"phi-azure wait 'tone 1'{where}"


def test_unexpected_error_is_called_a_bug_without_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """What nobody foresaw is one short block too."""
    code = explain(ZeroDivisionError("division by zero"), Session())

    err = capsys.readouterr().err
    assert code == 1
    assert "this is a bug" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "out/job.yaml"), "out/job.yaml: permission denied"),
        (OSError(28, "No space left on device"), "no space left on device"),
        (sqlite3.DatabaseError("file is not a database"), ".phi-azure, where this machine's workspace is kept"),
    ],
    ids=["path", "full", "state"],
)
def test_what_the_disk_refuses_is_no_bug(error: Exception, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, the place, and what the system said."""
    code = explain(error, Session())

    err = capsys.readouterr().err
    assert code == 2
    assert said in err
    assert "bug" not in err


def test_a_lost_connection_is_no_path(capsys: pytest.CaptureFixture[str]) -> None:
    """Not every error of the system speaks of files."""
    code = explain(ConnectionResetError(104, "Connection reset by peer"), Session())

    assert code == 1
    assert "this is a bug" in capsys.readouterr().err


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """--debug says where it happened."""
    explain(ZeroDivisionError("division by zero"), Session(debug=True))

    assert "ZeroDivisionError" in capsys.readouterr().err


def test_error_never_shows_a_signature(capsys: pytest.CaptureFixture[str]) -> None:
    """A signed address in a message loses its signature."""
    explain(errors.AzureError("cannot read https://x.blob.core.windows.net/a?sv=1&sig=SECRET%3D&se=2"), Session())

    err = capsys.readouterr().err
    assert "SECRET" not in err
    assert "se=2" in err


def test_nothing_costly_happens_where_nobody_can_answer() -> None:
    """Without a terminal and without --yes, a question is a refusal, not a wait."""
    session = Session()

    with pytest.raises(click.UsageError, match="--yes"):
        session.agree("This costs money. Submit it?")


def test_yes_agrees() -> None:
    """--yes stands for the answer."""
    Session(yes=True).agree("This costs money. Submit it?")


def test_environment_makes_it_local(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PHI_AZURE_LOCAL and PHI_AZURE_FOLDER stand for --local and --folder."""
    monkeypatch.setenv("PHI_AZURE_LOCAL", "1")
    monkeypatch.setenv("PHI_AZURE_FOLDER", str(tmp_path))

    session = Session.from_environment(json=False, debug=False)

    assert session.local
    assert session.folder == tmp_path


@pytest.mark.parametrize("words", [["models"], ["models", "--json"]], ids=" ".join)
def test_a_reader_who_left_is_code_141(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`phi-azure models | head -1` ends as a program does whose pipe broke, and says nothing."""
    reader, writer = os.pipe()
    os.close(reader)
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)

    with os.fdopen(writer, "w", encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        code = run(words)

    assert code == 141
    assert not said.getvalue()


def test_options_of_a_command_given_to_the_emulator_are_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """What follows `--` is not read by phi-azure."""
    code = run(["emulator", "--weights", "not-a-pair", "--", "tool", "--json"])

    assert code == 2
    assert "NAME=DIR" in capsys.readouterr().err
