"""What both sides of a proof are asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phi_azure import compare
from phi_azure.compare.metrics import read_label
from phi_azure.config.gate import Metric

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phi_azure.compare.rows import Turns

BUILT_IN = (
    "Say hello in one sentence.",
    "What is the capital of Portugal?",
    "Name three things that float on water.",
    "Count from one to ten.",
    "Is 17 a prime number? Answer yes or no.",
    "Translate into French: the shop is closed on Monday.",
    "Write a headline about a storm at sea.",
    "Which is heavier, a litre of water or a litre of oil?",
    "List the colours of a traffic light, separated by commas.",
    "What does HTTP stand for?",
    "Complete the sentence: The train left the station before",
    "Give the JSON object with the keys city and country for Oslo.",
    "Why is the sky blue? One sentence.",
    "Rewrite in capital letters: small steps, every day.",
    "What is 12 times 12?",
    "Contoso recovers from a ransomware attack.",
    "Fabrikam opens a second plant in Poland.",
    "Summarise in five words: the meeting was moved to Thursday because the room was taken.",
    "Spell the word rhythm backwards.",
    "Die Rechnung ist bezahlt. What language is this?",
)
"""Asked where no rows are named; they say that two models speak alike, not that either is right."""


@dataclass(frozen=True)
class Questions:
    """Conversations to be answered, and what is known of the answers."""

    name: str
    """The file's, or what stands in its place."""
    sha256: str | None
    asked: tuple[Turns, ...]
    expected: tuple[str, ...] | None
    """None for the built-in ones."""
    labels: tuple[str, ...] = ()
    """Empty where the rows are no classification."""

    def label(self, answer: str) -> str | None:
        """Returns the one label that an answer names."""
        return read_label(answer, self.labels)


def questions_of(data: Path | None, limit: int | None = None, labels: Sequence[str] = ()) -> Questions:
    """Reads rows that were kept apart, or takes the built-in questions.

    Args:
        data: JSONL as training rows are: the reply that ends a row is what is expected. None takes `BUILT_IN`.
        limit: the first so many.
        labels: None named takes every expected answer for one, if they are few.

    Raises:
        DataError: there is no such file, or no row of it ends in a reply.
    """
    if data is None:
        asked: tuple[Turns, ...] = tuple([{"role": "user", "content": text}] for text in BUILT_IN[:limit])
        return Questions(f"{len(asked)} built-in questions", None, asked, None)
    rows = compare.held_out(data, limit=limit)
    expected = tuple(item.expected for item in rows.items)
    known = tuple(labels) or compare.scorer(Metric(), expected).labels
    return Questions(rows.name, rows.sha256, tuple(item.messages for item in rows.items), expected, known)
