"""The order that the emulator gives for one step of the pipeline: a JSON file, read into values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi_azure.engine.errors import UserError

STEPS = (
    "ft_nlp_common_validation",
    "chat_completion_model_import",
    "chat_completion_datapreprocess",
    "chat_completion_finetune",
    "ft_nlp_model_converter",
)


@dataclass(frozen=True)
class Spec:
    """One step: its name, its inputs as Azure sends them, and where its outputs go."""

    step: str
    inputs: dict[str, str]
    outputs: dict[str, Path]
    work: Path
    events: Path
    base_model: Path | None = None
    resume: bool = False

    def text(self, name: str) -> str | None:
        """Returns an input, None where it was not given or is empty."""
        return self.inputs.get(name) or None

    def path(self, name: str) -> Path | None:
        """Returns an input that is a file or folder."""
        value = self.text(name)
        return Path(value) if value else None

    def flag(self, name: str, default: bool = False) -> bool:
        """Returns an input that is "true" or "false"."""
        value = self.text(name)
        if value is None:
            return default
        if value.lower() not in {"true", "false"}:
            raise UserError(f'{name} is "{value}"; it must be "true" or "false".')
        return value.lower() == "true"

    def integer(self, name: str, default: int) -> int:
        """Returns an input that is a whole number."""
        value = self.text(name)
        return default if value is None else int(_number(name, value, whole=True))

    def number(self, name: str, default: float) -> float:
        """Returns an input that is a number."""
        value = self.text(name)
        return default if value is None else _number(name, value)

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """Returns an input that must be one of a few words."""
        value = self.text(name) or default
        if value not in choices:
            raise UserError(f'{name} is "{value}"; it must be one of {", ".join(choices)}.')
        return value

    def output(self, name: str) -> Path:
        """Returns where an output goes."""
        if name not in self.outputs:
            raise UserError(f"the step {self.step} was given no place for its output {name}.")
        return self.outputs[name]


def read_spec(path: Path) -> Spec:
    """Reads a spec file; booleans and numbers become the strings that Azure would send."""
    data = json.loads(path.read_text(encoding="utf-8"))
    if data.get("step") not in STEPS:
        raise UserError(f"unknown step {data.get('step')!r}; known: {', '.join(STEPS)}.")
    base = data.get("base_model")
    return Spec(
        step=data["step"],
        inputs={name: _as_text(value) for name, value in data.get("inputs", {}).items() if value is not None},
        outputs={name: Path(value) for name, value in data.get("outputs", {}).items()},
        work=Path(data["work"]),
        events=Path(data["events"]),
        base_model=Path(base) if base else None,
        resume=bool(data.get("resume", False)),
    )


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(name: str, value: str, whole: bool = False) -> float:
    try:
        number = float(value)
    except ValueError:
        raise UserError(f'{name} is "{value}"; it must be a number.') from None
    if whole and number != int(number):
        raise UserError(f'{name} is "{value}"; it must be a whole number.')
    return number
