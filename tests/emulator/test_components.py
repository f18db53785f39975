"""Command components through Azure's own client: code, environment, and the component that names both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml import Input, Output, command
from azure.ai.ml.entities import Environment
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

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


def counting(code: Path, version: str = "1", environment: Any = None) -> Any:
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
