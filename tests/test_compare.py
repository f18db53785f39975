"""A tuned model judged beside the base model: on Azure's side of the wire, at the command line, and as a page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import pytest

from phi_azure import FineTune, GateNotPassed, ManagedCompute, NotFoundError, Serverless, Workspace
from phi_azure.cli import run as command_line
from phi_azure.cli.compare import METRICS
from phi_azure.config import Gate
from phi_azure.config.gate import MetricName
from phi_azure.display import comparison_page
from phi_azure.judging import Exam
from tests.browser import WIDTHS, overflow
from tests.conftest import row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phi_azure.compare import Comparison
    from phi_azure.endpoint import Endpoint
    from phi_azure.testing import Azure
    from tests.browser import Visit

WORDS = ("negative", "positive", "neutral")
MARKUP = "<script>document.title = 'obeyed'</script><img src=http://other.example/x.png>"
GATE = Gate(metric="label", at_least=0.9, better_than="base", max_lost=1)


def says(right: Callable[[int], bool]) -> Callable[[list[dict[str, Any]]], str]:
    """Returns a model that knows the answer to headline N where `right` says so."""

    def reply(messages: list[dict[str, Any]]) -> str:
        digits = "".join(filter(str.isdigit, messages[-1]["content"]))
        number = int(digits or 0)
        return WORDS[(number + (0 if right(number) else 1)) % 3]

    return reply


@pytest.fixture
def test_rows(tmp_path: Path) -> Path:
    """Thirty rows that no model has learnt from; one of them is hostile."""
    path = tmp_path / "test.jsonl"
    lines = [row(f"Headline {100 + n}.{MARKUP if n == 1 else ''}", WORDS[(100 + n) % 3]) for n in range(30)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def kept(emulator: Azure, tmp_path: Path) -> Workspace:
    """A workspace that keeps receipts."""
    ids = (emulator.subscription_id, emulator.resource_group, emulator.workspace)
    return Workspace(*ids, clock=emulator.clock, receipts=tmp_path / "receipts")


def job(chat: Path, test_rows: Path, gate: Gate | None = GATE) -> FineTune:
    """Returns a job with rows that are kept apart."""
    return FineTune(name="tone", training_data=chat, test_data=test_rows, route=ManagedCompute(), gate=gate)


def deployed(emulator: Azure, kept: Workspace, asked: FineTune, tuned: Callable[[int], bool]) -> Endpoint:
    """Puts the base model, right in a third of all cases, and beside it the tuned one behind an endpoint."""
    emulator.reply(says(lambda number: number % 3 == 0), on="headlines/blue")
    emulator.reply(says(tuned), on="headlines/green")
    model = kept.submit(asked).wait().register()
    kept.deploy_base(name="headlines")
    return model.deploy("headlines")


def shares(endpoint: Endpoint) -> dict[str, tuple[int, str]]:
    """Returns traffic and gate by deployment."""
    return {one.name: (one.traffic, one.gate) for one in endpoint.deployments()}


def test_gate_opens_the_way_to_traffic(emulator: Azure, kept: Workspace, chat: Path, test_rows: Path) -> None:
    """A gated model goes up without traffic, is compared, and gets traffic then; rollback goes back."""
    asked = job(chat, test_rows)
    endpoint = deployed(emulator, kept, asked, lambda _: True)
    waiting = shares(endpoint)
    with pytest.raises(GateNotPassed, match="has not been compared yet"):
        endpoint.shift({"green": 100})

    found = kept.compare("headlines/green", "headlines/blue", asked)
    endpoint.shift({"green": 100})
    shifted = shares(endpoint)
    endpoint.rollback()

    found.raise_for_gate()
    assert waiting == {"blue": (100, ""), "green": (0, "waiting")}
    assert shifted == {"blue": (0, ""), "green": (100, "passed")}
    assert shares(endpoint) == {"blue": (100, ""), "green": (0, "passed")}
    assert (len(found.pairs[0].gained), found.pairs[0].lost) == (20, ())


def test_gate_keeps_a_poor_model_from_traffic(emulator: Azure, kept: Workspace, chat: Path, test_rows: Path) -> None:
    """Its traffic stays as it is, unless somebody says that it shall get some all the same."""
    asked = job(chat, test_rows)
    endpoint = deployed(emulator, kept, asked, lambda number: number % 3 == 1)

    found = kept.compare("headlines/green", "headlines/blue", asked)

    with pytest.raises(GateNotPassed, match="did not pass its gate"):
        endpoint.shift({"green": 10})
    with pytest.raises(GateNotPassed, match=r"label is 0\.333 on 30 rows, below 0\.9"):
        found.raise_for_gate()
    assert shares(endpoint) == {"blue": (100, ""), "green": (0, "refused")}
    assert {one.name: one.traffic for one in endpoint.shift({"green": 10}, despite_gate=True)}["green"] == 10


def test_verdict_is_of_one_model(emulator: Azure, kept: Workspace, chat: Path, test_rows: Path) -> None:
    """What another version has shown does not count for the next one under the same name."""
    asked = job(chat, test_rows)
    endpoint = deployed(emulator, kept, asked, lambda _: True)
    kept.compare("headlines/green", "headlines/blue", asked)
    endpoint.retire()

    again = kept.submit(asked, again=True).wait().register()
    again.deploy("headlines")

    assert again.version != "1"
    assert shares(endpoint)["green"] == (0, "waiting")


def test_no_gate_changes_nothing(emulator: Azure, kept: Workspace, chat: Path, test_rows: Path) -> None:
    """A model without a gate gets traffic as it is deployed, and a comparison has no verdict."""
    asked = job(chat, test_rows, gate=None)
    endpoint = deployed(emulator, kept, asked, lambda _: True)

    found = kept.compare("headlines", "headlines/blue", asked)

    assert found.verdict is None
    assert shares(endpoint) == {"blue": (0, ""), "green": (100, "")}


def test_numbers_go_to_the_run_and_its_receipt(
    emulator: Azure, kept: Workspace, chat: Path, test_rows: Path, tmp_path: Path
) -> None:
    """As MLflow metrics of the job that the model came from, and as files beside its report."""
    asked = job(chat, test_rows)
    deployed(emulator, kept, asked, lambda number: number != 102)

    found = kept.compare("headlines/green", "headlines/blue", asked)

    run = kept.run(str(found.run))
    newest = {name: points[-1].value for name, points in run.metrics().items()}
    folder = tmp_path / "receipts" / run.name
    assert newest["compare.label.tuned"] == pytest.approx(29 / 30)
    assert (newest["compare.gained"], newest["compare.lost"], newest["compare.passed"]) == (20, 1, 1)
    assert json.loads((folder / "comparison.json").read_text("utf-8"))["model"] == "tone:1"
    assert (folder / "comparison.html").is_file()
    assert "label, tuned" in kept.report(run).read_text("utf-8")


def test_serverless_models_are_compared_too(emulator: Azure, kept: Workspace, chat: Path, test_rows: Path) -> None:
    """They have no deployments and no traffic; the verdict is the exit code's."""
    emulator.reply(says(lambda _: True), on="tuned")
    asked = FineTune(name="tone", training_data=chat, test_data=test_rows, route=Serverless(), gate=GATE)
    kept.submit(asked).wait().register().deploy("tuned")
    kept.deploy_base(name="base")

    found = kept.compare("tuned", "base", asked)

    assert found.verdict is not None
    assert found.verdict.passed
    assert found.run is not None


def test_other_ways_are_sides_of_their_own(emulator: Azure, kept: Workspace, chat: Path, test_rows: Path) -> None:
    """The base model with a prompt, and with examples: both are asked, and the gate can ask for more than either."""
    emulator.reply(says(lambda _: True), on="tuned")
    emulator.reply(lambda messages: WORDS[len(messages) % 3], on="base/blue")
    kept.deploy_base(name="base")
    kept.deploy_base(name="tuned")
    emulator.reply(says(lambda _: True), on="tuned/blue")
    exam = Exam(test_rows, gate=Gate(better_than="all"), training=chat, prompt="Be short.", shots=2)

    found = kept.compare("tuned", "base", exam)

    assert [side.name for side in found.sides] == ["tuned", "base", "base + prompt", "base + 2 examples"]
    assert [pair.against for pair in found.pairs] == ["base", "base + prompt", "base + 2 examples"]
    asked = [
        len(one.json["input_data"]["input_string"])
        for one in emulator.sent("POST", "/score")
        if one.host.startswith("base")
    ]
    assert {1, 2, 5} <= set(asked)


def test_deployment_that_is_not_there(emulator: Azure, kept: Workspace, test_rows: Path) -> None:
    """It is refused with the names that there are, and nobody is asked."""
    kept.deploy_base(name="headlines")
    before = len(emulator.sent("POST", "/score"))

    with pytest.raises(NotFoundError, match="has no deployment green; it has: blue"):
        kept.compare("headlines/green", "headlines/blue", Exam(test_rows))

    assert len(emulator.sent("POST", "/score")) == before


# ---- The command ---


def test_command_knows_every_metric() -> None:
    """The options name what the job file takes."""
    assert get_args(MetricName) == METRICS


@pytest.fixture
def stage(emulator: Azure, kept: Workspace, chat: Path, test_rows: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with config.json and job.yaml, and both models behind an endpoint; the tuned one is nearly right."""
    folder = chat.parent
    asked = job(chat, test_rows)
    deployed(emulator, kept, asked, lambda number: number != 102)
    (folder / "job.yaml").write_text(asked.to_yaml(), encoding="utf-8")
    emulator.write_config(folder)
    monkeypatch.chdir(folder)
    return folder


def test_command_judges_and_shifts(stage: Path, kept: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """Passed: exit code 0, the flips are shown, the page is written, and the traffic goes over."""
    words = ["compare", "headlines/green", "--against", "headlines/blue", "--job", "job.yaml"]

    code = command_line([*words, "--traffic", "100", "--out", "page.html"])

    shown = " ".join(capsys.readouterr().out.split())
    assert code == 0
    assert "20 gained, 1 lost" in shown
    assert "The gate is passed: label at least 0.9, label better than base, at most 1 lost." in shown
    assert "expected positive" in shown
    assert "20 gained" in (stage / "page.html").read_text("utf-8")
    assert shares(kept.endpoint("headlines"))["green"] == (100, "passed")


def test_command_refuses(stage: Path, kept: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """Not passed: exit code 9, one document, the traffic stays; `traffic` ends in 9 as well, and says what opens it."""
    words = ["compare", "headlines/green", "--against", "headlines/blue", "--job", "job.yaml"]

    code = command_line([*words, "--traffic", "100", "--max-lost", "0", "--json"])

    document = json.loads(capsys.readouterr().out)
    assert code == 9
    assert document["verdict"]["reasons"] == ["1 answers that base has right are wrong now, more than 0"]
    assert shares(kept.endpoint("headlines"))["green"] == (0, "refused")
    assert command_line(["traffic", "headlines", "green=100"]) == 9
    assert "compare headlines/green" in capsys.readouterr().err
    assert command_line(["traffic", "headlines", "green=100", "--despite-gate"]) == 0


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        ([], 2, "Which rows?"),
        (["--data", "none.jsonl"], 3, "is no file"),
        (["--data", "test.jsonl", "--metric", "regex"], 2, "needs pattern"),
        (["--data", "test.jsonl", "--shots", "2"], 2, "examples come from the training rows"),
        (["--job", "job.yaml", "--limit", "5", "--metric", "exact_match"], 0, "5 rows"),
    ],
    ids=["no rows", "no file", "no pattern", "no training", "some rows"],
)
def test_command_says_what_it_lacks(
    stage: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, part: str
) -> None:
    """Each with its exit code and before anything is asked."""
    ended = command_line(["compare", "headlines/green", "--against", "headlines/blue", *words])

    said = capsys.readouterr()
    assert ended in {code, 9} if code == 0 else ended == code, said.err
    assert part in said.out + said.err


# ---- The page ---


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_shows_the_flips_first(
    emulator: Azure,
    kept: Workspace,
    chat: Path,
    test_rows: Path,
    tmp_path: Path,
    visit: Visit,
    width: int,
    *,
    dark: bool,
) -> None:
    """Lost before gained before scores; markup in rows is text; it fits its window and asks nobody for anything."""
    asked = job(chat, test_rows)
    deployed(emulator, kept, asked, lambda number: number != 102)
    found: Comparison = kept.compare("headlines/green", "headlines/blue", asked)
    (tmp_path / "page.html").write_text(comparison_page(found), encoding="utf-8")

    page = visit(tmp_path / "page.html", width, dark=dark)

    titles = page.locator("h2, h3").all_inner_texts()
    assert [titles[1].split(":")[0], titles[2].split(":")[0]] == ["1 lost", "20 gained"]
    assert page.locator(".flip").first.get_by_text("Headline 102").count() == 1
    assert page.get_by_text(MARKUP).first.is_visible()
    assert page.title() == "tone:1: compared"
    assert overflow(page) == 0
    page.get_by_text("All 30 rows").click()
    assert overflow(page) == 0
    visit.picture(page, f"comparison-{width}-{'dark' if dark else 'light'}")
