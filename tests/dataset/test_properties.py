"""What must hold for any file: agreement with Azure's rules, of the sieve with the close look, and no crash."""

from __future__ import annotations

import json
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phi_azure import dataset
from phi_azure.dataset.arrays import elements
from phi_azure.dataset.lines import judge_line
from phi_azure.dataset.rules import Rules
from phi_azure.dataset.sieve import sift
from tests import azure_rules
from tests.dataset.broken import BROKEN, good

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 3, "", " ", "text", [], [{}], {}, {"a": 1}, [{"type": "text", "text": "x"}]]
)
ROLE = st.sampled_from(["user", "assistant", "user", "assistant", "system", "tool", "assistent", "human", None, 1])
TEXT = st.one_of(
    st.sampled_from(["yes", "no", "why?", " a ", "a@b.example", "\u200b", "x" * 30, "é"]), st.text(max_size=8)
)
MESSAGE = st.one_of(
    st.fixed_dictionaries({"role": ROLE, "content": TEXT | TEXT | ODD}, optional={"tool_calls": ODD, "name": TEXT}),
    st.fixed_dictionaries({}, optional={"role": ROLE, "content": TEXT, "tool_calls": ODD}),
    ODD,
)  # fmt: skip
TURNS = st.lists(st.sampled_from(["yes", "no", "why?", "so"]), min_size=2, max_size=4).map(
    lambda texts: [{"role": ("user", "assistant")[index % 2], "content": text} for index, text in enumerate(texts)]
)
ROW = st.one_of(
    TURNS.map(lambda messages: {"messages": messages}),
    st.lists(MESSAGE, max_size=4).map(lambda messages: {"messages": messages}),
    st.fixed_dictionaries({}, optional={"messages": ODD, "tools": ODD, "id": ODD}),
    ODD,
)
LINE = st.one_of(
    ROW.map(json.dumps),
    ROW.map(lambda row: json.dumps(row, ensure_ascii=False)),
    st.tuples(ROW.map(json.dumps), st.integers(0, 60)).map(lambda cut: cut[0][: cut[1]]),
    st.sampled_from(["", "  ", "{", "]", "NaN", '{"messages": NaN}', "null"]),
).map(lambda line: line.replace("\n", " ").encode("utf-8", "surrogatepass"))
LINES = st.lists(LINE, max_size=14)
GOOD = [good(number).encode() for number in range(12)]


def checked(lines: list[bytes], route: dataset.Route, **options: Any) -> dataset.Report:
    """Writes lines to a file and checks it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(b"\n".join(lines))
        return dataset.check(path, route, **options)


@pytest.mark.parametrize("route", ["serverless", "managed"])
@pytest.mark.parametrize("clean", [GOOD, []], ids=["with good rows", "alone"])
@given(lines=LINES)
@settings(max_examples=150)
def test_agrees_with_azures_rules(route: dataset.Route, clean: list[bytes], lines: list[bytes]) -> None:
    """What passes here is accepted there; what is called dropped is dropped there; a refusal there is an error here."""
    rules = azure_rules.serverless if route == "serverless" else azure_rules.managed
    verdict = rules(b"\n".join([*clean, *lines]))

    report = checked([*clean, *lines], route, limit=1000)

    dropped = {problem.line for problem in report.problems if problem.effect == "drops"}
    assert dropped == set(verdict.dropped)
    assert report.dropped == len(verdict.dropped)
    assert not (report.ok and verdict.refused)
    fails = {problem.line for problem in report.problems if problem.effect == "fails" and problem.line}
    assert not fails & set(verdict.kept)


@given(lines=LINES, first=st.integers(1, 50), system_role=st.booleans())
@settings(max_examples=200)
def test_sieve_says_what_the_close_look_says(lines: list[bytes], first: int, system_role: bool) -> None:
    """A block through the sieve brings the same findings, counts and keys as each line alone."""
    rules = Rules("serverless", system_role)
    block = [*GOOD, *lines, *GOOD]

    sifted = list(sift(block, first, rules))

    alone = [judge_line(line, rules) for line in block]
    assert {item.first: item.verdict.findings for item in sifted if item.verdict and item.verdict.findings} == {
        first + index: verdict.findings for index, verdict in enumerate(alone) if verdict.findings
    }
    assert sum(item.rows for item in sifted) == sum(verdict.is_row for verdict in alone)
    assert sum(item.characters for item in sifted) == sum(verdict.characters for verdict in alone)
    assert [key for item in sifted for key in zip(item.prompts, item.wholes, strict=True)] == [
        verdict.keys for verdict in alone if verdict.keys
    ]


def test_sieve_stops_every_broken_line() -> None:
    """The corpus, with one byte changed here and there: what the close look sees, the sieve does not pass over."""
    dice = random.Random(3)
    for case in BROKEN:
        if case.suffix == ".jsonl":
            data = bytearray(case.data or b"x")
            for _ in range(dice.randrange(3)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            lines = bytes(data).split(b"\n")
            rules = Rules(case.route)

            sifted = {
                item.first: item.verdict for item in sift(lines, 1, rules) if item.verdict and item.verdict.findings
            }

            alone = {number: judge_line(line, rules) for number, line in enumerate(lines, start=1)}
            assert {number: verdict.findings for number, verdict in sifted.items()} == {
                number: verdict.findings for number, verdict in alone.items() if verdict.findings
            }, case.name


@given(data=st.binary(max_size=300), suffix=st.sampled_from([".jsonl", ".json", ".csv", ".tsv"]))
@settings(max_examples=300)
def test_no_bytes_make_it_raise(data: bytes, suffix: str) -> None:
    """Any bytes in any format end in a report."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"rows{suffix}"
        path.write_bytes(data)

        report = dataset.check(path, "managed")

    assert report.bytes == len(data)
    assert not report.ok  # ten good rows do not fit into so few bytes


@given(
    rows=st.lists(st.sampled_from([{}, {"messages": [{"role": "user"}]}, None, 12, -1.5, "a,]b", [1, [2]], True])),
    indent=st.sampled_from([None, 0, 1]),
    hurt=st.tuples(st.integers(0, 200), st.sampled_from([(0, ""), (1, ""), (0, ","), (0, "]"), (0, " 1 "), (0, '"')])),
    size=st.sampled_from([1, 3, 50]),
)
@settings(max_examples=400)
def test_an_array_is_refused_where_python_refuses_it(
    rows: list[Any], indent: int | None, hurt: tuple[int, tuple[int, str]], size: int
) -> None:
    """Read piece by piece, a hurt array has a finding exactly where it is no JSON any more; else all rows come."""
    whole, (place, (cut, put)) = json.dumps(rows, indent=indent), hurt
    text = "[" + whole[1 : place + 1] + put + whole[place + 1 + cut :]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        path.write_text(text, encoding="utf-8")

        records = list(elements(path, size))

    assert [record.row for record in records] == plainly(text) or any(record.finding for record in records)
    assert any(record.finding for record in records) is (plainly(text) is None)


def plainly(text: str) -> object:
    """Reads JSON in one piece; None where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


@given(lines=st.lists(st.sampled_from(GOOD[:4]), min_size=1, max_size=30), in_memory=st.sampled_from([1, 5, 1000]))
@settings(max_examples=60)
def test_repeats_are_found_on_disk_as_in_memory(lines: list[bytes], in_memory: int) -> None:
    """However few rows memory may hold, each row that was there before is named with the line of the first."""
    from phi_azure.dataset.repeats import Place, Repeats

    repeats = Repeats(in_memory)
    first: dict[bytes, int] = {}
    for number, line in enumerate(lines, start=1):
        first.setdefault(line, number)
        keys = judge_line(line, Rules()).keys
        assert keys
        repeats.add(Place(0, number), [keys[0]], [keys[1]])

    found, counts = repeats.found(100)
    repeats.close()

    expected = [(number, first[line]) for number, line in enumerate(lines, start=1) if first[line] != number]
    assert [(repeat.place[1], repeat.earlier[1]) for repeat in found] == expected
    assert sum(counts.values()) == len(expected)
