"""The prompts that are kept: a JSONL file which people may edit by hand, newest at its end."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SHOWN = 200


@dataclass(frozen=True)
class Kept:
    """A prompt with the settings it was asked with."""

    prompt: str
    system: str = ""
    temperature: float = 0.0
    max_tokens: int = 256

    @property
    def id(self) -> str:
        """A name for it in addresses; prompts that are asked alike have the same."""
        return hashlib.sha256(json.dumps([self.prompt, self.system]).encode()).hexdigest()[:16]


class PromptFile:
    """The file; it is read anew each time, since it may have been edited in between.

    Args:
        path: made with the first prompt.
        examples: what is offered while there is no file.
    """

    def __init__(self, path: Path, examples: Sequence[Kept] = ()) -> None:
        self.path = path
        self._examples = examples
        self._lock = threading.Lock()

    def read(self) -> tuple[list[Kept], str]:
        """Returns the prompts, newest first, and what is wrong with lines that are none (they stay as they are)."""
        prompts, bad = [], []
        for number, line in enumerate(self._lines(), start=1):
            kept = _kept(line)
            if kept:
                prompts.append(kept)
            elif line.strip():
                bad.append(number)
        numbers = ", ".join(map(str, bad[:5]))
        return prompts[: -_SHOWN - 1 : -1], f"{self.path}: no prompt in line {numbers}." if bad else ""

    def add(self, kept: Kept) -> None:
        """Puts a prompt at the end; one that is asked alike goes from its old place."""
        with self._lock:
            self._write([*self._without(kept.id), _line(kept)])

    def remove(self, name: str) -> None:
        """Takes the prompt of that id out."""
        with self._lock:
            self._write(self._without(name))

    def _without(self, name: str) -> list[str]:
        return [line for line in self._lines() if (kept := _kept(line)) is None or kept.id != name]

    def _lines(self) -> list[str]:
        if not self.path.exists():
            return [_line(kept) for kept in reversed(self._examples)]
        return self.path.read_text(encoding="utf-8", errors="replace").splitlines()

    def _write(self, lines: list[str]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        part.replace(self.path)


def as_kept(row: object) -> Kept | None:
    """Returns a prompt that was read or sent; None where it is none."""
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str) or not row["prompt"].strip():
        return None
    system, temperature, most = row.get("system") or "", row.get("temperature", 0.0), row.get("max_tokens", 256)
    numbers = _is_number(temperature, 0, 2) and _is_number(most, 1, 1 << 20) and int(most) == most
    if not isinstance(system, str) or not numbers:
        return None
    return Kept(row["prompt"].strip(), system.strip(), float(temperature), int(most))


def _is_number(value: object, least: float, most: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


def _kept(line: str) -> Kept | None:
    try:
        return as_kept(json.loads(line))
    except (ValueError, RecursionError):
        return None


def _line(kept: Kept) -> str:
    return json.dumps(asdict(kept), ensure_ascii=False)
