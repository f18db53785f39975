"""The emulator around a whole process, and what a test holds of it."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from phi_azure.emulator.access import Access, Storage
from phi_azure.emulator.app import Emulator, Recorded
from phi_azure.emulator.clock import TurnedClock, WorldClock
from phi_azure.emulator.course import Script
from phi_azure.emulator.engine import EngineRunner
from phi_azure.emulator.identity import TENANT
from phi_azure.emulator.local import GROUP, SUBSCRIPTION, WORKSPACE, LocalCredential
from phi_azure.emulator.network import Interception, intercept
from phi_azure.emulator.scripted import ScriptedRunner
from phi_azure.testing import options
from phi_azure.testing import sent as find
from phi_azure.testing.sent import ANY
from phi_azure.testing.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from phi_azure.emulator.faults import Faults


class Azure:
    """What a test holds of the emulator while it is on."""

    def __init__(self, emulator: Emulator, interception: Interception) -> None:
        self.emulator = emulator
        self.interception = interception
        self.tenant_id = TENANT
        self.subscription_id = SUBSCRIPTION
        self.resource_group = GROUP
        self.workspace = WORKSPACE
        self.region = emulator.region
        self.credential = LocalCredential()
        self.jobs = Jobs(emulator)
        self.state = State(emulator)
        self.checks_at_end = True
        """Whether the context ends with `check`; the pytest plugin makes it part of the test instead."""

    @property
    def clock(self) -> TurnedClock:
        """The time of scripted jobs, which stands still until `turn(seconds)`.

        Raises:
            TypeError: the emulator runs the engine, whose jobs take their own time.
        """
        if not isinstance(self.emulator.clock, TurnedClock):
            raise TypeError('time can be turned with azure(runner="scripted") only')
        return self.emulator.clock

    @property
    def faults(self) -> Faults:
        """What goes wrong on purpose: `azure.faults.add("throttled", on="PUT /jobs/", times=2)`; see `FAULTS`."""
        return self.emulator.faults

    @property
    def requests(self) -> list[Recorded]:
        """Every request so far, oldest first; keys, tokens and signatures are left out."""
        return list(self.emulator.requests)

    def sent(self, method: str = "", path_part: str = "") -> list[Recorded]:
        """Returns the requests of this method whose path contains this, oldest first."""
        return find.sent(self.requests, method, path_part)

    def assert_sent(self, method: str, path_part: str, expected: Any = ANY, *, whole: bool = False) -> Recorded:
        """Finds a request whose JSON body has this in it, and returns it.

        Args:
            method: such as "PUT".
            path_part: a part of the path.
            expected: the body, or a part of it: objects may have more members, lists have as many entries. `ANY` stands
                for what varies; alone it takes any body.
            whole: whether the body must have nothing else.

        Raises:
            AssertionError: there was none; the message shows how the nearest body differs.
        """
        return find.find_sent(self.requests, method, path_part, expected, whole=whole)

    def save(self, path: str | Path) -> None:
        """Keeps everything as it is in a new folder; `azure(saved=path)` begins there again, as often as one likes.

        Raises:
            FileExistsError: the folder is there.
        """
        _keep_time(self.emulator)
        self.state.save(Path(path))

    def last(self, method: str, path_part: str) -> Recorded:
        """Returns the last request of this method whose path contains this.

        Raises:
            AssertionError: there was none; the message lists what there was.
        """
        for request in reversed(self.emulator.requests):
            if request.method == method and path_part in request.path:
                return request
        seen = "\n".join(f"  {request.method} {request.path}" for request in self.emulator.requests)
        raise AssertionError(f"no {method} request with {path_part!r} in its path; there were:\n{seen}")

    def environment(self) -> dict[str, str]:
        """Returns the variables that lead a child process to this emulator."""
        return self.interception.environment()

    def write_config(self, folder: str | Path) -> Path:
        """Writes the config.json that Azure's portal hands out; code that looks for it finds this workspace."""
        ids = {"subscription_id": self.subscription_id, "resource_group": self.resource_group}
        path = Path(folder) / "config.json"
        path.write_text(json.dumps({**ids, "workspace_name": self.workspace}), encoding="utf-8")
        return path

    def check(self) -> None:
        """Fails where the test was not what it says: the context does this at its end.

        Raises:
            AssertionError: a request was made that the emulator does not serve; a fault that was queued did not happen
                as often; a job that was scripted never came.
        """
        runner = self.emulator.runner
        unmet = self.faults.unmet() + (runner.unplayed() if isinstance(runner, ScriptedRunner) else [])
        said = {
            "the emulator was asked for what it does not serve": self.emulator.unserved,
            "the test set what never came to pass": unmet,
        }
        wrong = [f"{what}:\n" + "\n".join(entries) for what, entries in said.items() if entries]
        if wrong:
            raise AssertionError("\n".join(wrong))

    def reply(self, function: Callable[[list[dict[str, Any]]], str], on: str | None = None) -> None:
        """Answers questions to endpoints with what `function` returns; it is given the messages.

        Args:
            function: from the messages to the text of the answer.
            on: ENDPOINT/DEPLOYMENT of a managed endpoint, or a serverless endpoint; None means all others.

        Raises:
            TypeError: the emulator runs the engine, whose models answer for themselves.
        """
        runner = _scripted(self.emulator)
        if on is None:
            runner.reply = function
        else:
            runner.reply_of[on] = function


class Jobs:
    """How scripted jobs go."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def script(self, name: str | None = None, **course: Any) -> None:
        """Sets the course of the job of this name, or of all jobs that no other script names; see `Script`."""
        runner = _scripted(self._emulator)
        if name is None:
            runner.script = Script(**course)
        else:
            runner.by_name[name] = Script(**course)


def _scripted(emulator: Emulator) -> ScriptedRunner:
    if not isinstance(emulator.runner, ScriptedRunner):
        raise TypeError('jobs and answers can be scripted with azure(runner="scripted") only')
    return emulator.runner


def _keep_time(emulator: Emulator) -> None:
    emulator.store.put("settings", "clock", {"now": emulator.clock.now()})


def _take_up_time(emulator: Emulator, clock: TurnedClock) -> None:
    """Turns a fresh clock to where that of the state stood, lest its jobs lie in the future."""
    kept = emulator.store.get("settings", "clock")
    if kept:
        clock.turn(max(0.0, kept["now"] - clock.now()))


@contextlib.contextmanager
def azure(
    state: str | Path | None = None,
    runner: Literal["scripted", "engine"] = "scripted",
    *,
    region: str = "eastus2",
    weights: Mapping[str, Path] | None = None,
    quota: Mapping[str, int] | None = None,
    signed_in: bool = True,
    tenant: str | None = None,
    roles: Sequence[str] = Access.roles,
    denied: Sequence[str] = (),
    storage: Storage = "keys",
    workspaces: Mapping[str, str] | None = None,
    foundry: Sequence[str] = (),
    archived: Sequence[str] = (),
    saved: str | Path | None = None,
) -> Iterator[Azure]:
    """Leads everything that this process says to Azure to an emulator, and nothing to any other host.

    Args:
        state: a folder to keep; None takes a temporary one that goes with the context.
        runner: "scripted" plays the course that the test sets and trains nothing; "engine" trains and serves for real
            (needs the extra `local`).
        region: where every workspace is.
        weights: folders with real weights by model name, for the engine.
        quota: vCPUs by machine family, such as {"standardNCADSA100v4Family": 0}.
        signed_in: False gives nobody a token, neither a service principal nor a machine.
        tenant: the tenant of the subscription; tokens of another are refused. None takes all.
        roles: built-in roles of whoever calls, such as "AzureML Data Scientist"; requests beyond them answer 403.
        denied: actions taken out of every role: "Microsoft.MachineLearningServices/workspaces/models/versions/write".
        storage: how blobs are reached: "keys"; "identity", with the caller's own roles; "refused": the workspace
            hands out keys, and the storage account does not take them.
        workspaces: the workspaces that there are, with their kind ("Default", "Hub", "Project"); None takes any name.
        foundry: Foundry projects in the resource group, as "account/project".
        archived: archived versions of registry models, as "Phi-4-mini-instruct:3".
        saved: a folder that `Azure.save` wrote, of which the context begins with a copy.

    Raises:
        ValueError: a runner, role, action, family or kind that there is not.
        AssertionError: at the end, unless an error ends the block; see `Azure.check`.
    """
    options.require(runner=runner, quota=quota, workspaces=workspaces)
    allowed = options.access(signed_in=signed_in, tenant=tenant, roles=roles, denied=denied, storage=storage)
    with contextlib.ExitStack() as stack:
        folder = Path(state) if state else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="phi-azure-")))
        if saved:
            shutil.copytree(saved, folder, dirs_exist_ok=True)
        scripted = runner == "scripted"
        clock = TurnedClock() if scripted else WorldClock()
        work = ScriptedRunner() if scripted else EngineRunner(keep=False)
        emulator = Emulator(
            folder,
            work,
            clock=clock,
            region=region,
            weights=weights,
            quota=quota,
            access=allowed,
            workspaces=workspaces,
            foundry=foundry,
            archived=archived,
            pause_ms=5 if scripted else 50,
            lasting=state is not None,
        )
        stack.callback(emulator.close)
        if isinstance(clock, TurnedClock):
            _take_up_time(emulator, clock)
            stack.callback(_keep_time, emulator)
        interception = stack.enter_context(intercept(emulator))
        cloud = Azure(emulator, interception)
        yield cloud
        if cloud.checks_at_end:
            cloud.check()
