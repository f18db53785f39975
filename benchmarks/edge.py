"""Measures exports of phi-tiny as the demo tunes it, and of the wordy base, beside Hugging Face `generate`.

    phi-azure demo
    python benchmarks/edge.py [--model .phi-azure/demo/model-managed] [--rows .phi-azure/demo/test.jsonl] [--count 200]

Each format is exported and proven on held-out headlines with `phi_azure.edge.export`: counts of equal answers, labels,
end tokens and prompts. Then all are loaded at once and asked in turn, block by block, so that a busy neighbour slows
all alike: tokens per second. The wordy base says 17 tokens an answer, the tuned model two.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from contextlib import ExitStack
from pathlib import Path

from phi_azure import edge
from phi_azure.edge.proof import figures, machine, rows_of
from phi_azure.engine import phi_tiny
from phi_azure.errors import ConfigError

ORDERS = [("onnx", "fp32"), ("onnx", "int8"), ("onnx", "int4"), ("ollama", "fp16"), ("ollama", "int4")]
PHONE = 18  # tokens per second that the talk shows of Phi on a phone; another model, another machine
BLOCK = 20  # questions to one format, before the next one's turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(".phi-azure/demo/model-managed"))
    parser.add_argument("--rows", type=Path, default=Path(".phi-azure/demo/test.jsonl"))
    parser.add_argument("--count", type=int, default=200)
    args = parser.parse_args()
    print(", ".join(map(str, machine().values())))
    with tempfile.TemporaryDirectory() as work:
        for name, source in (("tuned", args.model), ("base", phi_tiny.path())):
            print(f"\n{name}: {source}")
            made = prove(source, args.rows, args.count, Path(work) / name)
            race({"HF generate": source, **made}, args.rows, args.count)


def prove(source: Path, rows: Path, count: int, out: Path) -> dict[str, Path]:
    """Exports and proves each format that can be asked here; returns the folders."""
    made = {}
    for to, precision in ORDERS:
        name = f"{to} {precision}"
        if to == "ollama" and importlib.util.find_spec("llama_cpp") is None:
            print(f"  {name}: not asked, llama-cpp-python is not installed")
            continue
        try:
            found = edge.export(
                source, out / f"{to}-{precision}", edge.Order(to=to, precision=precision), edge.Trial(rows, count)
            )
        except ConfigError as error:
            print(f"  {name}: {error}")
            continue
        if found.proof:
            print(f"  {name}")
            for line in found.proof.findings():
                print(f"    {line}")
            made[name] = found.folder
    return made


def race(folders: dict[str, Path], rows: Path, count: int) -> None:
    """Asks all in turn, and prints what was measured of each."""
    asked = edge.questions_of(rows, count).asked
    with ExitStack() as stack:
        players = {name: stack.enter_context(edge.Player(folder)) for name, folder in folders.items()}
        said: dict[str, list[edge.Spoken]] = {name: [] for name in players}
        for player in players.values():
            player.ask(asked[0], max_tokens=64)
        for start in range(0, len(asked), BLOCK):
            for name, player in players.items():
                said[name] += [player.ask(one, max_tokens=64) for one in asked[start : start + BLOCK]]
        print("  asked in turn      tokens/s  after first  first token   answer      peak memory")
        for name, player in players.items():
            subject = edge.Subject(name, player.runtime, peak_bytes=player.finish())
            row = rows_of(figures(subject, said[name]))
            cells = ("tokens/s", "tokens/s after the first", "first token, median", "answer, median", "peak memory")
            print(f"  {name:<14}", *(f"{row[cell]:>12}" for cell in cells))
    print(f"  the talk's phone: {PHONE} tokens/s, of a model two thousand times as large")


if __name__ == "__main__":
    main()
