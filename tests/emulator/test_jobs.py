"""Jobs through Azure's own client: both kinds, from the submission to the files that are left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml import Input, command, dsl
from azure.ai.ml.entities import AmlCompute, Data
from azure.ai.ml.exceptions import JobException
from azure.ai.ml.finetuning import FineTuningTaskType, create_finetuning_job
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.emulator.wire import COMPONENT, GPU

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.testing import Azure


@pytest.fixture
def model(registry: Any) -> str:
    """The id of the model that is tuned."""
    identifier: str = registry.models.get("Phi-4-mini-instruct", label="latest").id
    return identifier


@pytest.fixture
def cluster(client: Any) -> str:
    """The name of a cluster that is there."""
    client.compute.begin_create_or_update(AmlCompute(name="gpu", size=GPU, max_instances=1)).result()
    return "gpu"


def finetuning(name: str, model: str, training: str, **more: Any) -> Any:
    """Returns a fine-tuning job as notebooks make it."""
    return create_finetuning_job(
        task=FineTuningTaskType.CHAT_COMPLETION,
        training_data=training,
        validation_data=training,
        model=model,
        hyperparameters={"num_train_epochs": "3"},
        output_model_name_prefix=f"{name}-model",
        name=name,
        experiment_name="tests",
        **more,
    )


def pipeline(registry: Any, model: str, cluster: str, chat_file: Path, **inputs: Any) -> Any:
    """Returns a pipeline job of the registry's component."""
    component = registry.components.get("chat_completion_pipeline", label="latest")

    @dsl.pipeline(name="tune")  # type: ignore[untyped-decorator]  # the vendor's
    def create() -> dict[str, Any]:
        node = component(
            mlflow_model_path=model,
            compute_model_import=cluster,
            compute_preprocess=cluster,
            compute_finetune=cluster,
            train_file_path=Input(type="uri_file", path=str(chat_file)),
            **inputs,
        )
        return {"trained_model": node.outputs.mlflow_model_folder}

    return create()


# Fine-tuning jobs


@pytest.fixture
def asset(client: Any, chat_file: Path) -> str:
    """The id of a data asset."""
    made = client.data.create_or_update(Data(name="chat", version="1", path=str(chat_file), type="uri_file"))
    identifier: str = made.id
    return identifier


def test_finetuning_job_goes_its_way(client: Any, model: str, asset: str) -> None:
    """Each look finds the job one state further, until it is over and has left a model."""
    job = client.jobs.create_or_update(finetuning("ft", model, asset))

    states = [job.status, *(client.jobs.get("ft").status for _ in range(3))]

    done = client.jobs.get("ft")
    assert states == ["NotStarted", "Running", "Completed", "Completed"]
    assert done.outputs["registered_model"]["name"].startswith("ft-model")
    assert done.properties["_fineTuningJobType"] == "MaaS"


def test_finetuning_job_leaves_a_model(client: Any, azure: Azure, model: str, asset: str) -> None:
    """The model that the job names is registered, with the job that made it."""
    azure.jobs.script(queued=0, runs=0)
    client.jobs.create_or_update(finetuning("ft", model, asset))

    name = client.jobs.get("ft").outputs["registered_model"]["name"]

    found = client.models.get(name, version="1")
    assert found.job_name == "ft"
    assert found.properties["baseModelId"] == model


def test_finetuning_job_on_a_cluster(client: Any, azure: Azure, model: str, asset: str, cluster: str) -> None:
    """With a cluster the job is of the other kind, and the name of the cluster arrives bare."""
    job = client.jobs.create_or_update(finetuning("ft", model, asset, compute=cluster))

    assert azure.last("PUT", "/jobs/ft").json["properties"]["computeId"] == "gpu"
    assert job.compute == "gpu"
    assert job.properties["_fineTuningJobType"] == "MaaP"


def test_finetuning_job_takes_local_files(client: Any, azure: Azure, model: str, chat_file: Path) -> None:
    """Files on this machine are uploaded by the client first."""
    client.jobs.create_or_update(finetuning("ft", model, str(chat_file)))

    sent = azure.last("PUT", "/jobs/ft").json["properties"]["fineTuningDetails"]
    assert sent["trainingData"]["uri"].endswith("/chat.jsonl")
    assert sent["hyperParameters"] == {"num_train_epochs": "3"}


def test_missing_job_is_not_found(client: Any) -> None:
    """A job that is not there is named."""
    with pytest.raises(ResourceNotFoundError, match="nothing"):
        client.jobs.get("nothing")


# Pipelines


@pytest.fixture
def tune(registry: Any, model: str, cluster: str, chat_file: Path) -> Any:
    """A pipeline job that is not submitted yet."""
    return pipeline(registry, model, cluster, chat_file, num_train_epochs=2, apply_lora="true")


def test_pipeline_job_is_sent_as_it_is(client: Any, azure: Azure, tune: Any) -> None:
    """The component and its inputs reach the service, each value as a string."""
    job = client.jobs.create_or_update(tune, experiment_name="tests")

    (node,) = azure.last("PUT", f"/jobs/{job.name}").json["properties"]["jobs"].values()
    assert node["componentId"] == COMPONENT
    assert node["inputs"]["num_train_epochs"]["value"] == "2"
    assert job.status in {"NotStarted", "Preparing", "Running"}


def test_pipeline_job_is_streamed_to_its_end(client: Any, tune: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """jobs.stream shows the job's summary and returns when it is over."""
    job = client.jobs.create_or_update(tune)

    client.jobs.stream(job.name)

    said = capsys.readouterr().out
    assert f"RunId: {job.name}" in said
    assert "Execution Summary" in said
    assert client.jobs.get(job.name).status == "Completed"


def test_stream_raises_when_the_job_fails(client: Any, azure: Azure, tune: Any) -> None:
    """A job that fails ends the stream with Azure's own error, which names the step."""
    azure.jobs.script(queued=0, runs=0, fails_in="chat_completion_finetune", error="out of memory")
    job = client.jobs.create_or_update(tune)

    with pytest.raises(JobException, match="failed child jobs"):
        client.jobs.stream(job.name)


def test_children_of_a_pipeline(client: Any, azure: Azure, tune: Any) -> None:
    """A pipeline has one node, and the node one run for each step of the component."""
    azure.jobs.script(queued=0, runs=0)
    job = client.jobs.create_or_update(tune)

    (node,) = client.jobs.list(parent_job_name=job.name)
    steps = list(client.jobs.list(parent_job_name=node.name))

    assert len(steps) == 5
    assert {step.status for step in steps} == {"Completed"}
    assert client.jobs.get(steps[0].name).display_name == steps[0].display_name


def test_outputs_of_a_pipeline_are_downloaded(client: Any, azure: Azure, tune: Any, tmp_path: Path) -> None:
    """The files of a named output come down."""
    azure.jobs.script(queued=0, runs=0)
    job = client.jobs.create_or_update(tune)
    client.jobs.stream(job.name)

    client.jobs.download(job.name, download_path=tmp_path / "out", output_name="trained_model")

    assert (tmp_path / "out" / "named-outputs" / "trained_model" / "MLmodel").exists()


def test_logs_of_a_job_are_downloaded(client: Any, azure: Azure, tune: Any, tmp_path: Path) -> None:
    """Without an output's name the logs come down, and say that nothing was trained."""
    azure.jobs.script(queued=0, runs=0)
    job = client.jobs.create_or_update(tune)
    client.jobs.stream(job.name)

    client.jobs.download(job.name, download_path=tmp_path / "out")

    (log,) = (tmp_path / "out").rglob("std_log.txt")
    assert "scripted by a test" in log.read_text()


def test_jobs_are_listed_newest_first(client: Any, model: str, asset: str) -> None:
    """The list holds both kinds."""
    for name in ("first", "second"):
        client.jobs.create_or_update(finetuning(name, model, asset))

    names = [job.name for job in client.jobs.list()]

    assert names == ["second", "first"]


def test_job_is_cancelled(client: Any, azure: Azure, tune: Any) -> None:
    """A cancelled job ends, and stays so."""
    azure.jobs.script(runs=3600)
    job = client.jobs.create_or_update(tune)

    client.jobs.begin_cancel(job.name).wait()

    azure.clock.turn(7200)
    assert client.jobs.get(job.name).status == "Canceled"


def test_cancelling_a_job_that_is_over_changes_nothing(client: Any, azure: Azure, model: str, asset: str) -> None:
    """A completed job stays completed."""
    azure.jobs.script(queued=0, runs=0)
    client.jobs.create_or_update(finetuning("ft", model, asset))
    before = client.jobs.get("ft").status

    client.jobs.begin_cancel("ft").wait()

    assert (before, client.jobs.get("ft").status) == ("Completed", "Completed")


def test_tags_of_a_job_are_changed(client: Any, azure: Azure, model: str, asset: str) -> None:
    """A job that was fetched is changed through run history, not submitted again."""
    client.jobs.create_or_update(finetuning("ft", model, asset))
    puts = sum(request.method == "PUT" for request in azure.requests)
    job = client.jobs.get("ft")
    job.tags["reviewed"] = "yes"

    client.jobs.create_or_update(job)

    assert client.jobs.get("ft").tags["reviewed"] == "yes"
    assert sum(request.method == "PUT" for request in azure.requests) == puts


def test_job_is_archived_and_restored(client: Any, model: str, asset: str) -> None:
    """An archived job leaves the list and comes back to it."""
    client.jobs.create_or_update(finetuning("ft", model, asset))

    client.jobs.archive("ft")
    archived = [job.name for job in client.jobs.list()]
    client.jobs.restore("ft")

    assert archived == []
    assert [job.name for job in client.jobs.list()] == ["ft"]


def test_same_job_again_is_the_same_job(client: Any, model: str, asset: str) -> None:
    """A submission that is repeated, as after a lost answer, is no second job."""
    client.jobs.create_or_update(finetuning("ft", model, asset))

    again = client.jobs.create_or_update(finetuning("ft", model, asset))

    assert again.name == "ft"
    assert len(list(client.jobs.list())) == 1


def test_labels_of_a_job_can_be_changed(client: Any, model: str, asset: str) -> None:
    """The same job with other labels is the same job still, under the new ones."""
    client.jobs.create_or_update(finetuning("ft", model, asset))
    other = finetuning("ft", model, asset)
    other.display_name = "other"
    other.tags = {"team": "soc"}

    again = client.jobs.create_or_update(other)

    assert (again.display_name, again.tags) == ("other", {"team": "soc"})
    assert len(list(client.jobs.list())) == 1


def test_other_job_of_the_same_name_is_refused(client: Any, model: str, asset: str) -> None:
    """A name belongs to the first job that has it."""
    client.jobs.create_or_update(finetuning("ft", model, asset))
    other = finetuning("ft", model, asset)
    other.hyperparameters = {"num_train_epochs": "9"}

    with pytest.raises(HttpResponseError, match=r"already exists.*fineTuningDetails cannot be changed"):
        client.jobs.create_or_update(other)


def test_job_of_one_command_is_told_what_runs_here(client: Any, cluster: str) -> None:
    """The client sends it in a version of its own; the answer is about the job, not about that version."""
    image = "azureml://registries/azureml/environments/python-sdk-v2/versions/1"
    alone = command(command="echo hi", environment=image, compute=cluster)

    with pytest.raises(HttpResponseError, match="it runs a command as a node of a pipeline"):
        client.jobs.create_or_update(alone)
