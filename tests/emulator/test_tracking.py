"""MLflow on the emulator: Azure's plugin, and MLflow's own REST client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.emulator.identity import make_token
from tests.emulator.test_jobs import asset, finetuning, model  # noqa: F401 (fixtures)
from tests.emulator.wire import SCOPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phi_azure.testing import Azure
    from tests.emulator.wire import Wire

HOST = "eastus2.api.azureml.ms"
API = f"/mlflow/v2.0{SCOPE.id}/api/2.0/mlflow"


@pytest.fixture
def mlflow(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """MLflow with the workspace as its server, through Azure's plugin."""
    pytest.importorskip("azureml.mlflow")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    import mlflow as library

    before = library.get_tracking_uri()
    library.set_tracking_uri(f"azureml://{azure.region}.api.azureml.ms/mlflow/v2.0{SCOPE.id}")
    yield library
    library.set_tracking_uri(before)


def test_run_is_logged_through_the_plugin(mlflow: Any) -> None:
    """An experiment, a run, its metrics, parameters and tags go there and come back."""
    mlflow.set_experiment("exp")

    with mlflow.start_run(run_name="first") as run:
        mlflow.log_param("lr", 0.1)
        mlflow.log_metric("loss", 2.0, step=1)
        mlflow.log_metrics({"loss": 1.0, "accuracy": 0.5}, step=2)
        mlflow.set_tag("team", "press")

    found = mlflow.get_run(run.info.run_id)
    assert found.data.params == {"lr": "0.1"}
    assert found.data.metrics == {"loss": 1.0, "accuracy": 0.5}
    assert found.data.tags["team"] == "press"
    assert (found.info.status, found.info.run_name) == ("FINISHED", "first")
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 2.0), (2, 1.0)]


def test_runs_are_found_by_a_filter(mlflow: Any) -> None:
    """A search reads metrics and tags."""
    mlflow.set_experiment("exp")
    for loss in (1.0, 3.0):
        with mlflow.start_run():
            mlflow.log_metric("loss", loss)

    found = mlflow.search_runs(filter_string="metrics.loss > 2", output_format="list")

    assert [run.data.metrics["loss"] for run in found] == [3.0]


def test_name_of_a_job_is_its_run(
    mlflow: Any,
    client: Any,
    azure: Azure,
    model: str,  # noqa: F811
    asset: str,  # noqa: F811
) -> None:
    """The metrics of a job are read under its name."""
    azure.jobs.script(queued=0, runs=0, metrics={"loss": [3.0, 2.0]})
    client.jobs.create_or_update(finetuning("ft", model, asset))

    found = mlflow.MlflowClient().get_run("ft")

    assert (found.info.status, found.data.metrics) == ("FINISHED", {"loss": 2.0})


def test_run_that_is_not_there(mlflow: Any) -> None:
    """A run that nobody made is refused in MLflow's own words."""
    with pytest.raises(mlflow.exceptions.MlflowException, match="Run nothing not found"):
        mlflow.MlflowClient().get_run("nothing")


def test_plain_rest_store_reads_a_job(client: Any, azure: Azure, model: str, asset: str) -> None:  # noqa: F811
    """MLflow's REST client needs no plugin: an address and a token are enough."""
    credentials = pytest.importorskip("mlflow.utils.rest_utils").MlflowHostCreds
    store = pytest.importorskip("mlflow.store.tracking.rest_store").RestStore
    azure.jobs.script(queued=0, runs=0, metrics={"loss": [3.0, 2.0]})
    client.jobs.create_or_update(finetuning("ft", model, asset))
    address = f"https://{azure.region}.api.azureml.ms/mlflow/v2.0{SCOPE.id}"

    tracking = store(lambda: credentials(address, token=make_token("https://ml.azure.com")))

    assert tracking.get_run("ft").info.status == "FINISHED"
    assert [point.value for point in tracking.get_metric_history("ft", "loss")] == [3.0, 2.0]


def test_artifact_is_written_and_read(mlflow: Any, tmp_path: Path) -> None:
    """A file that a run logs lies in the workspace's blob store."""
    (tmp_path / "note.txt").write_text("hello")
    mlflow.set_experiment("exp")

    with mlflow.start_run() as run:
        mlflow.log_artifact(str(tmp_path / "note.txt"))

    down = mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path="note.txt", dst_path=str(tmp_path / "down")
    )
    assert Path(down).read_text() == "hello"


def _run(wire: Wire) -> str:
    wire("POST", f"{API}/experiments/create", {"name": "exp"}, host=HOST)
    made = wire("POST", f"{API}/runs/create", {"experiment_id": "exp", "run_name": "first"}, host=HOST)
    identifier: str = made.json["run"]["info"]["run_id"]
    return identifier


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("experiments/create", {}, "name"),
        ("runs/create", {"experiment_id": "nothing"}, "nothing"),
        ("runs/update", {"run_id": "nothing"}, "nothing"),
        ("runs/log-metric", {"run_id": "nothing", "key": "a", "value": 1}, "nothing"),
        ("runs/search", {"experiment_ids": [], "filter": "this is no filter"}, "this is no filter"),
    ],
    ids=["name", "experiment", "run", "metric", "filter"],
)
def test_wrong_request_is_refused_as_mlflow_does(path: str, body: dict[str, Any], said: str, wire: Wire) -> None:
    """An error has MLflow's own form and names what is wrong."""
    response = wire("POST", f"{API}/{path}", body, host=HOST)

    assert response.status_code in {400, 404}
    assert set(response.json) == {"error_code", "message"}
    assert said in response.json["message"]


def test_parameter_is_set_once(wire: Wire) -> None:
    """A parameter keeps its first value; the same value again is no change."""
    run = _run(wire)
    said = [
        wire("POST", f"{API}/runs/log-parameter", {"run_id": run, "key": "lr", "value": value}, host=HOST).status_code
        for value in ("1", "1", "2")
    ]

    assert said == [200, 200, 400]


def test_tag_is_set_and_deleted(wire: Wire) -> None:
    """A tag that was deleted is gone."""
    run = _run(wire)
    wire("POST", f"{API}/runs/set-tag", {"run_id": run, "key": "team", "value": "press"}, host=HOST)

    wire("POST", f"{API}/runs/delete-tag", {"run_id": run, "key": "team"}, host=HOST)

    found = wire("GET", f"{API}/runs/get", query={"run_id": run}, host=HOST).json["run"]["data"]["tags"]
    assert "team" not in {tag["key"] for tag in found}


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_run_ends_as_it_is_told(status: str, wire: Wire) -> None:
    """A run that belongs to no job has the status that it is given."""
    run = _run(wire)

    wire("POST", f"{API}/runs/update", {"run_id": run, "status": status, "end_time": 2_000_000_000_000}, host=HOST)

    info = wire("GET", f"{API}/runs/get", query={"run_id": run}, host=HOST).json["run"]["info"]
    assert (info["status"], info["end_time"]) == (status, 2_000_000_000_000)


def test_long_history_comes_in_pages(wire: Wire) -> None:
    """More points than asked for at once come with a token for the next."""
    run = _run(wire)
    points = [{"key": "loss", "value": number, "step": number, "timestamp": number} for number in range(5)]
    wire("POST", f"{API}/runs/log-batch", {"run_id": run, "metrics": points}, host=HOST)
    query = {"run_id": run, "metric_key": "loss", "max_results": "3"}

    first = wire("GET", f"{API}/metrics/get-history", query=query, host=HOST).json
    second = wire(
        "GET", f"{API}/metrics/get-history", query=query | {"page_token": first["next_page_token"]}, host=HOST
    ).json

    assert [point["value"] for point in first["metrics"] + second["metrics"]] == [0, 1, 2, 3, 4]
    assert "next_page_token" not in second
