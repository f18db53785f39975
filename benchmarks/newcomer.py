"""How far it is for a newcomer: from a fresh clone to the two headlines, and from there to a plan for a real workspace.

python benchmarks/newcomer.py [REPOSITORY]     minutes: it installs everything anew, in a temporary folder

The workspace's config file is such as the studio gives; who answers for Azure is the emulator, in another process.
Words are those of the README up to its second command, and all that the commands print.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = {"subscription_id": "00000000-0000-0000-0000-000000000001", "resource_group": "rg", "workspace_name": "mine"}


def main() -> None:
    source = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parents[1])
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "phi-azure"
        rows = [step(["git", "clone", "--quiet", source, str(home)], Path(folder))]
        head = (home / "README.md").read_text(encoding="utf-8").partition("## What the demo shows")[0]
        print(f"{len(head.split())} words of the README before the demo")
        rows.append(step(["make", "demo"], home))
        (home / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")  # one download in the studio
        phi = ".venv/bin/phi-azure"
        led = [phi, "emulator", "--runner", "scripted", "--state", "azure", "--"]
        rows.append(step([phi, "init", "job.yaml", "--route", "managed", "--example", "headlines"], home))
        rows.append(step([*led, phi, "plan", "job.yaml", "--look-up"], home))
    print(f"{sum(row[0] for row in rows):7.1f} s  {sum(row[1] for row in rows):5} words  {len(rows)} commands")


def step(words: list[str], folder: Path) -> tuple[float, int]:
    """Runs a command and returns its seconds and the words that it says, but for those of pip and make."""
    began = time.perf_counter()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PHI_AZURE", "PYTHONPATH"))}
    done = subprocess.run(words, cwd=folder, env=kept, stdout=-1, stderr=-2, text=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(done.stdout[-3000:])
    said = re.sub(r"^(WARNING|\.venv|python3? |PATH=).*$", "", done.stdout, flags=re.MULTILINE)
    print(f"{took:7.1f} s  {len(said.split()):5} words  {' '.join(words[-6:])}")
    return took, len(said.split())


if __name__ == "__main__":
    main()
