"""A client of the package `openai` for an endpoint, if that package is there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import requests

from phi_azure.azure.scoring import DEPLOYMENT_HEADER, Line, session
from phi_azure.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from openai import OpenAI


def client(url: str, key: str, deployment: str | None, *, through_requests: bool, **options: Any) -> OpenAI:
    """Makes the client.

    Args:
        url: ends in /v1.
        key: the endpoint's.
        deployment: named in each request.
        through_requests: sends by `requests`, which is how an emulator in this process is reached.
        options: the client's own.

    Raises:
        ConfigError: the package is missing.
    """
    try:
        import openai
    except ImportError as error:
        message = "endpoint.openai() needs the package openai, which is not installed."
        raise ConfigError(message, remedy="pip install openai") from error
    headers = {DEPLOYMENT_HEADER: deployment} if deployment else {}
    headers |= options.pop("default_headers", {})
    if through_requests and "http_client" not in options:
        options["http_client"] = openai.DefaultHttpxClient(transport=_by_requests(_http_library(openai)))
    return openai.OpenAI(base_url=url, api_key=key, default_headers=headers, **options)


def _http_library(openai: Any) -> ModuleType:
    """Returns what this version of the package sends by: httpx, or httpx2 since its version 3."""
    roots = (one.__module__.partition(".")[0] for one in openai.DefaultHttpxClient.__mro__)
    return sys.modules[next(root for root in roots if root.startswith("httpx"))]


def _by_requests(httpx: Any) -> Any:
    """Makes a transport that hands each request to `requests`, and streams its answer."""
    connected = session()

    class Body(httpx.SyncByteStream):  # type: ignore[misc] # a class of whichever library it is
        def __init__(self, line: Line) -> None:
            self._blocks = line.blocks()

        def __iter__(self) -> Iterator[bytes]:
            return self._blocks

        def close(self) -> None:
            self._blocks.close()

    class ByRequests(httpx.BaseTransport):  # type: ignore[misc] # likewise
        def handle_request(self, request: Any) -> Any:
            headers, body = dict(request.headers), request.read()
            try:
                response = connected.request(
                    request.method, str(request.url), headers=headers, data=body, stream=True, allow_redirects=False
                )
            except requests.ConnectionError as error:
                raise httpx.ConnectError(str(error), request=request) from error
            return httpx.Response(
                response.status_code, headers=list(response.headers.items()), stream=Body(Line(response))
            )

    return ByRequests()
