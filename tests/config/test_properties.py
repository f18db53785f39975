"""Any job, any file: what is taken goes through a file and to Azure unharmed; what is not is refused in our words."""

from __future__ import annotations

import json
import math
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from phi_azure import ConfigError, FineTune, Lora, ManagedCompute, Serverless
from phi_azure.config import component, resolve
from phi_azure.config.component import FileInput, Settled
from phi_azure.render import render
from tests import azure_rules
from tests.config.broken import BROKEN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phi_azure.config.strict import Strict

INPUTS = json.loads(
    (files("phi_azure.emulator") / "facts" / "chat_completion_pipeline.json").read_text(encoding="utf-8")
)["inputs"]
WORDS = st.text("abcdefghijklmnopqrstuvwxyz-_ äß:#'\"{}[],&*!|>%@`\\\n", min_size=1, max_size=12)
NAMES = st.from_regex(r"[a-z][a-z0-9]{1,20}", fullmatch=True)
ASSETS = NAMES.map(lambda name: f"azureml:{name}:1")
FEW = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
BY_HAND: dict[str, st.SearchStrategy[Any]] = {
    "lora": st.none() | st.deferred(lambda: knobs(Lora)),
    "deepspeed": st.sampled_from([None, 2, 3, "azureml:zero:1"]),
    "size": st.sampled_from([None, "Standard_NC24ads_A100_v4", "Standard_ND96isr_H100_v5"]),
    "cluster": st.none() | NAMES,
    "shm_size_finetune": st.sampled_from([None, "5g", "500m"]),
    "job": st.just("pipeline"),
    "instance_types": st.just(()),
    "inputs": st.dictionaries(st.just("an_input_of_2027"), WORDS, max_size=1),
}
"""What a field's schema does not say."""


def knobs(kind: type[Strict]) -> st.SearchStrategy[dict[str, Any]]:
    """Any set of fields with values from their own schema."""
    schema = kind.model_json_schema()["properties"]
    fields = {name: BY_HAND[name] if name in BY_HAND else values(part) for name, part in schema.items()}
    fields.pop("kind", None)
    return st.fixed_dictionaries({}, optional=fields)


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Any value that a part of a JSON Schema takes."""
    if schema.get("x-file"):
        return st.none() | ASSETS  # a path would start from the file's folder when it is read
    if "anyOf" in schema:
        return st.one_of([values(part) for part in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "integer":
        return st.integers(schema.get("minimum"), schema.get("maximum", 10**6))
    if schema["type"] == "number":
        low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum", 10.0)
        return st.floats(
            low,
            schema.get("exclusiveMaximum", high),
            exclude_min="exclusiveMinimum" in schema,
            exclude_max="exclusiveMaximum" in schema,
        )
    return {"boolean": st.booleans(), "null": st.none(), "string": NAMES}[schema["type"]]


@st.composite
def jobs(draw: st.DrawFn) -> FineTune:
    """Any job whose route holds together."""
    kinds: list[type[Strict]] = [Serverless, ManagedCompute]
    kind = draw(st.sampled_from(kinds))
    try:
        return FineTune(
            name=draw(NAMES),
            training_data=draw(ASSETS),
            model=draw(st.sampled_from(["Phi-4-mini-instruct", "Phi-4:7"])),
            tags=draw(st.dictionaries(NAMES, WORDS, max_size=2)),
            max_price=draw(st.none() | st.floats(0.01, 1e6)),
            route=kind.model_validate(draw(knobs(kind))),
        )
    except (ConfigError, ValidationError):
        assume(condition=False)
        raise


@FEW
@given(jobs())
def test_a_job_goes_through_a_file(tmp_path: Path, job: FineTune) -> None:
    """What is written is read back the same: every number to its last bit, every text."""
    path = tmp_path / "job.yaml"
    path.write_text(job.to_yaml(), encoding="utf-8")

    assert FineTune.from_yaml(path) == job


@FEW
@given(jobs())
def test_what_is_taken_here_azure_takes(job: FineTune) -> None:
    """No rule of Azure's code is broken, and each input is of the component's type, range and words."""
    assume(isinstance(job.route, ManagedCompute))
    settled = resolve(job).job.route
    assert isinstance(settled, ManagedCompute)
    files_ = {"train": FileInput("uri_file", "azureml:rows:1")}

    sent = component.inputs(settled, Settled(FileInput("mlflow_model", "azureml:m:1"), files_, "Standard_NC24ads"))

    texts = {name: value if isinstance(value, str) else value.path for name, value in sent.items()}
    assert azure_rules.settings(texts) == []
    assert [name for name in texts if name in INPUTS and not fits(INPUTS[name], texts[name])] == []
    assert set(texts) - set(INPUTS) <= {"an_input_of_2027"}


def fits(declared: dict[str, Any], text: str) -> bool:
    """Tells whether a text is of the declared type, range and words."""
    if declared.get("enum"):
        return text in [str(word) for word in declared["enum"]]
    if declared["type"] not in {"integer", "number"}:
        return True
    number = int(text) if declared["type"] == "integer" else float(text)
    return math.isfinite(number) and "e" not in text and number >= float(declared.get("min") or -math.inf)


@FEW
@given(jobs())
def test_every_sent_knob_has_an_origin(job: FineTune) -> None:
    """`resolve` leaves nothing out: each knob on the wire stands there with the same value."""
    found = resolve(job)
    known = {one.azure_input: one for one in found.values if one.azure_input and one.value is not None}

    if isinstance(found.job.route, ManagedCompute):
        plain = Settled("a/b", {"train": FileInput("uri_file", "azureml:rows:1")}, None)
        sent = component.inputs(found.job.route, plain)
        ours = {name: one for name, one in known.items() if name in sent and name not in component_decides(found.job)}
        assert {name: component.as_text(one.value) for name, one in ours.items() if isinstance(sent[name], str)} == {
            name: sent[name] for name in ours if isinstance(sent[name], str)
        }
        assert set(sent) - set(known) <= component_decides(found.job)
    said = {name for name in job.route.model_fields_set if getattr(job.route, name) is not None}
    assert {one.field for one in found.values if one.origin == "you"} >= said - {"kind", "lora", "inputs"}


def component_decides(job: FineTune) -> set[str]:
    """Inputs that follow from others, from the job, or from what is found in Azure."""
    route = job.route
    assert isinstance(route, ManagedCompute)
    switches = {"apply_lora", "apply_deepspeed", "deepspeed_stage", "deepspeed", "apply_early_stopping"}
    places = {f"{what}_{step}" for what in ("compute", "instance_type") for step in STEPS}
    own = {"task_name", "huggingface_id", "train_file_path", "resume_from_checkpoint", *route.inputs}
    return switches | places | own | {"number_of_gpu_to_use_finetuning"}


STEPS = ("finetune", "model_import", "preprocess", "model_evaluation")


@FEW
@given(jobs())
def test_any_job_is_rendered_and_noted(job: FineTune) -> None:
    """Nothing that is taken breaks a later step."""
    assert render(job).startswith("# phi_azure, job ")
    assert all(note.message.endswith((".", "?")) for note in job.notes())


PIECES = sorted({line for _, text, _, _ in BROKEN for line in text.splitlines() if len(line) < 200})


@FEW
@given(st.lists(st.sampled_from(PIECES), max_size=12) | st.lists(st.text(max_size=30), max_size=6))
def test_any_file_is_read_or_refused(tmp_path: Path, lines: list[str]) -> None:
    """Lines of wrong files in any order, or any text: a job, or ConfigError with a remedy."""
    path = tmp_path / "job.yaml"
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")

    error = refusal(lambda: FineTune.from_yaml(path))

    assert error is None or (error.remedy and str(path) in str(error))


def refusal(make: Callable[[], FineTune]) -> ConfigError | None:
    """Returns why a job is refused, or None for one that is taken; any other error comes through."""
    try:
        make()
    except ConfigError as error:
        return error
    return None


@FEW
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8), st.lists))
def test_any_value_of_any_field_is_taken_or_refused(value: object) -> None:
    """In Python too: no error of a library comes through."""
    for field in ("name", "model", "training_data", "tags", "route", "max_price", "zzz"):
        with_it: dict[str, Any] = {"name": "tone", "training_data": "a.jsonl", field: value}

        error = refusal(partial(FineTune, **with_it))

        assert error is None or (error.remedy and "pydantic" not in str(error))


@pytest.mark.parametrize("field", sorted(ManagedCompute.model_fields))
def test_any_knob_refuses_nonsense_by_name(field: str) -> None:
    """The message begins with the field."""
    with pytest.raises(ConfigError) as caught:
        ManagedCompute(**{field: {"nonsense": ["a"]}})

    assert str(caught.value).startswith((field, f"unknown key {field}", "unknown key nonsense"))
