"""Errors of Azure's packages: each becomes one of ours."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING

import pytest
import requests
from azure.ai.ml import exceptions as ml
from azure.core import exceptions as core
from azure.identity import AuthenticationRequiredError, CredentialUnavailableError

from phi_azure import errors
from phi_azure.azure.failures import translate, translated

if TYPE_CHECKING:
    from collections.abc import Iterator


class Answered:
    """An HTTP answer as azure-core hands it to its errors."""

    def __init__(self, status: int, code: str = "UserError", message: str = "said", inner: str = "") -> None:
        self.status_code = status
        self.reason = "reason"
        self.headers: dict[str, str] = {}
        self.content_type = "application/json"
        self._body = json.dumps({"error": {"code": code, "message": message, "innererror": {"code": inner}}})

    def text(self, encoding: str | None = None) -> str:  # noqa: ARG002  azure-core's signature
        """Returns the body."""
        return self._body

    def body(self) -> bytes:
        """Returns the body as bytes."""
        return self._body.encode()


def http(status: int, code: str = "UserError", message: str = "said", inner: str = "") -> core.HttpResponseError:
    """Returns azure-core's error for an answer."""
    return core.HttpResponseError(response=Answered(status, code, message, inner))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(http(400), errors.ConfigError, id="400"),
        pytest.param(http(401), errors.SignInError, id="401"),
        pytest.param(http(403), errors.RightsError, id="403"),
        pytest.param(http(404), errors.NotFoundError, id="404"),
        pytest.param(http(409), errors.ConflictError, id="409"),
        pytest.param(http(429), errors.QuotaError, id="429"),
        pytest.param(http(500), errors.AzureError, id="500"),
        pytest.param(http(400, "ClusterCoreQuotaReached"), errors.QuotaError, id="quota by code"),
        pytest.param(
            http(400, "OutOfQuota", "Not enough quota available"), errors.QuotaError, id="quota of an endpoint"
        ),
        pytest.param(http(200, "QuotaExceeded"), errors.QuotaError, id="quota of a long operation"),
        pytest.param(http(400, message="not supported in region westus9"), errors.RegionError, id="region by words"),
        pytest.param(http(400, inner="ModelNotSupportedByMaaS"), errors.RegionError, id="region by inner code"),
        pytest.param(http(400, "InvalidVmSize"), errors.SizeError, id="size of a cluster"),
        pytest.param(http(400, inner="NotSupportedInstanceType"), errors.SizeError, id="size of a deployment"),
        pytest.param(core.ResourceNotFoundError("x"), errors.NotFoundError, id="not found"),
        pytest.param(core.ResourceExistsError("x"), errors.ConflictError, id="exists"),
        pytest.param(core.ClientAuthenticationError("x"), errors.SignInError, id="authentication"),
        pytest.param(core.ServiceRequestError("x"), errors.AzureError, id="no network"),
        pytest.param(core.ServiceResponseError("x"), errors.AzureError, id="line cut"),
        pytest.param(CredentialUnavailableError("x"), errors.SignInError, id="no credential"),
        pytest.param(AuthenticationRequiredError(["scope"]), errors.SignInError, id="credential wants a person"),
        pytest.param(
            ml.ValidationException("x", no_personal_data_message="x"), errors.ConfigError, id="client's check"
        ),
        pytest.param(ml.UnexpectedKeywordError("f", "k"), errors.ConfigError, id="unknown input"),
        pytest.param(ml.JobException("x", no_personal_data_message="x"), errors.RunFailed, id="job failed"),
        pytest.param(ml.MlException("no container was found", "x"), errors.NotFoundError, id="client's not found"),
        pytest.param(ml.MlException("odd", "x"), errors.AzureError, id="other of the client"),
        pytest.param(requests.ConnectionError("x"), errors.AzureError, id="requests: no network"),
        pytest.param(requests.Timeout("x"), errors.AzureError, id="requests: too slow"),
        pytest.param(errors.SizeError("x"), errors.SizeError, id="ours already"),
    ],
)
def test_vendor_error_becomes_ours(error: Exception, expected: type[errors.PhiAzureError]) -> None:
    """Each error of a vendor has one type here."""
    assert type(translate(error)) is expected


def vendor_types() -> Iterator[type[Exception]]:
    """Yields every error type of azure-core and azure-ai-ml."""
    for module in (core, ml):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Exception) and issubclass(kind, core.AzureError) and kind.__module__ == module.__name__:
                yield kind


@pytest.mark.parametrize("kind", sorted(set(vendor_types()), key=str), ids=str)
def test_every_vendor_type_is_translated(kind: type[Exception]) -> None:
    """No type of theirs falls through, with whatever it was made from."""
    error = kind.__new__(kind)
    Exception.__init__(error, "words")
    error.__dict__.update(message="words", status_code=None, error=None, reason=None, response=None, _error_format=None)

    ours = translate(error)

    assert isinstance(ours, errors.PhiAzureError)
    assert str(ours)


def test_the_original_is_kept() -> None:
    """The cause of our error is theirs, and what the service said is in ours, without its envelope."""
    original = http(404, message="Run tone-1 was not found.")

    with pytest.raises(errors.NotFoundError) as caught, translated():
        raise original

    assert caught.value.__cause__ is original
    assert str(caught.value) == "Run tone-1 was not found."


@pytest.mark.parametrize("kind", [errors.PhiAzureError, *errors.PhiAzureError.__subclasses__()])
def test_every_error_has_its_exit_code(kind: type[errors.PhiAzureError]) -> None:
    """The code and the word of an error are those of the design."""
    assert kind.exit_code in range(1, 13)
    assert kind.code == kind.code.lower()


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.ConfigError, ValueError),
        (errors.DataError, ValueError),
        (errors.RightsError, PermissionError),
        (errors.NotFoundError, LookupError),
        (errors.NotFinished, TimeoutError),
    ],
)
def test_errors_are_also_the_languages_own(kind: type[Exception], builtin: type[Exception]) -> None:
    """Who knows Python knows what to catch."""
    assert issubclass(kind, builtin)
