"""Sign-in: Entra ID's token endpoint and the managed identity of a machine (IMDS)."""

from __future__ import annotations

import base64
import binascii
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from phi_azure.emulator.wire import Call, Route, WireError, answer

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

TENANT = "00000000-0000-4000-8000-000000000011"
LOGIN = "login.microsoftonline.com"
IMDS = "169.254.169.254"
_LIFETIME = 86_400  # seconds
_ISSUER = "phi_azure emulator"


def make_token(audience: str, tenant: str = TENANT, lifetime: float = _LIFETIME) -> str:
    """Returns an access token that a client can decode: a JWT whose signature says that it is the emulator's."""
    now = int(time.time())  # the client's clock, not the emulator's: the client decides when to ask for a new one
    claims = {
        "aud": audience,
        "iss": _ISSUER,
        "iat": now,
        "nbf": now,
        "exp": int(now + lifetime),
        "tid": tenant,
        "oid": "00000000-0000-4000-8000-000000000044",
        "appid": "00000000-0000-4000-8000-000000000055",
        "name": "phi_azure emulator",
    }
    return ".".join((_encode({"alg": "none", "typ": "JWT"}), _encode(claims), "emulator"))


def read_token(token: str) -> dict[str, Any] | None:
    """Returns the claims of a JWT, or None for a token of another form."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    except (binascii.Error, ValueError):
        return None
    return claims if isinstance(claims, dict) else None


def is_ours(token: str) -> bool:
    """Says whether the emulator made a token."""
    return (read_token(token) or {}).get("iss") == _ISSUER


def require_bearer(call: Call) -> None:
    """Refuses a request without an access token, or with one that is over."""
    scheme, _, token = call.request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise WireError(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
    claims = read_token(token)
    if claims and claims.get("exp", time.time()) < time.time():
        raise WireError(
            401, "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time."
        )


def openid_configuration(call: Call, tenant: str) -> Response:  # noqa: ARG001 (every route is called alike)
    """Answers where a tenant's tokens are to be had."""
    base = f"https://{LOGIN}/{tenant}"
    return answer(
        {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_types_supported": ["code", "id_token", "token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
    )


def token(call: Call, tenant: str) -> Response:
    """Answers a service principal's request for a token; any secret will do."""
    form = call.request.form
    if not call.emulator.access.signed_in:
        return _oauth_error("invalid_client", "AADSTS7000215: Invalid client secret provided.", 401)
    if form.get("grant_type") != "client_credentials":
        return _oauth_error(
            "unsupported_grant_type", f"The emulator grants client_credentials only, not {form.get('grant_type')!r}."
        )
    missing = [name for name in ("client_id", "scope") if not form.get(name)]
    if not (form.get("client_secret") or form.get("client_assertion")):
        missing.append("client_secret")
    if missing:
        return _oauth_error("invalid_request", f"AADSTS900144: The request body must contain: {', '.join(missing)}.")
    audience = form["scope"].removesuffix("/.default")
    return answer(
        {
            "token_type": "Bearer",
            "expires_in": _LIFETIME - 1,
            "ext_expires_in": _LIFETIME - 1,
            "access_token": make_token(audience, tenant),
        }
    )


def imds_token(call: Call) -> Response:
    """Answers a machine's request for a token; without the header Metadata it is a probe, and refused."""
    if call.request.headers.get("Metadata", "").lower() != "true":
        return answer({"error": "invalid_request", "error_description": "Required metadata header not specified"}, 400)
    if not call.emulator.access.signed_in:
        return answer({"error": "invalid_request", "error_description": "Identity not found"}, 400)
    resource = call.request.args.get("resource", "")
    return answer(
        {
            "access_token": make_token(resource),
            "client_id": str(uuid.uuid5(uuid.NAMESPACE_DNS, "phi_azure")),
            "expires_in": str(_LIFETIME),
            "expires_on": str(int(time.time()) + _LIFETIME),
            "resource": resource,
            "token_type": "Bearer",
        }
    )


def _oauth_error(code: str, description: str, status: int = 400) -> Response:
    return answer({"error": code, "error_description": description, "error_codes": []}, status)


def _encode(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


ROUTES = [
    Route("GET", LOGIN, "/<tenant>/v2.0/.well-known/openid-configuration", openid_configuration),
    Route("POST", LOGIN, "/<tenant>/oauth2/v2.0/token", token),
    Route("GET", IMDS, "/metadata/identity/oauth2/token", imds_token, frozenset({"2018-02-01"})),
]
