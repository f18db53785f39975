"""Models of the workspace, through Azure's own client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml.entities import Model
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from phi_azure.emulator.blobs import ARTIFACT_CONTAINER, DEFAULT_CONTAINER
from tests.emulator.test_jobs import asset, cluster, finetuning, model, tune  # noqa: F401 (fixtures)

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.testing import Azure


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an MLflow model."""
    made = tmp_path / "model"
    (made / "data").mkdir(parents=True)
    (made / "MLmodel").write_text("flavors: {}\n")
    (made / "data" / "weights.bin").write_bytes(b"weights")
    return made


def test_model_of_a_jobs_output(client: Any, azure: Azure, tune: Any) -> None:  # noqa: F811
    """The output of a pipeline becomes a model whose path is the folder behind the output."""
    azure.jobs.script(queued=0, runs=0)
    job = client.jobs.create_or_update(tune)
    client.jobs.stream(job.name)

    made = client.models.create_or_update(
        Model(path=f"azureml://jobs/{job.name}/outputs/trained_model", type="mlflow_model", name="tuned")
    )

    assert made.version == "1"
    assert made.path.endswith(f"/datastores/workspaceblobstore/paths/azureml/{job.name}/trained_model")
    assert made.job_name == job.name


def test_model_of_an_output_that_is_not_there_yet(client: Any, azure: Azure, tune: Any) -> None:  # noqa: F811
    """A job that still runs has left nothing to register."""
    azure.jobs.script(runs=3600)
    job = client.jobs.create_or_update(tune)

    with pytest.raises(HttpResponseError, match="the job is Running"):
        client.models.create_or_update(
            Model(path=f"azureml://jobs/{job.name}/outputs/trained_model", type="mlflow_model", name="tuned")
        )


def test_model_of_a_local_folder(client: Any, azure: Azure, folder: Path) -> None:
    """A folder is uploaded and becomes a model."""
    made = client.models.create_or_update(Model(path=str(folder), type="mlflow_model", name="mine", version="7"))

    found = client.models.get("mine", version="7")
    names = [
        blob.name.rpartition("/model/")[2] for blob in azure.emulator.blobs.find(DEFAULT_CONTAINER, "LocalUpload/")
    ]
    assert (made.id, found.type) == (found.id, "mlflow_model")
    assert names == ["MLmodel", "data/weights.bin"]


def test_newest_model_is_the_latest(client: Any, folder: Path) -> None:
    """The label latest is the version that was made last."""
    for version in ("2", "1"):
        client.models.create_or_update(Model(path=str(folder), type="mlflow_model", name="mine", version=version))

    assert client.models.get("mine", label="latest").version == "1"
    assert [found.version for found in client.models.list(name="mine")] == ["1", "2"]
    assert [found.name for found in client.models.list()] == ["mine"]


def test_model_is_downloaded(client: Any, folder: Path, tmp_path: Path) -> None:
    """What was uploaded comes down as it was."""
    client.models.create_or_update(Model(path=str(folder), type="mlflow_model", name="mine", version="1"))

    client.models.download("mine", version="1", download_path=str(tmp_path / "down"))

    (weights,) = (tmp_path / "down").rglob("weights.bin")
    assert weights.read_bytes() == b"weights"


@pytest.mark.parametrize("how", [{"version": "1"}, {"label": "latest"}], ids=["version", "label"])
def test_missing_model_is_not_found(how: dict[str, str], client: Any) -> None:
    """A model that is not there is named."""
    with pytest.raises(ResourceNotFoundError, match="nothing"):
        client.models.get("nothing", **how)


def test_folder_without_mlmodel_is_no_mlflow_model(client: Any, tmp_path: Path) -> None:
    """A model of type mlflow_model needs an MLmodel file."""
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "weights.bin").write_bytes(b"weights")

    with pytest.raises(HttpResponseError, match="MLmodel"):
        client.models.create_or_update(Model(path=str(tmp_path / "bare"), type="mlflow_model", name="bare"))


def test_model_of_a_serverless_job_says_so(client: Any, azure: Azure, model: str, asset: str) -> None:  # noqa: F811
    """Where a model may be deployed stands in its properties."""
    azure.jobs.script(queued=0, runs=0)
    client.jobs.create_or_update(finetuning("ft", model, asset))
    name = client.jobs.get("ft").outputs["registered_model"]["name"]

    found = client.models.get(name, label="latest")

    assert found.properties["_fineTuningJobType"] == "MaaS"


def test_archived_version_leaves_the_list(client: Any, azure: Azure, folder: Path) -> None:
    """It is listed where archived ones, or all, are asked for, and can be read by its name."""
    for version in ("1", "2"):
        client.models.create_or_update(Model(path=str(folder), type="mlflow_model", name="mine", version=version))

    client.models.archive(name="mine", version="1")

    views = ("ActiveOnly", "ArchivedOnly", "All")
    assert [[one.version for one in client.models.list("mine", list_view_type=view)] for view in views] == [
        ["2"],
        ["1"],
        ["2", "1"],
    ]
    assert client.models.get("mine", version="1").version == "1"


def test_archived_model_leaves_the_list(client: Any, folder: Path) -> None:
    """All its versions go with it, and come back with it."""
    client.models.create_or_update(Model(path=str(folder), type="mlflow_model", name="mine", version="1"))
    client.models.create_or_update(Model(path=str(folder), type="mlflow_model", name="other", version="1"))

    client.models.archive(name="mine")
    archived = [one.name for one in client.models.list(list_view_type="ArchivedOnly")]
    left = [one.name for one in client.models.list()], [one.version for one in client.models.list("mine")]
    client.models.restore(name="mine")

    assert archived == ["mine"]
    assert left == (["other"], [])
    assert [one.version for one in client.models.list("mine")] == ["1"]


def test_stage_of_a_model_is_kept_and_listed_by(client: Any, folder: Path) -> None:
    """Archiving and restoring it changes no stage."""
    for version in ("1", "2"):
        client.models.create_or_update(Model(path=str(folder), type="mlflow_model", name="mine", version=version))
    found = client.models.get("mine", version="1")
    found.stage = "Production"

    changed = client.models.create_or_update(found)
    client.models.archive(name="mine", version="1")
    client.models.restore(name="mine", version="1")

    assert changed.stage == "Production"
    assert [one.version for one in client.models.list("mine", stage="Production")] == ["1"]
    assert [one.version for one in client.models.list("mine", stage="Development")] == ["2"]


@pytest.mark.parametrize(
    ("below", "ends"), [("paths/data/model", "/trained_model/data/model"), ("paths/", "/trained_model")]
)
def test_part_of_an_output_may_be_a_model(
    below: str,
    ends: str,
    client: Any,
    azure: Azure,
    tune: Any,  # noqa: F811
) -> None:
    """What stands behind `paths` is the address, below the output."""
    azure.jobs.script(queued=0, runs=0)
    job = client.jobs.create_or_update(tune)
    output = f"azureml://jobs/{job.name}/outputs/trained_model"

    made = client.models.create_or_update(Model(path=f"{output}/{below}", type="custom_model", name="part"))

    assert made.path.endswith(ends)
    with pytest.raises(HttpResponseError, match="nothing was found"):
        client.models.create_or_update(Model(path=f"{output}/paths/nope", type="custom_model", name="nothing"))


def test_what_a_job_logs_is_an_output_too(client: Any, azure: Azure, tune: Any) -> None:  # noqa: F811
    """Every job has the output `artifacts`."""
    azure.jobs.script(queued=0, runs=0)
    job = client.jobs.create_or_update(tune)
    client.jobs.stream(job.name)
    with pytest.raises(HttpResponseError, match="nothing was found"):
        client.models.create_or_update(
            Model(path=f"azureml://jobs/{job.name}/outputs/artifacts/paths/model", type="custom_model", name="logged")
        )


def test_model_of_what_a_job_logged_lies_where_it_was_logged(client: Any, azure: Azure, tune: Any) -> None:  # noqa: F811
    """On the datastore of artifacts, from where it can be read and changed."""
    job = client.jobs.create_or_update(tune)
    azure.emulator.blobs.put_bytes(ARTIFACT_CONTAINER, f"ExperimentRun/dcid.{job.name}/model/weights.bin", b"weights")
    path = f"azureml://jobs/{job.name}/outputs/artifacts/paths/model"

    client.models.create_or_update(Model(path=path, type="custom_model", name="logged", version="1"))
    client.models.archive("logged", version="1")

    found = client.models.get("logged", version="1").path
    assert found.endswith(f"/datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{job.name}/model")
