"""Who may ask an endpoint: whoever shows one of its keys, or a token where it takes tokens."""

from __future__ import annotations

import re

from phi_azure.emulator.identity import read_token
from phi_azure.emulator.wire import Call, WireError

_AUDIENCES = {"aadtoken": "https://ml.azure.com"}


def check_key(call: Call, keys: dict[str, str], mode: str) -> None:
    """Refuses a question without the endpoint's key, with "Bearer" or bare, or without a token where one is asked."""
    value = re.sub(
        r"(?i)^bearer\s+", "", call.request.headers.get("Authorization", "") or call.request.headers.get("api-key", "")
    )
    claims = {} if mode.lower() == "key" else (read_token(value) or {})
    wanted = _AUDIENCES.get(mode.lower())
    allowed = value in keys.values() if mode.lower() == "key" else bool(claims) and wanted in {None, claims.get("aud")}
    if not allowed:
        raise WireError(401, "Unauthorized", "The key or token of the request is not one of this endpoint.")
