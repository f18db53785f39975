"""Blob storage: whole blobs, blocks, ranges, metadata and listings, behind a SAS or a bearer token."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import shutil
import uuid
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from phi_azure.emulator.blobs import ARTIFACT_CONTAINER, DEFAULT_CONTAINER, Blob
from phi_azure.emulator.wire import STORAGE, Call, Route

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UPLOADS = "upload-"  # how the containers begin that code is uploaded to, each asset's its own
_SIGNATURE = base64.b64encode(b"signed by the phi_azure emulator").decode().replace("+", "%2B").replace("=", "%3D")
VERSION = "2023-11-03"  # of the service, for a request that names none
_DELEGATED = "skoid=00000000-0000-4000-8000-000000000066"  # signed with the service's identity, not with a key
_PIECE = 1 << 18
_META = "x-ms-meta-"
_PAGE = 5000
_MD5_RANGE = 4 << 20  # bytes of a range that the service gives the MD5 of, at most


class StorageError(Exception):
    """An answer other than success, in the form that Azure Storage gives it: XML and a header."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def response(self, head: bool) -> Response:
        """Returns the answer; one to HEAD has no body."""
        said = f"<Code>{self.code}</Code><Message>{escape(str(self))}</Message>"
        xml = f'<?xml version="1.0" encoding="utf-8"?><Error>{said}</Error>'
        return Response(
            b"" if head else xml,
            status=self.status,
            content_type="application/xml",
            headers={"x-ms-error-code": self.code},
        )


def signature() -> str:
    """Returns the query of a SAS that the emulator accepts."""
    return f"sv={VERSION}&sig={_SIGNATURE}&se=2099-01-01T00%3A00%3A00Z&srt=co&ss=bf&sp=rcuwdl"


def signed_url(account: str, blob: Blob) -> str:
    """Returns the address of a blob, with the right to read it."""
    return f"https://{account}.blob.core.windows.net/{blob.container}/{blob.name}?{signature()}&{_DELEGATED}"


def answer_blob(call: Call, account: str, container: str, name: str) -> Response:
    """Answers every request for one blob, told apart by method, `comp` and headers."""
    _authorise(call, account)
    _known_container(call, container)
    name = name.rstrip("/") if call.request.method in {"GET", "HEAD"} else name
    if any(part == ".." for part in name.split("/")) or not name:
        raise StorageError(400, "InvalidUri", f"The blob name {name!r} is not one.")
    comp = call.request.args.get("comp")
    verb = call.request.method if comp is None else f"{call.request.method} {comp}"
    answers = {
        "GET": _get,
        "GET blocklist": _get_block_list,
        "HEAD": _get,
        "PUT": _put,
        "PUT block": _put_block,
        "PUT blocklist": _put_block_list,
        "PUT metadata": _put_metadata,
        "DELETE": _delete,
    }
    if verb not in answers:
        raise StorageError(400, "UnsupportedOperation", f"The emulator does not serve {verb} on a blob.")
    return answers[verb](call, container, name)


def answer_container(call: Call, account: str, container: str) -> Response:
    """Answers a listing of a container, or that it is there."""
    _authorise(call, account)
    _known_container(call, container)
    arguments = call.request.args
    if call.request.method == "GET" and arguments.get("comp") == "list":
        return _list(call, container)
    if call.request.method in {"GET", "HEAD"} and arguments.get("restype") == "container":
        return Response(status=200, headers={"ETag": '"0x1"', "x-ms-lease-state": "available"})
    if call.request.method == "PUT" and arguments.get("restype") == "container":
        raise StorageError(409, "ContainerAlreadyExists", "The specified container already exists.")
    raise StorageError(
        400, "UnsupportedOperation", f"The emulator does not serve {call.request.method} on a container."
    )


def _authorise(call: Call, account: str) -> None:
    if account.lower() != call.emulator.account:
        raise StorageError(404, "ResourceNotFound", f"The emulator has one storage account, {call.emulator.account}.")
    if call.request.args.get("sig"):
        if call.request.args["sig"] != _SIGNATURE.replace("%2B", "+").replace("%3D", "="):
            raise StorageError(
                403, "AuthenticationFailed", "The signature in the query is not one that the emulator gave."
            )
        if call.emulator.access.storage == "refused" and "skoid" not in call.request.args:
            raise StorageError(
                403,
                "KeyBasedAuthenticationNotPermitted",
                "Key based authentication is not permitted on this storage account.",
            )
        return
    scheme = call.request.headers.get("Authorization", "").partition(" ")[0].lower()
    if scheme == "sharedkey":
        raise StorageError(
            403, "KeyBasedAuthenticationNotPermitted", "The emulator has no account keys; use the SAS or a token."
        )
    if scheme != "bearer":
        raise StorageError(401, "NoAuthenticationInformation", "Server failed to authenticate the request.")
    action = {"GET": "read", "HEAD": "read", "DELETE": "delete"}.get(call.request.method, "write")
    if not call.emulator.access.allows_data(action):
        raise StorageError(
            403,
            "AuthorizationPermissionMismatch",
            "This request is not authorized to perform this operation using this permission.",
        )


def _known_container(call: Call, container: str) -> None:
    known = {DEFAULT_CONTAINER, ARTIFACT_CONTAINER}
    if container not in known and not container.startswith(("registry-", UPLOADS)):
        raise StorageError(404, "ContainerNotFound", "The specified container does not exist.")
    if container.startswith("registry-"):
        call.emulator.registry_files(container)


def _find(call: Call, container: str, name: str) -> Blob:
    blob = call.emulator.blobs.get(container, name)
    if blob is None or not blob.path.exists():
        raise StorageError(404, "BlobNotFound", "The specified blob does not exist.")
    return blob


def _headers(blob: Blob) -> dict[str, str]:
    headers = {
        "ETag": blob.etag,
        "Last-Modified": blob.modified,
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": blob.modified,
        "x-ms-lease-state": "available",
        "x-ms-lease-status": "unlocked",
        "x-ms-server-encrypted": "true",
        "x-ms-access-tier": "Hot",
        "x-ms-access-tier-inferred": "true",
        **{_META + key: value for key, value in blob.metadata.items()},
    }
    return headers | ({"Content-MD5": blob.md5} if blob.md5 else {})


def _get(call: Call, container: str, name: str) -> Response:
    blob = _find(call, container, name)
    size = blob.size
    wanted = call.request.headers.get("x-ms-range") or call.request.headers.get("Range")
    _check_conditions(call, blob)
    if call.request.method == "HEAD":
        return Response(
            status=200, headers=_headers(blob) | {"Content-Length": str(size)}, content_type=blob.content_type
        )
    with_md5 = call.request.headers.get("x-ms-range-get-content-md5", "").lower() == "true"
    if wanted is None:
        if with_md5:
            raise StorageError(400, "MissingRequiredHeader", "The MD5 of a range was asked for, and no range.")
        return _send(blob, 0, size, 200, _headers(blob))
    first, last = _range(wanted, size)
    headers = _headers(blob) | {"Content-Range": f"bytes {first}-{last}/{size}"}
    whole_md5 = headers.pop("Content-MD5", None)  # of the whole blob, not of this part
    if whole_md5:
        headers["x-ms-blob-content-md5"] = whole_md5
    if with_md5:
        headers["Content-MD5"] = _range_md5(blob, first, last + 1 - first)
    return _send(blob, first, last + 1 - first, 206, headers)


def _range_md5(blob: Blob, first: int, length: int) -> str:
    """Returns the MD5 of a range: the one that a block came with where it is the range, else that of the bytes."""
    if length > _MD5_RANGE:
        raise StorageError(400, "OutOfRangeInput", "The MD5 is given for a range of at most 4 MiB.")
    at = 0
    for _, size, md5 in blob.blocks:
        if (at, size) == (first, length):
            return md5
        at += size
    found = hashlib.md5(usedforsecurity=False)
    for piece in _pieces(blob.path, first, length):
        found.update(piece)
    return base64.b64encode(found.digest()).decode()


def _check_conditions(call: Call, blob: Blob | None) -> None:
    """Refuses a request whose If-Match or If-None-Match does not hold."""
    etag = blob.etag if blob is not None else None
    match, none_match = call.request.headers.get("If-Match"), call.request.headers.get("If-None-Match")
    if match and (etag is None or match not in {"*", etag}):
        raise StorageError(
            412, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met."
        )
    if none_match and etag is not None and none_match in {"*", etag}:
        if call.request.method in {"GET", "HEAD"}:
            raise StorageError(304, "ConditionNotMet", "The blob is still what it was.")
        raise StorageError(409, "BlobAlreadyExists", "The specified blob already exists.")


def _range(header: str, size: int) -> tuple[int, int]:
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", header.strip())
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        raise StorageError(400, "InvalidHeaderValue", f"The range {header!r} is not one.")
    first = int(match[1])
    if first >= size:
        raise StorageError(416, "InvalidRange", "The range specified is invalid for the current size of the resource.")
    return first, min(int(match[2]) if match[2] else size - 1, size - 1)


def _send(blob: Blob, first: int, length: int, status: int, headers: dict[str, str]) -> Response:
    response = Response(
        _pieces(blob.path, first, length), status=status, headers=headers, content_type=blob.content_type
    )
    response.headers["Content-Length"] = str(length)
    return response


def _pieces(path: Path, first: int, length: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(first)
        while length > 0 and (piece := file.read(min(_PIECE, length))):
            length -= len(piece)
            yield piece


def _receive(call: Call, path: Path) -> str:
    """Writes the body of a request to a file, piece by piece; returns its MD5, which is the one that was announced."""
    found = hashlib.md5(usedforsecurity=False)
    try:
        with path.open("wb") as file:
            while piece := call.request.stream.read(_PIECE):
                found.update(piece)
                file.write(piece)
    except ConnectionError:
        path.unlink()
        raise
    md5 = base64.b64encode(found.digest()).decode()
    said = call.request.headers.get("Content-MD5")
    if said and said != md5:
        path.unlink()
        raise StorageError(400, "Md5Mismatch", "The MD5 value specified in the request did not match the content.")
    return md5


def _put(call: Call, container: str, name: str) -> Response:
    headers = call.request.headers
    if headers.get("x-ms-blob-type", "").lower() != "blockblob":
        raise StorageError(
            400, "InvalidHeaderValue", "The emulator keeps block blobs only (x-ms-blob-type: BlockBlob)."
        )
    existing = call.emulator.blobs.get(container, name)
    _check_conditions(call, existing)
    path = call.emulator.blobs.new_file()
    blob = Blob(container, name, path, _content_type(call), _receive(call, path), _metadata(call))
    shutil.rmtree(_staging(call, container, name), ignore_errors=True)  # blocks that were put before are dropped
    return _replace(call, existing, blob)


def _replace(call: Call, existing: Blob | None, blob: Blob) -> Response:
    call.emulator.blobs.put(blob)
    if existing and existing.path.parent == call.emulator.blobs.folder:
        existing.path.unlink(missing_ok=True)
    return Response(status=201, headers=_written(blob) | {"Content-MD5": blob.md5 or ""})


def _content_type(call: Call) -> str:
    return call.request.headers.get("x-ms-blob-content-type") or "application/octet-stream"


def _metadata(call: Call) -> dict[str, str]:
    """Returns the metadata of a request: WSGI writes '_' as '-', but a name is an identifier and has no '-'."""
    named = {k[len(_META) :].lower(): v for k, v in call.request.headers if k.lower().startswith(_META)}
    return {name.replace("-", "_"): value for name, value in named.items()}


def _staging(call: Call, container: str, name: str) -> Path:
    """Returns the folder of a blob's blocks that are not committed yet."""
    place = hashlib.sha256(f"{container}/{name}".encode()).hexdigest()
    return call.emulator.blobs.folder / f"blocks-{place}"


def _block_file(call: Call, container: str, name: str, block: str) -> Path:
    try:
        decoded = base64.b64decode(block, validate=True)
    except binascii.Error as error:
        raise StorageError(400, "InvalidQueryParameterValue", f"The block id {block!r} is not base64.") from error
    return _staging(call, container, name) / decoded.hex()


def _put_block(call: Call, container: str, name: str) -> Response:
    target = _block_file(call, container, name, call.request.args.get("blockid", ""))
    target.parent.mkdir(parents=True, exist_ok=True)
    other = next(target.parent.glob("*.md5"), None)
    if other is not None and len(other.stem) != len(target.name):
        raise StorageError(400, "InvalidBlobOrBlock", "The ids of a blob's blocks must all have one length.")
    partial = target.with_name(uuid.uuid4().hex + ".part")
    md5 = _receive(call, partial)
    partial.replace(target)
    target.with_name(target.name + ".md5").write_text(md5, encoding="ascii")
    return Response(status=201, headers={"Content-MD5": md5})


def _waiting_blocks(call: Call, container: str, name: str) -> dict[str, Path]:
    """Returns the blocks that were put and are not part of the blob yet, by id."""
    files = sorted(_staging(call, container, name).glob("*.md5"))
    return {base64.b64encode(bytes.fromhex(file.stem)).decode(): file.with_suffix("") for file in files}


def _get_block_list(call: Call, container: str, name: str) -> Response:
    wanted = call.request.args.get("blocklisttype", "committed").lower()
    blob, waiting = call.emulator.blobs.get(container, name), _waiting_blocks(call, container, name)
    if blob is None and not waiting:
        raise StorageError(404, "BlobNotFound", "The specified blob does not exist.")
    committed = [(block, size) for block, size, _ in blob.blocks] if blob else []
    lists = {"committed": committed, "uncommitted": [(block, file.stat().st_size) for block, file in waiting.items()]}
    said = "".join(
        f"<{kind.title()}Blocks>{''.join(_block_row(*row) for row in rows)}</{kind.title()}Blocks>"
        for kind, rows in lists.items()
        if wanted in {kind, "all"}
    )
    headers = {"ETag": blob.etag, "x-ms-blob-content-length": str(blob.size)} if blob else {}
    xml = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{said}</BlockList>'
    return Response(xml, headers=headers, content_type="application/xml")


def _block_row(block: str, size: int) -> str:
    return f"<Block><Name>{block}</Name><Size>{size}</Size></Block>"


def _put_block_list(call: Call, container: str, name: str) -> Response:
    wanted = re.findall(r"<(Latest|Uncommitted|Committed)>([^<]*)</", call.request.get_data(as_text=True))
    existing = call.emulator.blobs.get(container, name)
    _check_conditions(call, existing)
    waiting, there = _waiting_blocks(call, container, name), _committed_blocks(existing)
    found = [_find_block(kind, block, waiting, there) for kind, block in wanted]
    path = call.emulator.blobs.new_file()
    with path.open("wb") as whole:
        for source, first, size, _ in found:
            whole.writelines(_pieces(source, first, size))
    blocks = [(block, size, md5) for (_, block), (_, _, size, md5) in zip(wanted, found, strict=True)]
    shutil.rmtree(_staging(call, container, name), ignore_errors=True)
    said = call.request.headers.get("x-ms-blob-content-md5")  # of the whole blob; the service stores it unchecked
    return _replace(call, existing, Blob(container, name, path, _content_type(call), said, _metadata(call), blocks))


def _committed_blocks(blob: Blob | None) -> dict[str, tuple[Path, int, int, str]]:
    """Returns where each block of a blob lies: file, offset, bytes, MD5."""
    found: dict[str, tuple[Path, int, int, str]] = {}
    if blob is None:
        return found
    at = 0
    for block, size, md5 in blob.blocks:
        found[block] = (blob.path, at, size, md5)
        at += size
    return found


def _find_block(
    kind: str, block: str, waiting: dict[str, Path], there: dict[str, tuple[Path, int, int, str]]
) -> tuple[Path, int, int, str]:
    if kind != "Committed" and block in waiting:
        file = waiting[block]
        return file, 0, file.stat().st_size, file.with_name(file.name + ".md5").read_text(encoding="ascii")
    if kind != "Uncommitted" and block in there:
        return there[block]
    raise StorageError(400, "InvalidBlockList", "The specified block list is invalid: a block was never put.")


def _put_metadata(call: Call, container: str, name: str) -> Response:
    blob = _find(call, container, name)
    blob.metadata = _metadata(call)
    call.emulator.blobs.put(blob)
    return Response(status=200, headers=_written(blob))


def _written(blob: Blob) -> dict[str, str]:
    return {"ETag": blob.etag, "Last-Modified": blob.modified, "x-ms-request-server-encrypted": "true"}


def _delete(call: Call, container: str, name: str) -> Response:
    call.emulator.blobs.delete(_find(call, container, name))
    return Response(status=202)


def _list(call: Call, container: str) -> Response:
    arguments = call.request.args
    prefix, delimiter = arguments.get("prefix", ""), arguments.get("delimiter")
    marker, limit = arguments.get("marker", ""), int(arguments.get("maxresults") or _PAGE)
    with_metadata = "metadata" in arguments.get("include", "")
    blobs = [blob for blob in call.emulator.blobs.find(container, prefix) if blob.path.exists()]
    rows: dict[str, str] = {}
    for blob in blobs:
        folder = _folder(blob.name, prefix, delimiter)
        rows.setdefault(folder or blob.name, _folder_row(folder) if folder else _blob_row(blob, with_metadata))
    names = [name for name in rows if name >= marker]
    following = names[limit] if len(names) > limit else ""
    asked = {"Prefix": prefix, "Marker": marker, "MaxResults": str(limit), "Delimiter": delimiter}
    said = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in asked.items() if value)
    xml = (
        f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="https://{call.request.host}/" '
        f'ContainerName="{container}">{said}<Blobs>'
        f"{''.join(rows[name] for name in names[:limit])}</Blobs>"
        f"<NextMarker>{escape(following)}</NextMarker></EnumerationResults>"
    )
    return Response(xml, content_type="application/xml")


def _folder(name: str, prefix: str, delimiter: str | None) -> str | None:
    if not delimiter or delimiter not in name[len(prefix) :]:
        return None
    return name[: name.index(delimiter, len(prefix)) + len(delimiter)]


def _folder_row(folder: str) -> str:
    return f"<BlobPrefix><Name>{escape(folder)}</Name></BlobPrefix>"


def _blob_row(blob: Blob, with_metadata: bool) -> str:
    metadata = (
        "".join(f"<{key}>{escape(value)}</{key}>" for key, value in blob.metadata.items()) if with_metadata else ""
    )
    md5 = f"<Content-MD5>{blob.md5}</Content-MD5>" if blob.md5 else ""
    return (
        f"<Blob><Name>{escape(blob.name)}</Name><Properties><Last-Modified>{blob.modified}</Last-Modified>"
        f"<Etag>{blob.etag.strip(chr(34))}</Etag><Content-Length>{blob.size}</Content-Length>"
        f"<Content-Type>{blob.content_type}</Content-Type>{md5}<BlobType>BlockBlob</BlobType>"
        f"<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState></Properties>"
        + (f"<Metadata>{metadata}</Metadata>" if with_metadata else "")
        + "</Blob>"
    )


ROUTES = [
    *(Route(method, STORAGE, "/<container>", answer_container) for method in ("GET", "HEAD", "PUT")),
    *(Route(method, STORAGE, "/<container>/<path:name>", answer_blob) for method in ("GET", "HEAD", "PUT", "DELETE")),
]
