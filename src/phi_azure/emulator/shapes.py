"""Checks request bodies as the service does: unknown members, missing fields, wrong types and words outside an enum."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from phi_azure.emulator.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Iterator

Problem = tuple[str, str]  # the code and the message of one detail of the error


class Shape(Protocol):
    """What a value may be."""

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """Yields what is wrong with a value at a path."""


@dataclass(frozen=True)
class Scalar:
    """A value of one JSON type."""

    word: str
    types: tuple[type, ...]

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """Yields a problem when the type is another; a boolean is no number."""
        if not isinstance(value, self.types) or (isinstance(value, bool) and not {bool, object} & set(self.types)):
            yield "RequestInvalid", f"Error converting value {value!r} to type '{self.word}'. Path '{path}'."


@dataclass(frozen=True)
class Word:
    """One of a few words, compared without letter case."""

    type_name: str
    words: tuple[str, ...]

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """Yields a problem when the word is another."""
        if str(value).lower() not in {word.lower() for word in self.words}:
            known = ", ".join(self.words)
            yield (
                "RequestInvalid",
                f"Error converting value \"{value}\" to type '{self.type_name}' ({known}). Path '{path}'.",
            )


@dataclass(frozen=True)
class Pattern:
    """A string of one form."""

    word: str
    pattern: str

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """Yields a problem when the form is another."""
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            yield "RequestInvalid", f"Error converting value {value!r} to type '{self.word}'. Path '{path}'."


@dataclass(frozen=True)
class MapOf:
    """An object whose keys the sender chooses."""

    of: Shape

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """Yields the problems of all its values."""
        if not isinstance(value, dict):
            yield "RequestInvalid", f"Error converting value {value!r} to type 'Dictionary'. Path '{path}'."
            return
        for key, item in value.items():
            if item is not None:
                yield from self.of.problems(item, f"{path}.{key}")


@dataclass(frozen=True)
class ListOf:
    """A list of values of one shape."""

    of: Shape

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """Yields the problems of all its items."""
        if not isinstance(value, list):
            yield "RequestInvalid", f"Error converting value {value!r} to type 'Array'. Path '{path}'."
            return
        for number, item in enumerate(value):
            yield from self.of.problems(item, f"{path}[{number}]")


@dataclass(frozen=True)
class Object:
    """An object of known members; the service refuses the others by name."""

    type_name: str
    members: dict[str, Shape]
    required: frozenset[str] = field(default_factory=frozenset)
    open: bool = False  # lets members through that it does not know

    def problems(self, value: Any, path: str) -> Iterator[Problem]:
        """Yields what is unknown, what is missing, and the problems of the members."""
        if not isinstance(value, dict):
            yield "RequestInvalid", f"Error converting value {value!r} to type '{self.type_name}'. Path '{path}'."
            return
        for name in self.required - {key for key, item in value.items() if item is not None}:
            yield "RequestInvalid", f"The {_join(path, name)} field is required."
        for name, item in value.items():
            here = _join(path, name)
            if name not in self.members and not self.open:
                yield (
                    "RequestInvalid",
                    f"Could not find member '{name}' on object of type '{self.type_name}'. Path '{here}'.",
                )
            elif item is not None and name in self.members:
                yield from self.members[name].problems(item, here)


TEXT = Scalar("System.String", (str,))
FLAG = Scalar("System.Boolean", (bool,))
WHOLE = Scalar("System.Int32", (int,))
ANYTHING = Scalar("System.Object", (object, bool))
TEXTS = MapOf(TEXT)
DURATION = Pattern("System.TimeSpan", r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")


def require(shape: Object, body: dict[str, Any]) -> None:
    """Refuses a body with every problem that it has, as the service does with a 400."""
    found = list(shape.problems(body, ""))
    if found:
        raise WireError(400, "UserError", "Request is invalid and/or missing fields.", found, inner="RequestInvalid")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
