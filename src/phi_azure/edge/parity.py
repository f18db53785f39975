"""How far two lists of answers are the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phi_azure.edge.player import Spoken
    from phi_azure.edge.questions import Questions


@dataclass(frozen=True)
class Difference:
    """A question whose two answers are not the same."""

    question: int
    """Its place, from 1."""
    asked: str
    """The last message of the user."""
    token: int | None
    """The first token that differs, from 1; None where one side tells no tokens."""
    reference: str
    export: str


@dataclass(frozen=True)
class Agreement:
    """Counts of questions; a count is None where it could not be told."""

    questions: int
    exact: int
    """The same tokens to the end, or the same text where one side tells no tokens."""
    by: Literal["tokens", "text"]
    text: int
    """The same text."""
    end_token: int | None
    """Both answers were ended by a token, and by the same one, or both by the limit."""
    template: int | None
    """Both read the same prompt: chat template and tokenizer agree."""
    label: int | None
    """Both name the same label, or name none in the same words."""
    right: tuple[int, int] | None
    """Answers that are as expected: of the reference, of the export."""
    differences: tuple[Difference, ...]

    @property
    def rate(self) -> float:
        """The share that a gate looks at: of equal labels where the rows have labels, else of equal answers."""
        return (self.exact if self.label is None else self.label) / self.questions


def agreement(asked: Questions, reference: Sequence[Spoken], export: Sequence[Spoken]) -> Agreement:
    """Holds the answers of an export against those of its reference."""
    pairs = list(zip(reference, export, strict=True))
    tells = all(one.ids is not None and other.ids is not None for one, other in pairs)
    same = [one.ids == other.ids if tells else one.text == other.text for one, other in pairs]
    return Agreement(
        len(pairs),
        sum(same),
        "tokens" if tells else "text",
        sum(one.text == other.text for one, other in pairs),
        sum(_end(one) == _end(other) for one, other in pairs) if tells else None,
        sum(one.prompt_ids == other.prompt_ids for one, other in pairs) if tells else None,
        sum(_alike(asked, one, other) for one, other in pairs) if asked.labels else None,
        _right(asked, pairs),
        tuple(
            Difference(number, asked.asked[number - 1][-1]["content"], _first(one, other), one.text, other.text)
            for number, ((one, other), alike) in enumerate(zip(pairs, same, strict=True), 1)
            if not alike
        ),
    )


def _alike(asked: Questions, one: Spoken, other: Spoken) -> bool:
    label = asked.label(one.text)
    return label == asked.label(other.text) if label is not None else one.text == other.text


def _end(spoken: Spoken) -> int | None:
    return spoken.ids[-1] if spoken.ids and spoken.ended else None


def _first(one: Spoken, other: Spoken) -> int | None:
    if one.ids is None or other.ids is None:
        return None
    together = zip(one.ids, other.ids, strict=False)
    shorter = min(len(one.ids), len(other.ids))
    return 1 + next((place for place, (left, right) in enumerate(together) if left != right), shorter)


def _right(asked: Questions, pairs: Sequence[tuple[Spoken, Spoken]]) -> tuple[int, int] | None:
    if asked.expected is None:
        return None
    hits = [
        [asked.label(said.text) == wanted.strip() if asked.labels else said.text == wanted.strip() for said in pair]
        for wanted, pair in zip(asked.expected, pairs, strict=True)
    ]
    return sum(one for one, _ in hits), sum(other for _, other in hits)
