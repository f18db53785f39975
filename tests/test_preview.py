"""Rows as a model reads them: what is trained, what is cut, what is wrong; as values, on the screen and as a page."""

from __future__ import annotations

import html
import io
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from phi_azure import dataset, display, tokens
from phi_azure.display.harmless import harmless
from phi_azure.engine import phi_tiny
from phi_azure.preview import Choice, Preview, Shown, preview
from phi_azure.tokens import Reader
from tests.dataset.broken import good, good_lines, turns

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.dataset import Route
    from phi_azure.template import Name

PHI3 = Reader("phi3", model="Phi-3.5-mini-instruct")
NASTY = (
    "\x1b[31mred\x1b]0;title\x07 [bold]x[/bold] \u202eevil\u202c \u200b\x9b1m "
    "<script>alert(1)</script> </span> &amp; \r"
)


def of(tmp_path: Path, *lines: str | bytes, reader: Reader = PHI3, route: Route = "serverless", **more: int) -> Preview:
    """Shows all rows of a file; with `cut` they are counted by phi-tiny's tokenizer and cut there."""
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))
    if "cut" in more:
        reader = Reader(reader.template, reader.system_role, more["cut"] or None, reader.model)
    return preview([path], reader, route, Choice(rows=99), phi_tiny.path() if "cut" in more else None)


def one(tmp_path: Path, line: str | bytes, reader: Reader = PHI3, route: Route = "serverless", **more: int) -> Shown:
    """Shows the row of a file of one."""
    (row,) = of(tmp_path, line, reader=reader, route=route, **more).rows
    return row


def trained(row: Shown) -> str:
    """Returns the text that is trained."""
    return "".join(piece.text for piece in row.pieces if piece.trained)


def printed(made: Preview, width: int = 80, *, colour: bool = False) -> str:
    """Returns what stands on the screen."""
    out = Console(file=io.StringIO(), width=width, force_terminal=colour, color_system="standard" if colour else None)
    display.show_preview(out, made)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


@pytest.mark.parametrize(
    ("template", "learnt"),
    [("phi3", "good<|end|>\n<|endoftext|>"), ("phi4", "good<|im_end|>"), ("phi4_mini", "good<|end|><|endoftext|>")],
)
def test_the_answer_and_its_end_are_trained(template: Name, learnt: str, tmp_path: Path) -> None:
    """In each model's own template."""
    row = one(tmp_path, turns(("user", "Hello?"), ("assistant", "good")), Reader(template))

    assert trained(row) == learnt
    assert row.fate == "kept"


def test_every_answer_of_a_conversation_is_trained(tmp_path: Path) -> None:
    """Azure's loss counts on all that the assistant says."""
    row = one(tmp_path, turns(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")), Reader("phi4"))

    assert trained(row) == "b<|im_end|>d<|im_end|>"


def test_without_a_tokenizer_tokens_are_a_range(tmp_path: Path) -> None:
    """Twelve characters and two messages: 12/5 + 4 to 12/3 + 8."""
    length = one(tmp_path, turns(("user", "a" * 8), ("assistant", "b" * 4))).length

    assert length is not None
    assert (length.low, length.high, length.exact, length.trained) == (6, 12, False, None)


@pytest.mark.parametrize(("limit", "words"), [(5, "is cut"), (8, "may be cut"), (12, None)])
def test_an_estimate_says_whether_a_row_may_be_cut(limit: int, words: str | None, tmp_path: Path) -> None:
    """Below the range it is, within it may be, above it is not."""
    row = one(tmp_path, turns(("user", "a" * 8), ("assistant", "b" * 4)), Reader("phi3", max_seq_length=limit))

    assert [words in note for note in row.notes if words] == ([True] if words else [])
    assert not any(piece.cut for piece in row.pieces)


def test_counted_tokens_are_those_of_the_count(tmp_path: Path) -> None:
    """A row shown on its own comes to what `tokens.count` says of its file."""
    row = one(tmp_path, good(7), cut=0)
    counted = tokens.count([tmp_path / "train.jsonl"], phi_tiny.path(), PHI3)

    assert row.length is not None
    assert (row.length.low, row.length.trained, row.length.exact) == (counted.total, counted.trained, True)


@pytest.mark.parametrize("limit", range(1, 16))
def test_the_cut_falls_where_the_tokens_end(limit: int, tmp_path: Path) -> None:
    """What is kept is the text of the first tokens, nothing is lost, and what is cut is not trained."""
    line = turns(("user", "Contoso recovers."), ("assistant", "negative"))
    whole, row = one(tmp_path, line, cut=0), one(tmp_path, line, cut=limit)
    text = "".join(piece.text for piece in whole.pieces)
    offsets = tokens.load(phi_tiny.path()).encode(text, add_special_tokens=False).offsets

    kept = "".join(piece.text for piece in row.pieces if not piece.cut)

    assert kept == text[: offsets[min(limit, len(offsets)) - 1][1]]
    assert "".join(piece.text for piece in row.pieces) == text
    assert not any(piece.trained for piece in row.pieces if piece.cut)
    assert bool(trained(row)) == bool(row.length and row.length.trained)


def test_problems_of_the_cut_stand_with_the_row(tmp_path: Path) -> None:
    """A row that loses its whole answer says all that follows."""
    row = one(tmp_path, turns(("user", "a long question " * 9), ("assistant", "yes")), cut=20)

    assert [problem.code for problem in row.problems] == ["tokens-cut", "end-token-cut", "no-trained-token"]
    assert all(problem.line == 1 and problem.fix for problem in row.problems)


@pytest.mark.parametrize(
    ("line", "route", "fate", "code"),
    [
        ("oops", "serverless", "dropped", "json"),
        ("oops", "managed", "fails", "json"),
        (turns(("user", "q")), "managed", "dropped", "last-not-assistant"),
        (b'{"messages": "\xff"}', "serverless", "fails", "encoding"),
        (turns(("user", [{"type": "text", "text": "q"}]), ("assistant", "a")), "managed", "fails", "content-parts"),
        ('{"prompt": "q", "completion": "a"}', "serverless", "dropped", "no-messages"),
    ],
)
def test_refused_rows_are_shown_with_their_problem(
    line: str | bytes, route: Route, fate: str, code: str, tmp_path: Path
) -> None:
    """The row as the file has it, what Azure does with it, and why."""
    row = one(tmp_path, line, route=route)

    assert (row.fate, row.pieces, row.length) == (fate, (), None)
    assert code in [problem.code for problem in row.problems]
    assert row.text


def test_problems_are_those_of_the_check(tmp_path: Path) -> None:
    """Both look at a row with the same rules."""
    lines = ["oops", turns(("user", "q")), turns(("user", ""), ("assistant", " a")), turns(("system", "s")), good(1)]
    made = of(tmp_path, *lines)

    checked = dataset.check(tmp_path / "train.jsonl")

    shown = {(problem.code, problem.line) for row in made.rows for problem in row.problems}
    assert shown == {(problem.code, problem.line) for problem in checked.problems if problem.line}


def test_what_the_template_leaves_out_is_said(tmp_path: Path) -> None:
    """Phi-3 has no tool messages; Phi-4-mini writes them."""
    line = turns(("user", "q"), ("tool", "42"), ("assistant", "a"))

    phi3, mini = one(tmp_path, line), one(tmp_path, line, Reader("phi4_mini"))

    assert phi3.notes == ('The template leaves out messages of "tool".',)
    assert not mini.notes


@pytest.mark.parametrize("extra", [{"tools": [{"type": "function"}]}, {}], ids=["tools", "calls"])
def test_tools_are_not_shown_and_that_is_said(extra: dict[str, object], tmp_path: Path) -> None:
    """The templates here write text alone."""
    call = {} if extra else {"tool_calls": [{"id": "1"}]}
    messages = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", **call}]

    row = one(tmp_path, json.dumps({"messages": messages, **extra}))

    assert row.notes == ("Tools and their calls are not shown: the templates here write text alone.",)


def test_a_model_without_system_role_reads_it_with_the_question(tmp_path: Path) -> None:
    """As Azure writes it, and with a word about it."""
    row = one(tmp_path, turns(("system", "s"), ("user", "q"), ("assistant", "a")), Reader("phi3", system_role=False))

    assert "".join(piece.text for piece in row.pieces).startswith("<|user|>\ns\n\nq<|end|>")
    assert [problem.code for problem in row.problems] == ["system-role"]


def test_the_screen_marks_what_is_trained_without_colour(tmp_path: Path) -> None:
    """A sign at the edge of each line, and a legend of those signs that occur."""
    text = printed(of(tmp_path, turns(("user", "q"), ("assistant", "one\ntwo")), reader=Reader("phi4", model="Phi-4")))

    lines = text.splitlines()
    assert "| read, not trained   + trained" in lines
    assert lines[-4:] == [
        "  | <|im_start|>user<|im_sep|>q<|im_end|>",
        "  | <|im_start|>assistant<|im_sep|>",
        "  + one\u21b5",
        "  + two<|im_end|>",
    ]


def test_the_screen_marks_the_cut(tmp_path: Path) -> None:
    """Cut text has its own sign, and its own colour where there are colours."""
    made = of(tmp_path, turns(("user", "a long question " * 9), ("assistant", "yes")), cut=20)

    assert "  x yes<|end|>" in printed(made)
    assert "x cut off" in printed(made)
    assert "\x1b[" in printed(made, colour=True)


def test_only_the_marks_of_the_template_are_dim(tmp_path: Path) -> None:
    """What a person wrote stands out, in the same line as the marks around it."""
    made = of(tmp_path, turns(("user", "question"), ("assistant", "answer")), reader=Reader("phi4_mini"))

    lines = printed(made, colour=True).splitlines()

    assert any("\x1b[2m<|user|>\x1b[0mquestion\x1b[2m<|end|>\x1b[0m" in line for line in lines)
    assert any("\x1b[32manswer" in line for line in lines)


def test_long_texts_are_shortened_on_the_screen(tmp_path: Path) -> None:
    """Their beginning and end are seen, the number of the rest is said, and no line is wider than the screen."""
    made = of(tmp_path, turns(("user", "日本語 " * 900 + "end"), ("assistant", "x" * 9000)))

    lines = printed(made).replace(str(tmp_path), "").splitlines()

    assert max(sum(2 if ord(sign) > 0x2E80 else 1 for sign in line) for line in lines) <= 80
    assert sum(line.startswith("  . ") for line in lines) == 2
    assert "end<|end|>\u21b5" in "".join(line[4:] for line in lines)
    assert len(lines) < 90


@given(st.text(max_size=60))
def test_a_harmless_text_steers_nothing(text: str) -> None:
    """Whatever stands in it: no control, no hidden sign; what can be seen stays."""
    shown = harmless(text)

    assert all(sign.isprintable() or sign in "\n\t\u3000" for sign in shown)
    assert shown.encode() or not text
    assert harmless(shown) == shown


def test_the_screen_is_not_steered_by_rows(tmp_path: Path) -> None:
    """Escapes, markup and turns of direction are text, in contents, roles, broken lines and notes."""
    lines = [turns(("user", NASTY), ("assistant", NASTY)), turns(("user", "q"), (NASTY, "a")), f"oops {NASTY[:-2]}"]

    text = printed(of(tmp_path, *lines))

    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e]", text)
    assert r"\x1b[31mred" in text
    assert "[bold]x[/bold]" in text


class _Page(HTMLParser):
    """Reads a page, and notes its elements, attributes, and the text of each class."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.texts: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(dict(attrs).get("class") or "")

    def handle_endtag(self, tag: str) -> None:
        del tag
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for name in " ".join(self.open).split():
            self.texts[name] = self.texts.get(name, "") + data


def _page(made: Preview) -> tuple[str, _Page]:
    text, page = display.preview_page(made), _Page()
    page.feed(text)
    return text, page


def test_the_page_marks_what_is_trained_and_cut(tmp_path: Path) -> None:
    """The same text as on the screen, in elements of their class."""
    whole = one(tmp_path, turns(("user", "a question " * 9), ("assistant", "yes indeed")), cut=0).length
    limit = whole.low - 2 if whole else 0
    _, page = _page(of(tmp_path, turns(("user", "a question " * 9), ("assistant", "yes indeed")), cut=limit))

    assert page.texts["trained"] == "trainedyes indeed"  # behind the word in the legend
    assert page.texts["cut"] == "cut off<|end|>\n<|endoftext|>"
    assert "warning" in page.texts


def test_the_page_is_one_file_that_asks_nobody(tmp_path: Path) -> None:
    """No script, no address, nothing to load; every element is closed."""
    text, page = _page(of(tmp_path, good(1), "oops"))

    assert page.tags.isdisjoint({"script", "img", "link", "iframe", "base", "form", "a", "object"})
    assert page.attributes <= {"lang", "charset", "name", "content", "http-equiv", "class"}
    assert "://" not in text
    assert "url(" not in text
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text
    assert page.open == []


def test_the_page_holds_rows_as_text(tmp_path: Path) -> None:
    """Markup of a row is seen, not obeyed, wherever it stands."""
    name = '"><script>alert(2)</script>'
    lines = [turns(("user", NASTY), ("assistant", NASTY)), turns(("user", "q"), (name, "a")), f"oops {NASTY[:-2]}"]

    text, page = _page(of(tmp_path, *lines))

    assert "script" not in page.tags
    assert html.escape("<script>alert(1)</script>") in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e]", text)
    assert r"\x1b" in page.texts["odd"]
    assert page.open == []


@given(st.text(max_size=80))
def test_any_text_leaves_the_page_whole(text: str) -> None:
    """A row can neither open nor close anything."""
    row = Shown("a.jsonl", 1, "dropped", text)

    _, page = _page(Preview(PHI3, exact=False, rows=(row,)))

    assert page.open == []
    assert page.texts.get("raw", "") == "".join(sign for sign in harmless(text))


def test_a_large_file_is_not_read_for_three_rows(tmp_path: Path) -> None:
    """A file with a hole of four gigabytes behind its first rows shows them at once."""
    path = tmp_path / "large.jsonl"
    path.write_bytes(good_lines(2000))
    with path.open("r+b") as file:
        file.truncate(4 << 30)

    made = preview([path], PHI3, "managed")

    assert [row.line for row in made.rows] == [1, 2, 3]
    assert json.loads(made.rows[2].text)["messages"][0]["content"] == "question 2?"
