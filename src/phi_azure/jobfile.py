"""A job as a YAML file: every problem at once, each with its line and, for a strange key, the name that was meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from phi_azure.config import FineTune
from phi_azure.config.refusals import REMEDY, problems
from phi_azure.config.rules import absent_files, file_knobs, is_local_path
from phi_azure.config.words import SAME_KNOB, SAME_LORA
from phi_azure.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Hashable

Place = tuple[str, ...]
_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
_DATA = ("training_data", "validation_data", "test_data")
_DEEPEST = 10  # of a mapping in a mapping
_YAML_WORDS = {
    "found character '\\t' that cannot start any token": "a tab; indent with blanks",
    "mapping values are not allowed here": "a second colon; put the value in quotes, or begin a new line",
    "but found another document": "a second document begins here; a file is one job",
    "found unexpected end of stream": "a quote or bracket is not closed",
}
_MOST_NODES = 5_000  # of a YAML file with its aliases followed; a job file has some dozens


class _Loader(yaml.SafeLoader):
    """Reads numbers as people write them (2e-5), keys as text, and no dates: `name: 2024-11-02` is a name."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Takes keys as they are written: YAML reads `on` as true and `1` as a number."""
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                key.tag = _TEXT
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read(path: Path) -> FineTune:
    """Reads a job file; relative paths in it start from its folder."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{path}: cannot be read: byte {error.start + 1} is not UTF-8; save the file as UTF-8."
        raise ConfigError(message, remedy=REMEDY) from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}", remedy=REMEDY) from error
    root = _compose(path, text)
    lines: dict[Place, int] = {}
    found: list[tuple[int, str]] = []
    _index(root, (), lines, found, [_MOST_NODES], path)
    values = _anchored(_construct(path, text), path.parent)
    found += [(_line(lines, ("route", name)), message) for name, message in _absent_files(values).items()]
    try:
        job = FineTune.model_validate(values)
    except ValidationError as error:
        found += [(_line(lines, place), message) for place, message in problems(FineTune, values, error)]
        raise _refusal(path, found) from error
    if found:
        raise _refusal(path, found)
    return job


def _absent_files(values: object) -> dict[str, str]:
    route = values.get("route") if isinstance(values, dict) else None
    return absent_files(route) if isinstance(route, dict) and route.get("kind") == "managed" else {}


def write(job: FineTune) -> str:
    """Writes a job: what was set, and nothing that has its default unsaid."""
    values = job.model_dump(mode="json", exclude_unset=True)
    values["route"] = {"kind": job.route.kind, **values.get("route", {})}
    return yaml.safe_dump({"name": job.name, **values}, sort_keys=False, allow_unicode=True)


def _compose(path: Path, text: str) -> yaml.Node:
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _broken(path, error) from error
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise ConfigError(f"{path}: this is not YAML: {error}".replace("\n", " "), remedy=REMEDY) from error
    except RecursionError:
        raise _too_much(path) from None
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(
            f"{path}: a job file is a list of names and values, such as `name: headline-sentiment`.", remedy=REMEDY
        )
    return root


def _construct(path: Path, text: str) -> object:
    try:
        value: object = yaml.load(text, Loader=_Loader)  # noqa: S506  a safe loader
    except yaml.MarkedYAMLError as error:
        raise _broken(path, error) from error
    except (ValueError, RecursionError) as error:  # such as `!!int two`, or a list that holds itself
        raise ConfigError(f"{path}: not YAML: {error}", remedy=REMEDY) from error
    return value


def _broken(path: Path, error: yaml.MarkedYAMLError) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    line = f":{mark.line + 1}" if mark else ""
    said = str(error.problem or error.context)
    return ConfigError(f"{path}{line}: not YAML: {_YAML_WORDS.get(said, said)}", remedy=REMEDY)


def _too_much(path: Path) -> ConfigError:
    return ConfigError(f"{path}: more values than a job file can have; anchors (&) repeat them.", remedy=REMEDY)


def _index(
    node: yaml.Node, place: Place, lines: dict[Place, int], problems: list[tuple[int, str]], left: list[int], path: Path
) -> None:
    """Notes the line of each key, under its own and our name, and keys that stand twice; aliases are followed."""
    if not isinstance(node, yaml.MappingNode):
        return
    left[0] -= len(node.value)
    if left[0] < 0 or len(place) > _DEEPEST:
        raise _too_much(path)
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{path}:{line}: not YAML: a name is text, and no list", remedy=REMEDY)
        name = str(key.value)
        if name in seen:
            problems.append((line, f"{'.'.join((*place, name))} stands twice (first in line {seen[name]}); keep one"))
        seen.setdefault(name, line)
        for alias in {name, SAME_KNOB.get(name, name), SAME_LORA.get(name, name)}:
            lines.setdefault((*place, alias), line)
        _index(value, (*place, name), lines, problems, left, path)


def _line(lines: dict[Place, int], place: Place) -> int:
    """Returns the line of a field, or of the nearest thing around it."""
    while place:
        for known in (place, (*place[:-2], place[-1])):  # lora_r stands beside lora, not in it
            if known in lines:
                return lines[known]
        place = place[:-1]
    return 1


def _refusal(path: Path, problems: list[tuple[int, str]]) -> ConfigError:
    ordered = sorted(dict.fromkeys(problems))
    return ConfigError("\n".join(f"{path}:{line}: {message}" for line, message in ordered), remedy=REMEDY)


def _anchored(values: object, folder: Path) -> object:
    """Makes paths start from the job file's folder; what Azure has already, and what is no path, stays as it is."""
    if not isinstance(values, dict):
        return values
    anchored = {name: _from(folder, value) if name in _DATA else value for name, value in values.items()}
    model, route = values.get("model"), values.get("route")
    if isinstance(model, dict):
        anchored["model"] = {name: _from(folder, value) if name == "path" else value for name, value in model.items()}
    if isinstance(route, dict):
        files = file_knobs()
        anchored["route"] = {name: _from(folder, value) if name in files else value for name, value in route.items()}
    return anchored


def _from(folder: Path, value: object) -> object:
    return str(folder / _at_home(str(value))) if is_local_path(value) else value


def _at_home(path: str) -> str:
    """Follows `~/`, which a shell does and YAML does not."""
    return str(Path.home() / path[2:]) if path.startswith("~/") else path
