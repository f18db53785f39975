"""Asks Azure one thing, quickly: an answer or the reason why there is none, never an exception."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

from phi_azure.azure.failures import VENDOR_ERRORS, translate

if TYPE_CHECKING:
    from phi_azure.azure.client import Connection
    from phi_azure.errors import PhiAzureError

_QUICK = {"retry_total": 1, "connection_timeout": 5, "read_timeout": 10}
_PAGES = 20


@dataclass(frozen=True)
class Answer:
    """What came back."""

    document: Any = None
    error: PhiAzureError | None = None
    status: int = 200
    code: str = ""
    """Azure's own word for the error, such as AuthorizationFailed."""

    @property
    def missing(self) -> bool:
        """Whether Azure said that there is no such thing."""
        return self.status == 404

    @property
    def reason(self) -> str:
        """Why there is no document, in one line."""
        return str(self.error).partition("\n")[0] if self.error else ""


def ask(connection: Connection, request: HttpRequest, *, signed: bool = True) -> Answer:
    """Sends a request that changes nothing, with one more try at most."""
    try:
        response = connection.send(request, signed=signed, **_QUICK)
    except HttpResponseError as error:
        return Answer(None, translate(error), error.status_code or 0, _code(error))
    except VENDOR_ERRORS as error:
        return Answer(None, translate(error), 0)
    kind = response.headers.get("Content-Type", "")
    return Answer(response.json() if "json" in kind else None, None, response.status_code)


def get(connection: Connection, url: str, version: str, **params: str) -> Answer:
    """Reads a document."""
    return ask(connection, HttpRequest("GET", url, params={"api-version": version, **params}))


def listed(connection: Connection, url: str, version: str, **params: str) -> Answer:
    """Reads all pages of a list; the document is then the list."""
    rows: list[Any] = []
    answer = get(connection, url, version, **params)
    for _ in range(_PAGES):
        if answer.error:
            return answer
        rows += answer.document.get("value") or []
        following = answer.document.get("nextLink")
        if not following:
            break
        answer = ask(connection, HttpRequest("GET", following))
    return Answer(rows)


def _code(error: HttpResponseError) -> str:
    """Returns the code of an error of the management plane, or of storage, which answers in XML."""
    if error.error and error.error.code:
        return str(error.error.code)
    response = error.response
    told = response.headers.get("x-ms-error-code") if response is not None else None
    found = re.search(r"<Code>(\w+)</Code>", str(error.message or error))
    return str(told) if told else found[1] if found else ""
