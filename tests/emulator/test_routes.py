"""Every request that azure-ai-ml is known to send is served, in the api-versions in which it sends it, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from phi_azure.emulator.app import ROUTES, Emulator
from phi_azure.emulator.blobs import DEFAULT_CONTAINER
from tests.emulator.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

Request = dict[str, str]

# methods, hosts, paths and api-versions seen with azure-ai-ml 1.35.2, mlflow 2.22.5 and 3.17.2
REQUESTS: list[Request] = json.loads(Path(__file__).with_name("served_requests.json").read_text())
VERSIONED = [request for request in REQUESTS if request["api-version"]]
VALUES = {
    "region": "eastus2",
    "account": Emulator.account,
    "container": DEFAULT_CONTAINER,
    "registry": "azureml",
    "endpoint": "some-endpoint",
}

GROUP = "/subscriptions/<subscription>/resourceGroups/<group>"
BEYOND = {
    # what phi_azure's own preflight asks
    "GET /providers/Microsoft.Authorization/permissions",
    f"GET {GROUP}/providers/Microsoft.Storage/storageAccounts/<account>/providers/Microsoft.Authorization/permissions",
    f"GET {GROUP}/resources",
    # what deploy --most sends, and what shows it
    *(f"{method} {GROUP}/providers/microsoft.insights/autoscalesettings/<name>" for method in ("PUT", "GET", "DELETE")),
    f"GET {GROUP}/providers/microsoft.insights/autoscalesettings",
    f"GET {GROUP}/providers/Microsoft.MachineLearningServices/workspaces",  # workspaces.list()
    "GET /subscriptions/<subscription>/providers/Microsoft.MachineLearningServices/workspaces",  # of all groups
    "DELETE /<container>/<path:name>",  # a storage client of one's own
    "HEAD /<container>/<path:name>",  # the same, by the name of its method: the routing gives HEAD to GET
    "HEAD /<container>",  # container_client.exists()
    "PUT /<container>",  # create_container, answered with 409
    "GET /<path:path>",  # the health of a container
    "GET /data/<name>/versions",  # data.list(name=...)
    "PUT /data/<name>",  # data.archive(name)
    "PUT /models/<name>",  # models.archive(name)
    # components and environments without a version, lists of them, archive(name)
    *(f"{method} /{kind}/<name>" for method in ("GET", "PUT") for kind in ("components", "environments")),
    *("GET /components", "GET /environments", "GET /environments/<name>/versions"),
    "GET /metadata/endpoints",  # azureml-mlflow, when it has no name of a cloud
    "POST /api/2.0/mlflow/logged-models/search",  # download_artifacts of MLflow 3.17
    "POST /api/2.0/mlflow/experiments/search",  # MlflowClient.search_experiments
    "POST /api/2.0/mlflow/runs/delete-tag",  # MlflowClient.delete_tag
}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A client of an emulator that these many requests share: none of them leaves anything behind."""
    emulator = Emulator(tmp_path_factory.mktemp("routes"))
    yield Wire(emulator)
    emulator.close()


def _fill(template: str) -> str:
    return re.sub(r"\{([^}]*)\}", lambda match: VALUES.get(match[1], "some"), template)


def _name(request: Request) -> str:
    short = re.sub(r"/subscriptions/.*/workspaces/\{workspace\}", "", request["path"])
    return f"{request['method']} {request['host'].split('.')[1]} {short} {request['api-version']}"


@pytest.mark.parametrize("request_", REQUESTS, ids=_name)
def test_request_is_served(request_: Request, known: Wire) -> None:
    """No request of the SDK is unknown to the emulator."""
    response = known(
        request_["method"], _fill(request_["path"]), host=_fill(request_["host"]), version=request_["api-version"]
    )

    assert response.status_code != 501
    assert b"InvalidApiVersionParameter" not in response.data
    assert not known.emulator.unserved


@pytest.mark.parametrize("request_", VERSIONED, ids=_name)
def test_other_api_version_is_refused_by_name(request_: Request, known: Wire) -> None:
    """A request in a version that the client does not send is refused with the versions that are served."""
    response = known(request_["method"], _fill(request_["path"]), host=_fill(request_["host"]), version="1999-01-01")

    assert response.status_code == 400
    assert response.json["error"]["code"] == "InvalidApiVersionParameter"
    assert "1999-01-01" in response.json["error"]["message"]
    assert request_["api-version"] in response.json["error"]["message"]
    assert "?api-version=1999-01-01 (served: " in known.emulator.unserved.pop()
    assert not known.emulator.unserved


def test_every_route_is_one_of_a_known_request(known: Wire) -> None:
    """No route is there that nobody asks for: what is beyond the SDK's own requests has its reason above."""
    adapters = [(request, known.emulator._map.bind(_fill(request["host"]))) for request in REQUESTS]

    asked = {
        map_.match(_fill(asking["path"]), asking["method"], return_rule=True)[0].endpoint for asking, map_ in adapters
    }

    beyond = {
        f"{route.method} {route.path.partition('<workspace>')[2] or route.path}"
        for route in ROUTES
        if route not in asked
    }
    assert beyond == BEYOND


@pytest.mark.parametrize(
    ("method", "host", "path", "said"),
    [
        ("GET", "management.azure.com", "quantumJobs", "route"),
        ("PATCH", "management.azure.com", "jobs/some", "method PATCH"),
        ("GET", "management.azure.com", "/subscriptions", "route"),
        ("GET", "westus.notebooks.azure.net", "/", "route"),
        ("GET", "eastus2.api.azureml.ms", "/nothing/here", "route"),
    ],
    ids=["collection", "method", "subscription", "host", "data-plane"],
)
def test_unknown_request_is_refused_by_name(method: str, host: str, path: str, said: str, wire: Wire) -> None:
    """What no route knows is answered with 501, named, and kept for the end of the test."""
    response = wire(method, path, host=host, version="2023-08-01-preview")

    assert response.status_code == 501
    assert response.json["error"]["code"] == "NotImplementedByEmulator"
    assert f"{said} of {method} https://{host}" in response.json["error"]["message"]
    assert len(wire.emulator.unserved) == 1


@pytest.mark.parametrize("path", ["RESOURCEGROUPS", "resourcegroups"])
def test_fixed_words_of_a_path_are_compared_without_letter_case(path: str, wire: Wire) -> None:
    """Azure's own ids write resourceGroups in two ways; both arrive."""
    response = wire(
        "GET",
        f"/subscriptions/s/{path}/g/providers/microsoft.machinelearningservices/workspaces/w",
        version="2024-10-01-preview",
    )

    assert response.status_code == 200


@pytest.mark.parametrize("headers", [{"Authorization": ""}, {"Authorization": "Basic eA=="}], ids=["none", "basic"])
def test_request_without_a_token_is_refused(headers: dict[str, str], wire: Wire) -> None:
    """Management asks for an access token."""
    response = wire("GET", "computes", headers=headers)

    assert response.status_code == 401
    assert response.json["error"]["code"] == "AuthenticationFailed"
