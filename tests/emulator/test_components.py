"""Command components through Azure's own client: code, environment, and the component that names both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml import Input, Output, command, dsl, load_job
from azure.ai.ml.entities import AmlCompute, Environment
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from tests.emulator.wire import SCOPE

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.testing import Azure
    from tests.emulator.wire import Wire

REGISTERED = "azureml://registries/azureml/environments/python-sdk-v2/labels/latest"
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A folder with a script."""
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "count.py").write_text("print('counted')\n", encoding="utf-8")
    return folder


def counting(code: Path, version: str | None = "1", environment: Any = None) -> Any:
    """Returns a component that runs the script."""
    step = command(
        name="count",
        version=version,
        code=str(code),
        command="python count.py --rows ${{inputs.rows}} --out ${{outputs.found}}",
        inputs={"rows": Input(type="uri_file")},
        outputs={"found": Output(type="uri_folder")},
        environment=environment or Environment(image=IMAGE),
    )
    return step.component


def test_component_is_made_with_its_code_and_its_environment(client: Any, code: Path, azure: Azure) -> None:
    """The client uploads the folder, registers an environment without a name, and reads the component back."""
    made = client.components.create_or_update(counting(code))

    read = client.components.get("count", "1")
    assert made.id == read.id
    assert read.command == "python count.py --rows ${{inputs.rows}} --out ${{outputs.found}}"
    assert list(read.inputs) == ["rows"]
    assert [version.version for version in client.components.list("count")] == ["1"]
    environment = client.environments.get("CliV2AnonymousEnvironment", read.environment.rpartition("/")[2])
    assert environment.image == IMAGE
    (uploaded,) = [blob for blob in azure.emulator.blobs.all() if blob.name.endswith("count.py")]
    assert uploaded.path.read_text(encoding="utf-8") == "print('counted')\n"


def test_same_code_is_uploaded_once(client: Any, code: Path, azure: Azure) -> None:
    """A second component with the same folder finds it by its hash."""
    client.components.create_or_update(counting(code))
    before = len(azure.sent("PUT", "/src/"))

    again = client.components.create_or_update(counting(code, "2", REGISTERED))

    assert before == len(azure.sent("PUT", "/src/")) == 2  # the file, and the mark that it is complete
    assert again.code.endswith("/versions/1")


def test_environment_of_a_name_is_kept(client: Any) -> None:
    """One that a user has named can be shown."""
    client.environments.create_or_update(Environment(name="mine", version="3", image=IMAGE))

    assert client.environments.get("mine", "3").image == IMAGE


@pytest.mark.parametrize("kind", ["components", "environments"])
def test_missing_one_is_not_found(kind: str, client: Any) -> None:
    """What was never made answers 404."""
    with pytest.raises(ResourceNotFoundError):
        getattr(client, kind).get("none", "1")


def test_component_is_refused_with_all_that_is_wrong(wire: Wire) -> None:
    """Code and environment that are not there, a type that nobody knows, names that the command makes up."""
    spec = {
        "name": "count",
        "version": "1",
        "type": "command",
        "command": "count ${{inputs.rows}} ${{outputs.other}}",
        "code": f"azureml:{SCOPE.id}/codes/none/versions/1",
        "environment": "azureml:none:1",
        "inputs": {"rows": {"type": "table"}},
        "distribution": {"type": "pytorch"},
    }

    refused = wire("PUT", "components/count/versions/1", {"properties": {"componentSpec": spec}})

    said = "\n".join(detail["message"] for detail in refused.json["error"]["details"])
    assert refused.status_code == 400
    for part in ("code: ", "environment: 'azureml:none:1'", "'table'", "no 'other' among the outputs", "one process"):
        assert part in said


@pytest.mark.parametrize(
    ("path", "properties", "said"),
    [
        ("components/c/versions/1", {"componentSpec": {"type": "pipeline"}}, "runs command components, not 'pipeline'"),
        ("components/c/versions/1", {"componentSpec": {"type": "command"}}, "fields"),
        ("codes/c/versions/1", {"codeUri": "https://elsewhere.blob.core.windows.net/a/b"}, "nothing was found"),
        ("environments/e/versions/1", {"osType": "Linux"}, "needs an image or a build"),
        ("environments/e/versions/1", {"image": "x", "colour": "red"}, "fields"),
    ],
    ids=["pipeline", "empty", "code", "environment", "member"],
)
def test_wrong_part_of_a_component_is_refused(path: str, properties: dict[str, Any], said: str, wire: Wire) -> None:
    """Another kind of component, code that was not uploaded, an environment of nothing."""
    refused = wire("PUT", path, {"properties": properties})

    assert refused.status_code == 400
    assert said in refused.json["error"]["message"]


def test_code_cannot_be_replaced(client: Any, code: Path) -> None:
    """A version keeps what it was made with."""
    client.components.create_or_update(counting(code))
    (code / "count.py").write_text("print('otherwise')\n", encoding="utf-8")

    with pytest.raises(HttpResponseError, match="cannot be changed"):
        client.components.create_or_update(counting(code))


def test_component_without_a_version_gets_the_next(client: Any, code: Path) -> None:
    """The newest is the one that is read where no version is named."""
    made = [client.components.create_or_update(counting(code, version)) for version in (None, None)]

    assert [one.version for one in made] == ["1", "2"]
    assert client.components.get("count").version == "2"
    assert client.components.get("count", label="latest").version == "2"


def test_words_about_a_component_may_be_changed(client: Any, code: Path) -> None:
    """Description and title, not what runs; this is what azure-sdk-for-python's own tests of the service see."""
    client.components.create_or_update(counting(code))
    found = client.components.get("count")
    found.description, found.display_name = "Counts.", "Counting"

    changed = client.components.create_or_update(found)
    found.command = "echo"

    assert (changed.description, changed.display_name, changed.version) == ("Counts.", "Counting", "1")
    with pytest.raises(ResourceExistsError, match="cannot be changed"):
        client.components.create_or_update(found)


def test_components_are_listed_and_archived(client: Any, code: Path, run_of: Any) -> None:
    """Those without a name of their own, which pipelines bring along, are not listed."""
    client.components.create_or_update(counting(code))
    run_of(command(command="echo hi", environment=REGISTERED))

    listed = [one.name for one in client.components.list()]
    client.components.archive("count")

    assert listed == ["count"]
    assert list(client.components.list()) == []


def test_node_may_have_a_name_of_its_own(client: Any, run_of: Any) -> None:
    """Two that differ in it alone are one component; the client tells no version of it."""
    first = run_of(command(name="prepare", command="echo hi", environment=REGISTERED))
    second = run_of(command(name="prepare_again", command="echo hi", environment=REGISTERED))

    components = [client.jobs.get(job.name).jobs["step"].component for job in (first, second)]
    assert components[0] == components[1]


@pytest.mark.parametrize("reference", ["azureml:say@default", "azureml:say@latest", "azureml:say:1"])
def test_node_may_name_a_component_by_its_label(reference: str, client: Any, tmp_path: Path) -> None:
    """The default version is asked of the service, the latest is looked up by the client."""
    client.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2", max_instances=1)).result()
    say = command(name="say", version="1", command="echo said", environment=REGISTERED)
    client.components.create_or_update(say.component)
    file = tmp_path / "job.yml"
    node = f"{{type: command, component: {reference}, compute: 'azureml:cpu'}}"
    file.write_text(f"type: pipeline\njobs: {{step: {node}}}\n", encoding="utf-8")

    job = client.jobs.create_or_update(load_job(file))

    assert list(job.jobs) == ["step"]


@pytest.fixture
def run_of(client: Any) -> Any:
    """Sends a pipeline of one node."""
    client.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2", max_instances=1)).result()

    def send(node: Any) -> Any:
        @dsl.pipeline(compute="cpu")
        def alone():  # type: ignore[no-untyped-def] # noqa: ANN202
            step = node()  # noqa: F841 (its name is the node's)

        return client.jobs.create_or_update(alone())

    return send


def test_environment_without_a_version_gets_the_next(client: Any) -> None:
    """An image that differs makes a new version, the same image none."""
    images = ("some/image:1", "some/image:2", "some/image:2")

    made = [client.environments.create_or_update(Environment(name="mine", image=image)).version for image in images]

    assert made == ["1", "2", "2"]
    assert client.environments.get("mine", label="latest").version == "2"
    assert [one.version for one in client.environments.list("mine")] == ["2", "1"]
    assert [one.name for one in client.environments.list()] == ["mine"]


def test_environment_is_archived(client: Any) -> None:
    """A version, or all of it."""
    for version in ("1", "2"):
        client.environments.create_or_update(Environment(name="mine", version=version, image="some/image:1"))

    client.environments.archive("mine", version="1")
    left = [one.version for one in client.environments.list("mine")]
    client.environments.archive("mine")

    assert left == ["2"]
    assert list(client.environments.list()) == []


@pytest.mark.parametrize("name", ["azureml:AzureML-sklearn-1.0-ubuntu20.04-py38-cpu:33", "azureml:AzureML-ACPT@latest"])
def test_curated_environment_is_taken_by_its_short_name(name: str, client: Any, code: Path) -> None:
    """The client leaves it to the service to find its registry."""
    made = client.components.create_or_update(counting(code, environment=name))

    assert made.environment.removeprefix("azureml:") == name.removeprefix("azureml:")


@pytest.mark.parametrize("how", [{"version": "33"}, {"label": "latest"}], ids=["version", "label"])
def test_curated_environment_cannot_be_read(how: dict[str, str], client: Any) -> None:
    """The emulator says that it is its own limit."""
    with pytest.raises(ResourceNotFoundError, match="The emulator keeps no curated environments"):
        client.environments.get("AzureML-sklearn-1.0-ubuntu20.04-py38-cpu", **how)


def test_newest_environment_is_taken_by_its_label(client: Any, code: Path) -> None:
    """`@latest` is the version that was made last."""
    client.environments.create_or_update(Environment(name="mine", version="7", image=IMAGE))

    made = client.components.create_or_update(counting(code, environment="mine@latest"))

    assert made.environment.endswith("/environments/mine/versions/7")
