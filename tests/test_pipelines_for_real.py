"""The pipeline that trains, compares and registers, for real on this machine: every step and the command a process."""

from __future__ import annotations

import base64
import hashlib
import shutil
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure import testing
from phi_azure.engine.headlines import write_dataset
from tests import az

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[1]
TINY = {  # what phi-tiny learns the headlines with, in the place of what Phi wants
    "num_train_epochs: '1'": "num_train_epochs: '4'",
    "learning_rate: '0.00002'": "learning_rate: '0.002'",
    "per_device_train_batch_size: '1'": "per_device_train_batch_size: '8'",
}


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[testing.Azure]:
    """The job files, and the emulator with the engine behind it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines")
    with testing.azure(runner="engine") as handle:
        yield handle


@pytest.fixture
def client(azure: testing.Azure) -> Any:
    """Azure's own client."""
    return az.ml_client(azure)


def _ended(client: Any) -> tuple[Any, dict[str, Any]]:
    """Submits the pipeline, and returns the job and its nodes when it is over."""
    job = az.create_job(client)
    deadline = time.monotonic() + 400
    while client.jobs.get(job.name).status not in {"Completed", "Failed", "Canceled"}:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return client.jobs.get(job.name), az.nodes(client, job.name)


def _log(client: Any, node: str) -> str:
    client.jobs.download(node, download_path=node)
    return Path(node, "artifacts/user_logs/std_log.txt").read_text(encoding="utf-8")


def _write_wheel(folder: Path) -> None:
    """Does what `pip wheel --no-deps .` does, without the network: this package as the command installs it."""
    source = ROOT / "src"
    name = "phi_azure-0.0.0"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        files = {
            path.relative_to(source).as_posix(): path.read_bytes()
            for path in sorted((source / "phi_azure").rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        }
        files[f"{name}.dist-info/METADATA"] = b"Metadata-Version: 2.1\nName: phi-azure\nVersion: 0.0.0\n"
        files[f"{name}.dist-info/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        record = ""
        for path, content in files.items():
            wheel.writestr(path, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            record += f"{path},sha256={digest},{len(content)}\n"
        wheel.writestr(f"{name}.dist-info/RECORD", f"{record}{name}.dist-info/RECORD,,\n")


def test_pipeline_as_it_is_trains_judges_and_says_no(client: Any) -> None:
    """Every word of the files: the wheel is installed, both models are asked, and phi-tiny has learnt too little."""
    write_dataset(Path("pipelines"), train=40, validation=5, test=20)
    _write_wheel(Path("pipelines/train-compare-register"))

    job, nodes = _ended(client)
    client.jobs.download(nodes["judging"].name, output_name="verdict", download_path="verdict")
    log = _log(client, nodes["judging"].name)

    assert {name: node.status for name, node in nodes.items()} == {"training": "Completed", "judging": "Failed"}, log
    assert job.status == "Failed"
    assert "GateNotPassed: headlines-candidate:1 does not pass its gate" in log
    assert "/commands/judging/python/lib/" in log  # where the wheel of the command is installed, and nowhere else
    assert list(Path("verdict").rglob("comparison.json"))
    assert [model.name for model in client.models.list()] == ["headlines-candidate"]
    assert list(client.online_endpoints.list()) == []


def test_pipeline_registers_what_passes_the_gate(client: Any) -> None:
    """With settings from which phi-tiny learns the firm's one word, it is better than its base, and registered."""
    write_dataset(Path("pipelines"), train=1000, validation=20, test=120)
    pipeline = Path(az.PIPELINE)
    text = pipeline.read_text(encoding="utf-8")
    for ours, tiny in TINY.items():
        assert ours in text
        text = text.replace(ours, tiny)
    pipeline.write_text(text, encoding="utf-8")
    _write_wheel(pipeline.parent)

    job, nodes = _ended(client)
    log = _log(client, nodes["judging"].name)

    assert (job.status, {node.status for node in nodes.values()}) == ("Completed", {"Completed"}), log
    assert sorted(model.name for model in client.models.list()) == ["headlines", "headlines-candidate"]
    assert client.models.get("headlines", "1").tags["phi_azure.run"] == job.name
    assert list(client.online_endpoints.list()) == []
