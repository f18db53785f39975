"""Turns the errors of Azure's packages into ours, always with the original kept as the cause."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests
from azure.core import exceptions as core

from phi_azure import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

VENDOR_ERRORS = (core.AzureError, requests.RequestException)
NETWORK_ERRORS = (core.ServiceRequestError, core.ServiceResponseError, requests.ConnectionError, requests.Timeout)

_SIGN_IN = (
    "Run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; or work without Azure: --local."
)
_RIGHTS = "The role AzureML Data Scientist on the workspace (Contributor to make clusters) is what this needs."
_QUOTA = "Take another size or region, lower the number of machines, or ask for quota in the Azure portal."
_REGION = (
    "Take a workspace in another region; Phi trains serverlessly in eastus, eastus2, northcentralus, southcentralus, "
    "westus and westus3."
)
_BY_WORD: tuple[tuple[str, type[errors.PhiAzureError], str | None], ...] = (
    (r"quota|CoreQuotaReached|not enough cores", errors.QuotaError, _QUOTA),
    (r"MaaS|LocationNotAvailable|InvalidLocation|SkuNotAvailable", errors.RegionError, _REGION),
    (r"not (?:available|supported) in (?:the )?(?:region|location)", errors.RegionError, _REGION),
    (r"VmSize|InstanceType", errors.SizeError, "Name another size, such as Standard_NC24ads_A100_v4."),
)  # fmt: skip
_BY_STATUS: dict[int, tuple[type[errors.PhiAzureError], str | None]] = {
    400: (errors.ConfigError, None),
    401: (errors.SignInError, _SIGN_IN),
    403: (errors.RightsError, _RIGHTS),
    404: (errors.NotFoundError, None),
    409: (errors.ConflictError, None),
    422: (errors.ConfigError, None),
    429: (errors.QuotaError, "Too many requests; wait a little and try again."),
}

_PASSING = frozenset({401, 404, 408, 429})


@contextmanager
def translated() -> Iterator[None]:
    """Lets errors of Azure's packages out as ours."""
    try:
        yield
    except VENDOR_ERRORS as error:
        raise translate(error) from error


def translate(error: Exception) -> errors.PhiAzureError:
    """Returns our error for one of Azure's packages, or of requests; ours come back as they are."""
    if isinstance(error, errors.PhiAzureError):
        return error
    if isinstance(error, core.ClientAuthenticationError):
        return errors.SignInError(_first_lines(error), remedy=_SIGN_IN)
    if isinstance(error, NETWORK_ERRORS):
        remedy = "Check the network and the name of the region; or work without Azure: --local."
        return errors.AzureError(f"Azure cannot be reached: {_first_lines(error)}", remedy=remedy)
    if isinstance(error, core.HttpResponseError):
        return _from_response(error)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return by_status(error.response.status_code, _first_lines(error))
    return _from_client(error)


def may_pass(error: errors.PhiAzureError) -> bool:
    """Whether the same request may be answered later: no network, no valid sign-in, too many requests, Azure's fault.

    Also what is not there, of something that was: a read may not yet see what was written.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (*NETWORK_ERRORS, core.ClientAuthenticationError, core.DecodeError)):
            return True
        if isinstance(cause, core.HttpResponseError):
            return cause.status_code in _PASSING or (cause.status_code or 0) >= 500
        cause = cause.__cause__
    return False


def by_status(status: int, message: str, code: str = "") -> errors.PhiAzureError:
    """Returns our error for an HTTP answer: what it says counts more than its number."""
    for pattern, kind, remedy in _BY_WORD:
        if 400 <= status < 500 and re.search(pattern, f"{code} {message}", re.IGNORECASE):
            return kind(message, remedy=remedy)
    kind, remedy = _BY_STATUS.get(status, (errors.AzureError, None))
    return kind(message, remedy=remedy)


def _from_response(error: core.HttpResponseError) -> errors.PhiAzureError:
    status = error.status_code or {core.ResourceNotFoundError: 404, core.ResourceExistsError: 409}.get(type(error), 0)
    codes = " ".join(_codes(error.error)) if error.error else ""
    if status != 200:
        return by_status(status, _said(error), codes)
    # a long operation that failed was answered with 200; what it says is then all that there is
    found = by_status(400, _said(error), codes)
    return errors.AzureError(str(found)) if isinstance(found, errors.ConfigError) else found


def _codes(detail: Any) -> list[str]:
    """Returns the code of an error and of all that it holds."""
    inner = [getattr(detail, "innererror", None), *map(_added, getattr(detail, "additional_info", None) or [])]
    codes = [str(detail.code), *(str(found.get("code")) for found in inner if isinstance(found, dict))]
    return codes + [code for below in detail.details or [] for code in _codes(below)]


def _added(item: Any) -> Any:
    """Returns the inner error that Azure ML puts into the additional information of an error."""
    kind, info = (item.get("type"), item.get("info")) if isinstance(item, dict) else (item.type, item.info)
    return info.get("value") if kind == "InnerError" and isinstance(info, dict) else None


def _said(error: core.HttpResponseError) -> str:
    """Returns what the service said, with the details that it put below."""
    if not error.error or not error.error.message:
        return _first_lines(error)
    details = [str(detail.message) for detail in error.error.details or [] if detail.message]
    return "\n".join([str(error.error.message).strip(), *details])


_NOT_FOUND = re.compile(r"not found|no container|could not find|does not exist", re.IGNORECASE)


def _from_client(error: Exception) -> errors.PhiAzureError:
    """Translates what azure-ai-ml finds wrong before it asks the service."""
    from azure.ai.ml import exceptions as ml

    message = _first_lines(error)
    if isinstance(error, (ml.JobException, ml.PipelineChildJobError)):
        return errors.RunFailed(message)
    if isinstance(
        error, (ml.ValidationException, ml.UserErrorException, ml.AssetPathException, ml.EmptyDirectoryError)
    ):
        return errors.ConfigError(message)
    if isinstance(error, (ml.MlException, core.AzureError)) and _NOT_FOUND.search(message):
        return errors.NotFoundError(message)
    return errors.AzureError(message)


def _first_lines(error: Exception) -> str:
    """Returns an error's text without the colours and empty lines that Azure's packages put in."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n".join(lines[:6]) or type(error).__name__
