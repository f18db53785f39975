"""The rules for one row: what is wrong with it, and what Azure would do with it.

Azure's side is read from Azure/azureml-assets (data_import.py, 2026-07) and azureml-acft-contrib-hf-nlp 0.0.91.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from phi_azure.dataset import texts
from phi_azure.dataset.finding import Finding, error, info, shown, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phi_azure.dataset.report import Effect, Route

ROLES = ("system", "user", "assistant", "tool")
COLUMNS = ("messages", "tools")
MIN_MESSAGES = 2  # rows of fewer are dropped
_KEYS = ("role", "content", "tool_calls", "tool_call_id", "name")
_MEANT_ROLES = {
    "human": "user", "customer": "user", "client": "user", "person": "user", "question": "user", "prompt": "user",
    "gpt": "assistant", "bot": "assistant", "chatbot": "assistant", "model": "assistant", "ai": "assistant",
    "agent": "assistant", "chatgpt": "assistant", "answer": "assistant", "developer": "system", "context": "system",
    "function": "tool", "ipython": "tool", "tool_response": "tool", "observation": "tool",
}  # fmt: skip
_MEANT_KEYS = {
    "from": "role", "speaker": "role", "author": "role", "value": "content", "text": "content", "message": "content",
    "parts": "content",
}  # fmt: skip
_SHAPES: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"prompt", "completion"}), "prompt and completion"),
    (frozenset({"instruction", "output"}), "instruction and output"),
    (frozenset({"conversations"}), "ShareGPT's conversations"),
    (frozenset({"contents"}), "Gemini's contents"),
    (frozenset({"question", "answer"}), "question and answer"),
)
_EXAMPLE = 'Write {"messages": [{"role": "user", "content": ...}, {"role": "assistant", "content": ...}]}.'


@dataclass(frozen=True)
class Rules:
    """Whose rules count."""

    route: Route = "serverless"
    system_role: bool = True
    """Whether the model has a system role; without one, Azure puts the text before the first question."""


def fate(row: object, route: Route) -> Effect:
    """Returns what Azure does with a row that could be read: leaves it out, fails on it, or neither."""
    if route == "serverless" and not _passes_import(row):
        return "drops"
    if not isinstance(row, dict):
        return "fails"
    messages = row.get("messages")
    if not messages or (isinstance(messages, list) and len(messages) < MIN_MESSAGES):
        return "drops"
    return "none" if isinstance(messages, list) and all(map(_renders, messages)) else "fails"


def _passes_import(row: object) -> bool:
    """The serverless import wants messages with a role and something in them; others it skips with a warning."""
    messages = row.get("messages") if isinstance(row, dict) else None
    return isinstance(messages, list) and all(
        isinstance(message, dict)
        and isinstance(message.get("role"), str)
        and (isinstance(message.get("content"), str | list) or isinstance(message.get("tool_calls"), list))
        for message in messages
    )


def _renders(message: object) -> bool:
    """Whether a chat template can put the message into text; nulls were taken out of it before."""
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        return False
    return isinstance(message.get("content"), str) or bool(message.get("tool_calls"))


def row_findings(row: object, rules: Rules) -> Iterator[Finding]:
    """Yields all that is wrong with a row, from its shape to its texts."""
    effect = fate(row, rules.route)
    skipped = " Azure would leave the row out." if effect == "drops" else ""
    for finding in _all_findings(row, rules):
        if finding.level == "error" and finding.effect == "none":
            yield finding._replace(effect=effect, message=finding.message + skipped)
            skipped = ""
        else:
            yield finding


def _all_findings(row: object, rules: Rules) -> Iterator[Finding]:
    if not isinstance(row, dict):
        yield error("not-object", None, "this is no JSON object.", _EXAMPLE)
        return
    yield from _columns(row)
    messages = row.get("messages")
    if not isinstance(messages, list):
        yield _no_messages(row)
        return
    if not messages:
        yield error("empty-messages", "messages", "`messages` is empty.", "Add a question and its answer.")
        return
    for index, message in enumerate(messages):
        yield from _message(message, f"messages[{index}]")
    yield from order(tuple(_role(message) for message in messages), rules.system_role)


def _role(message: object) -> str | None:
    role = message.get("role") if isinstance(message, dict) else None
    return role if isinstance(role, str) else None


def _columns(row: Mapping[str, Any]) -> Iterator[Finding]:
    """Azure keeps `messages` and `tools`, and passes over any other column without a word."""
    if "messages" in row:
        for name in row:
            if name not in COLUMNS:
                yield info("extra-column", str(name), f"column {shown(name)} is left out by Azure.")
    if not isinstance(row.get("tools"), list | str | None):
        yield warning("tools", "tools", "`tools` is no list.", "Make it a list of function definitions, or remove it.")


def _no_messages(row: Mapping[str, Any]) -> Finding:
    if "messages" in row:
        what = "null" if row["messages"] is None else "no list"
        return error("messages", "messages", f"`messages` is {what}.", "Make it a list of objects.")
    for keys, name in _SHAPES:
        if keys <= row.keys():
            return error("no-messages", None, f"the row has {name}, not `messages`.", "phi-azure convert rewrites it.")
    if close := get_close_matches("messages", [str(key).lower() for key in row], n=1, cutoff=0.7):
        meant = next(key for key in row if str(key).lower() == close[0])
        return error(
            "no-messages", str(meant), f"the row has {shown(meant)}, not `messages`.", "Rename it to messages."
        )
    if "role" in row and "content" in row:
        return error(
            "no-messages",
            None,
            "this is one message, not a conversation.",
            f"Write a whole one. {_EXAMPLE}",
        )
    return error("no-messages", None, "the row has no `messages`.", _EXAMPLE)


def _message(message: object, field: str) -> Iterator[Finding]:
    if not isinstance(message, dict):
        yield error("message", field, f"{field} is no object.", "Give it a role and content.")
        return
    yield from _role_findings(message, field)
    yield from _content(message, field)
    if not isinstance(message.get("tool_calls"), list | None):
        yield error("tool-calls", f"{field}.tool_calls", f"tool_calls of {field} is no list.", "Make it one.")
    for name in message:
        if name not in _KEYS and _meant_key(name) not in _KEYS:
            yield info("extra-key", f"{field}.{name}", f"key {shown(name)} of {field} may reach the template, or not.")


def _meant_key(name: str) -> str | None:
    low = str(name).lower()
    if low in _MEANT_KEYS:
        return _MEANT_KEYS[low]
    return next(iter(get_close_matches(low, ("role", "content", "tool_calls"), n=1, cutoff=0.75)), None)


def _instead(message: Mapping[str, Any], wanted: str) -> str | None:
    """Returns the key that was written where `wanted` was meant."""
    return next((name for name in message if name not in _KEYS and _meant_key(name) == wanted), None)


def _role_findings(message: Mapping[str, Any], field: str) -> Iterator[Finding]:
    role, place = message.get("role"), f"{field}.role"
    if isinstance(role, str):
        if role not in ROLES:
            meant = meant_role(role)
            fix = f'Write "{meant}".' if meant else f"Use one of {either(ROLES)}."
            yield error("role", place, f"unknown role {shown(role)} in {field}.", fix)
    elif "role" in message:
        yield error("role", place, f"the role of {field} is no text.", f"Use one of {either(ROLES)}.")
    elif written := _instead(message, "role"):
        yield error(
            "role",
            place,
            f"{field} has no role, but {shown(written)}.",
            "Rename it to role (phi-azure convert reads ShareGPT).",
        )
    else:
        yield error("role", place, f"{field} has no role.", f"Use one of {either(ROLES)}.")


def meant_role(role: str) -> str | None:
    """Returns the role that was meant by another word or a misspelling."""
    low = role.strip().lower()
    return _MEANT_ROLES.get(low) or next(iter(get_close_matches(low, ROLES, n=1, cutoff=0.6)), None)


def _content(message: Mapping[str, Any], field: str) -> Iterator[Finding]:
    content, place = message.get("content"), f"{field}.content"
    calls = bool(message.get("tool_calls"))
    who = f" ({message['role']})" if message.get("role") in ROLES else ""
    if isinstance(content, str):
        if texts.surrogate(content):
            yield error("surrogate", place, f"{place} holds {texts.HALF}.", "Write the character whole.")
        if not content.strip() and not calls:
            yield error(
                "empty-content", place, f"the content of {field}{who} is empty.", "Write it, or remove the row."
            )
        elif content != content.strip() and message.get("role") == "assistant":
            yield warning(
                "whitespace",
                place,
                f"the answer in {field} begins or ends with blanks; the model learns them.",
                "Strip them.",
            )
        yield from texts.findings(content, place)
    elif isinstance(content, list):
        yield _parts(content, place)
    elif content is None:
        if not calls:
            yield _no_content(message, field, who)
    else:
        yield error("content", place, f"the content of {field} is {_kind(content)}, not text.", "Write it as text.")


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", dict: "an object"}
    return names.get(type(value), type(value).__name__)


def _no_content(message: Mapping[str, Any], field: str, who: str) -> Finding:
    if "content" in message:
        return error(
            "no-content", f"{field}.content", f"the content of {field}{who} is null.", "Write it, or remove the row."
        )
    if written := _instead(message, "content"):
        return error(
            "no-content",
            f"{field}.content",
            f"{field}{who} has {shown(written)}, not `content`.",
            "Rename it to content.",
        )
    return error("no-content", f"{field}.content", f"{field}{who} has no content.", "Write it, or remove the row.")


def _parts(parts: list[Any], place: str) -> Finding:
    kinds = {str(part.get("type")) for part in parts if isinstance(part, dict)}
    media = sorted(kind for kind in kinds if any(word in kind for word in ("image", "audio", "video", "file")))
    if media:
        return error(
            "media",
            place,
            f"{place} has {shown(media[0])}; chat fine-tuning learns from text alone.",
            "Leave such rows out.",
        )
    if not parts:
        return error("empty-content", place, f"{place} is an empty list.", "Write it as text.")
    return error(
        "content-parts",
        place,
        f"{place} is a list of parts; Phi's chat templates take text.",
        "Join the parts to one text.",
    )


@lru_cache(maxsize=4096)
def order(roles: tuple[str | None, ...], system_role: bool = True) -> tuple[Finding, ...]:
    """Returns what is wrong with the order of a conversation's roles."""
    return tuple(_order(roles, system_role))


def _order(roles: tuple[str | None, ...], system_role: bool) -> Iterator[Finding]:
    if None in roles:
        return  # said already
    last, place = roles[-1], f"messages[{len(roles) - 1}].role"
    if last in ROLES and last != "assistant":
        missing = "assistant" not in roles
        code = "no-answer" if missing and len(roles) > 1 else "last-not-assistant"
        yield error(
            code, place, f'last message is from "{last}"; the model learns from an "assistant" reply.', "Add one."
        )
    elif len(roles) < MIN_MESSAGES:
        yield error(
            "one-message",
            "messages",
            "a single message; two are the least.",
            "Put the question before it.",
        )
    yield from _system(roles, system_role)
    talk = [(index, role) for index, role in enumerate(roles) if role != "system"]
    for (_, before), (index, role) in pairwise(talk):
        if role == before and role in {"user", "assistant"}:
            yield warning(
                "order",
                f"messages[{index}].role",
                f'two messages of "{role}" in a row.',
                "Join them, or add what was said between.",
            )
            break
    if len(talk) > 1 and talk[0][1] in {"assistant", "tool"}:
        yield warning(
            "order",
            f"messages[{talk[0][0]}].role",
            f'the conversation begins with "{talk[0][1]}".',
            "Begin with the user.",
        )


def _system(roles: tuple[str | None, ...], system_role: bool) -> Iterator[Finding]:
    places = [index for index, role in enumerate(roles) if role == "system"]
    if not places:
        return
    wrong = next((index for index in places if index != 0), None)
    if not system_role:
        yield from _without_system_role(roles, wrong)
    elif wrong is not None:
        place = f"messages[{wrong}].role"
        what = "a second system message" if len(places) > 1 else "the system message is not the first"
        yield warning("system-order", place, f"{what}.", "Put one system message first.")


def _without_system_role(roles: tuple[str | None, ...], wrong: int | None) -> Iterator[Finding]:
    if wrong is not None:
        yield error(
            "system-role",
            f"messages[{wrong}].role",
            "this model has no system role; Azure takes one system message, in first place.",
            "Put its text into the first question.",
            "fails",
        )
    elif "user" not in roles:
        yield error(
            "system-role",
            "messages[0].role",
            "this model has no system role, and the row no user message to take its text.",
            "Add the question.",
            "fails",
        )
    else:
        yield warning(
            "system-role",
            "messages[0].role",
            "this model has no system role; Azure puts the text before the first question.",
            "Put it there yourself if it matters.",
        )


def either(words: tuple[str, ...]) -> str:
    """Returns words as a choice."""
    return ", ".join(words[:-1]) + f" or {words[-1]}"
