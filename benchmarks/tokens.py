"""Times the counting of tokens: python benchmarks/tokens.py [--tokenizer DIR] [--rows N] [--python PYTHON].

Counts 85,000 rows of three messages through the model's chat template, with what is trained and what a cut removes:
on all cores, on one, and with transformers' own class of the tokenizer (AutoTokenizer with apply_chat_template), each
in a process of its own. The tokenizer is phi-tiny's, of Phi-3's kind but with 2,048 entries instead of 32,064, unless
DIR is the folder of a Phi-3. PYTHON is an interpreter that has transformers, if this one has not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from check import write

ROWS = 85_000
TIMES = 3
_OURS = """
import os, resource, sys, time
from pathlib import Path
if sys.argv[4:]:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from phi_azure import tokens
reader = tokens.Reader("phi3", max_seq_length=64)
best = 1e9
for _ in range(int(sys.argv[3])):
    start = time.perf_counter()
    found = tokens.count([Path(sys.argv[1])], Path(sys.argv[2]), reader)
    best = min(best, time.perf_counter() - start)
print(best, found.total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
_THEIRS = """
import json, resource, sys, time
from itertools import islice
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])
best = 1e9
for _ in range(int(sys.argv[3])):
    start, total = time.perf_counter(), 0
    with open(sys.argv[1]) as file:
        while lines := list(islice(file, 1000)):
            texts = tokenizer.apply_chat_template([json.loads(line)["messages"] for line in lines], tokenize=False)
            total += sum(map(len, tokenizer(texts, add_special_tokens=False)["input_ids"]))
    best = min(best, time.perf_counter() - start)
print(best, total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, type(tokenizer).__name__)
"""


def main() -> int:
    """Prints a line for each way, and returns 1 if they do not come to the same number."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tokenizer", type=Path, help="a model's folder [phi-tiny]")
    options.add_argument("--rows", type=int, default=ROWS)
    options.add_argument("--python", default=sys.executable, help="an interpreter that has transformers")
    asked = options.parse_args()
    tokenizer = asked.tokenizer or _phi_tiny()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write(path, asked.rows)
        print(f"{asked.rows:,} rows, {path.stat().st_size / 1e6:.1f} MB, {os.cpu_count()} cores; best of {TIMES}")
        totals = {
            _timed(f"all {os.cpu_count()} cores", sys.executable, _OURS, path, tokenizer),
            _timed("one core", sys.executable, _OURS, path, tokenizer, "one"),
        }
        if subprocess.run([asked.python, "-c", "import transformers"], check=False, capture_output=True).returncode:
            print("  transformers is not installed here (pip install 'phi-azure[local]'); its class was not timed")
        else:
            totals.add(_timed("transformers", asked.python, _THEIRS, path, tokenizer))
    if len(totals) > 1:
        print("  the ways do not agree")
    return int(len(totals) > 1)


def _phi_tiny() -> Path:
    from phi_azure.engine import phi_tiny

    return phi_tiny.path()


def _timed(name: str, python: str, program: str, path: Path, tokenizer: Path, *cores: str) -> int:
    """Runs a program, prints what it took, and returns the tokens that it counted."""
    words = [python, "-c", program, str(path), str(tokenizer), str(TIMES), *cores]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    seconds, total, memory, *kind = done.stdout.split()
    each = f"{int(total) / float(seconds) / 1e6:.2f} M tokens a second"
    line = f"  {name:<14} {float(seconds):6.2f} s  {int(total):,} tokens, {each}, {memory} MB at most"
    print(line, *kind)
    return int(total)


if __name__ == "__main__":
    sys.exit(main())
