"""A plan as a value: rows, both routes, budgets, what is there, what has changed."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from phi_azure import FineTune, ManagedCompute, OverBudget, Serverless, catalog, display
from phi_azure.dataset import FileReport, Report, Split
from phi_azure.errors import ConfigError
from phi_azure.plan import LiveFacts, Plan, plan
from phi_azure.plan.steps import missing_files, rows_on, steps

TODAY = date(2026, 11, 24)


def _report(rows: int = 1000, dropped: int = 0, characters: int = 800_000, **others: int) -> Report:
    names: dict[str, Split] = {"validation": "validation", "test": "test"}
    more = tuple(FileReport(f"{name}.jsonl", names[name], rows=count) for name, count in others.items())
    return Report((FileReport("train.jsonl", "training", rows=rows, dropped=dropped, characters=characters), *more))


def _job(**fields: Any) -> FineTune:
    return FineTune(**{"name": "tone", "training_data": Path("train.jsonl"), **fields})


FILES = [{}, {"validation": 50}, {"test": 50}, {"validation": 50, "test": 60}]


@pytest.mark.parametrize(
    ("route", "left"),
    [
        (ManagedCompute(), [(800, 100, 100), (800, 50, 200), (800, 200, 50), (1000, 50, 60)]),
        (
            ManagedCompute(cluster="gpus", job="finetuning"),
            [(800, 200, 0), (1000, 50, 0), (800, 200, 50), (1000, 50, 60)],
        ),
        (Serverless(), [(800, 200, 0), (1000, 50, 0), (800, 200, 50), (1000, 50, 60)]),
    ],
    ids=["pipeline", "fine-tuning job on a cluster", "serverless"],
)
def test_rows_are_set_aside_for_what_is_missing(
    route: ManagedCompute | Serverless, left: list[tuple[int, int, int]]
) -> None:
    """A pipeline: 80/10/10 without both files, 80/20 without one. A fine-tuning job: a fifth for validation alone."""
    found = []
    for others in FILES:
        job = _job(route=route, **{f"{split}_data": Path(f"{split}.jsonl") for split in others})
        rows = rows_on(_report(**others), missing_files(job))
        found.append((rows.training, rows.validation, rows.test))

    assert found == left


def test_nothing_is_set_aside_for_files_that_lie_in_azure() -> None:
    """They are not in the report, and still they are there."""
    job = _job(route=ManagedCompute(), validation_data="azureml:rows:1", test_data="azureml:rows:2")

    assert rows_on(_report(), missing_files(job)).training == 1000


def test_dropped_rows_do_not_train() -> None:
    """1,000 rows less 100 that Azure drops, less two tenths of the rest."""
    rows = rows_on(_report(dropped=100), ("validation", "test"))

    assert (rows.given, rows.dropped, rows.training) == (1000, 100, 720)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((800, 1, 1, 3), 2400), ((801, 8, 1, 1), 101), ((800, 8, 4, 2), 50), ((800, 8, 4, 2, 30), 30)],
)
def test_steps(arguments: tuple[int, ...], expected: int) -> None:
    """Rows over rows a step, rounded up, for each epoch; max_steps ends it."""
    assert steps(*arguments) == expected


def test_max_steps_decides_the_tokens() -> None:
    """400 of 800 steps train half of what the epoch has."""
    whole = plan(_job(route=ManagedCompute()), _report(), today=TODAY).managed
    half = plan(_job(route=ManagedCompute(max_steps=400)), _report(), today=TODAY).managed

    assert whole.steps == 800
    assert half.steps == 400
    assert whole.hours is not None
    assert half.hours is not None
    assert half.hours.high < whole.hours.high


def test_both_routes_are_planned_whatever_the_file_asks_for() -> None:
    """A serverless file has a managed side with its epochs, and the other way round."""
    one = plan(_job(route=Serverless(epochs=2)), _report(), today=TODAY)
    other = plan(_job(route=ManagedCompute(epochs=2)), _report(), today=TODAY)

    assert one.managed.steps == other.managed.steps == 1600
    assert one.serverless.steps == other.serverless.steps == 1600
    assert (one.route, other.route) == ("serverless", "managed")


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({"epochs": 80}, "Serverless takes epochs of 50 at most, not 80: its column is reckoned with 50."),
        ({"batch_size": 300}, "Serverless takes batch_size of 256 at most, not 300"),
        ({"max_steps": 40}, "max_steps ends the training on managed compute alone"),
    ],
    ids=["epochs", "batch", "steps"],
)
def test_routes_that_do_not_train_alike_are_not_weighed(knobs: dict[str, int], says: str) -> None:
    """What serverless takes less of, or does not have, is said, and no price is named at which both cost the same."""
    alike = plan(_job(route=ManagedCompute(epochs=50)), _report(), today=TODAY)

    made = plan(_job(route=ManagedCompute(**knobs)), _report(), today=TODAY)

    assert [note for note in made.notes if note.startswith(says)]
    assert made.break_even is None
    assert alike.break_even is not None
    assert not any("different trainings" in note for note in alike.notes)


def test_knobs_of_one_route_are_named_as_ignored_by_the_other() -> None:
    """Serverless has no warm-up and no machines."""
    made = plan(_job(route=ManagedCompute(warmup_steps=5, size="Standard_NC24ads_A100_v4")), _report(), today=TODAY)

    assert made.serverless.ignored == ("size", "warmup_steps")
    assert made.managed.ignored == ()


@pytest.mark.parametrize(
    ("model", "today", "words"),
    [
        ("Phi-3.5-mini-instruct", TODAY, "retired from serverless fine-tuning on 2025-08-30"),
        ("Phi-4-reasoning", TODAY, "does not offer Phi-4-reasoning"),
        ("Phi-4", date(2027, 1, 17), "retired from serverless fine-tuning on 2027-01-17"),
    ],
)
def test_a_route_that_is_closed_says_why(model: str, today: date, words: str) -> None:
    """The serverless side is priced all the same, and marked."""
    side = plan(_job(model=model), _report(), today=today).serverless

    assert not side.open
    assert side.why is not None
    assert words in side.why


def test_a_hugging_face_model_trains_on_managed_compute_alone() -> None:
    """The catalogue's row gives its memory; serverless is closed to it."""
    job = _job(model={"huggingface": "microsoft/Phi-3.5-mini-instruct"}, route=ManagedCompute())
    made = plan(job, _report(), today=TODAY)

    assert not made.serverless.open
    assert made.managed.open
    assert made.managed.machine is not None
    assert made.managed.machine.memory is not None


def test_own_weights_are_read_for_their_size(tmp_path: Path) -> None:
    """config.json of the folder gives the memory; without one the plan says that it is not known."""
    folder = tmp_path / "weights"
    folder.mkdir()
    job = _job(model={"path": str(folder)}, route=ManagedCompute())
    blind = plan(job, _report(), today=TODAY)
    lengths = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128}
    (folder / "config.json").write_text(json.dumps({**lengths, "vocab_size": 1000}), encoding="utf-8")
    seeing = plan(job, _report(), today=TODAY)

    assert blind.managed.hours is None
    assert any("has no config.json" in note for note in blind.notes)
    assert seeing.managed.hours is not None
    assert seeing.managed.machine is not None
    assert seeing.managed.machine.fits


def test_the_high_figure_is_held_against_the_budget() -> None:
    """A limit between the bounds refuses, because the job may pass it."""
    bounds = plan(_job(route=ManagedCompute()), _report(), today=TODAY).managed
    assert bounds.price is not None
    assert bounds.hours is not None
    middle = (bounds.price.low + bounds.price.high) / 2

    over = plan(_job(route=ManagedCompute(), max_price=middle, max_hours=bounds.hours.low), _report(), today=TODAY)
    under = plan(_job(route=ManagedCompute(), max_price=bounds.price.high + 1, max_hours=9), _report(), today=TODAY)

    assert len(over.over_budget) == 2
    assert under.over_budget == ()
    under.raise_for_budget()
    with pytest.raises(OverBudget, match="max_price") as caught:
        over.raise_for_budget()
    assert caught.value.exit_code == 10


def test_a_limit_that_cannot_be_held_refuses() -> None:
    """Nobody published the serverless price; with the user's own figure the limit can be held."""
    job = _job(max_price=10)

    assert "cannot be held" in plan(job, _report(), today=TODAY).over_budget[0]
    assert plan(job, _report(), facts=LiveFacts(price_per_million=1.0), today=TODAY).over_budget == ()
    assert plan(job, _report(), facts=LiveFacts(price_per_million=90.0), today=TODAY).over_budget


@pytest.mark.parametrize("route", [Serverless(), ManagedCompute(size="Standard_NOPE")], ids=["serverless", "size"])
def test_hours_that_nobody_knows_are_held_while_it_runs(route: Serverless | ManagedCompute) -> None:
    """Such a limit refuses nothing, and the plan says who holds it; hours that are known need no such note."""
    made = plan(_job(route=route, max_hours=2), _report(), today=TODAY)
    known = plan(_job(route=ManagedCompute(), max_hours=9), _report(), today=TODAY)

    assert made.over_budget == ()
    assert [note for note in made.notes if "max_hours (2) refuses nothing beforehand" in note]
    assert not any("max_hours" in note for note in known.notes)


def test_what_would_be_made_is_looked_up_only_with_facts() -> None:
    """Without facts nothing is claimed; with them each thing is new or there."""
    job = _job(route=ManagedCompute(cluster="gpus"), validation_data=Path("azureml:rows:1"))
    blind = plan(job, _report(), today=TODAY)
    seeing = plan(job, _report(), facts=LiveFacts(existing=frozenset({"cluster gpus"})), today=TODAY)

    assert [(item.kind, item.name) for item in blind.creates] == [
        ("data", "tone-training"),
        ("cluster", "gpus"),
        ("job", "tone-..."),
        ("model", "tone"),
    ]
    assert [item.state for item in blind.creates] == ["not looked up", "not looked up", "new", "not looked up"]
    assert [item.state for item in seeing.creates] == ["new", "exists", "new", "new"]


def test_the_cluster_that_is_there_gives_the_machine() -> None:
    """Its size counts where the file names none; live prices go before the table's."""
    size = "Standard_NC40ads_H100_v5"
    price = catalog.Price(5.0, region="westus3", as_of=TODAY)
    facts = LiveFacts(cluster_size=size, hourly={size: price})
    machine = plan(_job(route=ManagedCompute(cluster="gpus")), _report(), facts=facts, today=TODAY).managed.machine

    assert machine is not None
    assert (machine.size, machine.chosen_by, machine.hourly) == (size, "cluster", 5.0)
    assert "westus3" in machine.price_note


@pytest.mark.parametrize(
    ("route", "words"),
    [
        (ManagedCompute(size="Standard_NC4as_T4_v3"), "does not fit"),
        (ManagedCompute(size="Standard_NC96ads_A100_v4", gpus=1), "4 GPUs are paid"),
        (ManagedCompute(size="Standard_NC24ads_A100_v4", nodes=2), "no fast network"),
        (ManagedCompute(), "is our choice"),
    ],
)
def test_machines_that_do_not_suit_are_named(route: ManagedCompute, words: str) -> None:
    """Each trap has its sentence."""
    notes = plan(_job(route=route), _report(), today=TODAY).notes

    assert any(words in note for note in notes)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("Standard_NC6s_v3", "was retired on 2025-09-30"),
        ("Standard_NC24ads_A100_v4", "nodes is the number of machines"),
    ],
)
def test_a_cluster_that_does_not_suit_is_named(size: str, words: str) -> None:
    """What is there already is of a size that the file does not know."""
    route = ManagedCompute(cluster="gpus", gpus=4)

    notes = plan(_job(route=route), _report(), facts=LiveFacts(cluster_size=size), today=TODAY).notes

    assert any(words in note for note in notes)


def test_an_old_table_says_so() -> None:
    """From 121 days on."""
    assert any("days old" in note for note in plan(_job(), _report(), today=date(2027, 4, 1)).notes)
    assert not any("days old" in note for note in plan(_job(), _report(), today=TODAY).notes)


def test_data_in_azure_leaves_prices_open() -> None:
    """The rows are not here, and nothing is made up."""
    made = plan(_job(training_data="azureml:rows:1", route=ManagedCompute()), Report(()), today=TODAY)

    assert made.tokens is None
    assert made.managed.price is None
    assert made.serverless.price is None
    assert made.managed.machine is not None
    assert made.managed.machine.fits is None
    assert any("its rows are not here" in note.lower() for note in made.notes)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("phi4-mini", "did you mean Phi-4-mini-instruct?"),
        ("phi4-mini", "Whether Azure's registry has phi4-mini is not known."),
        ({"path": "nowhere"}, "There is no folder nowhere"),
    ],
    ids=["misspelt", "not known", "no folder"],
)
def test_a_model_that_nobody_knows_is_named(model: object, said: str) -> None:
    """No route claims to train it, and the name that was meant is told."""
    made = plan(_job(model=model, route=ManagedCompute()), _report(), today=TODAY)

    assert any(said in note for note in made.notes), made.notes
    assert made.managed.price is None


def test_a_plan_is_saved_and_read_back() -> None:
    """Through JSON it comes back the same."""
    made = plan(_job(route=ManagedCompute(epochs=3)), _report(), today=TODAY)

    assert Plan.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    with pytest.raises(ConfigError, match="no saved plan"):
        Plan.from_dict({"job": "tone"})


def test_compare_names_what_changed_and_nothing_else() -> None:
    """More epochs change steps, hours and prices, not the memory; another day alone changes nothing."""
    before = plan(_job(route=ManagedCompute(epochs=1)), _report(), today=TODAY)
    after = plan(_job(route=ManagedCompute(epochs=2)), _report(), today=date(2026, 11, 25))
    fields = {change.field for change in before.compare(after)}

    assert {"epochs", "managed.steps", "managed.price.high", "serverless.steps"} <= fields
    assert not any(field.startswith("managed.machine") for field in fields)
    assert before.compare(plan(_job(route=ManagedCompute(epochs=1)), _report(), today=date(2026, 11, 25))) == ()


def test_changes_read_as_figures_and_lines() -> None:
    """On the screen stands no list or dict of Python: parts go by their names, texts one a line."""
    before = plan(_job(route=ManagedCompute(epochs=1)), _report(), today=TODAY)
    after = plan(_job(route=ManagedCompute(epochs=1, deepspeed=3, cluster="gpus")), _report(), today=TODAY)
    out = io.StringIO()

    display.show_plan(Console(file=out, width=100, highlight=False), after, before.compare(after))

    lines = out.getvalue().partition("Changed since the saved plan\n")[2].splitlines()
    assert "  creates.cluster gpus.state: none -> not looked up" in lines
    assert "  managed.machine.memory.lines.optimizer.gib: 0.08594 -> 0" in lines
    assert lines[lines.index("  serverless.ignored:") + 1 :][:2] == ["    + cluster", "    + deepspeed"]
    assert not [line for line in lines if set("[{") & set(line)]


@given(
    rows=st.integers(20, 5000),
    epochs=st.integers(1, 5),
    batch=st.integers(1, 8),
    row=st.sampled_from([row.name for row in catalog.MODELS]),
)
def test_more_rows_are_never_cheaper(rows: int, epochs: int, batch: int, row: str) -> None:
    """And the low bound is never above the high one."""
    job = _job(model=row, route=ManagedCompute(epochs=epochs, batch_size=batch, size="Standard_NC96ads_A100_v4"))
    facts = LiveFacts(price_per_million=2.0)
    fewer, more = (
        plan(job, _report(rows=count, characters=count * 400), facts=facts, today=TODAY) for count in (rows, rows + 50)
    )

    for small, large in ((fewer.managed, more.managed), (fewer.serverless, more.serverless)):
        assert small.price is not None
        assert large.price is not None
        assert small.price.low <= large.price.low
        assert small.price.high <= large.price.high
        assert small.price.low <= small.price.high
    assert fewer.managed.hours is not None
    assert fewer.managed.hours.low <= fewer.managed.hours.high


def _screen(made: Plan) -> list[str]:
    out = io.StringIO()
    display.show_plan(Console(file=out, width=80, force_terminal=False, highlight=False), made)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("model", ["Phi-4-mini-instruct", "Phi-4", "Phi-3.5-MoE-instruct", "Phi-3.5-mini-instruct"])
@pytest.mark.parametrize("route", [Serverless(epochs=3), ManagedCompute(epochs=3, cluster="gpus", warmup_steps=9)])
def test_the_screen_fits_80_columns(model: str, route: Serverless | ManagedCompute) -> None:
    """Both routes stand side by side, the arithmetic below, and no line is cut by a terminal."""
    made = plan(_job(model=model, route=route), _report(rows=85_000, characters=20_000_000), today=TODAY)
    lines = _screen(made)
    text = "\n".join(lines)

    assert max(map(len, lines)) <= 80
    for words in ("serverless", "managed compute", "endpoint a month", "tokens x 3 epochs", "GiB", "cores of"):
        assert words in text
    head = next(line for line in lines if line.startswith("training "))
    assert head.split("  ")[1:]
    assert "not known" in head
    assert "USD" in head
