"""A model on this machine, in any format, that is asked offline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phi_azure.edge.process import EngineProcess
from phi_azure.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from phi_azure.compare.rows import Turns


ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Spoken:
    """One answer, and what could be measured of it; an endpoint tells neither tokens nor when the first one came."""

    text: str
    seconds: float
    ids: tuple[int, ...] | None = None
    """The tokens, the one that ended the answer included."""
    prompt_ids: tuple[int, ...] | None = None
    ended: bool | None = None
    """Whether a token ended it, and not the limit."""
    first_s: float | None = None
    """Until the first token came."""


class Player:
    """An exported folder, a merged one, or an adapter with its base: loaded once, asked many times.

        with Player(Path("phi-onnx")) as player:
            print(player.ask([{"role": "user", "content": "Contoso recovers from an attack."}]).text)

    Raises:
        ConfigError: the folder cannot be asked here; the remedy says what is missing and how to get it.
    """

    def __init__(self, folder: Path, base: Path | None = None) -> None:
        self.folder = folder
        self._process = EngineProcess("play", str(folder), *(["--base", str(base)] if base else []))
        try:
            ready = self._process.hear()["ready"]
        except BaseException:
            self._process.close()
            raise
        self.runtime: str = ready["runtime"]
        self.load_s: float = ready["load_s"]
        self.threads: int | None = ready["threads"]

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Unloads the model."""
        self._process.close()

    def ask(
        self,
        messages: Turns,
        *,
        max_tokens: int = 256,
        temperature: float = 0.0,
        on_words: Callable[[str], None] | None = None,
    ) -> Spoken:
        """Asks, and returns the answer.

        Args:
            messages: the conversation so far.
            max_tokens: the answer's length at most.
            temperature: 0 takes the likeliest token each time.
            on_words: is given the words while they come.

        Raises:
            ConfigError: it is no conversation, or longer than the model reads.
        """
        _refuse_no_conversation(messages, max_tokens)
        question: dict[str, Any] = {"messages": messages, "max_tokens": max_tokens, "temperature": temperature}
        self._process.tell(question | {"stream": on_words is not None})
        while True:
            event = self._process.hear()
            if "words" in event:
                if on_words:
                    on_words(event["words"])
            elif "error" in event:
                raise ConfigError(event["error"])
            else:
                return _spoken(event["answer"])

    def finish(self) -> int | None:
        """Ends the questions, and returns the most memory that the process took, in bytes."""
        self._process.finish()
        peak: int | None = self._process.hear()["end"]["peak_bytes"]
        return peak


def _refuse_no_conversation(messages: Turns, max_tokens: int) -> None:
    if max_tokens < 1:
        raise ConfigError(f"max_tokens is {max_tokens}; it takes a whole number of 1 or more.")
    known = isinstance(messages, list) and all(
        isinstance(turn, dict) and turn.get("role") in ROLES and isinstance(turn.get("content"), str)
        for turn in messages
    )
    if not messages or not known:
        raise ConfigError(f"a conversation is a list of turns with role ({', '.join(ROLES)}) and content.")


def _spoken(answer: dict[str, Any]) -> Spoken:
    return Spoken(
        answer["text"],
        answer["seconds"],
        tuple(answer["ids"]),
        tuple(answer["prompt_ids"]),
        answer["ended"],
        answer["first_s"],
    )
