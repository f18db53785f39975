"""Times the check of data files: python benchmarks/check.py [--together PYTHON] [--large].

Measures 85,000 rows of three messages (24 MB) with every rule on against a bare typed decode of the same file by
msgspec, and against `check_file` of PyPI `together` where PYTHON is an interpreter that has it. With --large also 8.5
million rows (2.4 GB, written to a temporary folder and removed), with the highest memory that the process had.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 85_000
TIMES = 5
_TOGETHER = """
import sys, time
from pathlib import Path
try:
    from together.lib.utils.files import check_file
except ImportError:
    from together.utils.files import check_file
best = 1e9
for _ in range(3):
    start = time.perf_counter()
    report = check_file(Path(sys.argv[1]))
    best = min(best, time.perf_counter() - start)
assert report["is_check_passed"], report
print(best)
"""
_CHECK = """
import resource, sys, time
from phi_azure import dataset
start = time.perf_counter()
report = dataset.check(sys.argv[1], "managed")
print(report.rows, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, report.ok)
"""


class Message(msgspec.Struct):
    """One turn."""

    role: str
    content: str


class Row(msgspec.Struct):
    """One conversation."""

    messages: list[Message]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--together", help="an interpreter that has together installed")
    options.add_argument("--large", action="store_true")
    asked = options.parse_args()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write(path, ROWS)
        compare(path, asked.together)
        if asked.large:
            large(path)


def write(path: Path, rows: int) -> None:
    """Writes rows of made-up words; no two are alike."""
    dice = random.Random(1)
    words = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(2, 9))) for _ in range(3000)]
    with path.open("w") as file:
        for number in range(rows):
            question, answer = (" ".join(dice.choices(words, k=length)) for length in (12, 8))
            file.write(json.dumps({"messages": turns(f"{question} {number}?", f"{answer}.")}) + "\n")


def turns(question: str, answer: str) -> list[dict[str, str]]:
    system = "You are a helpful assistant."
    pairs = (("system", system), ("user", question), ("assistant", answer))
    return [{"role": role, "content": content} for role, content in pairs]


def compare(path: Path, python: str | None) -> None:
    from phi_azure import dataset

    decoder = msgspec.json.Decoder(Row)

    def by_line() -> None:
        with path.open("rb") as file:
            for line in file:
                decoder.decode(line)

    checked = best(lambda: dataset.check(path))
    print(f"{ROWS:,} rows, {path.stat().st_size / 1e6:.1f} MB; best of {TIMES}")
    print(f"  phi-azure check, every rule       {checked:.3f} s")
    for name, bare in (
        ("whole file, rows kept", lambda: decoder.decode_lines(path.read_bytes())),
        ("by line, rows let go", by_line),
    ):
        seconds = best(bare)
        print(f"  bare msgspec, {name:<20} {seconds:.3f} s; the check takes {checked / seconds:.2f} times that")
    if python:
        together = float(subprocess.check_output([python, "-c", _TOGETHER, str(path)], text=True))
        print(
            f"  together check_file               {together:.3f} s; the check is {together / checked:.1f} times as fast"
        )


def best(work: Callable[[], object]) -> float:
    """Returns the shortest of some runs, in seconds."""
    times = []
    for _ in range(TIMES):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def large(small: Path, times: int = 100) -> None:
    """Checks a hundred times as many rows, each made another by a prefix, in a process of its own."""
    path = small.with_name("large.jsonl")
    data = small.read_bytes()
    with path.open("wb") as file:
        for number in range(times):
            file.write(data.replace(b'"user", "content": "', b'"user", "content": "%d ' % number))
    rows, seconds, memory, ok = subprocess.check_output([sys.executable, "-c", _CHECK, str(path)], text=True).split()
    print(
        f"{int(rows):,} rows, {path.stat().st_size / 1e9:.2f} GB: {float(seconds):.1f} s, {memory} MB at most, ok: {ok}"
    )


if __name__ == "__main__":
    main()
