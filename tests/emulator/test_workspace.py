"""The workspace, its clusters, datastores and data assets, through Azure's own client."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml import Input, command, dsl
from azure.ai.ml.entities import AmlCompute, Data, IdentityConfiguration
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from phi_azure.emulator.identity import TENANT
from tests.emulator.wire import GPU

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.testing import Azure


def test_workspace_is_there_under_any_name(client: Any, azure: Azure) -> None:
    """Placeholders in a notebook name a workspace too."""
    found = client.workspaces.get("<WORKSPACE_NAME>")

    assert found.name == "<WORKSPACE_NAME>"
    assert found.location == azure.region
    assert found._workspace_id


def test_workspaces_are_listed(client: Any) -> None:
    """Of the group, and of the subscription; where any name is one, the one of `Workspace.local()` stands for all."""
    assert [one.name for one in client.workspaces.list()] == ["local"]
    assert [one.name for one in client.workspaces.list(scope="subscription")] == ["local"]


def test_cluster_keeps_its_identity(client: Any) -> None:
    """A cluster with an identity of the service's own has the same principal each time; one without has none."""
    identity = IdentityConfiguration(type="system_assigned")
    wanted = [AmlCompute(name="gpu", size=GPU, max_instances=most, identity=identity) for most in (1, 2)]
    client.compute.begin_create_or_update(AmlCompute(name="bare", size=GPU, max_instances=1)).result()

    made, changed = [client.compute.begin_create_or_update(one).result().identity for one in wanted]

    assert (made.type, made.tenant_id) == ("system_assigned", TENANT)
    assert changed.principal_id == str(uuid.UUID(made.principal_id))
    assert client.compute.get("gpu").identity.principal_id == made.principal_id
    assert client.compute.get("bare").identity is None


def test_cluster_is_made_read_and_listed(client: Any, azure: Azure) -> None:
    """A cluster that was made can be read with what was asked for, in the SDK's words."""
    made = client.compute.begin_create_or_update(AmlCompute(name="gpu", size=GPU, max_instances=2)).result()

    found = client.compute.get("GPU")
    assert (made.name, made.provisioning_state) == ("gpu", "Succeeded")
    assert (found.size, found.max_instances, found.min_instances) == (GPU, 2, 0)
    assert [compute.name for compute in client.compute.list()] == ["gpu"]
    sent = azure.last("PUT", "/computes/gpu").json["properties"]
    assert sent["properties"]["vmSize"] == GPU


def test_cluster_is_in_the_making_at_first(client: Any) -> None:
    """The first look at a new cluster finds it being made, as in the cloud."""
    client.compute.begin_create_or_update(AmlCompute(name="gpu", size=GPU, max_instances=1))

    states = [client.compute.get("gpu").provisioning_state for _ in range(3)]

    assert states[-1] == "Succeeded"
    assert set(states) <= {"Creating", "Succeeded"}


def test_limits_of_a_cluster_can_be_changed(client: Any) -> None:
    """The same name again changes the number of nodes."""
    client.compute.begin_create_or_update(AmlCompute(name="gpu", size=GPU, max_instances=1)).result()

    client.compute.begin_create_or_update(AmlCompute(name="gpu", size=GPU, max_instances=3)).result()

    assert client.compute.get("gpu").max_instances == 3


def test_cluster_is_deleted(client: Any) -> None:
    """After the operation the cluster is gone."""
    client.compute.begin_create_or_update(AmlCompute(name="gpu", size=GPU, max_instances=1)).result()

    client.compute.begin_delete("gpu").wait()

    with pytest.raises(ResourceNotFoundError, match="gpu"):
        client.compute.get("gpu")


def test_sizes_know_their_gpus(client: Any) -> None:
    """A notebook reads the number of GPUs of a size; retired sizes are not offered."""
    sizes = {size.name: size.gpus for size in client.compute.list_sizes()}

    assert sizes[GPU] == 1
    assert sizes["Standard_NC96ads_A100_v4"] == 4
    assert "Standard_NC24rs_v3" not in sizes


def test_usage_names_each_family(client: Any) -> None:
    """The quota of a family can be read."""
    usage = {item.name["value"]: item for item in client.compute.list_usage()}

    assert usage["standardNCADSA100v4Family"].limit > 0
    assert usage["standardNCADSA100v4Family"].currentValue == 0


def test_default_datastore_keeps_blobs(client: Any) -> None:
    """The default datastore is workspaceblobstore on the emulator's own account."""
    found = client.datastores.get_default()

    assert (found.name, found.account_name) == ("workspaceblobstore", "phiazureemulator")
    assert client.datastores.get("workspaceartifactstore").container_name == "azureml"


def test_secrets_of_a_datastore_are_a_signature(client: Any) -> None:
    """With secrets a datastore brings a SAS."""
    found = client.datastores.get("workspaceblobstore", include_secrets=True)

    assert "sig=" in found.credentials.sas_token


def test_unknown_datastore_is_not_found(client: Any) -> None:
    """A datastore that the workspace does not have is named in the error."""
    with pytest.raises(ResourceNotFoundError, match="lake"):
        client.datastores.get("lake")


def test_data_file_is_uploaded_and_registered(client: Any, azure: Azure, chat_file: Path) -> None:
    """A local file becomes a blob and an asset that points to it."""
    made = client.data.create_or_update(Data(name="chat", version="1", path=str(chat_file), type="uri_file"))

    found = client.data.get("chat", version="1")
    assert made.id == found.id
    assert found.path.endswith("/chat.jsonl")
    blob = azure.emulator.blobs.find("azureml-blobstore-00000000-0000-4000-8000-000000000033", "LocalUpload/")
    assert [each.path.read_bytes() for each in blob] == [chat_file.read_bytes()]
    assert blob[0].metadata["upload_status"] == "completed"


def test_same_file_is_not_uploaded_again(client: Any, azure: Azure, chat_file: Path) -> None:
    """The SDK sees by its hash that a file is there."""
    client.data.create_or_update(Data(name="chat", version="1", path=str(chat_file), type="uri_file"))
    before = len(azure.requests)

    client.data.create_or_update(Data(name="chat", version="1", path=str(chat_file), type="uri_file"))

    puts = [request.path for request in azure.requests[before:] if request.method == "PUT"]
    assert len(puts) == 1
    assert puts[0].endswith("/data/chat/versions/1")


def test_folder_without_a_version_gets_the_next(client: Any, chat_file: Path) -> None:
    """A folder becomes an asset; each one without a version gets the number after the last."""
    versions = []
    for number in range(2):
        (chat_file.parent / "more.txt").write_text(str(number))
        asset = client.data.create_or_update(Data(name="folder", path=str(chat_file.parent), type="uri_folder"))
        versions.append(asset.version)

    latest = client.data.get("folder", label="latest")

    assert versions == ["1", "2"]
    assert (latest.version, latest.type) == ("2", "uri_folder")
    assert [asset.name for asset in client.data.list()] == ["folder"]
    assert [asset.version for asset in client.data.list(name="folder")] == ["2", "1"]


def test_missing_data_asset_is_not_found(client: Any) -> None:
    """A data asset that is not there is told apart from other errors, by version and by label."""
    with pytest.raises(ResourceNotFoundError):
        client.data.get("nothing", version="1")
    with pytest.raises((ResourceNotFoundError, MlException)):
        client.data.get("nothing", label="latest")


def test_path_of_a_version_stays(client: Any, chat_file: Path) -> None:
    """A version of a data asset cannot be pointed elsewhere."""
    client.data.create_or_update(Data(name="chat", version="1", path=str(chat_file), type="uri_file"))
    other = chat_file.with_name("other.jsonl")
    other.write_text("{}")

    with pytest.raises((HttpResponseError, MlException), match=r"(?i)already exists|cannot be changed|immutable"):
        client.data.create_or_update(Data(name="chat", version="1", path=str(other), type="uri_file"))


def test_archived_data_leaves_the_list(client: Any, chat_file: Path) -> None:
    """A version, or the asset with all its versions; the client sends back what it has read."""
    for version in ("1", "2"):
        client.data.create_or_update(Data(name="rows", version=version, path=str(chat_file), type="uri_file"))

    client.data.archive("rows", version="1")
    one_left = [one.version for one in client.data.list("rows")]
    client.data.archive("rows")
    none_left = list(client.data.list())
    client.data.restore("rows")
    client.data.restore("rows", version="1")

    assert (one_left, none_left) == (["2"], [])
    assert [one.version for one in client.data.list("rows")] == ["2", "1"]


def test_data_may_lie_on_any_host(client: Any) -> None:
    """Its address is registered; what would have to read it says that the emulator does not."""
    made = client.data.create_or_update(
        Data(name="public", version="1", path="https://example.org/rows.jsonl", type="uri_file")
    )

    assert made.path == "https://example.org/rows.jsonl"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("azureml:public:1", "the emulator reads nothing from other hosts"),
        ("https://example.org/rows.jsonl", "the emulator reads nothing from other hosts"),
    ],
    ids=["asset", "address"],
)
def test_job_that_would_read_another_host_is_refused(path: str, said: str, client: Any) -> None:
    """It is said as the emulator's own limit."""
    client.data.create_or_update(
        Data(name="public", version="1", path="https://example.org/rows.jsonl", type="uri_file")
    )
    client.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2", max_instances=1)).result()
    image = "azureml://registries/azureml/environments/python-sdk-v2/versions/1"
    read = command(command="cat ${{inputs.rows}}", environment=image, inputs={"rows": Input(type="uri_file")})

    @dsl.pipeline(compute="cpu")
    def reading(rows):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        read(rows=rows)

    with pytest.raises(HttpResponseError, match=said):
        client.jobs.create_or_update(reading(rows=Input(type="uri_file", path=path)))
