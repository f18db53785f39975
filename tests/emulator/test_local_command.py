"""A command of the user's, run for real by a job's supervisor: what it finds, what it leaves, how it ends."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.emulator import runs
from phi_azure.emulator.app import Emulator
from phi_azure.emulator.blobs import DEFAULT_CONTAINER
from phi_azure.emulator.engine import EngineRunner
from phi_azure.emulator.local_command import make_python
from phi_azure.emulator.processes import is_alive
from phi_azure.emulator.supervise import Supervisor
from tests.emulator import bodies
from tests.emulator.wire import SCOPE, Wire

if TYPE_CHECKING:
    from pathlib import Path

ASKING = """
import os, sys, urllib.request
from pathlib import Path
url = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com"
asked = urllib.request.Request(url, headers={"Metadata": "true"})
print("signed in:", "access_token" in urllib.request.urlopen(asked).read().decode())
print("environment:", os.environ["AZUREML_ROOT_RUN_ID"], os.environ["AZUREML_ARM_WORKSPACE_NAME"], os.environ["OWN"])
print("secret:", os.environ.get("AZURE_CLIENT_SECRET"))
Path(sys.argv[2]).write_text(Path(sys.argv[1]).read_text() * int(sys.argv[3]))
"""


def submit(emulator: Emulator, wire: Wire, command: str) -> None:
    """Sends a pipeline of one command."""
    bodies.upload(emulator)
    emulator.blobs.put_bytes(DEFAULT_CONTAINER, "up/code/ask.py", ASKING.encode())
    wire("PUT", "computes/gpu", bodies.COMPUTE)
    account = f"https://{emulator.account}.blob.core.windows.net/{DEFAULT_CONTAINER}"
    wire("PUT", "codes/mine/versions/1", {"properties": {"codeUri": f"{account}/up/code", "properties": {}}})
    spec = {
        "name": "ask",
        "version": "1",
        "type": "command",
        "command": command,
        "code": "azureml:mine:1",
        "environment": "azureml://registries/azureml/environments/python-sdk-v2/labels/latest",
        "inputs": {"rows": {"type": "uri_file"}, "times": {"type": "integer", "default": "2"}},
        "outputs": {"made": {"type": "uri_file"}},
    }
    made = wire("PUT", "components/ask/versions/1", {"properties": {"componentSpec": spec}})
    assert made.status_code == 201, made.json
    node = {
        "componentId": f"{SCOPE.id}/components/ask/versions/1",
        "computeId": f"{SCOPE.id}/computes/gpu",
        "environment_variables": {"OWN": "words"},
        "inputs": {"rows": {"value": "${{parent.inputs.data}}"}},
    }
    body = bodies.changed(bodies.PIPELINE, "properties/jobs", {"ask": node})
    made = wire("PUT", "jobs/some", bodies.changed(body, "properties/outputs", {}))
    assert made.status_code == 201, made.json


def supervise(emulator: Emulator, wire: Wire, command: str) -> list[Any]:
    """Runs a pipeline of one command to its end; returns the job's run, then that of the node."""
    submit(emulator, wire, command)
    Supervisor(emulator, SCOPE, "some").run()
    return runs.of_job(emulator.store, SCOPE.key, "some")


def log(emulator: Emulator, run: Any) -> str:
    """Returns what a run has written."""
    return runs.log_path(emulator.store, run).read_text(encoding="utf-8")


def test_command_finds_its_code_its_inputs_and_azure(
    emulator: Emulator, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It signs in as its machine, knows its run, sees no secret of the user's, and leaves what it wrote as a blob."""
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "mine")

    job, node = supervise(emulator, wire, "python ask.py ${{inputs.rows}} ${{outputs.made}} ${{inputs.times}}")

    said = log(emulator, node)
    (made,) = emulator.blobs.find(DEFAULT_CONTAINER, f"azureml/{node['id']}/")
    assert (job["status"], node["status"]) == ("Completed", "Completed"), said
    assert "signed in: True" in said
    assert "environment: some local words" in said
    assert "secret: None" in said
    assert made.path.read_text(encoding="utf-8") == "{}\n{}\n"


def test_failed_command_fails_the_job_and_leaves_what_it_wrote(emulator: Emulator, wire: Wire) -> None:
    """The error is Azure's, with the last line that it wrote."""
    job, node = supervise(emulator, wire, "echo half > ${{outputs.made}}; echo the gate says no >&2; exit 9")

    said = node["error"]["error"]["message"]
    assert (job["status"], node["status"]) == ("Failed", "Failed")
    assert "exited with status code 9" in said
    assert said.endswith("Error: the gate says no")
    assert "Failed nodes: /ask." in job["error"]["error"]["message"]
    assert [blob.path.read_text() for blob in emulator.blobs.find(DEFAULT_CONTAINER, f"azureml/{node['id']}/")] == [
        "half\n"
    ]


def test_cancelled_command_is_ended_with_what_it_started(emulator: Emulator, wire: Wire) -> None:
    """Nothing of it goes on."""

    def cancel() -> None:
        while not (emulator.store.get("job", f"{SCOPE.key}some") or {}).get("worker"):
            time.sleep(0.02)
        wire("POST", "jobs/some/cancel", version="2023-04-01-preview")

    began = time.monotonic()
    stranger = threading.Thread(target=cancel)
    stranger.start()

    job, node = supervise(emulator, wire, "sleep 300 & sleep 300")

    stranger.join()
    assert (job["status"], node["status"]) == ("Canceled", "Canceled")
    assert time.monotonic() - began < 60


def test_python_of_a_command_sees_this_package_and_keeps_what_is_installed_to_itself(tmp_path: Path) -> None:
    """Its own site-packages come first, then ours."""
    folder = make_python(tmp_path / "a folder")
    asked = "import json, sys, phi_azure, werkzeug; print(json.dumps([sys.prefix, phi_azure.__file__, sys.path]))"
    done = subprocess.run([folder / "bin" / "python", "-c", asked], capture_output=True, text=True, check=True, env={})

    prefix, home, path = json.loads(done.stdout)
    own = next(index for index, entry in enumerate(path) if entry.startswith(f"{folder}/lib"))
    source = next(index for index, entry in enumerate(path) if entry and home.startswith(f"{entry}/"))
    assert prefix == str(folder)
    assert own < source


@pytest.mark.engine
def test_command_does_not_outlive_an_emulator_that_keeps_nothing(tmp_path: Path) -> None:
    """Whoever ends the supervisor ends the command, and what that has started."""
    emulator = Emulator(tmp_path / "state", EngineRunner(keep=False))
    submit(emulator, Wire(emulator), "echo $$ > ${{outputs.made}}; sleep 600 & wait")
    deadline = time.monotonic() + 60
    while not (worker := (emulator.store.get("job", f"{SCOPE.key}some") or {}).get("worker")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    before = is_alive(worker)

    emulator.close()

    assert before
    assert not is_alive(worker)
