"""What was sent, held against what a test expects: a body, or a part of it, with a difference that can be read."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phi_azure.emulator.app import Recorded


class _Anything:
    """Equal to everything, whatever it is."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "ANY"


ANY: Any = _Anything()
"""Stands in an expected body for what varies: an id, a date, a hash."""


def sent(requests: Sequence[Recorded], method: str, path_part: str) -> list[Recorded]:
    """Returns the requests of a method whose path contains this, oldest first; an empty method means any."""
    return [one for one in requests if method in {"", one.method} and path_part in one.path]


def find_sent(requests: Sequence[Recorded], method: str, path_part: str, expected: Any, *, whole: bool) -> Recorded:
    """Returns the last such request whose JSON body is the expected one, or has it in it.

    Raises:
        AssertionError: there is none; the message shows how the nearest body differs, or what else was sent.
    """
    found = sent(requests, method, path_part)
    if not found:
        seen = "\n".join(f"  {one.method} {one.path}" for one in requests) or "  nothing"
        raise AssertionError(f"no {method or 'such'} request with {path_part!r} in its path; there were:\n{seen}")
    differing = []
    for request in reversed(found):
        body = _body(request)
        if fits(expected, body, whole=whole):
            return request
        differing.append((difference(expected, body, whole=whole), request))
    nearest, request = min(differing, key=lambda pair: len(pair[0]))
    others = f" (the nearest of {len(found)} such requests)" if len(found) > 1 else ""
    raise AssertionError(f"{request.method} {request.path} was sent with another body{others}:\n{nearest}")


def fits(expected: Any, actual: Any, *, whole: bool) -> bool:
    """Tells whether a body is the expected one; unless `whole`, objects in it may have more members."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        same = expected.keys() == actual.keys() if whole else expected.keys() <= actual.keys()
        return same and all(fits(value, actual[key], whole=whole) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        pairs = zip(expected, actual, strict=False)
        return len(expected) == len(actual) and all(fits(one, other, whole=whole) for one, other in pairs)
    return bool(expected == actual)


def difference(expected: Any, actual: Any, *, whole: bool) -> str:
    """Returns the lines in which a body differs from what was expected, without what nobody asked for."""
    shown = _asked_for(expected, actual, whole=whole)
    lines = difflib.unified_diff(_lines(expected), _lines(shown), "expected", "sent", lineterm="", n=2)
    return "\n".join(lines)


def _asked_for(expected: Any, actual: Any, *, whole: bool) -> Any:
    """Returns a body as far as the expected one speaks of it, with its wildcards in place."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        kept = actual if whole else {key: value for key, value in actual.items() if key in expected}
        return {key: _asked_for(expected.get(key), value, whole=whole) for key, value in kept.items()}
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [_asked_for(one, other, whole=whole) for one, other in zip(expected, actual, strict=True)]
    return expected if expected == actual else actual


def _lines(body: Any) -> list[str]:
    return json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False, default=repr).splitlines()


def _body(request: Recorded) -> Any:
    """Returns the JSON of a request; a body that is no JSON, or was not kept, is text."""
    try:
        return request.json
    except ValueError:
        return request.body.decode("utf-8", "replace")
