"""A proof that an export answers as the model that it was made of: who was asked, what came of it, how fast."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from phi_azure.edge.parity import Agreement
    from phi_azure.edge.player import Spoken
    from phi_azure.edge.questions import Questions

JSON_FILE, TEXT_FILE = "parity.json", "parity.md"
_LISTED = 20  # differences in the text; the JSON file has all


@dataclass(frozen=True)
class Subject:
    """Who was asked."""

    name: str
    runtime: str
    threads: int | None = None
    load_s: float | None = None
    peak_bytes: int | None = None
    disk_bytes: int | None = None
    precision: str | None = None


@dataclass(frozen=True)
class Figures:
    """What was measured of one side, asked one question after another, after one that does not count."""

    subject: Subject
    answers: int
    tokens: int | None
    """All that was said, the tokens that end answers included; None where they are not told."""
    seconds: float
    """All answers together."""
    tokens_per_s: float | None
    """Tokens over all the time, reading the questions included."""
    later_tokens_per_s: float | None
    """Tokens after each answer's first, over the time since it; None where answers have one token."""
    first_s: tuple[float, float] | None
    """Until the first token: median and 95th percentile."""
    answer_s: tuple[float, float]
    """Until the whole answer: the same."""


@dataclass(frozen=True)
class Proof:
    """What is written beside an export."""

    made: datetime
    questions: Questions
    max_tokens: int
    reference: Figures
    export: Figures
    agreement: Agreement
    required: float | None = None

    @property
    def passed(self) -> bool | None:
        """Whether as much agrees as is required; None where nothing is."""
        return None if self.required is None else self.agreement.rate >= self.required

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values, as parity.json holds them."""
        return {
            "made": self.made.isoformat(),
            "machine": machine(),
            "questions": {
                "name": self.questions.name,
                "sha256": self.questions.sha256,
                "count": len(self.questions.asked),
                "labels": list(self.questions.labels),
            },
            "max_tokens": self.max_tokens,
            "agreement": asdict(self.agreement),
            "rate": self.agreement.rate,
            "rate_of": "exact" if self.agreement.label is None else "label",
            "reference": asdict(self.reference),
            "export": asdict(self.export),
            "required": self.required,
            "passed": self.passed,
        }

    def write(self, folder: Path) -> None:
        """Writes parity.json and parity.md."""
        document = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
        (folder / JSON_FILE).write_text(document + "\n", encoding="utf-8")
        (folder / TEXT_FILE).write_text(self.text(), encoding="utf-8")

    def text(self) -> str:
        """Returns the proof as a page of Markdown."""
        lines = ["# Does it answer as the model that it was made of?", "", *(f"- {line}" for line in self.findings())]
        lines += ["", "| | reference | export |", "|---|---|---|"]
        lines += [f"| {name} | {left} | {right} |" for name, left, right in self.table()]
        shown = self.agreement.differences[:_LISTED]
        if shown:
            lines += [
                "",
                "## What differs",
                "",
                "| question | asked | token | reference | export |",
                "|---|---|---|---|---|",
            ]
            lines += [
                f"| {one.question} | {_cell(one.asked)} | {one.token or ''} | {_cell(one.reference)} "
                f"| {_cell(one.export)} |"
                for one in shown
            ]
            more = len(self.agreement.differences) - len(shown)
            lines += ["", f"{more:,} more in {JSON_FILE}."] if more else []
        facts = ", ".join(str(value) for value in machine().values())
        lines += ["", f"Measured {self.made:%Y-%m-%d %H:%M} UTC on {facts}; one question after another."]
        return "\n".join(lines) + "\n"

    def findings(self) -> list[str]:
        """Returns what agrees, a sentence each."""
        found, count = self.agreement, self.agreement.questions
        same = "the same tokens to the end" if found.by == "tokens" else "the same text"
        said = [f"{_share(found.exact, count)} {same} ({self.questions.name})"]
        if found.label is not None:
            said.append(f"{_share(found.label, count)} the same label of {', '.join(self.questions.labels)}")
        if found.end_token is not None:
            said.append(f"{_share(found.end_token, count)} ended by the same token")
        if found.template is not None:
            said.append(f"{_share(found.template, count)} the same prompt: chat template and tokenizer agree")
        if found.right is not None:
            said.append(
                f"as expected: reference {_share(found.right[0], count)}, export {_share(found.right[1], count)}"
            )
        if found.differences:
            first = found.differences[0]
            shared = _shared(first.reference, first.export)
            at = f" at token {first.token}" if first.token else ""
            said.append(
                f"first difference{at} of question {first.question}: "
                f"{_from(shared, first.reference)!r}, not {_from(shared, first.export)!r}"
            )
        if self.required is not None:
            what = "label" if found.label is not None else "exact"
            verdict = "passed" if self.passed else "not passed"
            said.append(f"required {100 * self.required:g} % ({what}): {100 * found.rate:.1f} %, {verdict}")
        return said

    def table(self) -> list[tuple[str, str, str]]:
        """Returns the figures of both sides, a row each; one that neither has is left out."""
        left, right = rows_of(self.reference), rows_of(self.export)
        return [(name, left[name], right[name]) for name in left if left[name] or right[name]]


def figures(subject: Subject, spoken: Sequence[Spoken]) -> Figures:
    """Sums up what was measured of one side."""
    seconds = sum(one.seconds for one in spoken)
    counted = [one for one in spoken if one.ids is not None and one.first_s is not None]
    tokens = sum(len(one.ids or ()) for one in counted) if len(counted) == len(spoken) else None
    later = sum(len(one.ids or ()) - 1 for one in counted)
    later_s = sum(one.seconds - (one.first_s or 0.0) for one in counted)
    return Figures(
        subject,
        len(spoken),
        tokens,
        seconds,
        tokens / seconds if tokens is not None and seconds else None,
        later / later_s if later and later_s > 0 else None,
        _middle([one.first_s or 0.0 for one in counted]) if counted else None,
        _middle([one.seconds for one in spoken]),
    )


def rows_of(side: Figures) -> dict[str, str]:
    """Returns the figures of one side as people read them."""
    subject = side.subject
    return {
        "what": subject.name,
        "run by": subject.runtime,
        "precision": subject.precision or "",
        "threads": str(subject.threads or ""),
        "on disk": _bytes(subject.disk_bytes),
        "peak memory": _bytes(subject.peak_bytes),
        "load": _time(subject.load_s),
        "first token, median": _time(side.first_s[0]) if side.first_s else "",
        "first token, 95th percentile": _time(side.first_s[1]) if side.first_s else "",
        "answer, median": _time(side.answer_s[0]),
        "answer, 95th percentile": _time(side.answer_s[1]),
        "tokens said": f"{side.tokens:,}" if side.tokens is not None else "",
        "tokens/s": _rate(side.tokens_per_s),
        "tokens/s after the first": _rate(side.later_tokens_per_s),
    }


def machine() -> dict[str, Any]:
    """Returns what was measured on."""
    return {"system": platform.system(), "cpu": _cpu(), "cores": f"{os.cpu_count()} cores"}


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123  no path of ours
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _middle(values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({100 * part / whole:.1f} %)"


def _time(value: float | None) -> str:
    if value is None:
        return ""
    return f"{1000 * value:.1f} ms" if value < 1 else f"{value:.2f} s"


def _bytes(value: int | None) -> str:
    return "" if value is None else f"{value / 1e6:,.2f} MB"


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def _shared(one: str, other: str) -> int:
    """Returns how many leading characters two texts share."""
    both = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in both if left != right), min(len(one), len(other)))


def _from(place: int, text: str) -> str:
    """Returns what stands around a place of a text."""
    start = 0 if place < 30 else text.rfind(" ", 0, place - 15) + 1
    return _short(f"...{text[start:]}" if start else text)


def _cell(text: str) -> str:
    return _short(text).replace("|", "\\|")
