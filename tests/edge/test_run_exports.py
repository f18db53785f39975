"""What a job on this machine has trained is taken away by the run's name, and by that of the registered model."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure import Workspace
from phi_azure.cli import run
from phi_azure.engine.headlines import write_dataset

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine
FORMATS = [["--to", "merged"]]
if importlib.util.find_spec("onnxruntime_genai"):
    FORMATS.append(["--to", "onnx", "--precision", "fp32"])
JOB = "{name: tone, training_data: train.jsonl, route: {kind: managed, epochs: 1, lora: {r: 4}}}"


def command(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Runs a command that must not fail on this machine's workspace; returns what it prints."""
    code = run([*words, "--local"])

    said = capsys.readouterr()
    assert code == 0, said.err
    return said.out


def test_a_run_is_exported_proven_and_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the rows to an answer offline: every token of both formats is that of the model which the job has left."""
    monkeypatch.chdir(tmp_path)
    write_dataset(tmp_path, train=32, validation=1, test=4)
    (tmp_path / "job.yaml").write_text(JOB, encoding="utf-8")
    name = command(capsys, "submit", "job.yaml", "--wait").strip()
    proof = ["--data", "test.jsonl", "--limit", "4", "--max-tokens", "16", "--require", "1", "--json"]

    for number, how in enumerate(FORMATS):
        made: dict[str, Any] = json.loads(command(capsys, "export", name, "--out", f"edge-{number}", *how, *proof))

        found = made["proof"]["agreement"]
        assert (made["format"], made["proof"]["passed"]) == (how[1], True)
        assert (found["exact"], found["end_token"], found["template"]) == (4, 4, 4)
    asked = ["chat", f"edge-{len(FORMATS) - 1}", "Contoso recovers from a ransomware attack.", "--max-tokens", "8"]
    assert "sentiment" in command(capsys, *asked)  # the base's wordy answer: one pass over 32 rows changes little
    with Workspace.local(tmp_path / ".phi-azure") as workspace:
        version = workspace.run(name).register("headlines").version
    command(capsys, "export", "headlines", "--version", version, "--to", "adapter", "--out", "adapter", "--no-proof")
    adapter = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text(encoding="utf-8"))
    assert adapter["r"] == 4
    assert (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_size > 4 * 41_984
