"""The verbs that ask an endpoint."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.cli import main, run
from phi_azure.emulator.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phi_azure import Workspace
    from phi_azure.testing import Azure

    Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def phi(emulator: Azure, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Command:
    """Runs a command in a folder with a config.json, beside an endpoint; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PHI_AZURE_LOCAL", raising=False)
    emulator.write_config(tmp_path)
    workspace.deploy_base(name="base-endpoint")

    def command(*words: str) -> tuple[int, str, str]:
        code = run(words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """Twelve questions."""
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(f'{{"prompt": "{number}", "id": "q{number}"}}\n' for number in range(12)), encoding="utf-8")
    return path


def test_chat_on_a_terminal_streams(phi: Command, emulator: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words come as the endpoint says them; what would steer the terminal is shown by its number."""
    emulator.reply(lambda _: "one \x1b[2Jtwo")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)

    code, out, _ = phi("chat", "base-endpoint", "Hello")

    assert (code, out) == (0, "one \\x1b[2Jtwo\n")
    assert emulator.last("POST", "/v1/chat/completions").json["stream"] is True


def test_batch_writes_the_answers(phi: Command, prompts: Path, tmp_path: Path) -> None:
    """In the order of the questions, with a word on how many."""
    code, out, err = phi("batch", "base-endpoint", str(prompts), "--out", "answers.jsonl", "--deployment", "blue")

    rows = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (code, out) == (0, "")
    assert "12 of 12 answered in answers.jsonl" in err
    assert [(row["id"], row["answer"]) for row in rows] == [(f"q{i}", f"scripted answer to: {i}") for i in range(12)]


def test_batch_without_a_file_prints_the_answers(phi: Command, prompts: Path) -> None:
    """Data goes to stdout."""
    code, out, _ = phi("batch", "base-endpoint", str(prompts))

    assert code == 0
    assert [json.loads(line)["index"] for line in out.splitlines()] == list(range(12))


def test_batch_says_what_found_no_answer(phi: Command, prompts: Path, emulator: Azure) -> None:
    """Exit code 1, the row says why; the same command asks it again."""
    bad = {"7"}

    def reply(messages: list[dict[str, Any]]) -> str:
        if messages[-1]["content"] in bad:
            raise WireError(400, "BadRequest", "too long")
        return "fine"

    emulator.reply(reply)
    code, out, err = phi("batch", "base-endpoint", str(prompts), "--out", "answers.jsonl", "--json")
    bad.clear()
    before = len(emulator.requests)
    again, _, _ = phi("batch", "base-endpoint", str(prompts), "--out", "answers.jsonl")

    assert (code, json.loads(out)["failed"]) == (1, 1)
    assert "1 found no answer" in err
    assert again == 0
    assert [request.path for request in list(emulator.requests)[before:]].count("/score") == 1


def test_batch_refuses_bad_rows(phi: Command, prompts: Path) -> None:
    """Each with its line, before anything is asked: exit code 3."""
    prompts.write_text('{"prompt": "a"}\n{"p": 1}\nx\n', encoding="utf-8")

    code, _, err = phi("batch", "base-endpoint", str(prompts))

    assert code == 3
    assert "prompts.jsonl:2: " in err
    assert "prompts.jsonl:3: it is not JSON" in err


def test_playground_prints_its_address_and_ends_by_ctrl_c(phi: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is all that is on stdout."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("phi_azure.cli.playground.wait_for_ever", interrupt)

    code, out, err = phi("playground", "base-endpoint/blue", "--against", "base-endpoint")

    assert code == 0
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{22}/\n", out)
    assert "Ctrl-C ends it" in err


def test_a_line_that_is_no_utf8_is_refused_by_its_number(
    phi: Command, emulator: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came before it is answered; the endpoint sees nothing that it would fail on."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Hello\n\n\xff\xfe\n"), encoding="utf-8"))

    code, out, err = phi("chat", "base-endpoint")

    assert (code, out) == (3, "scripted answer to: Hello\n")
    assert "stdin:3: the line holds half a character" in err
    assert emulator.last("POST", "/score").json["input_data"]["input_string"][-1]["content"] == "Hello"


@pytest.mark.usefixtures("phi")
@pytest.mark.parametrize(
    ("words", "code"), [(("down",), 2), (("chat", "base-endpoint"), 0)], ids=["nobody answers", "nothing is asked"]
)
def test_a_closed_stdin_is_an_empty_one(
    words: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Where the caller closed stdin (`<&-`), a question is refused and nothing is read."""
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "argv", ["phi-azure", *words])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == code
    assert "bug" not in capsys.readouterr().err


@pytest.mark.usefixtures("phi")
def test_a_closed_stderr_takes_what_is_said(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Where the caller closed stderr (`2>&-`), the result comes all the same."""
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "argv", ["phi-azure", "runs"])

    with pytest.raises(SystemExit) as ended:
        main()

    sys.stderr.write("said to nobody")
    assert ended.value.code == 0
    assert "said to nobody" not in capsys.readouterr().err
