"""Jobs: what may be written, and how a mistake is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from phi_azure import ConfigError, FineTune, Lora, ManagedCompute, Serverless

if TYPE_CHECKING:
    from pathlib import Path


def job_file(folder: Path, text: str) -> Path:
    """Writes a job file."""
    path = folder / "job.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    """Returns the problems of a job file, without the file's name."""
    path = job_file(folder, text)
    with pytest.raises(ConfigError) as caught:
        FineTune.from_yaml(path)
    return [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]


def test_reads_a_job_file(tmp_path: Path) -> None:
    """Names, route and knobs arrive; paths start from the file's folder."""
    text = "name: tone\ntraining_data: data/train.jsonl\nroute:\n  kind: managed\n  epochs: 3\n  learning_rate: 2e-5\n"

    job = FineTune.from_yaml(job_file(tmp_path, text))

    assert job.training_data == tmp_path / "data" / "train.jsonl"
    assert isinstance(job.route, ManagedCompute)
    assert (job.route.epochs, job.route.learning_rate, job.model) == (3, 2e-5, "Phi-4-mini-instruct")


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        pytest.param("serverless", Serverless(), id="only its name"),
        pytest.param("{n_epochs: 2}", Serverless(epochs=2), id="the portal's name"),
        pytest.param("{per_device_train_batch_size: 4}", Serverless(batch_size=4), id="Hugging Face's name"),
        pytest.param(
            "{kind: managed, lora_r: 16, lora_alpha: 32}", ManagedCompute(lora=Lora(r=16, alpha=32)), id="flat LoRA"
        ),
        pytest.param("{kind: managed, lora: null}", ManagedCompute(lora=None), id="all weights"),
    ],
)
def test_reads_the_names_of_others(tmp_path: Path, route: str, expected: Serverless | ManagedCompute) -> None:
    """Azure's and Hugging Face's own names mean the same."""
    job = FineTune.from_yaml(job_file(tmp_path, f"name: tone\ntraining_data: a.jsonl\nroute: {route}\n"))

    assert job.route == expected


def test_a_wave_stands_for_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a shell; a name that only begins so is a name."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    text = "name: tone\ntraining_data: ~/train.jsonl\nvalidation_data: ~train.jsonl\n"

    job = FineTune.from_yaml(job_file(tmp_path, text))

    assert job.training_data == tmp_path / "home" / "train.jsonl"
    assert job.validation_data == tmp_path / "~train.jsonl"


@pytest.mark.parametrize("model", ['" "', '"Phi-4?x=1"', '"Phi 4"', '"Phi-4:"', '"azureml:a"', '"情感"'])
def test_what_names_no_model_is_refused_by_line(tmp_path: Path, model: str) -> None:
    """Before rows are read or anything is asked."""
    found = problems(tmp_path, f"name: tone\ntraining_data: a.jsonl\nmodel: {model}\n")

    assert [line.partition(":")[0] for line in found] == ["3"]
    assert "names no model; write Phi-4, Phi-4:7, org/name" in found[0]


def test_writes_what_it_reads(tmp_path: Path) -> None:
    """A job survives the way through a file."""
    job = FineTune(
        name="tone",
        training_data=tmp_path / "train.jsonl",
        route=ManagedCompute(cluster="gpu", lora=None, deepspeed=3, adam_beta2=0.95),
        tags={"team": "soc"},
    )

    assert FineTune.from_yaml(job_file(tmp_path, job.to_yaml())) == job


def test_names_every_problem_with_its_line(tmp_path: Path) -> None:
    """Nothing has to be found out one at a time."""
    top = "name: my job\ntraining_data: a.jsonl\nlr: 3\nexperiment: a\nexperiment: b\n"
    text = top + "route:\n  kind: managed\n  epochs: 0\n"

    found = problems(tmp_path, text)

    assert [line.partition(":")[0] for line in found] == ["1", "3", "5", "8"]
    assert "stands twice (first in line 4)" in found[2]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        pytest.param("trainig_data: b", "training_data", id="misspelt"),
        pytest.param("base_model: b", "model", id="another tool's name"),
        pytest.param("route: {lr: 1}", "learning_rate", id="short name"),
        pytest.param("route: {learning_rate_multiplier: 1}", "an absolute value", id="the portal's factor"),
        pytest.param("route: {kind: managed, lora_rank: 8}", "lora: {r: ...}", id="rank"),
        pytest.param("route: {kind: managed, lora: {rank: 8}}", "r?", id="rank, nested"),
        pytest.param("route: {warmup_steps: 8}", "only route kind managed has it", id="the other route's knob"),
        pytest.param("epochs: 8", "belongs under route: epochs", id="one level too high"),
        pytest.param("route: {kind: managed, inputs: {adam_beta: '0'}}", "did you mean adam_beta", id="misspelt input"),
        pytest.param("route: {kind: managed, inputs: {lora_r: '8'}}", "lora.r", id="input with a field of its own"),
        pytest.param("route: {kind: gpu}", "serverless or managed", id="unknown route"),
        pytest.param("route: {epochs: 1, num_train_epochs: 2}", "are the same; keep one", id="the same knob twice"),
    ],
)
def test_names_what_was_meant(tmp_path: Path, text: str, meant: str) -> None:
    """A strange key is refused with the name that it should have had."""
    found = problems(tmp_path, f"name: tone\ntraining_data: a.jsonl\n{text}\n")

    assert len(found) == 1
    assert found[0].startswith("3:")
    assert meant in found[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "not YAML"),
        ("- a", "names and values"),
        ("a: !!python/object:os.system {}", "not YAML"),
        ("{}", "is missing"),
        ("name: a\n---\nname: b\n", "a second document begins here"),
    ],
)
def test_refuses_what_is_no_job(tmp_path: Path, text: str, said: str) -> None:
    """Broken, unsafe and empty files are config errors too."""
    with pytest.raises(ConfigError, match=said):
        FineTune.from_yaml(job_file(tmp_path, text))


@pytest.mark.parametrize(
    ("route", "said"),
    [
        pytest.param({"job": "finetuning"}, "needs a cluster, or instance_types", id="nowhere to run"),
        pytest.param(
            {"job": "finetuning", "cluster": "gpu", "seed": 3}, "seed belongs to job: pipeline", id="foreign knob"
        ),
        pytest.param({"instance_types": ["a"]}, "belongs to job: finetuning", id="types in a pipeline"),
        pytest.param(
            {"evaluation_strategy": "disable", "early_stopping_patience": 1}, "needs evaluation", id="stopping blind"
        ),
    ],
)
def test_refuses_what_does_not_fit(route: dict[str, object], said: str) -> None:
    """Knobs that exclude each other are told apart before Azure is asked."""
    with pytest.raises(ValidationError, match=said):
        ManagedCompute.model_validate(route)


def test_every_field_is_explained() -> None:
    """The schema describes each knob with the sentence under it."""
    for kind in (FineTune, Serverless, ManagedCompute, Lora):
        assert all(field.description for name, field in kind.model_fields.items() if name != "kind"), kind
