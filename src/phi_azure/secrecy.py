"""Takes secrets out of text that is not ours, before anybody sees it or it is written down."""

from __future__ import annotations

import re

_HIDDEN = "***"
_SECRETS = re.compile(
    r"""((?:[?&;\s"'](?:sig|sv_sig|code|access_token)=)|Bearer\s+|"""
    r"""(?:primaryKey|secondaryKey|AccountKey|SharedAccessKey|client_secret|password|passwd)["']?\s*[:=]\s*["']?)"""
    r"""[^&\s"',;]+""",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"
    r"|[A-Za-z0-9+/]{86}==)"
)  # of model services and repositories, tokens of sign-in, keys of storage accounts
_NAMED = re.compile(
    r"secret|token|password|passwd|credential|api.?key|access.?key|account.?key|connection.?string|sas\b", re.IGNORECASE
)


def redact(text: str) -> str:
    """Takes signatures, tokens and keys out of a text, such as a log line or a service's message."""
    return _KEY.sub(_HIDDEN, _SECRETS.sub(rf"\1{_HIDDEN}", text))


def redact_named(name: str, value: str) -> str:
    """Takes the whole value of what is called a secret, and the secrets in all else."""
    return _HIDDEN if _NAMED.search(name) else redact(value)
