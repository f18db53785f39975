"""Sending jobs: what is checked first, made, reused and uploaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from phi_azure import (
    ConfigError,
    DataError,
    FineTune,
    ManagedCompute,
    NotFoundError,
    RegionError,
    Serverless,
    SizeError,
    Workspace,
)
from phi_azure.testing import azure
from phi_azure.workspace import check_data

if TYPE_CHECKING:
    from phi_azure.events import Event
    from phi_azure.testing import Azure

SIZE = "Standard_NC24ads_A100_v4"


def count(emulator: Azure, method: str, part: str) -> int:
    """Counts requests."""
    return len([request for request in emulator.requests if request.method == method and part in request.path])


def job(chat: Path, route: Serverless | ManagedCompute | None = None, **fields: str) -> FineTune:
    """Returns a job."""
    return FineTune(name="tone", training_data=chat, route=route or Serverless(), **fields)


def test_bad_rows_stop_before_anything_is_sent(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Nothing reaches Azure when the data is wrong."""
    chat.write_text('{"messages": []}\n', encoding="utf-8")

    with pytest.raises(DataError, match=r"train\.jsonl:1"):
        workspace.submit(job(chat))

    assert emulator.requests == []


@pytest.mark.parametrize(
    ("name", "said"),
    [("foo", "route.inputs.foo is no input of chat_completion_pipeline 0.0.82$"), ("adam_bias", "mean adam_beta.?")],
)
def test_an_input_that_the_component_has_not_stops_before_anything_is_made(
    emulator: Azure, workspace: Workspace, chat: Path, name: str, said: str
) -> None:
    """A newer component may have it, so Azure's is asked; nothing was uploaded or made."""
    asked = job(chat, ManagedCompute(cluster="gpu", inputs={name: "1"}))

    with pytest.raises(ConfigError, match=said):
        workspace.submit(asked, preflight=False)

    assert {request.method for request in emulator.requests} <= {"GET", "POST"}
    assert count(emulator, "PUT", "") == 0
    assert any(f"route.inputs.{name}" == note.field for note in asked.notes())


def test_a_file_of_the_route_that_is_not_there_stops_at_once(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """All are named, and Azure is asked nothing."""
    route = ManagedCompute(cluster="gpu", deepspeed="zero.json", finetune_config_path="none.json")

    with pytest.raises(ConfigError, match=r"route.deepspeed: there is no file zero.json\nroute.finetune_config_path"):
        workspace.submit(job(chat, route))

    assert emulator.requests == []


def test_all_files_are_checked_together(emulator: Azure, workspace: Workspace, chat: Path, tmp_path: Path) -> None:
    """The errors of each file are told at once, the test data's too; a row of both sides is seen."""
    (validation := tmp_path / "validation.jsonl").write_text('{"messages": []}\n', encoding="utf-8")
    (test := tmp_path / "test.jsonl").write_text(chat.read_text("utf-8").splitlines()[0] + "\nno row\n", "utf-8")
    asked = job(chat, ManagedCompute(), validation_data=str(validation), test_data=str(test))

    with pytest.raises(DataError) as caught:
        workspace.submit(asked)

    assert "validation.jsonl:1" in str(caught.value)
    assert "test.jsonl:2" in str(caught.value)
    assert emulator.requests == []


def test_a_row_of_both_sides_is_seen(chat: Path, tmp_path: Path) -> None:
    """A row that is trained on says nothing as a test."""
    (test := tmp_path / "test.jsonl").write_text(chat.read_text("utf-8").splitlines()[0], "utf-8")

    report = check_data(job(chat, ManagedCompute(), test_data=str(test)))

    assert [file.split for file in report.files] == ["training", "test"]
    assert [problem.file for problem in report.problems if problem.code == "leak"] == [str(test)]


def test_files_beside_a_data_asset_are_checked(tmp_path: Path) -> None:
    """Training data may lie in Azure; the validation file is still looked at."""
    (validation := tmp_path / "validation.jsonl").write_text("no row\n", encoding="utf-8")

    with pytest.raises(DataError, match=r"validation\.jsonl:1"):
        check_data(job(Path("azureml:rows:1"), validation_data=str(validation)))


def test_the_same_data_goes_up_once(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """A second job with the same rows uploads nothing; other rows are another version."""
    workspace.submit(job(chat))
    workspace.submit(job(chat))
    assert count(emulator, "PUT", "/data/tone-training/versions/") == 1

    chat.write_text(chat.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    workspace.submit(job(chat))
    assert count(emulator, "PUT", "/data/tone-training/versions/") == 2


def test_a_data_asset_is_taken_as_it_is(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Data that Azure has need not be on disk."""
    workspace.submit(job(chat))
    asset = emulator.last("PUT", "/data/").path.rsplit("/", 1)[-1]

    workspace.submit(FineTune.model_validate({"name": "two", "training_data": f"azureml:tone-training:{asset}"}))

    assert count(emulator, "PUT", "/data/") == 1
    with pytest.raises(NotFoundError, match="no data asset nothing"):
        workspace.submit(FineTune.model_validate({"name": "two", "training_data": "azureml:nothing:1"}))


def test_the_cluster_is_made_once(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """The first job makes the cluster and says so; the second takes it, whatever the case of the size's letters."""
    told: list[Event] = []
    workspace.submit(job(chat, ManagedCompute(cluster="gpu-cluster", size=SIZE)), on_event=told.append)
    workspace.submit(job(chat, ManagedCompute(cluster="gpu-cluster", size=SIZE.upper())))
    workspace.submit(job(chat, ManagedCompute(cluster="gpu-cluster")))

    assert count(emulator, "PUT", "/computes/") == 1
    first = next(event.message for event in told if event.kind == "cluster")
    assert first == f"making gpu-cluster: {SIZE}, 0 to 1 machines"


@pytest.mark.parametrize(
    ("route", "said"),
    [
        (ManagedCompute(cluster="gpu-cluster", size="Standard_NC48ads_A100_v4"), "the job wants Standard_NC48ads"),
        (ManagedCompute(cluster="gpu-cluster", nodes=3), "the job wants 3"),
    ],
    ids=["another size", "too few machines"],
)
def test_a_cluster_that_does_not_fit_is_refused(
    workspace: Workspace, chat: Path, route: ManagedCompute, said: str
) -> None:
    """A cluster is never changed behind its owner's back."""
    workspace.submit(job(chat, ManagedCompute(cluster="gpu-cluster", size=SIZE)))

    with pytest.raises(SizeError, match=said):
        workspace.submit(job(chat, route))


@pytest.mark.parametrize(
    ("model", "said", "remedy"),
    [
        ("Phi-4-mini-instrukt", "no model", "Did you mean Phi-4-mini-instruct?"),
        ("Phi-4-mini-instruct:99", "99", "Take Phi-4-mini-instruct:1, or Phi-4-mini-instruct for the newest."),
    ],
)
def test_unknown_models_are_refused(workspace: Workspace, chat: Path, model: str, said: str, remedy: str) -> None:
    """A name that the registry does not have comes back with the one that is near."""
    with pytest.raises(NotFoundError, match=said) as caught:
        workspace.submit(job(chat, model=model))

    assert caught.value.remedy == remedy


def test_retired_models_are_refused_with_a_successor(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """Twenty minutes of waiting are spared to who follows an old tutorial."""
    with pytest.raises(ConfigError, match="2025-08-30") as caught:
        workspace.submit(job(chat, model="Phi-3-mini-4k-instruct"))

    assert "Phi-4-mini-instruct" in str(caught.value.remedy)
    assert emulator.requests == []


def test_hugging_face_models_need_the_pipeline(emulator: Azure, workspace: Workspace, chat: Path) -> None:
    """The pipeline fetches them itself; a fine-tuning job cannot."""
    with pytest.raises(ConfigError, match="Hugging Face"):
        workspace.submit(job(chat, model="microsoft/Phi-4-mini-instruct"))

    workspace.submit(job(chat, ManagedCompute(), model="microsoft/Phi-4-mini-instruct"))

    [node] = emulator.last("PUT", "/jobs/").json["properties"]["jobs"].values()
    assert node["inputs"]["huggingface_id"]["value"] == "microsoft/Phi-4-mini-instruct"
    assert "mlflow_model_path" not in node["inputs"]


def test_a_region_without_the_model(chat: Path) -> None:
    """Azure's refusal becomes a region error with a remedy."""
    with azure(region="westeurope") as emulator:
        workspace = Workspace(emulator.subscription_id, emulator.resource_group, emulator.workspace)

        with pytest.raises(RegionError, match="westeurope") as caught:
            workspace.submit(job(chat))

    assert "eastus2" in str(caught.value.remedy)


def test_lists(workspace: Workspace, chat: Path) -> None:
    """Runs and models of the workspace, newest first."""
    first = workspace.submit(job(chat)).wait(poll=0.001)
    second = workspace.submit(job(chat, ManagedCompute())).wait(poll=0.001)
    second.register()

    assert {run.name for run in workspace.runs()} == {first.name, second.name}
    assert len(workspace.runs(limit=1)) == 1
    found = [(model.name, model.version, model.kind, model.run_name) for model in workspace.models()]
    assert found == [("tone", "2", "managed", second.name), ("tone", "1", "serverless", first.name)]
    assert all(model.created for model in workspace.models())
    assert workspace.models("tone") == workspace.models()
    with pytest.raises(NotFoundError, match="no model mood"):
        workspace.models("mood")


def test_opens_what_the_config_names(emulator: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure's config.json is found in a folder above."""
    emulator.write_config(tmp_path)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")

    info = Workspace.from_config().info()

    assert (info.name, info.region, info.local) == (emulator.workspace, emulator.region, False)


def test_a_bad_config_is_named(tmp_path: Path) -> None:
    """A file without the ids says which it needs."""
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")

    with pytest.raises(ConfigError, match="subscription_id"):
        Workspace.from_config(tmp_path)


def test_nothing_is_printed(workspace: Workspace, chat: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Azure's client prints dots and colours; through us, output is for results."""
    run = workspace.submit(job(chat, ManagedCompute(cluster="gpu-cluster"))).wait(poll=0.001)
    run.register().deploy("tone-endpoint").delete()

    assert capfd.readouterr() == ("", "")


def test_weights_are_looked_at_before_anything_is_made(tmp_path: Path) -> None:
    """Unknown models and empty folders are told together, with the models that there are."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(
        ConfigError, match=r"weights for Fi-4: there is no such model; there are: .*Phi-4-mini"
    ) as caught:
        Workspace.local(tmp_path / "state", weights={"Fi-4": tmp_path / "empty", "Phi-4": tmp_path / "nowhere"})

    assert str(caught.value).count("holds neither config.json nor MLmodel") == 2
    assert not (tmp_path / "state").exists()
