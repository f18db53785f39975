"""Measures what tuning teaches, in runs of phi-azure on this machine: `python benchmarks/accuracy.py` (five minutes).

For three seeds: the headlines of the talk's firm on both routes, and support tickets into four queues, a task that the
base model never saw. Exact match of one-word answers on rows that were held out.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from phi_azure import FineTune, Lora, ManagedCompute, Serverless, Workspace
from phi_azure.engine import headlines

SEEDS = (0, 1, 2)
RATE = 2e-3  # phi-tiny is two thousand times smaller than Phi-4-mini, and takes a hundred times its rate
BATCH = 16


def main() -> int:
    """Prints a line for each run and returns 1 if one falls short of its goal."""
    with tempfile.TemporaryDirectory() as folder, Workspace.local(Path(folder) / "state") as workspace:
        reached = [seed_reaches(workspace, Path(folder), seed) for seed in SEEDS]
    return int(not all(reached))


def seed_reaches(workspace: Workspace, folder: Path, seed: int) -> bool:
    """Measures the three jobs of a seed, which chooses the data and, where the route can, the course of training."""
    texts, tickets = folder / f"headlines-{seed}", folder / f"tickets-{seed}"
    headlines.write_dataset(texts, seed=seed)
    headlines.write_tickets(tickets, train=600, test=200, seed=seed)
    lora = Lora(r=8, alpha=16)
    managed = ManagedCompute(epochs=3, batch_size=BATCH, learning_rate=RATE, lora=lora, seed=seed)
    serverless = Serverless(epochs=3, batch_size=BATCH, learning_rate=RATE)
    # few rows of a strange kind: more passes, and dropout against learning them by heart
    patient = ManagedCompute(
        epochs=10, batch_size=BATCH, learning_rate=RATE, lora=Lora(r=8, alpha=16, dropout=0.1), seed=seed
    )
    shares = [
        measure(workspace, f"headlines-managed-{seed}", texts, managed, goal=0.97),
        measure(workspace, f"headlines-serverless-{seed}", texts, serverless, goal=0.97),
        measure(workspace, f"tickets-{seed}", tickets, patient, goal=0.95),
    ]
    return all(shares)


def measure(workspace: Workspace, name: str, data: Path, route: Serverless | ManagedCompute, goal: float) -> bool:
    """Trains, deploys and asks the held-out rows; prints the exact match and says whether it reaches the goal."""
    validation = data / "validation.jsonl"
    job = FineTune(
        name=name,
        training_data=data / "train.jsonl",
        validation_data=validation if validation.exists() else None,
        route=route,
    )
    endpoint = workspace.submit(job).wait().register().deploy(f"e-{name}")
    rows = [json.loads(line)["messages"] for line in (data / "test.jsonl").read_text(encoding="utf-8").splitlines()]
    right = sum(endpoint.chat(row[:-1], max_tokens=16) == row[-1]["content"] for row in rows)
    talk = [endpoint.chat(headlines.headline_prompt(text), max_tokens=16) for text in headlines.TALK_HEADLINES]
    endpoint.delete()
    said = "" if "tickets" in name else f"  the talk's two: {', '.join(talk)}"
    print(f"{name:24} {right:4} of {len(rows)}  {right / len(rows):7.2%}  goal {goal:.0%}{said}", flush=True)
    return right / len(rows) >= goal


if __name__ == "__main__":
    sys.exit(main())
