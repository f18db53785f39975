"""Broken data files, written by hand: what stands in them, and what must be said about it."""

# ruff: noqa: E501  a table reads best with a row on a line

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from phi_azure.dataset import Route


class Broken(NamedTuple):
    """A file, and the one problem that is looked for in it."""

    name: str
    data: bytes
    code: str
    line: int | None
    level: str
    word: str
    """Stands in the message or in the remedy."""
    route: Route = "serverless"
    suffix: str = ".jsonl"


def good(number: int) -> str:
    """Returns a row without fault, unlike any other number's."""
    return turns(("user", f"question {number}?"), ("assistant", f"answer {number}"))


def turns(*pairs: tuple[object, object]) -> str:
    """Returns a row of these turns."""
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in pairs]})


def says(text: str) -> str:
    """Returns a row whose question holds a text."""
    return turns(("user", text), ("assistant", "fine"))


def around(bad: str | bytes) -> bytes:
    """Returns a file whose seventh line is this one, among fourteen good rows."""
    line = bad if isinstance(bad, bytes) else bad.encode("utf-8", "surrogatepass")
    before, after = ([good(number).encode() for number in numbers] for numbers in (range(6), range(6, 14)))
    return b"\n".join([*before, line, *after]) + b"\n"


def good_lines(count: int) -> bytes:
    """Returns a file of good rows."""
    return b"".join(good(number).encode() + b"\n" for number in range(count))


U, A = '{"role": "user", "content": "q"}', '{"role": "assistant", "content": "a"}'
UV = '{"role": "user", "content": "another q"}'
KEY = "a1B2c3D4e5F6g7H8i9J0k1L2"  # made up

# name, the seventh line, code, level, a word of the message or remedy
_LINES: tuple[tuple[str, str | bytes, str, str, str], ...] = (
    # what is no JSON
    ("word", "hello", "json", "error", "one JSON object a line"),
    ("bare key", "{messages: []}", "json", "error", "one JSON object"),
    ("missing comma", f'{{"messages": [{U} {A}]}}', "json", "error", "character"),
    ("missing bracket", f'{{"messages": [{U}, {A}}}', "json", "error", "not JSON"),
    ("open string", '{"messages": [{"role": "user', "json", "error", "not JSON"),
    ("raw tab in a string", '{"messages": [{"role": "user", "content": "a\tb"}]}', "json", "error", "control character"),
    ("bad escape", r'{"messages": [{"role": "user", "content": "\x"}]}', "json", "error", "escape"),
    ("comment", f"// {good(99)}", "json", "error", "not JSON"),
    ("python words", '{"messages": None}', "json", "error", "not JSON"),
    ("deep nesting", "[" * 100_000, "json", "error", "nested"),
    ("nesting that closes", "[" * 5000 + "]" * 5000, "json", "error", "nested"),
    ("half an object", good(99)[:-1], "json", "error", "not JSON"),
    ("number with a zero", '{"messages": 01}', "json", "error", "not JSON"),
    ("csv in jsonl", "system,user,assistant", "json", "error", "one JSON object"),
    ("huge number", '{"messages": ' + "9" * 5000 + "}", "json", "error", "more than the 4,300 digits"),
    ("two objects", good(98) + good(99), "several-objects", "error", "2 objects"),
    ("two objects and a blank", good(98) + " " + good(99), "several-objects", "error", "2 objects"),
    ("three objects and commas", ", ".join(map(good, (97, 98, 99))), "several-objects", "error", "3 objects"),
    ("returns of an old Mac", good(98) + "\r" + good(99), "several-objects", "error", "2 objects"),
    ("comma at the end", good(99) + ",", "trailing-comma", "error", "Remove"),
    ("comma before a bracket", f'{{"messages": [{U}, {A},]}}', "trailing-comma", "error", "closing bracket"),
    ("comma before a brace", f'{{"messages": [{U}, {A}],}}', "trailing-comma", "error", "closing bracket"),
    ("single quotes", "{'messages': [{'role': 'user', 'content': 'q'}]}", "single-quotes", "error", "json.dumps"),
    ("opening bracket", "[", "json-array", "error", "JSON array"),
    ("closing bracket", "]", "json-array", "error", "JSON array"),
    ("array begins", "[" + good(99) + ",", "json-array", "error", "line for each row"),
    ("brace alone", "{", "object-over-lines", "error", "several lines"),
    ("closing brace alone", "},", "object-over-lines", "error", "several lines"),
    ("key alone", '  "role": "user",', "object-over-lines", "error", "several lines"),
    ("list opens", '  "messages": [', "object-over-lines", "error", "several lines"),
    ("mark in the middle", codecs.BOM_UTF8 + good(99).encode(), "bom", "error", "byte-order mark"),
    ("blank", "", "blank-line", "warning", "Remove it"),
    ("spaces", "   \t", "blank-line", "warning", "blank"),
    ("not a number", f'{{"messages": [{U}, {A}], "weight": NaN}}', "nan", "error", "NaN"),
    ("infinity", f'{{"messages": [{U}, {A}], "weight": -Infinity}}', "nan", "error", "Infinity"),
    ("latin-1", b'{"messages": [{"role": "user", "content": "caf\xe9"}]}', "encoding", "error", "0xe9"),
    ("utf-8 cut", b'{"messages": "\xe2\x82"}', "encoding", "error", "UTF-8"),
    ("zeros", b"\0\0\0\0", "json", "error", "not JSON"),
    # keys that stand twice
    ("two roles", '{"messages": [{"role": "user", "role": "user", "content": "q"}, ' + A + "]}", "duplicate-key", "error", "role"),
    ("two contents", f'{{"messages": [{U}, {{"role": "assistant", "content": "a", "content": "b"}}]}}', "duplicate-key", "error", "content"),
    ("two messages", f'{{"messages": [{UV}, {A}], "messages": [{U}, {A}]}}', "duplicate-key", "error", "Keep one"),
    ("two, one escaped", f'{{"messages": [{U}, {{"role": "assistant", "r\\u006fle": "assistant", "content": "a"}}]}}', "duplicate-key", "error", "role"),
    # what is no row
    ("null", "null", "not-object", "error", "messages"),
    ("text", '"hello"', "not-object", "error", "no JSON object"),
    ("number", "17", "not-object", "error", "no JSON object"),
    ("true", "true", "not-object", "error", "no JSON object"),
    ("list of messages", f"[{U}, {A}]", "not-object", "error", "no JSON object"),
    ("empty object", "{}", "no-messages", "error", "messages"),
    ("mesages", f'{{"mesages": [{U}, {A}]}}', "no-messages", "error", "Rename it to messages"),
    ("message", f'{{"message": [{U}, {A}]}}', "no-messages", "error", "Rename it to messages"),
    ("Messages", f'{{"Messages": [{U}, {A}]}}', "no-messages", "error", "Rename it to messages"),
    ("blank in the key", f'{{"messages ": [{U}, {A}]}}', "no-messages", "error", "Rename it to messages"),
    ("prompt and completion", '{"prompt": "q", "completion": "a"}', "no-messages", "error", "phi-azure convert"),
    ("alpaca", '{"instruction": "q", "input": "", "output": "a"}', "no-messages", "error", "phi-azure convert"),
    ("ShareGPT", '{"conversations": [{"from": "human", "value": "q"}]}', "no-messages", "error", "phi-azure convert"),
    ("Gemini", '{"contents": [{"role": "user", "parts": [{"text": "q"}]}]}', "no-messages", "error", "Gemini"),
    ("question and answer", '{"question": "q", "answer": "a"}', "no-messages", "error", "phi-azure convert"),
    ("message a line", U, "no-messages", "error", "one message"),
    ("text column", '{"text": "<|user|>q<|end|>"}', "no-messages", "error", "no `messages`"),
    ("messages null", '{"messages": null}', "messages", "error", "null"),
    ("messages a text", '{"messages": "q"}', "messages", "error", "list of objects"),
    ("messages as JSON text", json.dumps({"messages": f"[{U}, {A}]"}), "messages", "error", "no list"),
    ("messages an object", f'{{"messages": {U}}}', "messages", "error", "no list"),
    ("messages a number", '{"messages": 2}', "messages", "error", "no list"),
    ("no messages in it", '{"messages": []}', "empty-messages", "error", "question and its answer"),
    ("message a text", f'{{"messages": ["q", {A}]}}', "message", "error", "messages[0]"),
    ("message null", f'{{"messages": [{U}, null]}}', "message", "error", "messages[1]"),
    ("message a list", f'{{"messages": [[{U}], {A}]}}', "message", "error", "no object"),
    # roles
    ("no role", f'{{"messages": [{{"content": "q"}}, {A}]}}', "role", "error", "has no role"),
    ("role null", turns((None, "q"), ("assistant", "a")), "role", "error", "no text"),
    ("role a number", turns((1, "q"), ("assistant", "a")), "role", "error", "no text"),
    ("assistent", turns(("user", "q"), ("assistent", "a")), "role", "error", 'Write "assistant"'),
    ("asistant", turns(("user", "q"), ("asistant", "a")), "role", "error", 'Write "assistant"'),
    ("Assistant", turns(("user", "q"), ("Assistant", "a")), "role", "error", 'Write "assistant"'),
    ("User", turns(("User", "q"), ("assistant", "a")), "role", "error", 'Write "user"'),
    ("usr", turns(("usr", "q"), ("assistant", "a")), "role", "error", 'Write "user"'),
    ("human", turns(("human", "q"), ("assistant", "a")), "role", "error", 'Write "user"'),
    ("gpt", turns(("user", "q"), ("gpt", "a")), "role", "error", 'Write "assistant"'),
    ("bot", turns(("user", "q"), ("bot", "a")), "role", "error", 'Write "assistant"'),
    ("model", turns(("user", "q"), ("model", "a")), "role", "error", 'Write "assistant"'),
    ("developer", turns(("developer", "s"), ("user", "q"), ("assistant", "a")), "role", "error", 'Write "system"'),
    ("sytem", turns(("sytem", "s"), ("user", "q"), ("assistant", "a")), "role", "error", 'Write "system"'),
    ("function", turns(("user", "q"), ("function", "f"), ("assistant", "a")), "role", "error", 'Write "tool"'),
    ("narrator", turns(("xyzzy", "q"), ("assistant", "a")), "role", "error", "Use one of"),
    ("blank around", turns(("user ", "q"), ("assistant", "a")), "role", "error", 'Write "user"'),
    ("empty role", turns(("", "q"), ("assistant", "a")), "role", "error", "Use one of"),
    ("from", f'{{"messages": [{{"from": "user", "content": "q"}}, {A}]}}', "role", "error", "Rename it to role"),
    ("rol", f'{{"messages": [{{"rol": "user", "content": "q"}}, {A}]}}', "role", "error", "Rename it to role"),
    # order
    ("ends with user", turns(("user", "q"), ("assistant", "a"), ("user", "q")), "last-not-assistant", "error", "Add one"),
    ("ends with system", turns(("user", "q"), ("assistant", "a"), ("system", "s")), "last-not-assistant", "error", "system"),
    ("ends with tool", turns(("user", "q"), ("assistant", "a"), ("tool", "t")), "last-not-assistant", "error", "tool"),
    ("no answer at all", turns(("system", "s"), ("user", "q")), "no-answer", "error", "Add one"),
    ("question alone", turns(("user", "q")), "last-not-assistant", "error", "leave the row out"),
    ("answer alone", turns(("assistant", "a")), "one-message", "error", "question before it"),
    ("two users", turns(("user", "q"), ("user", "r"), ("assistant", "a")), "order", "warning", "Join them"),
    ("two answers", turns(("user", "q"), ("assistant", "a"), ("assistant", "b")), "order", "warning", "in a row"),
    ("begins with assistant", turns(("assistant", "a"), ("user", "q"), ("assistant", "b")), "order", "warning", "Begin with the user"),
    ("system after user", turns(("user", "q"), ("system", "s"), ("assistant", "a")), "system-order", "warning", "first"),
    ("two systems", turns(("system", "s"), ("system", "t"), ("user", "q"), ("assistant", "a")), "system-order", "warning", "second"),
    # contents
    ("empty answer", turns(("user", "q"), ("assistant", "")), "empty-content", "error", "is empty"),
    ("blank answer", turns(("user", "q"), ("assistant", " \n")), "empty-content", "error", "is empty"),
    ("empty question", turns(("user", ""), ("assistant", "a")), "empty-content", "error", "(user)"),
    ("blank of Unicode", turns(("user", "\u3000"), ("assistant", "a")), "empty-content", "error", "remove the row"),
    ("answer null", turns(("user", "q"), ("assistant", None)), "no-content", "error", "null"),
    ("content missing", f'{{"messages": [{U}, {{"role": "assistant"}}]}}', "no-content", "error", "has no content"),
    ("contnet", f'{{"messages": [{U}, {{"role": "assistant", "contnet": "a"}}]}}', "no-content", "error", "Rename it to content"),
    ("text for content", f'{{"messages": [{U}, {{"role": "assistant", "text": "a"}}]}}', "no-content", "error", "Rename it to content"),
    ("value for content", f'{{"messages": [{U}, {{"role": "assistant", "value": "a"}}]}}', "no-content", "error", "Rename it to content"),
    ("content a number", turns(("user", 3), ("assistant", "a")), "content", "error", "a number"),
    ("content true", turns(("user", "q"), ("assistant", True)), "content", "error", "true or false"),
    ("content an object", turns(("user", "q"), ("assistant", {"label": 1})), "content", "error", "an object"),
    ("text parts", turns(("user", [{"type": "text", "text": "q"}]), ("assistant", "a")), "content-parts", "error", "Join the parts"),
    ("image", turns(("user", [{"type": "image_url", "image_url": {"url": "x"}}]), ("assistant", "a")), "media", "error", "text alone"),
    ("audio", turns(("user", [{"type": "input_audio"}]), ("assistant", "a")), "media", "error", "text alone"),
    ("no parts", turns(("user", []), ("assistant", "a")), "empty-content", "error", "empty list"),
    ("calls no list", f'{{"messages": [{U}, {{"role": "assistant", "content": "a", "tool_calls": {{}}}}]}}', "tool-calls", "error", "Make it one"),
    ("tools a number", f'{{"messages": [{U}, {A}], "tools": 1}}', "tools", "warning", "function definitions"),
    ("half a character", r'{"messages": [{"role": "user", "content": "\ud83d"}, ' + A + "]}", "surrogate", "error", "half a character"),
    ("blank before the answer", turns(("user", "q"), ("assistant", " a")), "whitespace", "warning", "Strip"),
    ("newline after the answer", turns(("user", "q"), ("assistant", "a\n")), "whitespace", "warning", "Strip"),
    ("column left out", f'{{"messages": [{U}, {A}], "id": 7}}', "extra-column", "info", "left out by Azure"),
    ("label left out", f'{{"label": "x", "messages": [{U}, {A}]}}', "extra-column", "info", "label"),
    ("unknown key", f'{{"messages": [{U}, {{"role": "assistant", "content": "a", "weight": 0}}]}}', "extra-key", "info", "weight"),
    # hidden and broken characters
    ("zero-width space", says("a\u200bb"), "invisible", "warning", "U+200B"),
    ("joiner in ASCII", says("a\u200db"), "invisible", "warning", "U+200D"),
    ("right to left", says("a\u202eb"), "invisible", "warning", "U+202E"),
    ("isolate", says("a\u2066b"), "invisible", "warning", "U+2066"),
    ("word joiner", says("a\u2060b"), "invisible", "warning", "U+2060"),
    ("soft hyphen", says("a\u00adb"), "invisible", "warning", "U+00AD"),
    ("line separator", says("a\u2028b"), "invisible", "warning", "U+2028"),
    ("mark in a text", says("a\ufeffb"), "invisible", "warning", "U+FEFF"),
    ("tag characters", says("a\U000e0041b"), "invisible", "warning", "U+E0041"),
    ("zero", says("a\0b"), "control-character", "warning", "U+0000"),
    ("bell", says("a\ab"), "control-character", "warning", "U+0007"),
    ("escape", says("a\x1b[31mb"), "control-character", "warning", "U+001B"),
    ("delete", says("a\x7fb"), "control-character", "warning", "U+007F"),
    ("lost letter", says("caf\ufffd"), "replacement-character", "warning", "U+FFFD"),
    ("mojibake of a letter", says("cafÃ©"), "mojibake", "warning", "Latin-1"),
    ("mojibake of a quote", says("itâ€™s"), "mojibake", "warning", "UTF-8"),
    ("mojibake, unescaped", '{"messages": [{"role": "user", "content": "Ã¼ber"}, ' + A + "]}", "mojibake", "warning", "UTF-8"),
    ("no-break space", says("a\u00a0b"), "nbsp", "info", "plain space"),
    ("end token", says("a<|end|>b"), "special-token", "warning", "<|end|>"),
    ("im_start token", says("<|im_start|>user"), "special-token", "warning", "template"),
    # secrets and people
    ("storage key", says(f"AccountKey={KEY}=="), "secret", "warning", "storage"),
    ("service bus key", says(f"SharedAccessKey={KEY}"), "secret", "warning", "revoke"),
    ("signature", says(f"https://x.invalid/a?sv=1&sig={KEY}%3D"), "secret", "warning", "shared access signature"),
    ("sk key", says(f"use sk-{KEY} now"), "secret", "warning", "sk-..."),
    ("api key", says(f"api-key: {'0a1b2c3d' * 4}"), "secret", "warning", "API key"),
    ("GitHub token", says(f"ghp_{KEY}{KEY}"), "secret", "warning", "GitHub"),
    ("AWS key", says("AKIA" + "ABCD1234" * 2), "secret", "warning", "AWS"),
    ("private key", says("-----BEGIN RSA PRIVATE KEY-----"), "secret", "warning", "private key"),
    ("token of three parts", says(f"eyJ{KEY}.eyJ{KEY}.{KEY}"), "secret", "warning", "JSON Web Token"),
    ("mail", says("write to ada.l@example.org please"), "personal-data", "warning", "mail address"),
    ("phone", says("call +49 30 1234 5678"), "personal-data", "warning", "phone number"),
    ("phone of America", says("call (415) 555-0199"), "personal-data", "warning", "phone number"),
    ("card", says("pay with 4111 1111 1111 1111"), "personal-data", "warning", "card"),
    ("card in one", says("5500005555555559"), "personal-data", "warning", "card"),
    # repeats
    ("row of line 3", good(2), "duplicate", "warning", "line 3"),
    ("row of line 3, spaced", good(2).replace(": ", ":  "), "duplicate", "warning", "line 3"),
    ("prompt of line 3", turns(("user", "question 2?"), ("assistant", "no")), "contradiction", "warning", "line 3"),
)  # fmt: skip

# the same lines where managed compute says something of its own
_MANAGED: tuple[tuple[str, str | bytes, str, str, str], ...] = (
    ("word", "hello", "json", "error", "not JSON"),
    ("null", "null", "not-object", "error", "no JSON object"),
    ("messages null", '{"messages": null}', "messages", "error", "leave the row out"),
    ("messages a text", '{"messages": "q"}', "messages", "error", "no list"),
    ("mesages", f'{{"mesages": [{U}, {A}]}}', "no-messages", "error", "Rename it"),
    ("content null", turns(("user", None), ("assistant", "a")), "no-content", "error", "null"),
    ("one message", turns(("assistant", "a")), "one-message", "error", "two are the least"),
)

_TEN = good_lines(10)
_CELL = json.dumps(json.loads(good(1))["messages"]).replace('"', '""')
_CSV = b"messages\n" + b"".join(f'"{_CELL.replace("1", str(number))}"\n'.encode() for number in range(12))

_ROWS = b"[\n" + _TEN.rstrip().replace(b"\n", b",\n") + b"]"

_FILES = (
    Broken("empty", b"", "few-rows", None, "error", "10 or more"),
    Broken("blank lines alone", b"\n\n\n", "few-rows", None, "error", "0 rows"),
    Broken("nine rows", good_lines(9), "few-rows", None, "error", "9 rows"),
    Broken("nine are left", good_lines(9) + b"{}\n", "few-rows", None, "error", "9 rows of 10"),
    Broken("nine are left on managed", good_lines(9) + b"{}\n", "few-rows", None, "error", "Add more", "managed"),
    Broken("UTF-16", good_lines(12).decode().encode("utf-16"), "encoding", None, "error", "UTF-16"),
    Broken("UTF-16 without a mark", good_lines(12).decode().encode("utf-16-le"), "encoding", None, "error", "UTF-16"),
    Broken("UTF-16 the other way", good_lines(12).decode().encode("utf-16-be"), "encoding", None, "error", "UTF-16"),
    Broken("UTF-32", good_lines(12).decode().encode("utf-32"), "encoding", None, "error", "UTF-32"),
    Broken("UTF-32 without a mark", good_lines(12).decode().encode("utf-32-be"), "encoding", None, "error", "UTF-32"),
    Broken("mark", codecs.BOM_UTF8 + _TEN, "bom", None, "info", "import takes it"),
    Broken("mark on managed", codecs.BOM_UTF8 + _TEN, "bom", None, "warning", "without one", "managed"),
    Broken("zip", b"PK\x03\x04" + _TEN, "format", None, "error", "Unpack"),
    Broken("gzip", b"\x1f\x8b\x08\x00" + _TEN, "format", None, "error", "Unpack"),
    Broken("parquet named jsonl", b"PAR1" + _TEN, "format", None, "error", "parquet"),
    Broken("json on serverless", _TEN, "suffix", None, "error", ".jsonl only", suffix=".json"),
    Broken("txt on serverless", _TEN, "suffix", None, "error", "Rename", suffix=".txt"),
    Broken("txt on managed", _TEN, "suffix", None, "error", "loads", "managed", ".txt"),
    Broken("no suffix", _TEN, "suffix", None, "error", "Rename", "managed", ""),
    Broken("cut off", _TEN + good(99).encode()[:-20], "truncated", 11, "error", "cut off"),
    Broken("cut after a colon", _TEN + b'{"messages":', "truncated", 11, "error", "Write the file again"),
    Broken("word after the last row", _TEN + good(99).encode() + b" junk", "json", 11, "error", "extra data"),
    Broken("bracket after the last row", _TEN + good(99).encode() + b"]", "json", 11, "error", "extra data"),
    Broken("array of rows", b"[\n" + _TEN.replace(b"}\n", b"},\n") + b"]", "json-array", 1, "error", "JSON array"),
    Broken("pretty", json.dumps(json.loads(good(1)), indent=2).encode(), "object-over-lines", 1, "error", "several lines"),
    Broken("CRLF and a bad row", _TEN.replace(b"\n", b"\r\n") + b"{}\r\n", "no-messages", 11, "error", "messages"),
    Broken("broken array", b"[" + good(1).encode() + b", oops]", "json", 1, "error", "array is broken", "managed", ".json"),
    Broken("array that does not end", b"[\n" + good(1).encode() + b",\n", "truncated", 3, "error", "does not end", "managed", ".json"),
    Broken("array cut in a row", b"[\n" + good(1).encode()[:-9], "truncated", 2, "error", "does not end", "managed", ".json"),
    Broken("array with a comma at the end", _ROWS[:-1] + b",\n]", "trailing-comma", 12, "error", "Remove it", "managed", ".json"),
    Broken("array with two commas", _ROWS.replace(b",\n", b",,\n", 3), "trailing-comma", 2, "error", "too many", "managed", ".json"),
    Broken("array that begins with a comma", b"[," + _ROWS[1:], "trailing-comma", 1, "error", "too many", "managed", ".json"),
    Broken("array without commas", _ROWS.replace(b",\n", b"\n"), "json", 3, "error", "no comma between", "managed", ".json"),
    Broken("array and text", _ROWS + b"\n\noops", "json", 13, "error", "after the array's end", "managed", ".json"),
    Broken("two arrays", _ROWS + b"\n" + _ROWS, "json", 12, "error", "one array", "managed", ".json"),
    Broken("array within an array", b"[" + _ROWS + b"]", "not-object", 1, "error", "no JSON object", "managed", ".json"),
    Broken("array with a fault within a row", b'[\n{"messages":\n\n[{"role" "user"}]}]', "json", 4, "error", "delimiter", "managed", ".json"),
    Broken("array with a key twice", _ROWS.replace(b'"role": "user"', b'"role": "user", "role": "user"', 1), "duplicate-key", 2, "error", "Keep one", "managed", ".json"),
    Broken("array with a huge number", b'[{"messages": ' + b"9" * 5000 + b"}]", "json", 1, "error", "4,300 digits", "managed", ".json"),
    Broken("csv cell with a huge number", b"messages\n" + b"9" * 5000, "json", 2, "error", "4,300 digits", "managed", ".csv"),
    Broken("array with NaN", _ROWS.replace(b'"messages"', b'"weight": NaN, "messages"', 1), "nan", 2, "error", "NaN", "managed", ".json"),
    Broken("array element", b"[\n" + good(1).encode() + b",\n{}]", "no-messages", 3, "error", "messages", "managed", ".json"),
    Broken("csv without the column", _CSV.replace(b"messages", b"mesages", 1), "no-messages", 2, "error", "Rename", "managed", ".csv"),
    Broken("csv cell", _CSV + b"oops\n", "json", 14, "error", "json.dumps", "managed", ".csv"),
    Broken("csv cell empty", _CSV + b'""\n', "messages", 14, "error", "null", "managed", ".csv"),
    Broken("csv with few rows", b"messages\n", "few-rows", None, "error", "10 or more", "managed", ".csv"),
    Broken("tsv read as csv", _CSV, "split", None, "info", "aside", "managed", ".tsv"),
    Broken("no parquet", _TEN, "format", None, "error", "no parquet", "managed", ".parquet"),
    Broken("pointer of Git LFS", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n", "format", None, "error", "git lfs pull"),
)  # fmt: skip

BROKEN = (
    *(Broken(name, around(line), code, 7, level, word) for name, line, code, level, word in _LINES),
    *(
        Broken(f"{name} on managed", around(line), code, 7, level, word, "managed")
        for name, line, code, level, word in _MANAGED
    ),
    *_FILES,
)
