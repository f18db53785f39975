"""Measures how long `import phi_azure` and `phi-azure --help` take: medians of fresh processes, in milliseconds.

Run it with: python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 15
LIMITS_MS = {"python": None, "import phi_azure": 100, "phi-azure --help": 400, "phi-azure submit --help": 400}
COMMANDS = {
    "python": ["-c", "pass"],
    "import phi_azure": ["-c", "import phi_azure"],
    "phi-azure --help": ["-m", "phi_azure", "--help"],
    "phi-azure submit --help": ["-m", "phi_azure", "submit", "--help"],
}


def main() -> int:
    """Prints a line for each command and returns 1 if one is too slow; Python's own start is not counted."""
    medians = {name: median_ms([sys.executable, *arguments]) for name, arguments in COMMANDS.items()}
    medians["import phi_azure"] -= medians["python"]
    slow = False
    for name, milliseconds in medians.items():
        limit = LIMITS_MS[name]
        slow = slow or (limit is not None and milliseconds > limit)
        print(f"{name:<26}{milliseconds:7.0f} ms" + (f"   limit {limit} ms" if limit else ""))
    return int(slow)


def median_ms(command: list[str]) -> float:
    """Returns the median wall time of a command; the first run, which fills the file cache, is not counted."""
    return statistics.median([_once(command) for _ in range(RUNS + 1)][1:])


def _once(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    sys.exit(main())
