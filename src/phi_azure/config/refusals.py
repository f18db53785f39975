"""Why values make no job, in words: every problem at once, each with its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from phi_azure.config.gate import OPTIONS, Gate
from phi_azure.config.job import FineTune, HuggingFaceModel, LocalModel
from phi_azure.config.managed import Lora, ManagedCompute
from phi_azure.config.serverless import Serverless
from phi_azure.config.words import MEANT, SAME_KNOB, SAME_LORA, suggestion, target
from phi_azure.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

Place = tuple[str, ...]
REMEDY = "phi-azure init writes a file with every field explained; phi-azure schema lists them with their ranges."
_TAGS = frozenset({"serverless", "managed", "registry", "hugging_face", "local"})
_PATTERNS = {
    "route": "serverless, managed, or a kind with its knobs",
    "model": "a name, {huggingface: org/name} or {path: DIR}",
    "name": "letters, digits, - and _, beginning with a letter or digit, at most 60",
    "experiment": "letters, digits, blanks, - and _, beginning with a letter or digit, at most 255",
    "registered_name": "letters, digits, '.', - and _, beginning with a letter or digit, at most 255",
    "cluster": "letters, digits and -, beginning with a letter, 2 to 32 of them",
    "shm_size_finetune": "a number and a unit of b, k, m or g, such as 5g",
    "function": "FILE.py:NAME",
    "huggingface": "org/name, such as microsoft/Phi-3.5-mini-instruct",
}
_REASONS = {"precision": ": Azure trains no Phi in 8 or 4 bits"}
QUOTES = "; put it in quotes"
_TEXTS = frozenset({"string_type", "path_type", "string_pattern_mismatch"})
_FIRST_WORD = re.compile(r"[a-z_]+(\.[a-z_]+)*")
_KINDS = {
    "integer": "a whole number", "number": "a number", "string": "text", "boolean": "true or false", "array": "a list",
    "object": "names and values", "null": "null",
}  # fmt: skip


def refusal(kind: type[BaseModel], values: Mapping[str, Any], error: ValidationError) -> ConfigError:
    """Returns the error for values that a person gave in Python."""
    found = problems(kind, values, error)
    return ConfigError("\n".join(message for _, message in found), remedy=REMEDY)


def problems(kind: type[BaseModel], values: object, error: ValidationError) -> list[tuple[Place, str]]:
    """Returns each problem with the place of its field.

    Rules between fields are asked of what is left when the wrong fields are taken out: pydantic itself asks them only
    when all is well, and a person would meet them one edit later.
    """
    found = _explained(kind, error)
    if isinstance(values, dict) and (left := _without(values, [place for place, _ in found])) != values:
        try:
            kind.model_validate(left)
        except ValidationError as second:
            known = set(found)
            found += [one for one in _explained(kind, second, rules_only=True) if one not in known]
    return found


def _without(values: dict[str, Any], places: list[Place]) -> dict[str, Any]:
    """Takes wrong fields out; a required one is replaced by what passes."""
    left = {key: dict(value) if isinstance(value, dict) else value for key, value in values.items()}
    for place in places:
        here: Any = left
        for name in place[:-1]:
            here = here.get(name) if isinstance(here, dict) else None
        if place and isinstance(here, dict):
            here.pop(place[-1], None)
            for other, ours in (*SAME_KNOB.items(), *SAME_LORA.items()):
                if ours == place[-1]:
                    here.pop(other, None)
    if any(place[:1] == ("gate",) for place in places) and isinstance(left.get("gate"), dict):
        left["gate"] = _asking(left["gate"], {place[-1] for place in places if place[:1] == ("gate",)})
    required = {"name": "x", "training_data": "x.jsonl"}
    return {**{key: value for key, value in required.items() if (key,) in places}, **left}


def _asking(gate: dict[str, Any], wrong: set[str]) -> dict[str, Any]:
    """Lets what is left of a gate ask for something, if what it asked for was wrong; options go with their metric."""
    if "metric" in wrong:
        gate = {name: value for name, value in gate.items() if name not in OPTIONS}
    return gate if wrong <= {"metric", *OPTIONS} else {"at_least": 0, **gate}


def _explained(kind: type[BaseModel], error: ValidationError, *, rules_only: bool = False) -> list[tuple[Place, str]]:
    found = []
    for detail in error.errors(include_url=False):
        is_rule = detail["type"] == "value_error"
        if rules_only and not is_rule:
            continue
        place = _place(detail)
        lines = _message(kind, place, detail).splitlines()
        found += [(_narrowed(place, line) if is_rule else place, line) for line in lines]
    return _without_twins(found)


def _narrowed(place: Place, message: str) -> Place:
    """Returns the place of the field with which a rule's message begins: rules speak of several fields."""
    match = _FIRST_WORD.match(message)
    parts = tuple(match.group().split(".")) if match else ()
    fields = {*ManagedCompute.model_fields, *FineTune.model_fields, *SAME_KNOB}
    return (*place, *parts) if parts and parts[0] in fields and place[-1:] != parts[:1] else place


def _without_twins(found: list[tuple[Place, str]]) -> list[tuple[Place, str]]:
    """Of the branches that one value failed, keeps the first sentence."""
    kept: dict[tuple[Place, str], str] = {}
    for place, message in found:
        kept.setdefault((place, message.removesuffix(QUOTES)), message)
    return [(place, message) for (place, _), message in kept.items()]


def _place(detail: ErrorDetails) -> Place:
    """Drops what pydantic adds to the way: the union's tag, the kind of a literal."""
    names = [str(part) for part in detail["loc"]]
    return tuple(
        name for index, name in enumerate(names)
        if not (index and (name in _TAGS or "[" in name or name in {"str", "int", "none"}))
    )  # fmt: skip


def _message(kind: type[BaseModel], place: Place, detail: ErrorDetails) -> str:
    dotted = ".".join(place)
    if detail["type"] == "extra_forbidden":
        return _twice(kind, place, detail) or f"unknown key {dotted}{_meant(kind, place, detail)}"
    if detail["type"] == "missing":
        return f"{dotted} is missing"
    if detail["type"] == "value_error":
        said = str(detail["ctx"]["error"])
        return (
            said
            if not place or said.startswith(place[-1]) or (len(place) == 1 and place[0] == "route")
            else f"{dotted}: {said}"
        )
    if detail["type"] == "union_tag_invalid" and place != ("model",):
        return f"{dotted}.kind is {_shown(detail['input'].get('kind'))}; it is serverless or managed"
    quotes = QUOTES if detail["type"] in _TEXTS and isinstance(detail["input"], bool | int | float) else ""
    return f"{dotted} is {_shown(detail['input'])}; it takes {_takes(kind, place, detail)}{quotes}"


def _shown(value: object) -> str:
    text = "empty" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _takes(kind: type[BaseModel], place: Place, detail: ErrorDetails) -> str:
    if len(place) > 1 and (place[-2] in {"tags", "inputs"} or place[-1].isdigit()):  # the lists are of text too
        return "text"
    owner = _owner(kind, place, str(detail["loc"][1]) if len(detail["loc"]) > 1 else "")
    return takes(owner, place[-1]) if owner and place and place[-1] in owner.model_fields else "names and values"


def takes(kind: type[BaseModel], field: str) -> str:
    """Says what a field takes, from its own schema: `a whole number from 1 to 50`."""
    if field in _PATTERNS:
        return _PATTERNS[field]
    schema = kind.model_json_schema()["properties"].get(field, {})
    words = "a path or an azureml: address" if schema.get("x-file") else _words(schema)
    return (words or "names and values") + _REASONS.get(field, "")


def _owner(kind: type[BaseModel], place: Place, tag: str) -> type[BaseModel] | None:
    """Returns the class in which a field lies."""
    if kind is not FineTune:
        return Lora if place[:1] == ("lora",) and len(place) > 1 else kind
    if len(place) <= 1:
        return FineTune
    if place[0] == "model":
        return HuggingFaceModel if tag == "hugging_face" else LocalModel
    if place[0] != "route":
        return Gate if place[0] == "gate" else None
    if len(place) > 2 and place[1] == "lora":
        return Lora
    return ManagedCompute if tag == "managed" else Serverless


def _words(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(text for part in schema["anyOf"] if (text := _words(part))))
    if "enum" in schema:
        return " or ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if "$ref" in schema:
        return "names and values"
    noun = _KINDS.get(str(schema.get("type")), "")
    if schema.get("minLength") and noun == "text":
        noun = "text that is not empty"
    return " ".join(part for part in (noun, _range(schema)) if part)


def _range(schema: dict[str, Any]) -> str:
    low = f"of {schema['minimum']:g} or more" if "minimum" in schema else ""
    low = f"above {schema['exclusiveMinimum']:g}" if "exclusiveMinimum" in schema else low
    if "maximum" in schema and "minimum" in schema:
        return f"from {schema['minimum']:g} to {schema['maximum']}"
    high = f"at most {schema['maximum']:g}" if "maximum" in schema else ""
    high = f"below {schema['exclusiveMaximum']:g}" if "exclusiveMaximum" in schema else high
    return " and ".join(part for part in (low, high) if part)


def _twice(kind: type[BaseModel], place: Place, detail: ErrorDetails) -> str | None:
    """Says that a knob stands under two names, which is why one of them was not read."""
    name = place[-1]
    ours = SAME_KNOB.get(name, "lora" if name in SAME_LORA else None)
    owner = _owner(kind, place, str(detail["loc"][1]) if len(detail["loc"]) > 1 else "")
    return f"{name} and {ours} are the same; keep one" if owner and ours in owner.model_fields else None


def _meant(kind: type[BaseModel], place: Place, detail: ErrorDetails) -> str:
    """Looks for the key among its neighbours first, then where it would belong."""
    name, parts = place[-1], [str(part) for part in detail["loc"]]
    if "lora" in parts[:-1] or kind is Lora:
        return suggestion(name, Lora.model_fields)
    if kind is not FineTune:
        return suggestion(name, kind.model_fields)
    if parts[0] == "gate":
        return suggestion(name, Gate.model_fields)
    if parts[0] == "model":
        return "; model takes a name, {huggingface: org/name} or {path: DIR}"
    return _meant_in_route(name, parts[1]) if parts[0] == "route" else _meant_at_top(name)


def _meant_at_top(name: str) -> str:
    own = _of_a_route(name)
    below = f"; it belongs under route: {_whole(name) or own}" if own else ""
    if own is not None and own in {name, SAME_KNOB.get(name)}:
        return below
    return suggestion(name, FineTune.model_fields) or below


def _meant_in_route(name: str, tag: str) -> str:
    if tag == "serverless" and _of_a_route(name) not in {None, *Serverless.model_fields}:
        return "; only route kind managed has it"
    if name in FineTune.model_fields:
        return "; it belongs at the top level, not under route"
    fields = (ManagedCompute if tag == "managed" else Serverless).model_fields
    return suggestion(name, fields) or suggestion(name, FineTune.model_fields).replace("?", " at the top level?")


def _whole(name: str) -> str | None:
    """Returns what is meant with its explanation: `lora: {r: ...}`, where the field alone would mislead."""
    meant = MEANT.get(name, "")
    return meant if target(meant) != meant else None


def _of_a_route(name: str) -> str | None:
    name = target(SAME_KNOB.get(name, MEANT.get(name, name)))
    return name if name in {*ManagedCompute.model_fields, *SAME_LORA} else None
