"""The verbs for before a job: without an account, without a connection, without the vendor's client or torch."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from phi_azure.engine import phi_tiny
from phi_azure.engine.headlines import write_dataset

if TYPE_CHECKING:
    from pathlib import Path

JOB = "name: tone\nmodel: Phi-4-mini-instruct\ntraining_data: train.jsonl\nroute: {kind: managed, epochs: 2}\n"
SCRIPT = """
import sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise RuntimeError(f"{event} {arguments}: these verbs talk to nobody")

sys.addaudithook(watch)
from phi_azure.cli import run
code = run(sys.argv[1:])
heavy = ("azure", "mlflow", "torch", "transformers", "msrest", "requests")
print(code, [name for name in sys.modules if name.partition(".")[0] in heavy], file=sys.stderr)
"""
TOKENIZER = ("--tokenizer", str(phi_tiny.path()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job with its rows, and a file of another tool."""
    made = tmp_path_factory.mktemp("offline")
    write_dataset(made, train=40, validation=12, test=12)
    (made / "job.yaml").write_text(JOB, "utf-8")
    (made / "alpaca.json").write_text('[{"instruction": "Say hello.", "input": "", "output": "Hello."}]', "utf-8")
    return made


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "job.yaml"),
        ("plan", "job.yaml", *TOKENIZER, "--json"),
        ("check", "job.yaml"),
        ("check", "train.jsonl", "validation.jsonl", *TOKENIZER),
        ("preview", "job.yaml"),
        ("preview", "train.jsonl", *TOKENIZER, "--html", "{new}/rows.html"),
        ("init", "{new}/job.yaml", "--route", "managed"),
        ("init", "{new}/job.yaml", "--example", "headlines"),
        ("schema",),
        ("render", "job.yaml"),
        ("models",),
        ("models", "Phi-4"),
        ("sizes",),
        ("sizes", "--fits", "Phi-4"),
        ("split", "train.jsonl", "--out", "{new}"),
        ("convert", "alpaca.json", "--out", "{new}/train.jsonl"),
        ("--help",),
        ("submit", "--help"),
    ],
    ids=lambda words: " ".join(words).replace(str(phi_tiny.path()), "DIR"),
)
def test_needs_no_account_and_no_client(words: tuple[str, ...], folder: Path, tmp_path: Path) -> None:
    """In a fresh process, away from every sign-in, with every connection refused, nothing of Azure's is imported."""
    away = {name: value for name, value in os.environ.items() if not name.startswith(("AZURE", "PHI_AZURE", "MLFLOW"))}
    arguments = [word.replace("{new}", str(tmp_path)) for word in words]

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=folder,
        env={**away, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr.splitlines()[-1:] == ["0 []"], done.stderr
