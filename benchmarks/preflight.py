"""Measures how long the preflight takes: with nothing wrong, and for each failure that the tests provoke.

python benchmarks/preflight.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from phi_azure.testing import azure
from tests.conftest import row
from tests.test_preflight import FAILURES, Failure, asked, connected


def measure(failure: Failure, chat: Path) -> float:
    """Returns the seconds of one preflight, the client's first sign-in included."""
    with azure(**failure.azure) as running:
        begun = time.perf_counter()
        connected(running).preflight(asked(chat, failure))
        return time.perf_counter() - begun


def main() -> None:
    """Prints the seconds of each."""
    with tempfile.TemporaryDirectory() as folder:
        chat = Path(folder) / "train.jsonl"
        chat.write_text("\n".join(row(f"Headline {number}.", "neutral") for number in range(12)), encoding="utf-8")
        for failure in [Failure("nothing wrong", 0, "", "", ""), *FAILURES]:
            print(f"{failure.name:24}{measure(failure, chat):6.2f} s")


if __name__ == "__main__":
    main()
