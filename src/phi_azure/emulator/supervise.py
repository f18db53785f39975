"""`python -m phi_azure.emulator.supervise STATE SUBSCRIPTION/GROUP/WORKSPACE JOB` runs one job's steps to their end.

It is a process of its own: the client may be killed and the job goes on; when the job is cancelled, it ends the step.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi_azure import starting
from phi_azure.emulator import jobs, local_command, outputs, runs
from phi_azure.emulator.app import Emulator
from phi_azure.emulator.blobs import Blob
from phi_azure.emulator.engine import EngineRunner, folder_of
from phi_azure.emulator.network import serve
from phi_azure.emulator.processes import end, identity
from phi_azure.emulator.wire import Call, Scope

if TYPE_CHECKING:
    from phi_azure.emulator.store import Document

_LOOK = 0.1  # seconds between two looks at a step
_GRACE = 5.0  # seconds that a step has to stop when asked
_PREPARE, _FINETUNE = "chat_completion_model_import", "chat_completion_finetune"


class StepError(Exception):
    """A step that ended in an error: its code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class CancelledError(Exception):
    """The job was asked to end."""


class Supervisor:
    """Runs one job."""

    def __init__(self, emulator: Emulator, scope: Scope, name: str) -> None:
        self.emulator = emulator
        self.store = emulator.store
        self.call = Call(emulator, None, scope)  # type: ignore[arg-type]  # there is no request behind this one
        self.key = scope.key + name
        self.folder = folder_of(self.store.folder, self.key)
        self.job = self.store.get("job", self.key) or {}

    def run(self) -> None:
        """Runs the steps in order; whatever happens, every run of the job ends in a state that says so."""
        own = runs.of_job(self.store, self.call.scope.key, self.job["name"])
        self._set(own[0], "Running")
        self._resume()
        try:
            for step in self.job["plan"]["steps"]:
                node = runs.of_node(own, step["node"])
                self._set(node, "Running")
                self._step(step, next((run for run in own if run["step"] == step["name"]), own[0]))
                if step["name"] == self._last_of(step["node"]):
                    self._end_node(own, node)
        except CancelledError:
            self._end(own, "Canceled", None)
        except StepError as error:
            self._end(own, "Failed", error)
        except Exception as error:  # the last one who can say why: a full disk, a folder taken away
            self._end(own, "Failed", StepError("SystemError", f"The job's supervisor failed: {error!r}"))
            raise
        else:
            self._end(own, "Completed", None)

    def _last_of(self, node: str | None) -> str:
        """Returns the last step of a node."""
        names: list[str] = [step["name"] for step in self.job["plan"]["steps"] if step["node"] == node]
        return names[-1]

    def _end_node(self, own: list[Document], node: Document) -> None:
        """Leaves what a node has made, and completes it; the job itself comes to its end with its last node."""
        if self.job["plan"]["steps"][-1]["node"] == node["node"]:
            self._set(own[0], "Finalizing")
        for output in self._outputs_of(own, node):
            self._leave_output(output, node)
        if node["parent"]:
            self._set(node, "Completed")

    def _outputs_of(self, own: list[Document], node: Document) -> list[Document]:
        outputs: list[Document] = self.job["plan"]["outputs"]
        return [output for output in outputs if runs.of_node(own, output["node"])["id"] == node["id"]]

    def _set(self, run: Document, status: str, error: Document | None = None) -> None:
        runs.set_status(self.store, run, status, time.time(), error)

    def _end(self, own: list[Document], status: str, error: StepError | None) -> None:
        """Ends all runs: steps that never began are cancelled, those above the failed one name it."""
        for run in reversed(own):
            current = self.store.get("run", self.call.scope.key + run["id"]) or run
            if current["status"] in runs.OVER:
                continue
            if run["parent"] and status == "Failed" and current["started"] is None:
                self._set(run, "Canceled")
            elif error is None:
                self._set(run, status)
            else:
                self._set(run, status, runs.user_error(error.code, self._blame(own, run, error)))

    def _blame(self, own: list[Document], run: Document, error: StepError) -> str:
        failed = [
            runs.path(own, r)
            for r in own
            if r["step"] and (self.store.get("run", self.call.scope.key + r["id"]) or {}).get("status") == "Failed"
        ]
        if run["step"] or not failed:
            return str(error)
        names = ", ".join(failed)
        return (
            f"Pipeline has failed child jobs. Failed nodes: {names}. For more details and logs, please go to the job "
            "detail page and check the child jobs."
        )

    def _resume(self) -> None:
        """Takes over the checkpoints of the job that this one resumes."""
        before = self.job["tags"].get(jobs.RESUMES)
        if not before:
            return
        source = folder_of(self.store.folder, self.call.scope.key + before) / "work"
        if source.exists() and not (self.folder / "work").exists():
            shutil.copytree(source, self.folder / "work")

    # One step

    def _step(self, step: Document, run: Document) -> None:
        self._check_cancelled()
        self._set(run, "Running")
        if "command" in step:
            self._run_command(step, run)
        else:
            self._run_engine(step, run)
        runs.write_log(self.store, run, "The activity completed successfully. Finalizing run...")
        if run["step"] and not run["node"]:  # a node ends when its outputs are there
            self._set(run, "Completed")

    def _run_command(self, step: Document, run: Document) -> None:
        """Runs a command of the user's, which finds this state in Azure's place; what a failed one wrote stays."""
        place = self.folder / "commands" / step["name"]
        inputs = {name: self._input(step, name, value) for name, value in step["inputs"].items()}
        outputs = {name: str(self.folder / "outputs" / step["name"] / name) for name in step["outputs"]}
        local_command.make_room(outputs, step["outputs"])
        code = place / "code"
        code.mkdir(parents=True, exist_ok=True)
        if step["code"]:
            container, prefix = step["code"]
            self.emulator.blobs.materialise(container, prefix, code)
        python = local_command.make_python(place / "python")
        variables = local_command.environment(self.call.scope, self.job, run["id"], step, python)
        with serve(self.emulator) as server, runs.log_path(self.store, run).open("ab") as log:
            process = subprocess.Popen(
                local_command.line(step, inputs, outputs),
                cwd=code,
                env=variables | server.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            worker = identity(process.pid)
            self.store.change("job", self.key, lambda doc: doc.update(worker=worker))
            try:
                while (exit_code := process.poll()) is None:
                    if self._is_cancelled():
                        runs.write_log(self.store, run, "The job was cancelled.")
                        raise CancelledError
                    time.sleep(_LOOK)
            finally:
                end(worker)  # neither one that is cancelled goes on, nor one whose supervisor is asked to end
        if exit_code != 0:
            own = runs.of_job(self.store, self.call.scope.key, self.job["name"])
            for output in self._outputs_of(own, run):
                self._leave_output(output, run)
            raise StepError("UserError", _said_of(exit_code, runs.log_path(self.store, run)))

    def _run_engine(self, step: Document, run: Document) -> None:
        spec = self._spec(step)
        file = self.folder / f"{step['name']}.json"
        file.write_text(json.dumps(spec, indent=1), encoding="utf-8")
        with runs.log_path(self.store, run).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *starting.module("phi_azure.engine"), "step", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that whoever finds this supervisor dead can end the step and its children
            )
        worker = identity(process.pid)
        self.store.change("job", self.key, lambda doc: doc.update(worker=worker))
        events = Events(Path(spec["events"]))
        try:
            code = self._wait(process, events, run)
        finally:
            self._take(events.read(), run)
        if code != 0:
            raise self._failure(code, events, run)

    def _spec(self, step: Document) -> Document:
        outputs = {name: str(self.folder / "outputs" / step["name"] / name) for name in step["outputs"]}
        inputs = {name: self._input(step, name, value) for name, value in step["inputs"].items()}
        events = self.folder / f"{step['name']}.events.jsonl"
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "work").mkdir(exist_ok=True)
        return {
            "step": step["name"],
            "inputs": inputs,
            "outputs": outputs,
            "base_model": inputs.get("mlflow_model_path") if step["name"] == _PREPARE else None,
            "work": str(self.folder / "work"),
            "resume": step["name"] == _FINETUNE and bool(self.job["tags"].get(jobs.RESUMES)),
            "events": str(events),
        }

    def _input(self, step: Document, name: str, value: Any) -> str:
        if isinstance(value, str):
            return value
        if "step" in value:
            return str(self.folder / "outputs" / value["step"] / value["output"])
        target = self.folder / "inputs" / (step["node"] or "job") / name  # one copy for all steps: they only read
        container, prefix = value["place"]
        return str(self.emulator.blobs.materialise(container, prefix, target))

    def _wait(self, process: subprocess.Popen[bytes], events: Events, run: Document) -> int:
        while process.poll() is None:
            if self._is_cancelled():
                _stop(process)
                runs.write_log(self.store, run, "The job was cancelled.")
                raise CancelledError
            self._take(events.read(), run)
            time.sleep(_LOOK)
        return process.returncode

    def _take(self, new: list[Document], run: Document) -> None:
        """Writes what a step reports to its own run and, as Azure's training code does, to the job's run."""
        keys = dict.fromkeys((self.call.scope.key + run["id"].lower(), self.key.lower()))
        points = [(e["key"], e["value"], int(e["step"]), int(e["t"] * 1000)) for e in new if e["type"] == "metric"]
        for key in keys:
            if points:
                self.store.add_metrics(key, points)
            for kind in ("param", "tag"):
                if labels := {e["key"]: e["value"] for e in new if e["type"] == kind}:
                    self.store.set_labels(key, kind, labels)

    def _failure(self, code: int, events: Events, run: Document) -> StepError:
        said = events.error
        if said:
            return StepError(said["code"], said["message"])
        if code < 0:
            with contextlib.suppress(ValueError):
                name = signal.Signals(-code).name
                message = (
                    f"The process of {run['title']} was killed (signal {-code}, {name}); "
                    "a machine that is out of memory or taken back does this."
                )
                runs.write_log(self.store, run, message)
                return StepError("SystemError", message)
        return StepError("SystemError", f"The process of {run['title']} ended with exit code {code}; read its log.")

    def _is_cancelled(self) -> bool:
        return bool((self.store.get("job", self.key) or {}).get("cancel_requested"))

    def _check_cancelled(self) -> None:
        if self._is_cancelled():
            raise CancelledError

    def _leave_output(self, output: Document, node: Document) -> None:
        place = outputs.place_of(self.job, output, node["id"])
        made = self.folder / "outputs" / output["step"] / output["of_step"]
        if made.is_file():
            self.emulator.blobs.put(Blob(place.container, place.prefix, made))
        else:
            self.emulator.blobs.put_folder(place.container, place.prefix, made)
        outputs.leave(self.call, self.job, output, place)


class Events:
    """The file to which a step writes what happens, read on from where the last look ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.error: Document | None = None
        self._offset = path.stat().st_size if path.exists() else 0

    def read(self) -> list[Document]:
        """Returns the events that came since; half a line waits for its end."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        new = [json.loads(line) for line in whole.splitlines() if line.strip()]
        self.error = next((event for event in new if event["type"] == "error"), self.error)
        return new


def _said_of(exit_code: int, log: Path) -> str:
    """Returns what is said of a command that failed: Azure's words, and the last line of its log."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    said = f"Execution failed. User process 'bash' exited with status code {exit_code}. "
    return (
        said + "Please check log file 'user_logs/std_log.txt' for error details." + f" Error: {lines[-1]}" * bool(lines)
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main(state: str, scope: str, job: str) -> None:
    """Runs a job of the emulator whose state lies in a folder; asked to end, it ends what it has started."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    emulator = Emulator.of_state(Path(state), EngineRunner())  # a command may make endpoints, and jobs of its own
    try:
        Supervisor(emulator, Scope(*scope.split("/")), job).run()
    finally:
        emulator.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
