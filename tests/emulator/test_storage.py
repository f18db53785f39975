"""Blob storage: through the real client of azure-storage-blob, and request by request."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from phi_azure.emulator.blobs import DEFAULT_CONTAINER
from phi_azure.emulator.storage import signature

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.testing import Azure
    from tests.emulator.wire import Wire

URL = f"https://phiazureemulator.blob.core.windows.net/{DEFAULT_CONTAINER}"
BLOB = f"{DEFAULT_CONTAINER}/folder/a.txt"
BLOCK_BLOB = {"x-ms-blob-type": "BlockBlob"}
MIB = 1 << 20


@pytest.fixture
def container(azure: Azure) -> Any:
    """The default container, signed by a SAS, with small limits so that small blobs are large ones."""
    return ContainerClient.from_container_url(
        f"{URL}?{signature()}",
        max_single_put_size=1024,
        max_block_size=512,
        max_single_get_size=1024,
        max_chunk_get_size=512,
    )


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 10_000], ids=str)
def test_blob_comes_back_as_it_went(size: int, container: Any) -> None:
    """Blobs of every size arrive whole: in one piece, in blocks, in ranges."""
    content = bytes(number % 251 for number in range(size))

    container.upload_blob("a.bin", content)

    assert container.download_blob("a.bin").readall() == content
    assert container.get_blob_client("a.bin").get_blob_properties().size == size


def test_large_blob_goes_in_blocks_of_4_mib(azure: Azure) -> None:
    """More than 64 MiB is sent in blocks by the client's own limits."""
    client: Any = ContainerClient.from_container_url(f"{URL}?{signature()}")
    content = bytes(range(256)) * 4 * 1024 * 65

    client.upload_blob("large.bin", content)

    blocks = [request for request in azure.requests if request.query.get("comp") == "block"]
    assert len(blocks) == 17
    stored = azure.emulator.blobs.get(DEFAULT_CONTAINER, "large.bin")
    assert stored is not None
    assert hashlib.sha256(stored.path.read_bytes()).digest() == hashlib.sha256(content).digest()
    assert not list(azure.emulator.blobs.folder.glob("blocks-*"))


@pytest.mark.parametrize(
    "name",
    [
        "with space.txt",
        "ünïcödé/日本語.txt",
        "50%.txt",
        "a%20b.txt",
        "plus+and&more=?.txt",
        "#hash.txt",
        "deep/er/est/file",
        "semi;colon.txt",
    ],
)
def test_name_comes_back_as_it_went(name: str, container: Any) -> None:
    """A blob's name may hold nearly anything."""
    container.upload_blob(name, b"content")

    assert container.download_blob(name).readall() == b"content"
    assert [blob.name for blob in container.list_blobs()] == [name]


def test_existing_blob_stays(container: Any) -> None:
    """Without overwrite the client's second upload is refused; with it, it replaces."""
    container.upload_blob("a", b"first")

    with pytest.raises(ResourceExistsError):
        container.upload_blob("a", b"second")
    container.upload_blob("a", b"third", overwrite=True)

    assert container.download_blob("a").readall() == b"third"


def test_replaced_bytes_are_removed(container: Any, azure: Azure) -> None:
    """The file of the blob before goes with it."""
    for content in (b"first", b"second"):
        container.upload_blob("a", content, overwrite=True)

    assert len(list(azure.emulator.blobs.folder.iterdir())) == 1


def test_blob_is_deleted(container: Any, azure: Azure) -> None:
    """A deleted blob is gone, with its file."""
    container.upload_blob("a", b"content")

    container.delete_blob("a")

    with pytest.raises(ResourceNotFoundError):
        container.download_blob("a")
    assert list(azure.emulator.blobs.folder.iterdir()) == []


def test_metadata_is_kept(container: Any) -> None:
    """Metadata goes with the upload or after it, and shows in a listing that asks for it."""
    container.upload_blob("a", b"", metadata={"upload_status": "started"})

    container.get_blob_client("a").set_blob_metadata({"upload_status": "completed", "name": "chat"})

    (blob,) = container.list_blobs(include=["metadata"])
    assert blob.metadata == {"upload_status": "completed", "name": "chat"}
    assert container.get_blob_client("a").get_blob_properties().metadata["upload_status"] == "completed"


def test_content_type_is_kept(container: Any) -> None:
    """The type of the content is the one that was given."""
    from azure.storage.blob import ContentSettings

    container.upload_blob("a", b"{}", content_settings=ContentSettings(content_type="application/json"))

    assert container.get_blob_client("a").get_blob_properties().content_settings.content_type == "application/json"


def test_listing_comes_in_pages(container: Any) -> None:
    """A page has as many blobs as were asked for, and leads to the next."""
    names = [f"blob-{number}" for number in range(7)]
    for name in names:
        container.upload_blob(name, b"")

    pages = [[blob.name for blob in page] for page in container.list_blobs(results_per_page=3).by_page()]

    assert [len(page) for page in pages] == [3, 3, 1]
    assert [name for page in pages for name in page] == names


def test_listing_shows_folders(container: Any) -> None:
    """With a delimiter what lies deeper is one folder, across pages too."""
    for name in ("a.txt", "one/1", "one/2", "one/deep/3", "two/1"):
        container.upload_blob(name, b"")

    names = [each.name for each in container.walk_blobs(results_per_page=2)]

    assert sorted(names) == ["a.txt", "one/", "two/"]
    assert {each.name for each in container.walk_blobs("one/")} == {"one/1", "one/2", "one/deep/"}
    assert [each.name for each in container.list_blobs(name_starts_with="one/d")] == ["one/deep/3"]


def test_container_is_there(container: Any) -> None:
    """The default container exists, another does not."""
    assert container.exists()
    with pytest.raises(ResourceExistsError):
        container.create_container()


def test_growing_log_is_read_from_where_it_was(azure: Azure, tmp_path: Path, wire: Wire) -> None:
    """A blob whose file grows shows the new bytes to the next reader."""
    blob = wire.emulator.blobs.put_bytes(DEFAULT_CONTAINER, "folder/a.txt", b"one\n")
    before = wire.blob("GET", BLOB)

    with blob.path.open("ab") as log:
        log.write(b"two\n")
    after = wire.blob("GET", BLOB, headers={"x-ms-range": "bytes=4-"})

    assert (before.data, after.data) == (b"one\n", b"two\n")
    assert before.headers["ETag"] != after.headers["ETag"]


@pytest.fixture
def ten(wire: Wire) -> Wire:
    """A store with one blob of ten bytes."""
    wire.blob("PUT", BLOB, b"0123456789", headers=BLOCK_BLOB)
    return wire


@pytest.mark.parametrize(
    ("asked", "status", "content", "said"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=8-100", 206, b"89", "bytes 8-9/10"),
        ("bytes=9-9", 206, b"9", "bytes 9-9/10"),
    ],
)
@pytest.mark.parametrize("header", ["Range", "x-ms-range"])
def test_range_is_answered(header: str, asked: str, status: int, content: bytes, said: str, ten: Wire) -> None:
    """A part of a blob comes with its place in the whole."""
    response = ten.blob("GET", BLOB, headers={header: asked})

    assert (response.status_code, response.data) == (status, content)
    assert response.headers["Content-Range"] == said
    assert response.headers["Content-Length"] == str(len(content))


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ("bytes=10-", 416, "InvalidRange"),
        ("bytes=5-2", 400, "InvalidHeaderValue"),
        ("bytes=-3", 400, "InvalidHeaderValue"),
        ("lines=1-2", 400, "InvalidHeaderValue"),
    ],
    ids=["beyond", "backwards", "from the end", "unit"],
)
def test_wrong_range_is_refused(asked: str, status: int, code: str, ten: Wire) -> None:
    """A range that is not one, or begins after the end, has Azure's code."""
    response = ten.blob("GET", BLOB, headers={"Range": asked})

    assert (response.status_code, response.headers["x-ms-error-code"]) == (status, code)


def test_head_has_the_true_length(ten: Wire) -> None:
    """HEAD answers everything but the bytes."""
    response = ten.blob("HEAD", BLOB)

    assert response.data == b""
    assert response.headers["Content-Length"] == "10"
    assert response.headers["Content-MD5"] == base64.b64encode(hashlib.md5(b"0123456789").digest()).decode()


@pytest.mark.parametrize(
    ("method", "blob", "more", "status", "code"),
    [
        ("GET", f"{DEFAULT_CONTAINER}/none", {}, 404, "BlobNotFound"),
        ("HEAD", f"{DEFAULT_CONTAINER}/none", {}, 404, "BlobNotFound"),
        ("DELETE", f"{DEFAULT_CONTAINER}/none", {}, 404, "BlobNotFound"),
        ("GET", "elsewhere/none", {}, 404, "ContainerNotFound"),
        ("PUT", BLOB, {"headers": {}}, 400, "InvalidHeaderValue"),
        ("PUT", BLOB, {"headers": {"x-ms-blob-type": "PageBlob"}}, 400, "InvalidHeaderValue"),
        ("PUT", BLOB, {"headers": BLOCK_BLOB | {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}}, 400, "Md5Mismatch"),
        ("PUT", BLOB, {"query": {"comp": "block", "blockid": "not base64!"}}, 400, "InvalidQueryParameterValue"),
        ("PUT", BLOB, {"query": {"comp": "blocklist"}}, 400, "InvalidBlockList"),
        ("PUT", BLOB, {"query": {"comp": "page"}}, 400, "UnsupportedOperation"),
        ("PUT", f"{DEFAULT_CONTAINER}/../up", {"headers": BLOCK_BLOB}, 400, "InvalidUri"),
        ("PUT", f"{DEFAULT_CONTAINER}/a/../../up", {"headers": BLOCK_BLOB}, 400, "InvalidUri"),
        ("PUT", f"{DEFAULT_CONTAINER}/a/%2e%2e/up", {"headers": BLOCK_BLOB}, 400, "InvalidUri"),
        ("GET", BLOB, {"query": {"sig": "wrong"}}, 403, "AuthenticationFailed"),
        ("GET", BLOB, {"headers": {"Authorization": ""}}, 401, "NoAuthenticationInformation"),
        ("GET", BLOB, {"headers": {"Authorization": "SharedKey a:b"}}, 403, "KeyBasedAuthenticationNotPermitted"),
    ],
    ids=[
        "missing",
        "missing-head",
        "missing-delete",
        "container",
        "no-type",
        "page-blob",
        "md5",
        "block-id",
        "block-list",
        "operation",
        "up",
        "deep-up",
        "encoded-up",
        "signature",
        "unsigned",
        "key",
    ],
)
def test_wrong_request_is_refused(
    method: str, blob: str, more: dict[str, Any], status: int, code: str, wire: Wire
) -> None:
    """What storage would refuse has its status and code, and leaves nothing."""
    response = wire.blob(method, blob, b"<Latest>QQ==</Latest>", **more)

    assert (response.status_code, response.headers["x-ms-error-code"]) == (status, code)
    assert wire.emulator.blobs.find(DEFAULT_CONTAINER) == []
    assert not [path for path in wire.emulator.store.folder.rglob("*") if path.parent.name == "blobs"]


def test_other_account_is_not_there(wire: Wire) -> None:
    """The emulator has one account."""
    response = wire("GET", f"/{BLOB}", host="other.blob.core.windows.net", version="")

    assert response.status_code == 404


def test_signature_opens_the_store_without_a_token(ten: Wire) -> None:
    """A SAS alone is enough."""
    query = {"sv": "2023-11-03", "sig": base64.b64encode(b"signed by the phi_azure emulator").decode()}

    response = ten.blob("GET", BLOB, query=query, headers={"Authorization": ""})

    assert response.data == b"0123456789"


def test_changed_blob_is_not_read_on(ten: Wire) -> None:
    """A client that reads in ranges notices that the blob is another."""
    etag = ten.blob("HEAD", BLOB).headers["ETag"]
    ten.blob("PUT", BLOB, b"another", headers=BLOCK_BLOB)

    response = ten.blob("GET", BLOB, headers={"If-Match": etag})

    assert response.status_code == 412


def test_error_of_the_client_names_the_blob(container: Any) -> None:
    """Errors are Azure's own, in the client's own types."""
    with pytest.raises(HttpResponseError, match="does not exist"):
        container.download_blob("none")


def test_blocks_are_listed_until_they_are_a_blob(container: Any) -> None:
    """Blocks that were put wait in one list; what the blob is made of is in the other."""
    blob = container.get_blob_client("a")
    for name, content in (("1", b"one"), ("2", b"two!"), ("3", b"never used")):
        blob.stage_block(name, content)
    waiting = blob.get_block_list("all")

    blob.commit_block_list(["2", "1"])

    committed, uncommitted = blob.get_block_list("all")
    assert [[(block.id, block.size) for block in kind] for kind in waiting] == [[], [("1", 3), ("2", 4), ("3", 10)]]
    assert [(block.id, block.size) for block in committed] == [("2", 4), ("1", 3)]
    assert uncommitted == []
    assert blob.download_blob().readall() == b"two!one"


def test_blocks_of_a_blob_are_used_again(container: Any) -> None:
    """A new list may name blocks that the blob has, beside new ones."""
    blob = container.get_blob_client("a")
    blob.stage_block("1", b"one")
    blob.commit_block_list(["1"])
    blob.stage_block("2", b"two")

    blob.commit_block_list(["2", "1", "1"])

    assert blob.download_blob().readall() == b"twooneone"


def test_waiting_blocks_are_no_blob(container: Any) -> None:
    """A blob of which only blocks were put is not there; nothing at all has no list."""
    container.get_blob_client("a").stage_block("1", b"one")

    assert not container.get_blob_client("a").exists()
    with pytest.raises(ResourceNotFoundError):
        container.get_blob_client("b").get_block_list("all")


def test_a_whole_blob_drops_blocks_that_waited(container: Any) -> None:
    """What is put whole makes an end of blocks."""
    container.get_blob_client("a").stage_block("1", b"one")

    container.upload_blob("a", b"whole")

    assert container.get_blob_client("a").get_block_list("all") == ([], [])


def test_ids_of_blocks_have_one_length(container: Any) -> None:
    """An id that is longer than the first is refused, as the service refuses it."""
    container.get_blob_client("a").stage_block("1", b"one")

    with pytest.raises(HttpResponseError, match="one length"):
        container.get_blob_client("a").stage_block("22", b"two")


@pytest.mark.parametrize("asked", ["bytes=0-3", "bytes=4-9", "bytes=2-5"])
def test_md5_of_a_range(asked: str, ten: Wire) -> None:
    """Whoever asks for it is told the MD5 of the range; that of the whole has another header."""
    response = ten.blob("GET", BLOB, headers={"x-ms-range": asked, "x-ms-range-get-content-md5": "true"})

    assert response.headers["Content-MD5"] == md5(response.data)
    assert response.headers["x-ms-blob-content-md5"] == md5(b"0123456789")


def test_md5_of_a_range_that_is_a_block(wire: Wire) -> None:
    """It is that of the bytes that were put."""
    for name, content in (("MQ==", b"0123"), ("Mg==", b"456789")):
        wire.blob("PUT", BLOB, content, query={"comp": "block", "blockid": name})
    blocks = b"<BlockList><Latest>MQ==</Latest><Latest>Mg==</Latest></BlockList>"
    wire.blob("PUT", BLOB, blocks, query={"comp": "blocklist"})

    response = wire.blob("GET", BLOB, headers={"x-ms-range": "bytes=4-9", "x-ms-range-get-content-md5": "true"})

    assert (response.data, response.headers["Content-MD5"]) == (b"456789", md5(b"456789"))


@pytest.mark.parametrize("asked", [None, f"bytes=0-{4 * MIB}"], ids=["no-range", "more-than-4-mib"])
def test_md5_has_its_limits(asked: str | None, wire: Wire) -> None:
    """The service gives the MD5 of a range of at most 4 MiB, and of nothing else."""
    wire.blob("PUT", BLOB, bytes(4 * MIB + 1), headers=BLOCK_BLOB)

    response = wire.blob(
        "GET", BLOB, headers={"x-ms-range-get-content-md5": "true"} | ({"x-ms-range": asked} if asked else {})
    )

    assert response.status_code == 400


@pytest.mark.parametrize(
    ("method", "header", "status"),
    [
        ("GET", {"If-Match": '"0x1"'}, 412),
        ("HEAD", {"If-Match": '"0x1"'}, 412),
        ("GET", {"If-Match": "*"}, 200),
        ("GET", {"If-None-Match": "*"}, 304),
        ("PUT", {"If-Match": '"0x1"'}, 412),
        ("PUT", {"If-None-Match": "*"}, 409),
    ],
)
def test_conditions_are_weighed(method: str, header: dict[str, str], status: int, ten: Wire) -> None:
    """A request that names another state of the blob is refused, and changes nothing."""
    body = b"new" if method == "PUT" else b""

    response = ten.blob(method, BLOB, body, headers=BLOCK_BLOB | header)

    assert response.status_code == status
    assert ten.blob("GET", BLOB).data == b"0123456789"


def md5(content: bytes) -> str:
    """Returns an MD5 as headers have it."""
    return base64.b64encode(hashlib.md5(content).digest()).decode()
