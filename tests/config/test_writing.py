"""What is written from a job: the commented file, the schema, Azure's own YAML."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from phi_azure import ConfigError, FineTune, ManagedCompute, Serverless
from phi_azure.azure.rendering import bodies, verify
from phi_azure.cli import run
from phi_azure.config import with_model_defaults
from phi_azure.config.schema import json_schema
from phi_azure.render import render

SIZE = "Standard_NC24ads_A100_v4"
ROUTES = [
    Serverless(),
    Serverless(learning_rate=2e-5, epochs=3, batch_size=4, max_seq_length=512),
    ManagedCompute(job="finetuning", cluster="gpu", learning_rate=1e-5),
    ManagedCompute(job="finetuning", instance_types=(SIZE,)),
    ManagedCompute(size=SIZE),
    ManagedCompute(cluster="gpu", size=SIZE, nodes=2, deepspeed=3, lora=None, adam_beta2=0.95),
]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("model", ["Phi-4-mini-instruct", "Phi-4", "Phi-3.5-mini-instruct:5"])
@pytest.mark.parametrize("route", ROUTES)
def test_rendered_yaml_is_the_job_that_submit_sends(
    route: Serverless | ManagedCompute, model: str, tmp_path: Path
) -> None:
    """Nobody is locked in: azure-ai-ml reads the file and comes to the same job."""
    data = {name: tmp_path / f"{name}.jsonl" for name in ("training_data", "validation_data", "test_data")}
    for path in data.values():
        path.write_text("{}\n", encoding="utf-8")
    job = FineTune(name="tone", model=model, route=route, **data)

    found = bodies(job, render(job, tmp_path), tmp_path)

    assert found.different == []
    assert len(found.sent) > 5


@pytest.mark.parametrize("model", [{"huggingface": "microsoft/Phi-3.5-mini-instruct"}, {"path": "weights"}])
def test_own_models_are_rendered_too(model: dict[str, str], tmp_path: Path) -> None:
    """A Hugging Face id is text, a folder a model that is uploaded."""
    (tmp_path / "weights").mkdir()
    job = FineTune(name="tone", model=model, training_data="azureml:rows:1", route=ManagedCompute())

    found = bodies(job, render(job), Path())

    assert found.different == []
    assert {"huggingface_id", "pytorch_model_path"} & set(found.read)


def test_verify_tells_another_job(tmp_path: Path) -> None:
    """A value that was changed by hand is named."""
    job = FineTune(name="tone", training_data="azureml:rows:1", route=Serverless(epochs=3))
    text = render(job).replace("'3'", "'4'")

    with pytest.raises(ConfigError, match="num_train_epochs"):
        verify(job, text, tmp_path)


def test_render_writes_paths_as_seen_from_the_new_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`az ml` starts from the YAML's own folder, wherever that is."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "azure").mkdir()
    (tmp_path / "jobs" / "train.jsonl").write_text("{}\n", encoding="utf-8")
    (tmp_path / "jobs" / "job.yaml").write_text("name: tone\ntraining_data: train.jsonl\n", encoding="utf-8")

    code = run(["render", "jobs/job.yaml", "--out", "azure/job.yaml", "--verify"])

    written = yaml.safe_load((tmp_path / "azure" / "job.yaml").read_text(encoding="utf-8"))
    assert code == 0
    assert capsys.readouterr().out.strip() == str(Path("azure/job.yaml"))
    assert written["training_data"]["path"] == "../jobs/train.jsonl"


def test_the_models_own_defaults_are_sent_and_what_a_person_says_wins() -> None:
    """As Azure's samples do; the catalogue has Phi-4 with DeepSpeed stage 3."""
    asked = FineTune(name="tone", model="Phi-4", training_data="a.jsonl", route=ManagedCompute())
    mine = asked.model_copy(update={"route": ManagedCompute(deepspeed=None, auto_find_batch_size=True)})

    settled, kept = with_model_defaults(asked).route, with_model_defaults(mine).route
    assert isinstance(settled, ManagedCompute)
    assert isinstance(kept, ManagedCompute)
    assert (settled.deepspeed, settled.learning_rate) == (3, 5e-6)
    assert (kept.deepspeed, kept.learning_rate) == (None, 5e-6)


@pytest.mark.parametrize("route", ["serverless", "managed"])
def test_each_line_of_the_commented_file_can_be_taken_in(route: str, tmp_path: Path) -> None:
    """A field behind a # is right as it stands, one at a time."""
    run(["init", "job.yaml", "--route", route])
    lines = (tmp_path / "job.yaml").read_text(encoding="utf-8").splitlines()
    fields = {*FineTune.model_fields, *ManagedCompute.model_fields, *Serverless.model_fields}
    hidden = [
        index
        for index, line in enumerate(lines)
        if line.lstrip().startswith("# ") and line.split(":")[0].split("# ")[-1] in fields
    ]
    assert len(hidden) >= (5 if route == "serverless" else 50)

    for index in hidden:
        text = [line.replace("# ", "", 1) if number == index else line for number, line in enumerate(lines)]
        (tmp_path / "one.yaml").write_text("\n".join(text), encoding="utf-8")
        if "job: finetuning" not in lines[index]:
            FineTune.from_yaml(tmp_path / "one.yaml")


@pytest.mark.parametrize("route", ["serverless", "managed"])
def test_the_schema_takes_what_init_writes(route: str, tmp_path: Path) -> None:
    """An editor finds no fault in a file that is right."""
    run(["init", "job.yaml", "--route", route])
    document = yaml.safe_load((tmp_path / "job.yaml").read_text(encoding="utf-8"))

    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(document, json_schema())


@pytest.mark.parametrize(
    "route",
    [
        {"kind": "managed", "epoch": 1},
        {"kind": "managed", "lora": {"r": 0}},
        {"epochs": 0},
        {"warmup_steps": 1},
        "cloud",
    ],
)
def test_the_schema_refuses_what_a_person_may_not_write(route: object) -> None:
    """Misspelt keys, values out of range, knobs of the other route."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "tone", "training_data": "a.jsonl", "route": route}, json_schema())


@pytest.mark.parametrize(
    "route", ["serverless", "managed", {"kind": "managed", "num_train_epochs": 2, "lora_r": 4}, {"epochs": 2}]
)
def test_the_schema_takes_the_other_names(route: object) -> None:
    """What the reader takes, the editor does not mark."""
    jsonschema.validate({"name": "tone", "training_data": "a.jsonl", "route": route}, json_schema())


def test_every_field_of_the_schema_is_explained() -> None:
    """An editor shows a sentence for each field, and each knob of managed compute has a group."""
    definitions = json_schema()["$defs"]

    for name in ("Serverless", "ManagedCompute", "Lora"):
        fields = definitions[name]["properties"]
        assert all(field.get("description") for key, field in fields.items() if key != "kind"), name
    assert all(field["x-group"] for field in definitions["ManagedCompute"]["properties"].values())
