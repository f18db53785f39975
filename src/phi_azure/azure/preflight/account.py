"""Who is signed in, and whether the workspace is one that can train."""

from __future__ import annotations

import base64
import difflib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ClientAuthenticationError

from phi_azure.azure.client import MANAGEMENT
from phi_azure.azure.failures import translate
from phi_azure.azure.preflight.asking import Answer, get
from phi_azure.azure.preflight.reading import neighbours
from phi_azure.errors import AzureError, ConfigError, NotFoundError, RightsError, SignInError
from phi_azure.preflight import Finding, failed, ok, warning

if TYPE_CHECKING:
    from phi_azure.azure.client import Connection

_SCOPE = f"{MANAGEMENT}/.default"
_API = "2024-10-01-preview"
_FOUNDRY = "microsoft.cognitiveservices/accounts"
_ML = "microsoft.machinelearningservices/workspaces"


@dataclass(frozen=True)
class Caller:
    """Whoever the token speaks for."""

    name: str
    tenant: str
    credential: str
    object_id: str | None


def sign_in(connection: Connection) -> tuple[Finding, Caller | None]:
    """Gets a token, and reads whose it is."""
    try:
        token = connection.credential.get_token(_SCOPE).token
    except ClientAuthenticationError as error:
        said = translate(error)
        return failed("sign-in", SignInError, f"Nobody is signed in to Azure. {said}", said.remedy), None
    claims = _claims(token)
    used = getattr(connection.credential, "_successful_credential", None) or connection.credential
    names = ("upn", "unique_name", "preferred_username", "name", "appid", "oid")
    name = next((str(claims[key]) for key in names if claims.get(key)), "somebody")
    caller = Caller(name, str(claims.get("tid", "unknown")), type(used).__name__, claims.get("oid"))
    return ok("sign-in", f"{caller.name}, by {caller.credential}, in tenant {caller.tenant}"), caller


def workspace(connection: Connection, caller: Caller) -> tuple[Finding, dict[str, Any] | None]:
    """Looks the workspace up; the document is None where nothing more can be asked."""
    answer = get(connection, f"{MANAGEMENT}{connection.id}", _API)
    if answer.error is None:
        document: dict[str, Any] = answer.document
        return _kind(connection, document), document
    return _refused(connection, caller, answer), None


def _kind(connection: Connection, document: dict[str, Any]) -> Finding:
    """Says whether a workspace of this kind trains."""
    name, kind = connection.workspace, str(document.get("kind") or "Default")
    where = f"{name} in {document['location']}"
    if kind.lower() == "project":
        message = f"{where} is a project of a hub: its storage and clusters are the hub's."
        return warning("workspace", message, "A workspace of its own is the tried way: az ml workspace create.")
    if kind.lower() != "default":
        message = f"{where} is a {kind}, which holds projects and runs no jobs itself."
        return failed("workspace", ConfigError, message, f"Name one of its projects, or another workspace: {_CONFIG}")
    return ok("workspace", f"{where}, resource group {connection.resource_group}")


_CONFIG = "workspace_name in config.json."


def _refused(connection: Connection, caller: Caller, answer: Answer) -> Finding:
    """Says why the workspace cannot be read."""
    tenant = re.search(r"must match the tenant 'https://sts\.windows\.net/([0-9a-f-]+)", str(answer.error))
    if answer.code == "InvalidAuthenticationTokenTenant" or tenant:
        wanted = tenant[1] if tenant else "TENANT"
        message = f"{caller.name} is signed in to tenant {caller.tenant}; the subscription belongs to tenant {wanted}."
        remedy = f"az login --tenant {wanted}; of a service principal, AZURE_TENANT_ID={wanted}."
        return failed("workspace", SignInError, message, remedy)
    if answer.code == "SubscriptionNotFound":
        message = f"there is no subscription {connection.subscription_id} that {caller.name} can see."
        remedy = "az account list shows yours; of another tenant: az login --tenant TENANT."
        return failed("workspace", NotFoundError, message, remedy)
    if answer.code == "ResourceGroupNotFound":
        message = f"the subscription has no resource group {connection.resource_group}."
        return failed("workspace", NotFoundError, message, "az group list shows those that there are.")
    if answer.missing:
        return _not_there(connection)
    if answer.status == 403:
        message = f"{caller.name} may not read the workspace {connection.workspace}."
        assign = f'az role assignment create --assignee {caller.object_id or caller.name} --role "{_ROLE}"'
        return failed("workspace", RightsError, message, f"Its owner can let you: {assign} --scope {connection.id}")
    error = answer.error or AzureError("no answer")
    return failed("workspace", type(error), str(error), error.remedy)


_ROLE = "AzureML Data Scientist"


def _not_there(connection: Connection) -> Finding:
    """Says what there is under that name, or near it."""
    name, group = connection.workspace, connection.resource_group
    found = neighbours(connection)
    for resource in found:
        if _is_foundry(resource, name):
            what = "project" if "/projects" in resource["type"].lower() else "resource"
            message = (
                f"{name} is a Foundry {what}, not an Azure Machine Learning workspace; its fine-tuning is another "
                "service, which does not train Phi."
            )
            remedy = f"Make a workspace, and name it as {_CONFIG}: az ml workspace create --name NAME -g {group}"
            return failed("workspace", ConfigError, message, remedy)
    there = [resource["name"] for resource in found if resource["type"].lower() == _ML]
    near = difflib.get_close_matches(name, there, 1)
    remedy = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(there)}." if there else _MAKE
    return failed("workspace", NotFoundError, f"resource group {group} has no workspace {name}.", remedy)


_MAKE = f"az ml workspace list shows those that you may read; the name stands as {_CONFIG}"


def _is_foundry(resource: dict[str, Any], name: str) -> bool:
    own = str(resource["name"]).lower()
    return resource["type"].lower().startswith(_FOUNDRY) and name.lower() in {own, own.rpartition("/")[2]}


def _claims(token: str) -> dict[str, Any]:
    """Reads what a token says of its bearer; nothing where it is no JWT. Its signature is Azure's affair."""
    body = [*token.split("."), ""][1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}
