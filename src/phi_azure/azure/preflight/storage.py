"""Whether files reach the workspace's storage, and by what: a key, or one's own identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phi_azure.azure.preflight.rights import BLOBS, allowed, grant
from phi_azure.errors import AzureError, RightsError
from phi_azure.preflight import Finding, failed, ok, unknown

if TYPE_CHECKING:
    from phi_azure.azure.client import Connection
    from phi_azure.azure.preflight.account import Caller
    from phi_azure.azure.preflight.reading import Told

_DATA_ROLE = "Storage Blob Data Contributor"
_CHECK = "storage"


def judge(connection: Connection, workspace: dict[str, Any], caller: Caller, told: Told) -> Finding:
    """Says whether the default datastore can be read and written."""
    account = str(workspace["properties"].get("storageAccount") or "")
    name = account.rpartition("/")[2] or "the storage account"
    by_identity = told.secrets.status == 400
    role = grant(_DATA_ROLE, caller, account)
    if told.blobs.code == "KeyBasedAuthenticationNotPermitted":
        message = f"{name} takes no keys, and the workspace opens it with a key: nothing can be uploaded."
        update = "az ml workspace update --system-datastores-auth-mode identity"
        remedy = f"{update} -n {connection.workspace} -g {connection.resource_group}; then: {role}"
        return failed(_CHECK, RightsError, message, remedy)
    if by_identity and (told.blobs.code == "AuthorizationPermissionMismatch" or _may_not_write(told)):
        message = f"{name} is opened with one's own identity, and {caller.name} has no role for its blobs."
        return failed(_CHECK, RightsError, message, role)
    if told.secrets.error and not by_identity:
        return unknown(_CHECK, f"how the storage is opened cannot be read: {told.secrets.reason}")
    if told.blobs.status in {0, 403} and told.blobs.error:
        message = f"{name} cannot be reached from this machine: {told.blobs.reason}"
        remedy = "Its network rules must let this machine in: work in the virtual network, or allow your address."
        return failed(_CHECK, AzureError, message, remedy)
    if told.blobs.error:
        return failed(_CHECK, AzureError, f"{name}: {told.blobs.reason}", told.blobs.error.remedy)
    return ok(_CHECK, f"{name}, by {'identity' if by_identity else 'key'}")


def _may_not_write(told: Told) -> bool:
    """Tells whether roles are known and none of them lets one write blobs."""
    asked = told.blob_permissions
    if asked is None or asked.error:
        return False
    return not allowed(f"{BLOBS}/write", asked.document, data=True)
