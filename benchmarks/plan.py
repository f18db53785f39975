"""Measures `phi-azure plan` on 85,000 rows (25 MB), from the start of the process to its end: median, in seconds.

Run it with: python benchmarks/plan.py
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = 85_000
RUNS = 5
LIMIT_SECONDS = 1.0
JOB = "name: bench\nmodel: Phi-4-mini-instruct\ntraining_data: train.jsonl\nroute: {kind: managed, epochs: 3}\n"


def main() -> int:
    """Prints the medians of the plan and of a bare start, and returns 1 if the plan is too slow."""
    with tempfile.TemporaryDirectory() as folder:
        size = write_rows(Path(folder) / "train.jsonl")
        (Path(folder) / "job.yaml").write_text(JOB, encoding="utf-8")
        print(f"{ROWS:,} rows, {size / 1e6:.1f} MB")
        bare = median_seconds(["--help"], folder)
        took = median_seconds(["plan", "job.yaml", "--json"], folder)
    print(f"phi-azure --help   {bare:6.2f} s")
    print(f"phi-azure plan     {took:6.2f} s   limit {LIMIT_SECONDS:.1f} s")
    return int(took > LIMIT_SECONDS)


def write_rows(path: Path) -> int:
    """Writes chats of three messages, 290 bytes or so each, and returns their bytes."""
    words = (
        "market",
        "bank",
        "breach",
        "recovers",
        "falls",
        "rises",
        "after",
        "deal",
        "launch",
        "storm",
        "court",
        "wins",
    )
    drawn = random.Random(7)
    with path.open("w", encoding="utf-8") as file:
        for number in range(ROWS):
            text = f"Headline {number}: {' '.join(drawn.choices(words, k=16))}"
            messages = [
                {"role": "system", "content": "You label headlines with one word."},
                {"role": "user", "content": text},
                {"role": "assistant", "content": drawn.choice(["positive", "negative", "neutral"])},
            ]
            file.write(json.dumps({"messages": messages}) + "\n")
    return path.stat().st_size


def median_seconds(words: list[str], folder: str) -> float:
    """Returns the median wall time of a command; the first run, which fills the file cache, is not counted."""
    return statistics.median([_once(words, folder) for _ in range(RUNS + 1)][1:])


def _once(words: list[str], folder: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "phi_azure", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
