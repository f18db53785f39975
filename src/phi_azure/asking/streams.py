"""An answer while it comes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from phi_azure.asking.answers import Answer, Piece, events, read_event
from phi_azure.errors import AzureError, PhiAzureError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from types import TracebackType

    from typing_extensions import Self


class Stream(Iterator[str]):
    """The words of an answer as they come; afterwards `answer` is the whole, with its time and tokens.

    Leaving a `with` block, or `close`, hangs up, on which a model that is still speaking stops.

    Args:
        pieces: what is said, piece by piece; closed at the end.
        answer: the whole, where it is known from the beginning.
        began: `time.perf_counter()` when the question was sent; None is now.
        deployment: which one answers, where the endpoint says so.

    Raises:
        AzureError: while it is read: the model failed in the middle, or the answer broke off.
    """

    def __init__(
        self,
        pieces: Generator[Piece, None, None],
        *,
        answer: Answer | None = None,
        began: float | None = None,
        deployment: str | None = None,
    ) -> None:
        self._pieces = pieces
        self._whole = answer
        self._began = time.perf_counter() if began is None else began
        self._deployment = deployment
        self._said: list[str] = []
        self._first_s: float | None = None
        self._last = Piece()

    @property
    def answer(self) -> Answer:
        """The whole answer. Raises PhiAzureError before the end."""
        if self._whole is None:
            raise PhiAzureError("the answer is not whole yet; read it to its end first.")
        return self._whole

    def __next__(self) -> str:
        """Returns the next words."""
        for piece in self._pieces:
            self._last = _joined(self._last, piece)
            if piece.text:
                self._first_s = self._first_s or time.perf_counter() - self._began
                self._said.append(piece.text)
                return piece.text
        self._whole = self._whole or self._ended()
        raise StopIteration

    def _ended(self) -> Answer:
        last = self._last
        took = time.perf_counter() - self._began
        text = "".join(self._said)
        return Answer(
            text, took, last.prompt_tokens, last.completion_tokens, self._first_s, last.finish_reason, self._deployment
        )

    def close(self) -> None:
        """Hangs up."""
        self._pieces.close()

    def __enter__(self) -> Self:
        """Opens it, for a `with` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Hangs up."""
        self.close()


def at_once(answer: Answer) -> Stream:
    """Returns an answer that came whole, as a stream of one piece."""

    def once() -> Generator[Piece, None, None]:
        yield Piece(answer.text)

    return Stream(once(), answer=answer)


def spoken(blocks: Iterable[bytes]) -> Iterator[Piece]:
    """Yields the pieces of a streamed chat completion. Raises AzureError on an error inside it, or a missing end."""
    finished = False
    for data in events(blocks):
        piece = read_event(data)
        if piece is None:
            return
        finished = finished or piece.finish_reason is not None
        yield piece
    if not finished:
        raise AzureError("the answer broke off in the middle.", remedy="Ask again.")


def _joined(before: Piece, piece: Piece) -> Piece:
    """Returns what is known after a piece: a later word on an end or on tokens counts."""
    return Piece(
        "",
        piece.finish_reason or before.finish_reason,
        before.prompt_tokens if piece.prompt_tokens is None else piece.prompt_tokens,
        before.completion_tokens if piece.completion_tokens is None else piece.completion_tokens,
    )
