"""Many questions: each answered once, in order, through failures, interruptions and files."""

from __future__ import annotations

import json
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure import AzureError, ConfigError, ConflictError, DataError, RightsError
from phi_azure.asking.answers import Answer
from phi_azure.asking.batch import Batch
from phi_azure.asking.journal import Answered, Journal
from phi_azure.asking.pace import Later, Pace
from phi_azure.asking.prompts import Prompt, prompts_of
from phi_azure.emulator.clock import TurnedClock
from phi_azure.emulator.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phi_azure import Workspace
    from phi_azure.asking.batch import BatchProgress
    from phi_azure.testing import Azure


def _prompts(count: int) -> list[Prompt]:
    return prompts_of([f"question {number}" for number in range(count)])


def _echo(prompt: Prompt) -> Answer:
    return Answer(f"answer {prompt.index}", 0.1, 5, 1)


def _run(
    prompts: list[Prompt],
    ask: Callable[[Prompt], Answer],
    out: Path | None = None,
    concurrency: int = 8,
    **options: Any,
) -> list[Answered]:
    journal = Journal(out, {prompt.index: prompt.digest() for prompt in prompts}) if out else None
    return Batch(prompts, ask, Pace(TurnedClock(), concurrency)).run(concurrency, journal, **options)


class _Failing:
    """Answers, but fails a share of the questions with what may pass; keeps what was asked and what was answered."""

    def __init__(self, share: float) -> None:
        self.answered: list[int] = []
        self.failures = 0
        self._share = share
        self._random = random.Random(7)
        self._lock = threading.Lock()

    def __call__(self, prompt: Prompt) -> Answer:
        with self._lock:
            lot = self._random.random()
            if lot < self._share:
                self.failures += 1
                raise Later(AzureError("passing"), throttled=lot < self._share / 3)
            self.answered.append(prompt.index)
        return _echo(prompt)


def test_all_are_answered_once_in_order_through_failures() -> None:
    """A third of the questions fails, and each is answered by exactly one of its tries."""
    ask = _Failing(0.33)

    answers = _run(_prompts(500), ask)

    assert [answered.answer for answered in answers] == [f"answer {number}" for number in range(500)]
    assert sorted(ask.answered) == list(range(500))
    assert ask.failures > 100
    assert sum(answered.tries for answered in answers) == 500 + ask.failures


def test_the_file_holds_what_is_returned(tmp_path: Path) -> None:
    """A line an answer, in the order of the questions, with the row's own id."""
    source, out = tmp_path / "prompts.jsonl", tmp_path / "answers.jsonl"
    source.write_text('{"prompt": "a", "id": "x7"}\n\n{"prompt": "b"}\n', encoding="utf-8")

    _run(prompts_of(source), _echo, out)

    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [(row["index"], row["id"], row["answer"], row["error"]) for row in rows] == [
        (0, "x7", "answer 0", None),
        (1, None, "answer 1", None),
    ]
    assert list(tmp_path.glob("*.part")) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RightsError("403")], ids=["Ctrl-C", "403"])
def test_what_was_answered_is_not_asked_again(tmp_path: Path, error: BaseException | type[BaseException]) -> None:
    """An interrupted batch goes on where it was."""
    prompts, out, ask = _prompts(100), tmp_path / "answers.jsonl", _Failing(0.1)

    def broken(prompt: Prompt) -> Answer:
        if len(ask.answered) >= 40:
            raise error
        return ask(prompt)

    with pytest.raises(BaseException, match=None if isinstance(error, type) else "403"):
        _run(prompts, broken, out)
    assert not out.exists()
    answers = _run(prompts, ask, out)

    assert [answered.answer for answered in answers] == [f"answer {number}" for number in range(100)]
    assert sorted(ask.answered) == list(range(100))


def test_a_line_that_was_cut_by_kill_is_asked_again(tmp_path: Path) -> None:
    """The last line of the journal may be half a line."""
    prompts, out, ask = _prompts(3), tmp_path / "answers.jsonl", _Failing(0.0)
    _run(prompts, _echo, out)
    part = tmp_path / "answers.jsonl.part"
    part.write_bytes(out.read_bytes()[:-20])
    out.unlink()

    _run(prompts, ask, out)

    assert ask.answered == [2]
    assert len(out.read_text(encoding="utf-8").splitlines()) == 3


def test_errors_are_kept_in_their_place_and_asked_again(tmp_path: Path) -> None:
    """A question that finds no answer stops nobody else; the next call asks it alone."""
    prompts, out, ask = _prompts(5), tmp_path / "answers.jsonl", _Failing(0.0)

    def too_long(prompt: Prompt) -> Answer:
        if prompt.index == 2:
            raise ConfigError("the prompt is too long.")
        return _echo(prompt)

    first = _run(prompts, too_long, out)
    second = _run(prompts, ask, out)

    assert [answered.error for answered in first] == [None, None, "the prompt is too long.", None, None]
    assert ask.answered == [2]
    assert [answered.answer for answered in second] == [f"answer {number}" for number in range(5)]


def test_answers_to_other_questions_are_not_taken(tmp_path: Path) -> None:
    """Neither read as these answers, nor overwritten."""
    out = tmp_path / "answers.jsonl"
    _run(_prompts(3), _echo, out)
    before = out.read_bytes()

    with pytest.raises(DataError, match="another question"):
        _run(prompts_of(["else"]), _echo, out)

    assert out.read_bytes() == before


def test_a_file_that_is_no_batch_is_left_alone(tmp_path: Path) -> None:
    """A slip of the pen must not cost the prompts."""
    out = tmp_path / "prompts.jsonl"
    out.write_text('{"prompt": "a"}\n', encoding="utf-8")

    with pytest.raises(DataError, match="no answer of a batch"):
        _run(_prompts(1), _echo, out)

    assert out.read_text(encoding="utf-8") == '{"prompt": "a"}\n'


def test_two_batches_into_one_file(tmp_path: Path) -> None:
    """The second is refused while the first goes on."""
    out, prompts = tmp_path / "answers.jsonl", _prompts(2)
    journal = Journal(out, {prompt.index: prompt.digest() for prompt in prompts})

    with journal.opened(), pytest.raises(ConflictError, match="another process"):
        _run(prompts, _echo, out)


def test_progress_ends_with_all() -> None:
    """The last word is how many there are, and how many have no answer."""
    told: list[BatchProgress] = []

    _run(_prompts(30), _echo, on_progress=told.append)

    assert (told[-1].done, told[-1].total, told[-1].failed) == (30, 30, 0)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "it is not JSON"),
        ("[1]", "it is no JSON object"),
        ('{"question": "a"}', "neither a text `prompt` nor a list `messages`"),
        ('{"messages": [{"role": "user"}]}', "`role` and `content`"),
        ('{"prompt": " "}', "nothing to ask"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', "nothing to ask"),
        ('{"prompt": "a", "id": [1]}', "its id"),
        (r'{"prompt": "\ud800"}', "half a character"),
        (r'{"messages": [{"role": "user", "content": "\udfff"}]}', "half a character"),
    ],
)
def test_rows_that_are_no_questions_are_named(tmp_path: Path, line: str, said: str) -> None:
    """With file and line, before anything is asked."""
    path = tmp_path / "prompts.jsonl"
    path.write_text(f'{{"prompt": "good"}}\n{line}\n', encoding="utf-8")

    with pytest.raises(DataError, match=r"prompts\.jsonl:2: ") as raised:
        prompts_of(path)

    assert said in str(raised.value)


def test_training_rows_are_asked_without_their_answer(tmp_path: Path) -> None:
    """Held-out rows can be asked as they are; a row's own system message wins over the option."""
    path = tmp_path / "validation.jsonl"
    turns = [("system", "Own."), ("user", "Hi"), ("assistant", "negative")]
    row = {"messages": [{"role": role, "content": content} for role, content in turns]}
    path.write_text(json.dumps(row) + '\n{"prompt": "plain"}\n', encoding="utf-8")

    first, second = prompts_of(path, system="Ours.")

    assert [message["content"] for message in first.messages] == ["Own.", "Hi"]
    assert [message["content"] for message in second.messages] == ["Ours.", "plain"]


def test_an_endpoint_answers_a_batch(emulator: Azure, workspace: Workspace) -> None:
    """Through the wire, with failures that pass, on one look at the endpoint."""
    workspace = type(workspace)(
        emulator.subscription_id, emulator.resource_group, emulator.workspace, clock=emulator.clock
    )
    endpoint = workspace.deploy_base(name="base-endpoint")
    lot, lock = random.Random(3), threading.Lock()
    failures = (WireError(429, "Busy", "busy"), WireError(503, "Down", "down"), ConnectionResetError("cut"))

    def reply(messages: list[dict[str, Any]]) -> str:
        with lock:
            failure = lot.choice(failures) if lot.random() < 0.1 else None
        if failure:
            raise failure
        return f"to {messages[-1]['content']}"

    emulator.reply(reply)
    before = len(emulator.requests)

    answers = endpoint.batch([str(number) for number in range(120)])

    assert [answered.answer for answered in answers] == [f"to {number}" for number in range(120)]
    looked = [request for request in list(emulator.requests)[before:] if request.path.endswith("/listKeys")]
    assert len(looked) == 1
