"""Who may ask an endpoint: whoever shows one of its keys, or a token where it takes tokens."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from phi_azure.emulator.identity import make_token, read_token
from phi_azure.emulator.wire import Call, WireError

if TYPE_CHECKING:
    from phi_azure.emulator.store import Document

_AUDIENCE = "https://ml.azure.com"  # of a token of Entra's for scoring
_LIFETIME = 12 * 3600  # seconds that a token of an endpoint's own lasts; Azure does not say


def token(endpoint: Document) -> Document:
    """Returns a token for one endpoint, which Azure ML gives where the endpoint takes its tokens."""
    if endpoint["properties"]["authMode"].lower() != "amltoken":
        raise WireError(
            400,
            "UserError",
            f"Endpoint {endpoint['name']} gives no tokens: its authMode is {endpoint['properties']['authMode']}.",
            inner="BadArgument",
        )
    now = int(time.time())  # the client's clock, as for every token
    return {
        "accessToken": make_token(endpoint["id"], lifetime=_LIFETIME),
        "tokenType": "Bearer",
        "expiryTimeUtc": now + _LIFETIME,
        "refreshAfterTimeUtc": now + _LIFETIME // 2,
    }


def check(call: Call, endpoint: Document) -> None:
    """Refuses a question without the endpoint's key, with "Bearer" or bare, or without a token where one is asked."""
    value = re.sub(
        r"(?i)^bearer\s+", "", call.request.headers.get("Authorization", "") or call.request.headers.get("api-key", "")
    )
    mode = endpoint["properties"]["authMode"].lower()
    allowed = value in endpoint["keys"].values() if mode == "key" else _is_token_for(value, _audience(endpoint, mode))
    if not allowed:
        raise WireError(401, "Unauthorized", "The key or token of the request is not one of this endpoint.")


def _audience(endpoint: Document, mode: str) -> str | None:
    """Returns for whom a token must be; None where any will do."""
    return {"amltoken": endpoint["id"], "aadtoken": _AUDIENCE}.get(mode)


def _is_token_for(value: str, audience: str | None) -> bool:
    claims = read_token(value)
    if not claims or claims.get("exp", 0) < time.time():
        return False
    return audience is None or claims.get("aud") == audience
