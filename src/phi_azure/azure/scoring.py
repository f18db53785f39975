"""Questions to endpoints over HTTP: one session for many threads; what may pass is told from what will not."""

from __future__ import annotations

import email.utils
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

from phi_azure.asking.pace import Later
from phi_azure.azure.client import USER_AGENT
from phi_azure.azure.failures import by_status, translate, translated
from phi_azure.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

DEPLOYMENT_HEADER = "azureml-model-deployment"
_CONNECT_S = 10
_ANSWER_S = 100  # the deployment gives up after 90
_PASSING = frozenset({429, 502, 503, 504})
_NO_ROUTE = frozenset({404, 405})
_MODEL_STATUS = "ms-azureml-model-error-statuscode"
_BLOCK = 1 << 16
_POOL = 64  # connections that are kept open


@dataclass(frozen=True)
class Target:
    """Where a question goes, and with what."""

    url: str
    secret: str = field(repr=False)
    deployment: str | None = None
    """Names one deployment, whatever the traffic."""


class NoRouteError(Exception):
    """The container does not know the path: it cannot stream."""


class _Bearer(requests.auth.AuthBase):
    """Puts the key on one request; as `auth`, so that requests does not look for another in ~/.netrc."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Signs the request."""
        request.headers["Authorization"] = f"Bearer {self._secret}"
        return request


def session() -> requests.Session:
    """Returns a session for many threads; it repeats nothing by itself."""
    made = requests.Session()
    made.mount("https://", HTTPAdapter(pool_maxsize=_POOL, max_retries=0))
    made.headers["User-Agent"] = USER_AGENT
    return made


def ask(connected: requests.Session, target: Target, body: Mapping[str, object]) -> tuple[Any, str | None]:
    """Sends a question; returns the JSON of the answer, and which deployment gave it where the endpoint says so.

    Raises:
        Later: the endpoint is busy, or the connection was cut: the same question may be asked again.
        PhiAzureError: it will not answer. No error holds the key.
    """
    response = _sent(connected, target, body)
    try:
        return response.json(), response.headers.get(DEPLOYMENT_HEADER)
    except requests.JSONDecodeError as error:
        raise AzureError(f"{target.url} answered something that is not JSON: {response.text[:200]!r}") from error


def stream(connected: requests.Session, target: Target, body: Mapping[str, object]) -> Line:
    """Sends a question, and returns once the endpoint begins to answer it.

    Raises:
        NoRouteError: the container knows no such path.
        Later, PhiAzureError: as `ask`.
    """
    return Line(_sent(connected, target, body, stream=True))


class Line:
    """An open line on which an answer comes."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response
        self.deployment: str | None = response.headers.get(DEPLOYMENT_HEADER)

    def blocks(self) -> Generator[bytes, None, None]:
        """Yields the bytes as they come, and hangs up at the end. Raises AzureError when the line is cut."""
        try:
            with translated():
                yield from _arriving(self._response)
        finally:
            self._response.close()


def _arriving(response: requests.Response) -> Iterator[bytes]:
    if response.raw.chunked:
        yield from response.iter_content(None)  # each chunk at once
        return
    while block := response.raw.read1(_BLOCK, decode_content=True):
        yield block


def _sent(
    connected: requests.Session, target: Target, body: Mapping[str, object], *, stream: bool = False
) -> requests.Response:
    headers = {DEPLOYMENT_HEADER: target.deployment} if target.deployment else {}
    try:
        response = connected.post(
            target.url,
            json=body,
            auth=_Bearer(target.secret),
            headers=headers,
            timeout=(_CONNECT_S, _ANSWER_S),
            stream=stream,
            allow_redirects=False,  # the key is for this host
        )
    except requests.ReadTimeout as error:
        raise translate(error) from error
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        raise Later(translate(error)) from error
    except requests.RequestException as error:
        raise translate(error) from error
    if response.status_code >= 300:
        raise _refusal(response, target, stream=stream)
    return response


def _refusal(response: requests.Response, target: Target, *, stream: bool) -> Exception:
    """Returns what to raise for an answer that is none; a managed endpoint wraps its container's in a 424."""
    model = response.headers.get(_MODEL_STATUS, "")
    status = int(model) if response.status_code == 424 and model.isdecimal() else response.status_code
    if stream and status in _NO_ROUTE:
        response.close()
        return NoRouteError(target.url)
    error = by_status(status, f"{target.url} answered {response.status_code}: {_reason(response)}")
    if status in _PASSING:
        return Later(error, after_s(response.headers), throttled=status == 429)
    return error


def _reason(response: requests.Response) -> str:
    model = response.headers.get("ms-azureml-model-error-reason")
    return " ".join(part for part in (model, response.text[:500].strip()) if part) or str(response.reason)


def after_s(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """Returns the seconds after which a service wants to be asked again; None where it does not say."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if headers.get(name, "").isdecimal():
            return int(headers[name]) / 1000
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - now())
