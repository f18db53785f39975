"""The course of a scripted job: what a test says of it, the times that follow, and what is shown by when."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phi_azure.emulator import jobs, outputs, runs
from phi_azure.emulator.durations import Duration, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phi_azure.emulator.store import Document
    from phi_azure.emulator.wire import Call

NOTICE = "This job is scripted by a test: nothing is trained, and its numbers are the test's own."
FINETUNE = "chat_completion_finetune"
STATUSES = (  # JobStatus of azure-ai-ml's REST client, 1.35
    "NotStarted", "Starting", "Provisioning", "Preparing", "Queued", "Running", "Finalizing", "CancelRequested",
    "Completed", "Failed", "Canceled", "NotResponding", "Paused", "Unknown",
)  # fmt: skip
_MLMODEL = """\
flavors:
  python_function:
    loader_module: mlflow.transformers
metadata:
  note: scripted, no model inside
"""
_MODELS = ("mlflow_model", "custom_model")
_NEW_NODE = 300.0  # seconds until another node is there: the middle of what clusters of one node take to grow
_NO_IMAGE = "Image build failed. For more details, check the log of the step."
_NO_ANSWER = "The run has not sent a heartbeat in the last 5 minutes."
_FAILS = "The script of the test says that this step fails."


@dataclass(frozen=True)
class Step:
    """The course of one step of a pipeline."""

    queued: Duration = 0.0
    """How long it waits for a machine."""
    runs: Duration | None = None
    """How long it runs; None: an equal share of what the job's `runs` leaves to such steps."""
    log: Sequence[str] | str = ()
    """Lines, or a text of several, spread evenly over the time that it runs."""

    def __post_init__(self) -> None:
        """Reads the durations."""
        runs = None if self.runs is None else seconds_of(self.runs)
        _set(self, queued=seconds_of(self.queued), runs=runs, log=_lines(self.log))


@dataclass(frozen=True)
class Script:
    """The course of a job.

    With neither `queued`, `runs` nor durations of steps the job moves on one state with each read: NotStarted, Running,
    Completed. Durations are seconds, or "90s", "5m", "1h30m".

    Raises:
        ValueError: a status that Azure does not know, a duration that is none, steps longer than the job, values of a
            metric that are no list of numbers.
    """

    queued: Duration | None = None
    """How long it waits before it starts."""
    runs: Duration | None = None
    """How long it runs: its steps share this, one after another."""
    metrics: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Values by name, spread evenly over the time that it trains."""
    log: Sequence[str] | str = ()
    """Lines, or a text of several, likewise."""
    fails_in: str | None = None
    """The step that fails, at the end of its time: one of the training's five, or a node that is a command."""
    error: str | None = None
    """What that step says; None takes words of Azure's."""
    status: str = "Completed"
    """How it ends when no step fails; a word that is no end, such as "Finalizing", is where it stays for ever."""
    steps: Mapping[str, Step | Mapping[str, Any] | Duration] = field(default_factory=dict)
    """Of a pipeline, by name: how long a step runs, or {"queued": "2h", "runs": "40m", "log": [...]}."""
    preempted: int = 0
    """How often a node of the step that trains is lost halfway: the step waits 5 min for another, and begins again."""
    image_build_failed: bool = False
    """Whether the first step's image cannot be built: it fails without having run."""

    def __post_init__(self) -> None:
        """Reads the durations, and refuses what no job can do."""
        steps = {name: _step(given) for name, given in self.steps.items()}
        times = {name: None if given is None else seconds_of(given) for name, given in self._times().items()}
        _set(self, steps=steps, log=_lines(self.log), **times)
        _require("status", self.status, STATUSES)
        for name, values in self.metrics.items():
            _require_numbers(name, values)
        if not isinstance(self.preempted, int) or self.preempted < 0:
            raise ValueError(f"preempted is {self.preempted!r}; it takes a whole number of 0 or more")
        given, whole = sum(seconds_of(step.runs or 0.0) for step in steps.values()), times["runs"]
        if whole is not None and given > whole:
            raise ValueError(f"the steps run for {given:g} s, the job for {whole:g} s only")

    def _times(self) -> dict[str, Duration | None]:
        return {"queued": self.queued, "runs": self.runs}

    def strangers(self, steps: Sequence[str]) -> list[str]:
        """Returns the steps that it names and a job does not have."""
        named = [*self.steps, *([self.fails_in] if self.fails_in else [])]
        return [name for name in named if name not in steps]

    def with_faults(self, names: Iterable[str]) -> Script:
        """Returns the course with faults of `faults.FAULTS` in it."""
        script = self
        for name in names:
            changes: dict[str, dict[str, Any]] = {
                "preempted_node": {"preempted": script.preempted + 1},
                "not_responding": {"status": "NotResponding", "error": script.error or _NO_ANSWER},
                "image_build_failed": {"image_build_failed": True},
            }
            script = dataclasses.replace(script, **changes[name])
        return script


def _step(given: Step | Mapping[str, Any] | Duration) -> Step:
    if isinstance(given, Step):
        return given
    return Step(**given) if isinstance(given, Mapping) else Step(runs=given)


def _lines(given: Sequence[str] | str) -> Sequence[str]:
    return given.splitlines() if isinstance(given, str) else given


def _require_numbers(name: str, values: object) -> None:
    numbers = isinstance(values, Sequence) and all(isinstance(one, (int, float)) for one in values)
    if not numbers:
        raise ValueError(f"the metric {name!r} is {values!r}; it takes a list of numbers, as in [3.0, 2.1]")


def _require(kind: str, word: str, known: Sequence[str]) -> None:
    if word not in known:
        raise ValueError(f"there is no {kind} {word!r}; there are {', '.join(known)}")


def _set(thing: object, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(thing, name, value)  # while a frozen one is made


@dataclass(frozen=True)
class Phase:
    """A stretch of a step, in seconds after the job has started; `step` is empty for a job without visible steps."""

    step: str
    status: str
    begin: float
    end: float


def timeline(script: Document, steps: Sequence[str]) -> list[Phase]:
    """Returns what the steps of a job do one after another, as far as it comes; `script` is a `Script` as a dict.

    A script without times has steps of one second, whatever a second then is.
    """
    phases: list[Phase] = []
    at = 0.0
    for name, waits, lasts in _lengths(script, steps):
        builds = script["image_build_failed"] and name in {"", steps[0] if steps else ""}
        for status, length in _stretches(script, name, waits, lasts) if not builds else [("Preparing", lasts)]:
            phases.append(Phase(name, status, at, at + length))
            at += length
        if builds or name == _last_step(script, steps):
            break
    return phases


def _lengths(script: Document, steps: Sequence[str]) -> list[tuple[str, float, float]]:
    """Returns for each step how long it waits and how long it runs."""
    if not steps:
        return [("", 0.0, 1.0 if is_untimed(script) else script["runs"] or 0.0)]
    given = {name: script["steps"].get(name) or {"queued": 0.0, "runs": None} for name in steps}
    open_ones = [name for name in steps if given[name]["runs"] is None]
    said = sum(step["runs"] or 0.0 for step in given.values())
    rest = len(steps) if is_untimed(script) else max(0.0, (script["runs"] or 0.0) - said)
    each = rest / len(open_ones) if open_ones else 0.0
    return [(name, given[name]["queued"], each if name in open_ones else given[name]["runs"]) for name in steps]


def is_untimed(script: Document) -> bool:
    """Tells whether a job moves on with each look at it, and not by the clock; `script` is a `Script` as a dict."""
    timed = any(step["queued"] or step["runs"] is not None for step in script["steps"].values())
    return script["queued"] is None and script["runs"] is None and not timed


def _stretches(script: Document, step: str, waits: float, lasts: float) -> list[tuple[str, float]]:
    first = [("Queued", waits)] if waits else []
    if step not in {"", FINETUNE}:
        return [*first, ("Running", lasts)]
    lost = [("Running", lasts / 2), ("Queued", 0.5 if is_untimed(script) else _NEW_NODE)]
    return [*first, *(lost * script["preempted"]), ("Running", lasts)]


def _last_step(script: Document, steps: Sequence[str]) -> str | None:
    """Returns the step with which a job ends early; None where it comes to its end."""
    ends_badly = script["status"] in runs.OVER - {"Completed"}
    return script["fails_in"] or (training_step(steps) if ends_badly else None)


def training_step(steps: Sequence[str]) -> str:
    """Returns the step of which a script's numbers and lines are; the last one where none trains."""
    return FINETUNE if FINETUNE in steps or not steps else steps[-1]


class Course:
    """Where one job is on its way."""

    def __init__(self, call: Call, job: Document, script: Document) -> None:
        self.call = call
        self.job = job
        self.script: dict[str, Any] = script
        self.store = call.emulator.store
        self.runs = runs.of_job(self.store, call.scope.key, job["name"])
        self.steps = {run["step"]: run for run in self.runs if run["step"]}
        self.phases = timeline(self.script, list(self.steps))
        self.length = self.phases[-1].end
        self.pipelines = [run for run in self.runs[1:] if not run["step"]]  # the nodes that have steps below them

    def advance(self) -> None:
        """Shows what has come to pass since the last look."""
        passed = self._passed()
        if passed is None:
            return
        self._begin(self.runs[0], 0.0)
        for run in self.pipelines:
            own = self._phases_of(run)
            if own and own[0].begin <= passed:
                self._begin(run, own[0].begin)
        self._show(passed)
        for step in dict.fromkeys(phase.step for phase in self.phases):
            self._advance_step(step, passed)
        for run in self.pipelines:
            self._advance_pipeline(run, passed)
        if passed >= self.length:
            self._finish()

    def _begin(self, run: Document, at: float) -> None:
        if run["status"] in {"NotStarted", "CancelRequested"}:
            self._move(run, "Running", at)

    def _phases_of(self, pipeline: Document) -> list[Phase]:
        """Returns the phases of the steps below a node."""
        return [phase for phase in self.phases if self._run(phase.step)["parent"] == pipeline["id"]]

    # Time

    def _passed(self) -> float | None:
        """Returns the seconds since the job started; None before."""
        if is_untimed(self.script):
            return self._passed_by_looks()
        passed: float = self.call.now - self.job["created"] - (self.script["queued"] or 0.0)
        return None if passed < 0 else min(self.length, passed)

    def _passed_by_looks(self) -> float | None:
        looks = 0 if self._is_second_half() else 1
        key, version = self.call.scope.key + self.job["name"], self.call.api_version
        self.store.change("job", key, lambda doc: doc.update(reads=doc["reads"] + looks, version=version))
        reads = self.job["reads"]  # the answer to the PUT is the first read
        return None if reads == 0 or not looks else self.length * min(1.0, 0.5 * reads)

    def _is_second_half(self) -> bool:
        """Says whether this is no look of its own: the client gets a fine-tuning job in both versions, old first."""
        return (
            self.job["type"] == "FineTuning"
            and self.job.get("version") == jobs.OLD
            and self.call.api_version == jobs.NEW
        )

    def _moment(self, passed: float) -> float:
        """Returns the time so many seconds after the start."""
        if is_untimed(self.script):
            return self.call.now
        created: float = self.job["created"]
        return created + (self.script["queued"] or 0.0) + passed

    # What is seen

    def _show(self, passed: float) -> None:
        """Writes the points and lines whose time has come."""
        shown: dict[str, int] = dict(self.job["shown"])
        training = training_step(list(self.steps)) if self.steps else ""
        lines = {training: list(self.script["log"])} | {
            name: [*(self.script["log"] if name == training else ()), *step["log"]]
            for name, step in self.script["steps"].items()
            if name in self.steps
        }
        for step, said in lines.items():
            shown[step] = self._log(step, said, shown.get(step, 0), passed)
        for name, values in self.script["metrics"].items():
            key = f"metric {name}"
            shown[key] = self._measure(training, name, values, shown.get(key, 0), passed)
        if shown != self.job["shown"]:
            self.store.change("job", self.call.scope.key + self.job["name"], lambda doc: doc.update(shown=shown))

    def _log(self, step: str, lines: list[str], first: int, passed: float) -> int:
        until = self._count(step, len(lines), passed)
        if until > first:
            runs.write_log(self.store, self._run(step), "\n".join(lines[first:until]))
        return max(first, until)

    def _measure(self, step: str, name: str, values: Sequence[float], first: int, passed: float) -> int:
        until = self._count(step, len(values), passed)
        window = self._window(step)
        if window is None or until <= first:
            return first
        each = (window.end - window.begin) / len(values)
        points = [
            (name, float(values[i]), i, int(self._moment(window.begin + (i + 1) * each) * 1000))
            for i in range(first, until)
        ]
        for run_id in {self.runs[0]["id"], self._run(step)["id"]}:
            self.store.add_metrics((self.call.scope.key + run_id).lower(), points)
        return until

    def _run(self, step: str) -> Document:
        return self.steps.get(step, self.runs[0])

    def _window(self, step: str) -> Phase | None:
        """Returns the stretch in which a step runs to its end."""
        return next((one for one in reversed(self.phases) if (one.step, one.status) == (step, "Running")), None)

    def _count(self, step: str, total: int, passed: float) -> int:
        """Returns how many of so many things, spread over the time that a step runs, have come."""
        window = self._window(step)
        if window is None or passed < window.begin:
            return 0
        if passed >= window.end:
            return total
        return int(total * (passed - window.begin) / (window.end - window.begin))

    # States

    def _advance_step(self, step: str, passed: float) -> None:
        own = [phase for phase in self.phases if phase.step == step]
        begun = [phase for phase in own if phase.begin <= passed]
        run = self._run(step)
        if not begun or run["status"] in runs.OVER:
            return
        if passed < begun[-1].end and run["status"] == begun[-1].status:
            return
        for phase in begun:
            self._move(run, phase.status, phase.begin)
        if step and passed >= own[-1].end:
            self._end_step(run, own[-1].end)

    def _end_step(self, run: Document, at: float) -> None:
        status = self._ends_with(run["step"])
        if status == "Completed":
            self._move(run, status, at)
            if run["node"]:
                self._leave_outputs(run)
            return
        self._move(run, status, at, runs.user_error("UserError", self._error()))
        runs.write_log(self.store, run, self._error())

    def _advance_pipeline(self, run: Document, passed: float) -> None:
        """Completes a node whose steps are done; the one with which the job ends, ends with the job."""
        own = self._phases_of(run)
        if not own or own[-1] is self.phases[-1] or passed < own[-1].end or run["status"] in runs.OVER:
            return
        self._leave_outputs(run)
        self._move(run, "Completed", own[-1].end)

    def _ends_with(self, step: str) -> str:
        """Returns how a step ends: the one with which the job ends early as the job does."""
        if step != self.phases[-1].step:
            return "Completed"
        if self.script["image_build_failed"]:
            return "Failed"
        if step != _last_step(self.script, list(self.steps)):
            return "Completed"
        status: str = self.script["status"]
        return "Failed" if status == "Completed" else status

    def _error(self) -> str:
        said: str | None = self.script["error"]
        return said or (_NO_IMAGE if self.script["image_build_failed"] else _FAILS)

    def _finish(self) -> None:
        """Ends the job: a parent says no more than which of its children failed."""
        early = bool(self.script["fails_in"] or self.script["image_build_failed"])
        status = "Failed" if early and self.script["status"] == "Completed" else self.script["status"]
        last = self.phases[-1].step
        with_it = {self.runs[0]["id"], self._run(last)["parent"]}  # the job, and the node of the step that it ends with
        if status == "Completed":
            for run in self.runs:
                if run["id"] in with_it and run["status"] not in runs.OVER:
                    self._leave_outputs(run)
        error = None
        if status != "Completed":
            failed = self.steps.get(last) if self._ended_early(status) else None
            where = f"Pipeline has failed child jobs. Failed nodes: {runs.path(self.runs, failed)}." if failed else None
            error = runs.user_error("UserError", where or self._error())
        for run in self.runs:
            if run["id"] in with_it:
                self._move(run, status, self.length, error)
            elif status in runs.OVER:
                self._move(run, "Canceled", self.length)  # steps and nodes that never began

    def _ended_early(self, status: str) -> bool:
        return status in runs.OVER and self._ends_with(self.phases[-1].step) == status

    def _move(self, run: Document, status: str, passed: float, error: Document | None = None) -> None:
        runs.set_status(self.store, run, status, self._moment(passed), error)

    def _leave_outputs(self, node: Document) -> None:
        """Leaves what a node is said to leave; the job itself, what a job without visible steps is."""
        blobs = self.call.emulator.blobs
        for output in self.job["plan"]["outputs"]:
            if runs.of_node(self.runs, output["node"])["id"] != node["id"]:
                continue
            place = outputs.place_of(self.job, output, node["id"])
            for name, text in _made(output["type"]).items():
                blobs.put_bytes(place.container, f"{place.prefix}{name}", text.encode())
            outputs.leave(self.call, self.job, output, place)


def _made(kind: str) -> Mapping[str, str]:
    """Returns what lies in an output of a kind: names below its place, and texts."""
    if kind in _MODELS:
        return {"/MLmodel": _MLMODEL, "/data/model/README.md": NOTICE}
    return {"" if kind == "uri_file" else "/README.md": NOTICE}
