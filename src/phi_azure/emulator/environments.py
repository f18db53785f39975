"""Environments of the workspace; nothing is built of them, and those of registries are taken unseen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phi_azure.emulator import assets, references
from phi_azure.emulator.assets import MEMBERS, Kind
from phi_azure.emulator.shapes import ANYTHING, TEXT, Object, Word
from phi_azure.emulator.wire import MANAGEMENT, WORKSPACE, Call, Route, WireError, not_found

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

_ENVIRONMENT_BODY = Object(
    "EnvironmentVersionResource",
    {
        "properties": Object(
            "EnvironmentVersion",
            MEMBERS
            | {
                "image": TEXT,
                "condaFile": TEXT,
                "build": ANYTHING,
                "osType": Word("OperatingSystemType", ("Linux", "Windows")),
                "inferenceConfig": ANYTHING,
                "autoRebuild": TEXT,
            },
        )
    },
    frozenset({"properties"}),
)
ENVIRONMENTS = Kind("environments", "Environment", _ENVIRONMENT_BODY, ("image", "build", "condaFile"))
_CURATED = re.compile(r"azureml:AzureML-[^:@/]+(?::[^:@/]+|@latest)", re.IGNORECASE)


def is_known(call: Call, reference: str) -> bool:
    """Says whether a reference leads to an environment: of the workspace, of a registry, or a curated one of Azure's.

    The client sends the name of a curated one as it is written; the service knows which registry it is of.
    """
    entry = references.registry_entry(reference)
    if _CURATED.fullmatch(reference) or (entry is not None and entry.kind == ENVIRONMENTS.word):
        return True
    return references.document(call, reference, ENVIRONMENTS.word) is not None


def put_environment(call: Call, name: str, version: str, **_: str) -> Response:
    """Registers an environment; it is kept as it comes, and nothing is built."""
    properties = assets.checked(call, ENVIRONMENTS, name)["properties"]
    if not properties.get("image") and not properties.get("build"):
        raise WireError(400, "UserError", "An environment needs an image or a build.", inner="BadArgument")
    kind = {"environmentType": "UserCreated", "provisioningState": "Succeeded"}
    return assets.put_version(call, ENVIRONMENTS, name, version, properties | kind)


def get_environment(call: Call, name: str, version: str, **_: str) -> Response:
    """Answers one version of an environment."""
    _refuse_curated(name)
    return assets.get_version(call, ENVIRONMENTS, name, version)


def get_environment_container(call: Call, name: str, **_: str) -> Response:
    """Answers what is known of an environment across its versions."""
    return assets.get_container(call, ENVIRONMENTS, name)


def put_environment_container(call: Call, name: str, **_: str) -> Response:
    """Changes or archives an environment across its versions."""
    return assets.put_container(call, ENVIRONMENTS, name)


def list_environments(call: Call, **_: str) -> Response:
    """Answers the environments."""
    return assets.list_containers(call, ENVIRONMENTS)


def list_environment_versions(call: Call, name: str, **_: str) -> Response:
    """Answers the versions of an environment, newest first."""
    _refuse_curated(name)
    return assets.list_versions(call, ENVIRONMENTS, name)


def _refuse_curated(name: str) -> None:
    """Says that curated environments are Azure's alone, and not that there are none."""
    if name.lower().startswith("azureml-"):
        said = f"The emulator keeps no curated environments, and not {name}; a component may name any."
        raise not_found("The specified resource was not found.", ("EnvironmentNotFound", said))


_VERSIONS = frozenset({"2023-04-01-preview"})
_ALL = f"{WORKSPACE}/environments"
ROUTES = [
    Route("PUT", MANAGEMENT, f"{_ALL}/<name>/versions/<version>", put_environment, _VERSIONS),
    Route("GET", MANAGEMENT, f"{_ALL}/<name>/versions/<version>", get_environment, _VERSIONS),
    Route("GET", MANAGEMENT, f"{_ALL}/<name>/versions", list_environment_versions, _VERSIONS),
    Route("GET", MANAGEMENT, f"{_ALL}/<name>", get_environment_container, _VERSIONS),
    Route("PUT", MANAGEMENT, f"{_ALL}/<name>", put_environment_container, _VERSIONS),
    Route("GET", MANAGEMENT, _ALL, list_environments, _VERSIONS),
]
