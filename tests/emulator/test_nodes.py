"""Pipelines of several nodes: what is bound between them, their order, what each leaves, how one ends all."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.emulator import local_command
from phi_azure.emulator.blobs import DEFAULT_CONTAINER
from phi_azure.emulator.clock import TurnedClock
from phi_azure.emulator.course import Script
from phi_azure.emulator.scripted import ScriptedRunner
from tests.emulator import bodies
from tests.emulator.bodies import changed
from tests.emulator.wire import SCOPE, Wire

if TYPE_CHECKING:
    from phi_azure.emulator.app import Emulator

HISTORY = f"/history/v1.0{SCOPE.id}/runs"
HOST = "eastus2.api.azureml.ms"
MADE = "${{parent.jobs.%s.outputs.%s}}"


@pytest.fixture
def busy(emulator: Emulator, wire: Wire) -> Wire:
    """A workspace with rows, clusters, and a component that takes a folder and leaves another."""
    bodies.upload(emulator)
    wire("PUT", "computes/gpu", bodies.COMPUTE)
    spec = {
        "name": "step",
        "version": "1",
        "type": "command",
        "command": "run ${{inputs.given}} $[[--times ${{inputs.times}}]] ${{outputs.made}}",
        "environment": "azureml://registries/azureml/environments/python-sdk-v2/labels/latest",
        "inputs": {
            "given": {"type": "uri_folder"},
            "times": {"type": "integer", "optional": True, "min": "1", "max": "9"},
        },
        "outputs": {"made": {"type": "uri_file"}},
    }
    assert wire("PUT", "components/step/versions/1", {"properties": {"componentSpec": spec}}).status_code == 201
    return wire


def command(source: str, **more: Any) -> dict[str, Any]:
    """Returns a node of that component; what it is given is bound to `source`."""
    return {
        "type": "command",
        "componentId": f"{SCOPE.id}/components/step/versions/1",
        "computeId": f"{SCOPE.id}/computes/gpu",
        "inputs": {"given": {"job_input_type": "literal", "value": source}},
    } | more


def pipeline(**nodes: Any) -> bodies.Body:
    """Returns the pipeline job of `bodies`, with nodes beside the one that trains."""
    body = copy.deepcopy(bodies.PIPELINE)
    body["properties"]["jobs"] |= nodes
    return body


def submit(wire: Wire, body: bodies.Body, **course: Any) -> None:
    """Sends a job of this course."""
    assert isinstance(wire.emulator.runner, ScriptedRunner)
    wire.emulator.runner.script = Script(**course)
    made = wire("PUT", "jobs/some", body)
    assert made.status_code == 201, made.json


def states(wire: Wire, run: str = "some") -> dict[str, str]:
    """Returns the states of the runs right below one, by name."""
    found = wire("GET", f"{HISTORY}/{run}/children", host=HOST, version="v1.0").json["value"]
    return {child["displayName"]: child["status"] for child in found}


def turn(wire: Wire, seconds: float) -> None:
    """Turns the clock."""
    assert isinstance(wire.emulator.clock, TurnedClock)
    wire.emulator.clock.turn(seconds)


def test_nodes_run_in_the_order_of_what_they_take(busy: Wire) -> None:
    """One before the training, one after it, whatever the order in which they are written."""
    rows = {"train_file_path": {"job_input_type": "literal", "value": MADE % ("prepare", "made")}}
    body = pipeline(judge=command(MADE % ("tune", "mlflow_model_folder")), prepare=command("${{parent.inputs.data}}"))
    body["properties"]["jobs"]["tune"]["inputs"] |= rows

    submit(busy, body, queued=0, runs=70)

    seen = []
    for _ in range(7):
        seen.append(list(states(busy).values()))
        turn(busy, 10)
    assert list(states(busy)) == ["prepare", "tune", "judge"]
    assert seen == [
        ["Running", "NotStarted", "NotStarted"],
        *[["Completed", "Running", "NotStarted"]] * 5,
        ["Completed", "Completed", "Running"],
    ]
    assert busy("GET", "jobs/some").json["properties"]["status"] == "Completed"


def test_each_node_leaves_its_outputs_when_it_is_done(busy: Wire) -> None:
    """What is bound to an output of the job lies with the job, what is not with the node's own run."""
    body = pipeline(judge=command(MADE % ("tune", "mlflow_model_folder")))
    submit(busy, body, queued=0, runs=60)

    turn(busy, 50)
    training = busy("GET", "jobs/some").json["properties"]
    turn(busy, 10)
    busy("GET", "jobs/some")

    judge = busy("GET", f"{HISTORY}/some/children", host=HOST, version="v1.0").json["value"][-1]["runId"]
    blobs = [blob.name for blob in busy.emulator.blobs.find(DEFAULT_CONTAINER, f"azureml/{judge}/")]
    assert training["status"] == "Running"
    assert training["outputs"]["trained_model"]["uri"].endswith("/azureml/some/trained_model/")
    assert blobs == [f"azureml/{judge}/made"]


def test_failed_node_fails_the_pipeline_and_is_named(busy: Wire) -> None:
    """What was done before stays done; what was to come after it never begins."""
    body = pipeline(judge=command(MADE % ("tune", "mlflow_model_folder")), last=command(MADE % ("judge", "made")))

    submit(busy, body, queued=0, runs=0, fails_in="judge", error="the gate says no")

    job = busy("GET", f"{HISTORY}/some", host=HOST, version="v1.0").json
    assert job["status"] == "Failed"
    assert job["error"]["error"]["message"].endswith("Failed nodes: /judge.")
    assert states(busy) == {"tune": "Completed", "judge": "Failed", "last": "Canceled"}
    assert busy("GET", "jobs/some").json["properties"]["outputs"]["trained_model"]["uri"]


def test_failed_training_leaves_the_other_nodes_undone(busy: Wire) -> None:
    """The step that fails is named with the node above it."""
    body = pipeline(judge=command(MADE % ("tune", "mlflow_model_folder")))

    submit(busy, body, queued=0, runs=0, fails_in="chat_completion_finetune")

    job = busy("GET", f"{HISTORY}/some", host=HOST, version="v1.0").json
    assert job["error"]["error"]["message"].endswith("Failed nodes: /tune/chat_completion_finetune.")
    assert states(busy) == {"tune": "Failed", "judge": "Canceled"}


def test_pipeline_may_have_commands_alone(busy: Wire) -> None:
    """Then a script's numbers are those of the last of them."""
    body = changed(pipeline(), "properties/jobs", {"only": command("${{parent.inputs.data}}")})

    submit(busy, body, queued=0, runs=0, metrics={"rows": [3.0]})

    assert busy("GET", "jobs/some").json["properties"]["status"] == "Completed"
    (only,) = busy("GET", f"{HISTORY}/some/children", host=HOST, version="v1.0").json["value"]
    assert busy.emulator.store.last_metrics(f"{SCOPE.key}{only['runId']}".lower())["rows"]["value"] == 3.0


def test_cancelled_pipeline_ends_all_its_nodes(busy: Wire) -> None:
    """The one that runs and those that were to come."""
    submit(busy, pipeline(judge=command(MADE % ("tune", "mlflow_model_folder"))), queued=0, runs=60)

    busy("POST", "jobs/some/cancel", version="2023-04-01-preview")

    assert set(states(busy).values()) == {"Canceled"}


NODE = "properties/jobs/judge"
WRONG: list[tuple[str, Any, str]] = [
    (f"{NODE}/componentId", f"{SCOPE.id}/components/other/versions/1", "component '{}/components/other/versions/1'"),
    (f"{NODE}/computeId", f"{SCOPE.id}/computes/none", "computes/none' was not found"),
    (f"{NODE}/computeId", None, "it has no compute"),
    (f"{NODE}/resources", {"instance_count": 2}, "on one machine"),
    (f"{NODE}/inputs", {}, "Input 'given' of type uri_folder is required."),
    (f"{NODE}/inputs/more", {"value": "1"}, "Unknown input 'more': the component step"),
    (f"{NODE}/inputs/times", {"value": "99"}, "the most is 9"),
    (f"{NODE}/inputs/given", {"value": "text"}, "must be an asset or path of type uri_folder"),
    (f"{NODE}/inputs/given", {"value": MADE % ("tune", "weights")}, "the node 'tune' has no output 'weights'"),
    (f"{NODE}/inputs/given", {"value": MADE % ("train", "made")}, "The pipeline has no node 'train'"),
    (f"{NODE}/inputs/given", {"value": MADE % ("judge", "made")}, "The nodes judge wait for one another"),
    (f"{NODE}/outputs", {"found": {"value": "${{parent.outputs.trained_model}}"}}, "Unknown output 'found'"),
    ("properties/jobs/again", bodies.PIPELINE["properties"]["jobs"]["tune"], "one chat_completion_pipeline"),
]


@pytest.mark.parametrize(("path", "value", "said"), WRONG, ids=[said.strip("'")[:30] for _, _, said in WRONG])
def test_wrong_node_is_refused(path: str, value: Any, said: str, busy: Wire) -> None:
    """Nothing is made of a pipeline that could not run to its end."""
    body = pipeline(judge=command(MADE % ("tune", "mlflow_model_folder")))

    refused = busy("PUT", "jobs/some", changed(body, path, value))

    error = refused.json["error"]
    everything = "\n".join([error["message"], *(detail["message"] for detail in error["details"])])
    assert refused.status_code == 400
    assert said.format(SCOPE.id) in everything
    assert busy("GET", "jobs/some").status_code == 404


def test_line_of_a_command_has_its_inputs_in_it_and_leaves_out_what_is_not_given() -> None:
    """Paths of this machine are quoted where the shell would take them apart."""
    command = "run ${{inputs.rows}} $[[--times ${{inputs.times}}]] $[[--word ${{inputs.word}}]] > ${{outputs.made}}"
    step = {"command": command, "inputs": {"rows": {"place": ["c", "p"]}, "times": "3"}}

    *_, line = local_command.line(step, {"rows": "/a b/rows", "times": "3"}, {"made": "/out"})

    assert " ".join(line.split()) == "run '/a b/rows' --times 3 > /out"


# Where outputs go


def test_output_goes_where_it_is_wanted_and_is_registered(busy: Wire) -> None:
    """A path and a name, of the pipeline's output or of the node's own; the names in a path are filled in."""
    wanted = "azureml://datastores/${{default_datastore}}/paths/mine/${{name}}/${{output_name}}"
    body = pipeline(
        check=command(MADE % ("tune", "mlflow_model_folder"))
        | {"outputs": {"made": {"uri": f"{wanted}.txt", "name": "words"}}}
    )
    model = body["properties"]["outputs"]["trained_model"]
    model |= {"uri": wanted, "assetName": "ours", "assetVersion": "7"}

    submit(busy, body, queued=0, runs=0)
    shown = busy("GET", "jobs/some").json["properties"]["outputs"]["trained_model"]

    assert (shown["uri"], shown["assetName"], shown["assetVersion"]) == (
        "azureml://datastores/workspaceblobstore/paths/mine/some/trained_model/",
        "ours",
        "7",
    )
    assert (
        busy("GET", "models/ours/versions/7").json["properties"]["modelUri"].endswith("/paths/mine/some/trained_model")
    )
    words = busy("GET", "data/words/versions/1").json["properties"]
    assert words["dataType"] == "uri_file"
    assert words["dataUri"].endswith("/made.txt")
    assert busy.emulator.blobs.get(DEFAULT_CONTAINER, "mine/some/trained_model/MLmodel")


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    (
        {"uri": "https://example.org/x"},
        "outputs.trained_model: the emulator writes to azureml://datastores/workspaceblobstore",
    ),
    (
        {"assetName": "there", "assetVersion": "1"},
        "outputs.trained_model: version 1 of the models asset there exists already.",
    ),
]


@pytest.mark.parametrize(("wish", "said"), IMPOSSIBLE, ids=["place", "version"])
def test_output_that_cannot_be_left_is_refused(wish: dict[str, Any], said: str, busy: Wire) -> None:
    """What would fail after hours of training fails when the job comes."""
    store = {
        "modelUri": "azureml://datastores/workspaceblobstore/paths/up/model",
        "modelType": "custom_model",
    }
    busy("PUT", "models/there/versions/1", {"properties": store})
    body = pipeline()
    body["properties"]["outputs"]["trained_model"] |= wish

    refused = busy("PUT", "jobs/some", body)

    assert refused.status_code == 400
    assert said in str(refused.json)


def test_job_of_an_older_state_is_shown(busy: Wire) -> None:
    """A folder that an earlier version wrote knows no versions of outputs."""
    submit(busy, bodies.PIPELINE, queued=0, runs=0)
    busy.emulator.store.change("job", f"{SCOPE.key}some", lambda job: job.pop("output_versions"))

    listed = busy("GET", "jobs", version="2024-01-01-preview")

    assert listed.status_code == 200
