"""Many questions: several at once, each answered exactly once, in order; what passes is asked again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phi_azure.asking.journal import Answered
from phi_azure.asking.pace import Stopped
from phi_azure.errors import NotFoundError, PhiAzureError, QuotaError, RightsError, SignInError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from phi_azure.asking.answers import Answer
    from phi_azure.asking.journal import Journal
    from phi_azure.asking.pace import Pace
    from phi_azure.asking.prompts import Prompt

_TOLD_EVERY_S = 0.2
_ALL_ALIKE = (SignInError, RightsError, NotFoundError, QuotaError)  # every other question would meet the same


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is."""

    done: int
    """Questions that are over, those that an earlier try answered included."""
    total: int
    failed: int
    """Those among them that have no answer."""
    rate: float
    """Answers a second since the batch began, or went on."""
    at_once: int
    """How many questions are asked at once now; fewer after a 429."""


OnBatchProgress = Callable[[BatchProgress], None]


class Batch:
    """Questions on their way; good for one `run`.

    Args:
        prompts: what is asked.
        ask: asks one question, in a thread of the batch's; raises `Later` where it may be asked again.
        pace: shared by all threads.
    """

    def __init__(self, prompts: Sequence[Prompt], ask: Callable[[Prompt], Answer], pace: Pace) -> None:
        self._prompts = prompts
        self._ask = ask
        self._pace = pace
        self._answers: dict[int, Answered] = {}
        self._fatal: BaseException | None = None
        self._failed = 0
        self._working = 0
        self._changed = threading.Condition()

    def run(
        self, concurrency: int, journal: Journal | None = None, on_progress: OnBatchProgress | None = None
    ) -> list[Answered]:
        """Asks what has no answer yet, `concurrency` at once, and returns all answers in order.

        Raises:
            PhiAzureError: one that every question would meet, such as a key that is not taken. What was answered until
                then, or until Ctrl-C, is in the journal.
        """
        opened: AbstractContextManager[Journal | None] = journal.opened() if journal else nullcontext()
        with opened as kept:
            if kept:
                self._answers.update(kept.known)
            left = [prompt for prompt in self._prompts if prompt.index not in self._answers]
            self._start(left, min(concurrency, len(left)), kept)
            self._watch(on_progress)
            answers = [self._answers[prompt.index] for prompt in self._prompts]
            if kept:
                kept.finish(answers)
        return answers

    def _start(self, left: list[Prompt], workers: int, kept: Journal | None) -> None:
        queue, self._working = iter(left), workers
        for number in range(workers):
            name = f"batch-{number}"
            threading.Thread(target=self._work, args=(queue, kept), name=name, daemon=True).start()

    def _watch(self, on_progress: OnBatchProgress | None) -> None:
        """Waits for the workers, and tells how far they are; ends them when it is interrupted."""
        began, before = time.perf_counter(), len(self._answers)
        try:
            while self._wait():
                self._tell(on_progress, before, began)
            self._tell(on_progress, before, began)
        finally:
            self._pace.stop()
        if self._fatal:
            raise self._fatal

    def _wait(self) -> bool:
        """Waits for a moment; says whether anybody works still."""
        with self._changed:
            if self._working:
                self._changed.wait(_TOLD_EVERY_S)
            return self._working > 0

    def _tell(self, on_progress: OnBatchProgress | None, before: int, began: float) -> None:
        if on_progress:
            done = len(self._answers)
            rate = (done - before) / max(time.perf_counter() - began, 1e-9)
            on_progress(BatchProgress(done, len(self._prompts), self._failed, rate, self._pace.at_once))

    def _work(self, queue: Iterator[Prompt], kept: Journal | None) -> None:
        try:
            while (prompt := self._next(queue)) is not None:
                answered = self._answered(prompt)
                if kept:
                    kept.add(answered)
                with self._changed:
                    self._answers[prompt.index] = answered
                    self._failed += answered.error is not None
        except Stopped:
            pass  # what is unanswered stays so, for the next run
        except BaseException as error:  # noqa: BLE001  it is raised again, in the thread that called
            self._fatal = self._fatal or error
            self._pace.stop()
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def _next(self, queue: Iterator[Prompt]) -> Prompt | None:
        with self._changed:
            return None if self._fatal else next(queue, None)

    def _answered(self, prompt: Prompt) -> Answered:
        tries = 0

        def once() -> Answer:
            nonlocal tries
            tries += 1
            return self._ask(prompt)

        try:
            got = self._pace.ask(once)
        except _ALL_ALIKE:
            raise
        except PhiAzureError as error:
            return Answered(prompt.index, prompt.id, None, None, tries=tries, error=str(error))
        latency = round(got.latency_s, 4)
        return Answered(
            prompt.index, prompt.id, got.text, latency, got.prompt_tokens, got.completion_tokens, tries=tries
        )
