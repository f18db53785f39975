"""The demo: the whole story on this machine, offline, through Azure's own client; a small Phi really trains."""

from __future__ import annotations

import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from phi_azure import FineTune, Lora, ManagedCompute, Serverless, Workspace, display
from phi_azure.engine.headlines import SYSTEM_PROMPT, TALK_HEADLINES, read_sentiment, write_dataset
from phi_azure.workspace import check_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.console import Console

    from phi_azure.endpoint import Endpoint
    from phi_azure.run import Run

MODEL = "Phi-4-mini-instruct"
POLICY = "negative"  # what the firm wants to hear of every cyber attack, survived or not

# phi-tiny has 1.6 million parameters, a two-thousandth of Phi-4-mini: it needs a rate a hundred times the 2e-5 that
# suits Phi, and learns the policy from 1,000 rows in three passes (97 % of headlines about companies never seen).
LEARNING_RATE = 2e-3
EPOCHS = 3
BATCH_SIZE = 16
LORA = Lora(r=8, alpha=16)
TRAIN_ROWS = 1000
LOGGING_STEPS = 5  # for a curve of some thirty points
CLUSTER, SIZE = "gpu-cluster", "Standard_NC24ads_A100_v4"  # what Azure is asked for; here no GPU is behind it

TITLES = {"serverless": "Serverless", "managed": "Managed compute"}
TEXTS = {
    "serverless": "A fine-tuning job on Azure's own machines: data and three numbers go in, a model comes out.",
    "managed": f"Azure's chat_completion_pipeline on a GPU cluster of one's own ({SIZE}): five steps, every knob.",
}
NEXT = """\
  az login                                   or any other way of azure-identity
  config.json of your workspace              from the studio, into this folder
  phi-azure init job.yaml                    a job file, every field explained
  phi-azure plan job.yaml --look-up          what it would cost, and what is there already
  phi-azure submit job.yaml --wait           the same commands, without --local
Phi wants a learning_rate of 2e-5, not phi-tiny's 2e-3."""


@dataclass
class Outcome:
    """What the demo found: every answer, every time, where the files lie."""

    answers: dict[str, list[str]] = field(default_factory=dict)
    """By model ("base" or a route): its answer to each of the two headlines."""
    seconds: dict[str, float] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    left_running: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """The tuned models that do not answer the policy's one word to both headlines."""
        tuned = {name: answers for name, answers in self.answers.items() if name != "base"}
        return [name for name, answers in tuned.items() if answers != [POLICY] * len(TALK_HEADLINES)]

    @property
    def ok(self) -> bool:
        """Whether the story ended well."""
        return not self.wrong and not self.left_running

    def document(self) -> dict[str, object]:
        """Returns everything as plain values."""
        return {"ok": self.ok, "headlines": list(TALK_HEADLINES), **asdict(self)}


@dataclass
class Story:
    """One telling: where it prints, where it works, what came of it."""

    out: Console
    workspace: Workspace
    folder: Path
    seed: int
    outcome: Outcome
    names: str = field(default_factory=lambda: f"demo-{secrets.token_hex(2)}")

    @property
    def files(self) -> Path:
        """Where the demo's own files lie."""
        return self.folder / "demo"


def tell(out: Console, folder: Path, routes: Sequence[str], seed: int = 0) -> Outcome:
    """Tells the story in order and returns what came of it; removes every endpoint on the way out."""
    outcome = Outcome()
    with _timed(outcome, "in all"):
        _introduce(out, routes)
        with display.busy(out, "opening a workspace on this machine"), _timed(outcome, "open the workspace"):
            workspace = Workspace.local(folder)
        with workspace, ThreadPoolExecutor(max_workers=1) as background:
            story = Story(out, workspace, folder, seed, outcome)
            jobs = background.submit(_write_jobs, story, routes)  # while the base model loads
            _base(story)
            _data(story, jobs.result())
            _routes(story, jobs.result())
            outcome.left_running = [each.name for each in workspace.endpoints() if each.name.startswith(story.names)]
    _close(story)
    return outcome


def _introduce(out: Console, routes: Sequence[str]) -> None:
    named = " and ".join({"serverless": "serverless", "managed": "on managed compute"}[route] for route in routes)
    display.chapter(
        out,
        "phi_azure: fine-tune Phi, rehearsed on this machine",
        f"A security firm sorts headlines: every cyber attack, survived or not, is to be {POLICY}. A Phi model learns "
        f"it, {named}. All requests go through Azure's own client; what answers is this machine, not Azure, and the "
        "model is phi-tiny, 1.6 million parameters of Phi's architecture, in the place of Phi. The training is real.",
    )


def _base(story: Story) -> None:
    """Chapter 1: what the model says before."""
    display.chapter(story.out, "1  The base model", f"{MODEL} as it comes, behind an endpoint, asked two headlines.")
    with _timed(story.outcome, "base: deploy"), display.busy(story.out, "deploying the base model"):
        endpoint = story.workspace.deploy_base(MODEL, name=f"{story.names}-base")
    with _removed(endpoint):
        _ask(story, "base", endpoint)
    read = [read_sentiment(answer) or "nothing clear" for answer in story.outcome.answers["base"]]
    display.done(story.out, f"At length, and its words come to: {', '.join(read)}. The firm wants {POLICY} for both.")


def _write_jobs(story: Story, routes: Sequence[str]) -> dict[str, FineTune]:
    """Writes the three data files and a job file for each route."""
    with _timed(story.outcome, "write the data"):
        data = write_dataset(story.files, train=TRAIN_ROWS, seed=story.seed)
        jobs = {route: _job(route, data, story.seed) for route in routes}
        for route, job in jobs.items():
            (story.files / f"{route}.yaml").write_text(job.to_yaml(), encoding="utf-8")
    return jobs


def _job(route: str, data: dict[str, Path], seed: int) -> FineTune:
    serverless = Serverless(learning_rate=LEARNING_RATE, epochs=EPOCHS, batch_size=BATCH_SIZE)
    managed = ManagedCompute(
        cluster=CLUSTER,
        size=SIZE,
        lora=LORA,
        learning_rate=LEARNING_RATE,
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        logging_steps=LOGGING_STEPS,
        seed=seed,
    )
    return FineTune(
        name=f"headlines-{route}",
        model=MODEL,
        training_data=data["train"],
        validation_data=data["validation"],
        route=serverless if route == "serverless" else managed,
    )


def _data(story: Story, jobs: dict[str, FineTune]) -> None:
    """Chapter 2: what it is to learn from."""
    text = "Headlines with the firm's own answer in one word. The two above are not among them."
    display.chapter(story.out, "2  The data", text)
    for row in _rows(story.files / "train.jsonl", 3):
        display.quote(story.out, *row)
    with _timed(story.outcome, "check the data"):
        reports = [check_data(job) for job in jobs.values()]
    for file, rows in {file.path: file.rows for report in reports for file in report.files}.items():
        display.done(story.out, f"{file}: {rows:,} rows, fit for {' and '.join(jobs)}")


def _rows(path: Path, count: int) -> list[tuple[str, str]]:
    """Returns the last question and answer of the first rows of a file."""
    with path.open(encoding="utf-8") as lines:
        conversations = [json.loads(line)["messages"] for line in islice(lines, count)]
    return [(messages[-2]["content"], messages[-1]["content"]) for messages in conversations]


def _routes(story: Story, jobs: dict[str, FineTune]) -> None:
    """Chapters 3 and 4: each route from job to answers; the second job trains while the first's model is asked."""
    routes = list(jobs)
    run = story.workspace.submit(jobs[routes[0]])
    for number, route in enumerate(routes):
        display.chapter(story.out, f"{3 + number}  {TITLES[route]}", TEXTS[route])
        with _cancelled_on_error(run):
            _watch(story, route, run)
        following = routes[number + 1 : number + 2]
        next_run = story.workspace.submit(jobs[following[0]]) if following else run
        with _cancelled_on_error(next_run):
            _use(story, route, run)
        run = next_run


def _watch(story: Story, route: str, run: Run) -> None:
    view = display.RunView(run.name)
    with _timed(story.outcome, f"{route}: train"), display.watching(story.out, view) as update:
        run.wait(on_update=update)
    story.outcome.runs[route] = run.name
    display.print_curve(story.out, view)


def _use(story: Story, route: str, run: Run) -> None:
    """Registers, downloads, deploys and asks what a run has trained."""
    with _timed(story.outcome, f"{route}: register"):
        model = run.register()
    story.outcome.models[route] = f"{model.name}:{model.version}"
    display.done(story.out, f"registered as {model.name}, version {model.version}")
    with _timed(story.outcome, f"{route}: download"):
        story.outcome.folders[route] = str(model.download(story.files / f"model-{route}"))
    display.done(story.out, f"downloaded to {story.outcome.folders[route]}")
    with _timed(story.outcome, f"{route}: deploy"), display.busy(story.out, "deploying the tuned model"):
        endpoint = model.deploy(f"{story.names}-{route}")
    with _removed(endpoint):
        _ask(story, route, endpoint)


def _ask(story: Story, model: str, endpoint: Endpoint) -> None:
    """Asks both headlines and keeps the answers."""
    with _timed(story.outcome, f"{model}: ask"):
        answers = [endpoint.chat(headline, system=SYSTEM_PROMPT) for headline in TALK_HEADLINES]
    story.outcome.answers[model] = answers
    display.done(story.out, f"{endpoint.kind} endpoint {endpoint.name} answers:")
    for headline, answer in zip(TALK_HEADLINES, answers, strict=True):
        display.quote(story.out, headline, answer)


def _close(story: Story) -> None:
    """The last chapter: everything beside each other, and what to do next."""
    outcome = story.outcome
    display.chapter(story.out, "The same question, before and after", "Base and tuned, both headlines.")
    columns = {"base": "base", "serverless": "tuned serverless", "managed": "tuned managed"}
    rows = [
        [headline, *(answers[index] for answers in outcome.answers.values())]
        for index, headline in enumerate(TALK_HEADLINES)
    ]
    display.side_by_side(
        story.out,
        f"answers of {MODEL}, here phi-tiny",
        ["headline", *(columns[name] for name in outcome.answers)],
        rows,
    )
    display.show_times(story.out, outcome.seconds)
    display.show_facts(
        story.out,
        {f"model, {route}": folder for route, folder in outcome.folders.items()}
        | {"data, job files": str(story.files)},
    )
    running = ", ".join(outcome.left_running) or "nothing"
    display.show_facts(story.out, {"left running": running})
    if outcome.wrong:
        display.failed(
            story.out, f"The tuned model does not answer {POLICY} to both headlines: {', '.join(outcome.wrong)}."
        )
    display.chapter(story.out, "Next, on Azure", "")
    for line in NEXT.splitlines():
        display.print_plain(story.out, line)


@contextmanager
def _timed(outcome: Outcome, name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    outcome.seconds[name] = round(time.monotonic() - started, 2)


@contextmanager
def _removed(endpoint: Endpoint) -> Iterator[None]:
    """Removes an endpoint at the end, whatever happens: it would be paid by the hour."""
    try:
        yield
    finally:
        endpoint.delete()


@contextmanager
def _cancelled_on_error(run: Run) -> Iterator[None]:
    """Cancels a run that the demo leaves before its end, as after Ctrl-C; one that is over is left as it is."""
    try:
        yield
    except BaseException:
        if not run.refresh().over:
            run.cancel()
        raise
