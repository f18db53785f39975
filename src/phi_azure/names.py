"""Names that cannot be: of what Azure would not make, with one that it takes, and of folders below a file.

Endpoints: how-to-manage-quotas (2026-01-27); models: the pattern of azure-ai-ml 1.35.2.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from phi_azure.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_ENDPOINT = re.compile(r"[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*")
_FOUND_ENDPOINT = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}")
_MODEL = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}")
_BASE_MODEL = re.compile(
    r"(?!azureml:)[a-zA-Z0-9][\w.-]*(:[\w.-]+)?"  # of the registry
    r"|[\w.-]+/[\w.-]+"  # of Hugging Face
    r"|azureml:(/.+|[\w.-]+:[\w.-]+)",
    re.ASCII,
)
_BASE_MODEL_FORMS = "Phi-4, Phi-4:7, org/name, azureml:name:version or azureml://registries/..."
_SHORTEST, _LONGEST, _LONGEST_MODEL = 3, 32, 255
_ENDPOINT_RULE = f"{_SHORTEST} to {_LONGEST} letters, digits and single dashes, a letter first and no dash last"
_MODEL_RULE = f"1 to {_LONGEST_MODEL} letters, digits, '.', '_' and '-', a letter or a digit first"


def refuse_new_endpoint(name: str) -> None:
    """Refuses what Azure would not make an endpoint of. Raises ConfigError with a name that it takes."""
    if not (_SHORTEST <= len(name) <= _LONGEST and _ENDPOINT.fullmatch(name)):
        raise _refusal("an endpoint", name, _why(name, "-", _LONGEST), _ENDPOINT_RULE, like_endpoint(name))


def refuse_endpoint(name: str) -> None:
    """Refuses what no endpoint can be called, wherever it was made: the rule of serverless ones is not written down."""
    if not _FOUND_ENDPOINT.fullmatch(name):
        raise _refusal("an endpoint", name, _why(name, "-_", 64), _ENDPOINT_RULE, like_endpoint(name))


def refuse_model(name: str) -> None:
    """Refuses what Azure would register no model as. Raises ConfigError with a name that it takes."""
    if not _MODEL.fullmatch(name):
        raise _refusal("a model", name, _why(name, "._-", _LONGEST_MODEL), _MODEL_RULE, like_model(name))


def no_base_model(text: str) -> str | None:
    """Says why no model can be meant; whether there is one is not asked here."""
    if _BASE_MODEL.fullmatch(text):
        return None
    return f"{_shown(text)} names no model; write {_BASE_MODEL_FORMS}"


def like_endpoint(name: str) -> str:
    """Returns the nearest name that an endpoint can have."""
    found = "-".join(re.findall(r"[a-zA-Z0-9]+", _plain(name)))
    if not found:
        return "my-endpoint"
    whole = found if found[0].isalpha() and len(found) >= _SHORTEST else f"phi-{found}"
    return whole[:_LONGEST].rstrip("-")


def like_model(name: str) -> str:
    """Returns the nearest name that a model can have."""
    return re.sub(r"[^a-zA-Z0-9._-]+", "-", _plain(name)).strip("._-")[:_LONGEST_MODEL] or "my-model"


def file_in_the_way(folder: Path) -> Path | None:
    """Returns the file that keeps a folder from being made at this place, or None."""
    return next((part for part in (folder, *folder.parents) if part.exists() and not part.is_dir()), None)


def _refusal(kind: str, name: str, why: str, rule: str, instead: str) -> ConfigError:
    return ConfigError(f"{_shown(name)} cannot name {kind}: {why}. Azure takes {rule}.", remedy=f"Take {instead}")


def _why(name: str, marks: str, longest: int) -> str:
    """Says what is wrong first."""
    if not name.strip():
        return "it is empty"
    strange = dict.fromkeys(
        letter for letter in name if not (letter.isascii() and letter.isalnum()) and letter not in marks
    )
    if strange:
        return f"it holds {', '.join(repr(letter) for letter in strange)}"
    if len(name) > longest:
        return f"it has {len(name)} characters"
    if not name[0].isalnum() or (marks == "-" and not name[0].isalpha()):
        return f"it begins with {name[0]!r}"
    if len(name) < _SHORTEST:
        return f"it has {len(name)} characters" if len(name) > 1 else "it has one character"
    return "it has two dashes side by side" if "--" in name else "it ends in a dash"


def _shown(name: str) -> str:
    return repr(name) if len(name) <= 80 else f"{name[:60]!r}..."


def _plain(name: str) -> str:
    """Takes accents off letters."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
