"""Writes recorded_shapes.json: which fields, of which JSON types, the real service answered in public recordings.

    python tests/emulator/make_recorded_shapes.py FOLDER > tests/emulator/recorded_shapes.json

FOLDER holds recordings of real traffic, one JSON file each, with `entries` of method, url, status, response_headers and
response_body. Values do not get into the table, only where a field is and of what type; names that a user chose
are written `*`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

CHOSEN = {"tags", "inputs", "outputs", "hyperParameters", "environmentVariables", "actionUris"}  # keys are a user's
WHOLE = {"jobs", "codeConfiguration"}  # comes back as it was sent
SUPERSEDED = "openapi.finetuning_job.get"  # an example with placeholders, of a request that was recorded too
HEADERS = {
    "azure-asyncoperation",
    "location",
    "x-ms-async-operation-timeout",
    "content-md5",
    "etag",
    "last-modified",
    "accept-ranges",
    "x-ms-error-code",
    "x-ms-blob-type",
    "x-ms-creation-time",
    "x-ms-lease-state",
    "x-ms-lease-status",
    "x-ms-access-tier",
    "x-ms-access-tier-inferred",
    "x-ms-server-encrypted",
    "x-ms-request-server-encrypted",
    "x-ms-content-crc64",
    "x-ms-version",
    "retry-after",
    "x-ms-retry-after-ms",
}
NAMED = (
    r"/(workspaces|computes|jobs|models|versions|data|datastores|onlineEndpoints|deployments|serverlessEndpoints|registries)"
    r"/[^/?]+"
)


def shape(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yields each field of a JSON value with its type."""
    yield path, type_name(value)
    last = path.rpartition("/")[2]
    if isinstance(value, dict) and last not in WHOLE:
        for name, item in value.items():
            yield from shape(item, f"{path}/{'*' if last in CHOSEN else name}")
    if isinstance(value, list):
        for item in value:
            yield from shape(item, f"{path}/#")


def type_name(value: Any) -> str:
    """Returns JSON's word for the type of a value."""
    words = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return words.get(type(value), "null")


def fields(body: Any) -> dict[str, list[str]]:
    """Returns the types of every field of a body; one that occurs several times, as in a list, may have several."""
    found: dict[str, set[str]] = {}
    for path, word in shape(body):
        found.setdefault(path, set()).add(word)
    return {path: sorted(words) for path, words in sorted(found.items())}


def main(folder: Path) -> None:
    """Prints the table."""
    rows: dict[str, dict[str, Any]] = {}
    for file in sorted(file for file in folder.glob("*.json") if file.stem != SUPERSEDED):
        for number, entry in enumerate(json.loads(file.read_text())["entries"]):
            row = _row(entry)
            if row not in rows.values():
                rows[f"{file.stem}/{number}"] = row
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    sys.stdout.write(f"{{\n{lines}\n}}\n")


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    url = urlsplit(entry["url"])
    host = re.sub(r"^[^.]+(\.blob|\.api)", r"*\1", url.hostname or "")
    path = re.sub(NAMED, r"/\1/*", re.sub(r"/(subscriptions|resourceGroups|locations)/[^/]+", r"/\1/*", url.path))
    path = re.sub(r"(OperationsStatus/).*", r"\1*", re.sub(r"/(LocalUpload|az-ml-artifacts)/.*", r"/\1/*", path))
    body = entry["response_body"]
    headers = {name.lower() for name in entry.get("response_headers", {})}
    return {
        "method": entry["method"],
        "host": host,
        "path": re.sub(r"/azureml-blobstore-[^/]+", "/*", path),
        "api-version": "".join(parse_qs(url.query).get("api-version", [""])),
        "status": entry["status"],
        "headers": sorted(headers & HEADERS | {name for name in headers if name.startswith("x-ms-meta-upload")}),
        "fields": fields(json.loads(body) if isinstance(body, str) else body),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
