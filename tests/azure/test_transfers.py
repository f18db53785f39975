"""Copies of blobs: cut, resumed, checked, and never outside of the folder. Real requests, to the emulator."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from phi_azure.azure import storage
from phi_azure.azure.client import Connection
from phi_azure.azure.transfers import STAGING, Settings
from phi_azure.azure.transfers.placing import place
from phi_azure.emulator.app import Emulator
from phi_azure.emulator.blobs import DEFAULT_CONTAINER, Blob
from phi_azure.emulator.local import GROUP, SUBSCRIPTION, WORKSPACE, LocalCredential
from phi_azure.emulator.network import intercept, serve
from phi_azure.emulator.rough import Fault, Rough
from phi_azure.errors import AzureError, ConflictError, NotFoundError, PhiAzureError, RightsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from _typeshed.wsgi import WSGIEnvironment

    from phi_azure.events import OnProgress, Progress

BLOCK = 1 << 10
WORKERS = 4
BRISK = Settings(workers=WORKERS, block=BLOCK, tries=4, pause_s=0.001)
FOLDER = "LocalUpload/0f/model"
MARK = {"upload_status": "completed", "name": "model", "version": "1"}


@dataclass
class Store:
    """An emulated store behind a network that a test can spoil."""

    emulator: Emulator
    rough: Rough
    connection: Connection
    settings: Settings = BRISK
    marks: dict[str, bytes] = field(default_factory=dict)

    def fill(self, **files: int) -> dict[str, bytes]:
        """Puts blobs of random bytes; `_` in a name is a slash, and every name ends in .bin."""
        chance = random.Random(7)
        named = {f"{name.replace('_', '/')}.bin": chance.randbytes(size) for name, size in files.items()}
        for name, content in named.items():
            self.put(name, content)
        return named

    def put(self, name: str, content: bytes) -> Blob:
        """Puts one blob below the folder, as somebody who tells no MD5."""
        blob = self.emulator.blobs.put_bytes(DEFAULT_CONTAINER, f"{FOLDER}/{name}", content)
        return self.emulator.blobs.put(replace(blob, md5=None))

    def download(self, folder: Path, on_progress: OnProgress | None = None) -> Path:
        """Downloads everything below the folder."""
        address = f"azureml://datastores/workspaceblobstore/paths/{FOLDER}"
        return storage.download(self.connection, address, folder, on_progress, self.settings)

    def upload(self, folder: Path, on_progress: OnProgress | None = None) -> None:
        """Uploads every file of a folder."""
        files = [(path, f"{FOLDER}/{path.relative_to(folder).as_posix()}") for path in sorted(folder.rglob("*.bin"))]
        storage.upload(self.connection, files, MARK, on_progress, self.settings)

    def content(self, name: str) -> bytes:
        """Returns the bytes of a blob below the folder."""
        blob = self.emulator.blobs.get(DEFAULT_CONTAINER, f"{FOLDER}/{name}")
        assert blob is not None
        return blob.path.read_bytes()

    def ranges(self) -> Counter[tuple[str, str]]:
        """Counts how often each block was asked for."""
        return Counter(
            (request.path, request.headers["X-Ms-Range"])
            for request in self.emulator.requests
            if "X-Ms-Range" in request.headers
        )

    def sent(self) -> Counter[tuple[str, str]]:
        """Counts how often each block was sent, by its id."""
        return Counter(
            (request.path, request.query["blockid"])
            for request in self.emulator.requests
            if request.query.get("comp") == "block"
        )

    def spoil(self, *faults: Fault, on: str = "") -> list[Fault]:
        """Lets each fault meet one request for a block, in order; returns those that were not met yet."""
        waiting, lock = list(faults), threading.Lock()

        def trouble(environ: WSGIEnvironment) -> Fault | None:
            with lock:
                return waiting.pop(0) if waiting and _is_block(environ) and on in environ["PATH_INFO"] else None

        self.rough.trouble = trouble
        return waiting


def _is_block(environ: WSGIEnvironment) -> bool:
    return "HTTP_X_MS_RANGE" in environ or "comp=block&" in environ["QUERY_STRING"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store whose network does what a test tells it."""
    emulator = Emulator(tmp_path / "azure")
    rough = Rough(emulator)
    with intercept(rough):
        yield Store(emulator, rough, Connection(SUBSCRIPTION, GROUP, WORKSPACE, LocalCredential()))
    emulator.close()


def found(folder: Path) -> dict[str, bytes]:
    """Returns every file of a folder, hidden ones too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Whole and checked


def test_download_is_the_same_bit_by_bit(store: Store, tmp_path: Path) -> None:
    """Empty, small, exact and odd sizes come as they are, in their folders, and nothing else stays behind."""
    files = store.fill(empty=0, one=1, exact=4 * BLOCK, deep_er_odd=7 * BLOCK + 13)

    store.download(tmp_path / "out")

    assert found(tmp_path / "out") == files
    assert max(store.ranges().values()) == 1


def test_upload_is_the_same_bit_by_bit(store: Store, tmp_path: Path) -> None:
    """What is uploaded is in the store, marked as azure-ai-ml marks it."""
    files = local_files(tmp_path / "in", empty=0, one=1, exact=4 * BLOCK, odd=7 * BLOCK + 13)

    store.upload(tmp_path / "in")

    assert {name: store.content(name) for name in files} == files
    first = store.emulator.blobs.get(DEFAULT_CONTAINER, f"{FOLDER}/empty.bin")
    assert first is not None
    assert first.metadata == MARK


def test_upload_that_is_there_sends_nothing(store: Store, tmp_path: Path) -> None:
    """The mark of a whole upload ends the next one before it has begun."""
    local_files(tmp_path / "in", odd=7 * BLOCK + 13)
    store.upload(tmp_path / "in")
    store.emulator.requests.clear()

    store.upload(tmp_path / "in")

    assert not [request for request in store.emulator.requests if request.method == "PUT"]


def test_download_asks_for_pages(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that comes in pages is read to its end."""
    monkeypatch.setattr("phi_azure.emulator.storage._PAGE", 3)
    files = store.fill(**{f"file{number}": number for number in range(10)})

    store.download(tmp_path / "out")

    assert found(tmp_path / "out") == files


def test_progress_is_told_to_the_end(store: Store, tmp_path: Path) -> None:
    """The last word is that everything is there; it is said once."""
    store.fill(a=3 * BLOCK, b=5)
    told: list[Progress] = []

    store.download(tmp_path / "out", told.append)

    assert (told[-1].done, told[-1].total, told[-1].what) == (3 * BLOCK + 5, 3 * BLOCK + 5, "2 files")
    assert not [progress for progress in told[:-1] if progress.done == progress.total]


# Cuts


class Cut(Exception):  # noqa: N818
    """Stands for Ctrl-C."""


@pytest.mark.parametrize("seed", range(6))
def test_a_cut_download_goes_on(store: Store, tmp_path: Path, seed: int) -> None:
    """After cuts at random requests the files are right, and each cut costs one block for each worker at most."""
    chance = random.Random(seed)
    files = store.fill(a=40 * BLOCK + 5, b=25 * BLOCK, c=100, d_e=30 * BLOCK + 1)
    cuts = 5

    for _ in range(cuts):
        cut_after(store, chance.randrange(2, 18), chance.randrange(BLOCK))
        with pytest.raises(AzureError, match="given up after 1 tries"):
            store.download(tmp_path / "out")
        assert not [name for name in found(tmp_path / "out") if not name.startswith(STAGING)]
    store.rough.trouble = lambda _: None
    store.download(tmp_path / "out")

    assert found(tmp_path / "out") == files
    asked = store.ranges()
    assert asked.total() - len(asked) <= cuts * WORKERS


@pytest.mark.parametrize("seed", range(6))
def test_a_cut_upload_goes_on(store: Store, tmp_path: Path, seed: int) -> None:
    """The same on the way up: the service says which blocks it has."""
    chance = random.Random(seed)
    files = local_files(tmp_path / "in", a=40 * BLOCK + 5, b=25 * BLOCK, c=100, d=30 * BLOCK + 1)
    cuts = 5

    for _ in range(cuts):
        cut_after(store, chance.randrange(2, 18), chance.randrange(BLOCK))
        with pytest.raises(AzureError, match="given up after 1 tries"):
            store.upload(tmp_path / "in")
    store.rough.trouble = lambda _: None
    store.upload(tmp_path / "in")

    assert {name: store.content(name) for name in files} == files
    sent = store.sent()
    assert sent.total() - len(sent) <= cuts * WORKERS


def cut_after(store: Store, blocks: int, at: int) -> None:
    """Lets some requests for blocks pass and breaks every connection after them, in the middle; nothing is retried."""
    left, lock = [blocks], threading.Lock()

    def trouble(environ: WSGIEnvironment) -> Fault | None:
        with lock:
            left[0] -= _is_block(environ)
        return Fault(after=at) if left[0] < 0 and _is_block(environ) else None

    store.rough.trouble = trouble
    store.settings = replace(BRISK, tries=1)


@pytest.mark.parametrize("verb", ["download", "upload"])
def test_an_interrupt_leaves_what_has_come(store: Store, tmp_path: Path, verb: str) -> None:
    """Ctrl-C ends the copy at once, and the next one goes on from there."""
    files = local_files(tmp_path / "in", a=60 * BLOCK) if verb == "upload" else store.fill(a=60 * BLOCK)
    store.rough.latency_s = 0.02

    def copy(tell: OnProgress | None) -> None:
        if verb == "download":
            store.download(tmp_path / "out", tell)
        else:
            store.upload(tmp_path / "in", tell)

    with pytest.raises(KeyboardInterrupt):
        copy(interrupting)
    before = (store.ranges() + store.sent()).total()
    copy(None)

    counts = store.ranges() + store.sent()
    assert 0 < before < 60
    assert counts.total() - len(counts) <= WORKERS
    assert (found(tmp_path / "out") if verb == "download" else {"a.bin": store.content("a.bin")}) == files


def interrupting(progress: Progress) -> None:
    """Plays Ctrl-C as soon as something has come."""
    if progress.done:
        raise KeyboardInterrupt


def test_a_killed_download_goes_on(tmp_path: Path) -> None:
    """After a kill -9 at random moments the file is right; no block that the journal has is fetched again."""
    emulator = Emulator(tmp_path / "azure")
    content = random.Random(3).randbytes(80 * BLOCK)
    emulator.blobs.put_bytes(DEFAULT_CONTAINER, f"{FOLDER}/a.bin", content)
    script = tmp_path / "download.py"
    script.write_text(KILLED.format(folder=str(tmp_path / "out"), blob=FOLDER, block=BLOCK, workers=WORKERS))

    with serve(Rough(emulator, 0.005)) as server:
        for after in (17, 23, 0):
            done = subprocess.run(
                [sys.executable, str(script), str(after)], check=False, env=os.environ | server.environment()
            )
            assert done.returncode == (-9 if after else 0)

    asked = Counter(r.headers["X-Ms-Range"] for r in emulator.requests if "X-Ms-Range" in r.headers)
    emulator.close()
    assert found(tmp_path / "out") == {"a.bin": content}
    assert asked.total() - len(asked) <= 2 * WORKERS


KILLED = """
import os, signal, sys
from pathlib import Path
from phi_azure.azure import storage
from phi_azure.azure.client import Connection
from phi_azure.azure.transfers import Settings, parts
from phi_azure.emulator.local import GROUP, SUBSCRIPTION, WORKSPACE, LocalCredential

left, note = [int(sys.argv[1])], parts.Part.note

def dying(part, index, md5):
    note(part, index, md5)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)

parts.Part.note = dying
connection = Connection(SUBSCRIPTION, GROUP, WORKSPACE, LocalCredential())
address = "azureml://datastores/workspaceblobstore/paths/{blob}"
storage.download(connection, address, Path({folder!r}), None, Settings(workers={workers}, block={block}))
"""


def test_a_download_cut_while_files_are_moved_goes_on(store: Store, tmp_path: Path) -> None:
    """Files that were in their place already are taken back, checked, and not fetched again."""
    files = store.fill(a=3 * BLOCK, b=2 * BLOCK)
    (tmp_path / "out" / "b.bin").mkdir(parents=True)
    (tmp_path / "out" / "b.bin" / "x").touch()
    with pytest.raises(AzureError, match="folder"):
        store.download(tmp_path / "out")
    (tmp_path / "out" / "b.bin" / "x").unlink()
    (tmp_path / "out" / "b.bin").rmdir()
    with pytest.raises(Cut):
        store.download(tmp_path / "out", lambda progress: block_the_way(progress, tmp_path / "out"))
    (tmp_path / "out" / "b.bin").rmdir()
    parts = sorted((tmp_path / "out" / STAGING).glob("*.part"))
    of_a = next(path for path in parts if path.read_bytes() == files["a.bin"])
    of_a.replace(tmp_path / "out" / "a.bin")

    store.download(tmp_path / "out")

    assert found(tmp_path / "out") == files
    assert max(store.ranges().values()) == 1


def block_the_way(progress: Progress, folder: Path) -> None:
    """Stops a download when all bytes have come and nothing is in its place."""
    if progress.done == progress.total:
        (folder / "b.bin").mkdir()
        raise Cut


def test_damage_on_the_disk_is_found_when_a_download_goes_on(store: Store, tmp_path: Path) -> None:
    """A block that is not what the journal says is fetched again: it alone."""
    files = store.fill(a=20 * BLOCK)
    cut_after(store, 9, 5)
    with pytest.raises(AzureError):
        store.download(tmp_path / "out")
    store.rough.trouble = lambda _: None
    journal = next((tmp_path / "out" / STAGING).glob("*.journal"))
    index = int(journal.read_text().splitlines()[1].partition(" ")[0])
    with next((tmp_path / "out" / STAGING).glob("*.part")).open("r+b") as part:
        part.seek(index * BLOCK)
        part.write(b"damaged")

    store.download(tmp_path / "out")

    assert found(tmp_path / "out") == files


@pytest.mark.parametrize("tail", ["3 0123", "x y z\n", "\n\n", "999999 " + "0" * 32 + "\n"])
def test_a_torn_journal_is_read_as_far_as_it_goes(store: Store, tmp_path: Path, tail: str) -> None:
    """A line that was cut, or is none, costs a block and not the download."""
    files = store.fill(a=20 * BLOCK)
    cut_after(store, 9, 5)
    with pytest.raises(AzureError):
        store.download(tmp_path / "out")
    store.rough.trouble = lambda _: None
    with next((tmp_path / "out" / STAGING).glob("*.journal")).open("a") as journal:
        journal.write(tail)

    store.download(tmp_path / "out")

    assert found(tmp_path / "out") == files


# Changes on the way


def test_a_blob_that_was_changed_between_cuts_begins_anew(store: Store, tmp_path: Path) -> None:
    """Blocks of two states of a blob are never mixed."""
    store.fill(a=30 * BLOCK)
    cut_after(store, 12, 5)
    with pytest.raises(AzureError):
        store.download(tmp_path / "out")
    store.rough.trouble = lambda _: None
    new = random.Random(99).randbytes(30 * BLOCK)
    store.put("a.bin", new)

    store.download(tmp_path / "out")

    assert found(tmp_path / "out") == {"a.bin": new}


def test_a_blob_that_is_changed_while_it_comes_is_refused(store: Store, tmp_path: Path) -> None:
    """The request for a block names the state that the listing named."""
    store.fill(a=30 * BLOCK)
    store.rough.trouble = replacing(store, after=6)

    with pytest.raises(ConflictError, match="changed while"):
        store.download(tmp_path / "out")

    assert all(name.startswith(STAGING) for name in found(tmp_path / "out"))
    store.rough.trouble = lambda _: None
    assert found(store.download(tmp_path / "out")) == {"a.bin": bytes(30 * BLOCK)}


def replacing(store: Store, after: int) -> Callable[[WSGIEnvironment], None]:
    """Puts another blob in place of one while its blocks are asked for."""
    left, lock = [after], threading.Lock()

    def trouble(environ: WSGIEnvironment) -> None:
        with lock:
            left[0] -= _is_block(environ)
            if left[0] == 0:
                store.put("a.bin", bytes(30 * BLOCK))

    return trouble


def test_a_file_that_was_changed_between_cuts_is_sent_anew(store: Store, tmp_path: Path) -> None:
    """Only blocks that are equal in both states are taken from the first try."""
    local_files(tmp_path / "in", a=30 * BLOCK)
    cut_after(store, 12, 5)
    with pytest.raises(AzureError):
        store.upload(tmp_path / "in")
    store.rough.trouble = lambda _: None
    new = random.Random(99).randbytes(30 * BLOCK)
    (tmp_path / "in" / "a.bin").write_bytes(new)

    store.upload(tmp_path / "in")

    assert store.content("a.bin") == new


CHANGES: dict[str, Callable[[Path], object]] = {
    "other-bytes": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "shorter": lambda path: os.truncate(path, 1),
    "longer": lambda path: os.truncate(path, 2 * path.stat().st_size),
    "another-file": lambda path: path.with_suffix(".new").replace(path),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("block", [BLOCK, 8 << 20], ids=["between-blocks", "inside-a-block"])
def test_a_file_that_is_changed_while_it_goes_is_refused(
    store: Store, tmp_path: Path, block: int, change: Callable[[Path], object]
) -> None:
    """Such a file never becomes a blob, and what the service says of a half-changed block is not the message."""
    local_files(tmp_path / "in", a=3 * block)
    (tmp_path / "in" / "a.new").write_bytes(bytes(3 * block))
    store.settings = replace(BRISK, block=block, workers=1)
    store.rough.trouble = at_block(2, lambda: change(tmp_path / "in" / "a.bin"))

    with pytest.raises(ConflictError, match="was changed while it was uploaded"):
        store.upload(tmp_path / "in")

    assert store.emulator.blobs.get(DEFAULT_CONTAINER, f"{FOLDER}/a.bin") is None


def at_block(number: int, act: Callable[[], object]) -> Callable[[WSGIEnvironment], None]:
    """Does something when a block's head has come, before its body is read; of 8 MiB, the end is not sent yet."""
    left = [number]

    def trouble(environ: WSGIEnvironment) -> None:
        left[0] -= _is_block(environ)
        if left[0] == 0:
            act()

    return trouble


# Faults of the service and the network

REFUSED = Fault(status=503, headers={"x-ms-error-code": "ServerBusy"})


@pytest.mark.parametrize(
    "faults",
    [
        [REFUSED],
        [Fault(status=429, headers={"Retry-After": "0"})] * 3,
        [Fault(status=500), Fault(status=502), Fault(status=504)],
        [Fault(after=0)],
        [Fault(after=BLOCK // 2)] * 3,
        [Fault(flip=BLOCK // 3)],
        [Fault(flip=0), REFUSED, Fault(after=1)],
    ],
    ids=["busy", "throttled", "errors", "reset", "cut", "wrong-md5", "mixed"],
)
def test_what_passes_is_tried_again(store: Store, tmp_path: Path, faults: list[Fault]) -> None:
    """A fault that goes by costs a try."""
    files = store.fill(a=12 * BLOCK)
    waiting = store.spoil(*faults)

    store.download(tmp_path / "out")

    assert found(tmp_path / "out") == files
    assert not waiting


@pytest.mark.parametrize("faults", [[REFUSED], [Fault(after=100)] * 3, [Fault(status=429)]])
def test_an_upload_tries_again(store: Store, tmp_path: Path, faults: list[Fault]) -> None:
    """So does one on the way up."""
    files = local_files(tmp_path / "in", a=12 * BLOCK)
    waiting = store.spoil(*faults)

    store.upload(tmp_path / "in")

    assert store.content("a.bin") == files["a.bin"]
    assert not waiting


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(flip=5), "wrong MD5"),
        (Fault(after=BLOCK // 2), "given up after 4 tries"),
        (REFUSED, "the service answered 503 ServerBusy"),
    ],
    ids=["wrong-md5", "cut", "busy"],
)
def test_what_does_not_pass_is_an_error(store: Store, tmp_path: Path, fault: Fault, said: str) -> None:
    """No file appears, and the error says what went wrong and what to do."""
    store.fill(a=3 * BLOCK)
    store.spoil(*[fault] * 100)

    with pytest.raises(AzureError, match=said) as raised:
        store.download(tmp_path / "out")

    assert "same command again" in str(raised.value.remedy)
    assert all(name.startswith(STAGING) for name in found(tmp_path / "out"))


def test_a_signature_that_ends_is_fetched_anew(store: Store, tmp_path: Path) -> None:
    """A refusal with 403 in the middle leads to a fresh signature, and the copy goes on."""
    files = store.fill(a=12 * BLOCK)
    store.spoil(*[Fault(status=403, headers={"x-ms-error-code": "AuthenticationFailed"})])

    store.download(tmp_path / "out")

    assert found(tmp_path / "out") == files
    secrets = [request for request in store.emulator.requests if request.path.endswith("/listSecrets")]
    assert len(secrets) == 2


def test_no_right_is_an_error_at_once(store: Store, tmp_path: Path) -> None:
    """Whoever may not read is told so, after one fresh signature and no further try."""
    store.fill(a=BLOCK)
    waiting = store.spoil(*[Fault(status=403, headers={"x-ms-error-code": "AuthorizationPermissionMismatch"})] * 9)

    with pytest.raises(RightsError, match="AuthorizationPermissionMismatch"):
        store.download(tmp_path / "out")

    assert len(waiting) == 7


def test_wrong_md5_of_a_whole_blob_is_an_error(store: Store, tmp_path: Path) -> None:
    """Where somebody told the service the MD5 of the whole, it must fit, and nothing of it is kept."""
    blob = store.put("a.bin", b"1234")
    store.emulator.blobs.put(replace(blob, md5=base64.b64encode(hashlib.md5(b"other").digest()).decode()))

    with pytest.raises(AzureError, match=r"a\.bin does not have the MD5"):
        store.download(tmp_path / "out")

    assert found(tmp_path / "out") == {}


# Nothing


def test_nothing_to_download_is_an_error(store: Store, tmp_path: Path) -> None:
    """An empty listing is no success, and makes no folder."""
    with pytest.raises(NotFoundError, match="no files"):
        store.download(tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_folders_alone_are_nothing(store: Store, tmp_path: Path) -> None:
    """Empty blobs that stand for folders are no files."""
    blob = store.put("sub", b"")
    store.emulator.blobs.put(replace(blob, metadata={"hdi_isfolder": "true"}))

    with pytest.raises(NotFoundError, match="no files"):
        store.download(tmp_path / "out")


def test_folders_beside_files_are_left_out(store: Store, tmp_path: Path) -> None:
    """A blob that stands for a folder does not stand in the way of the files in it."""
    blob = store.put("sub", b"")
    store.emulator.blobs.put(replace(blob, metadata={"hdi_isfolder": "true"}))
    store.put("sub/file", b"1")

    store.download(tmp_path / "out")

    assert found(tmp_path / "out") == {"sub/file": b"1"}


# The disk


def test_a_disk_without_room_is_said_before_anything_comes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes that are to come are held against those that are free."""
    store.fill(a=3 * BLOCK)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))

    with pytest.raises(PhiAzureError, match="has 1,000 bytes free; 3,072 are still to come"):
        store.download(tmp_path / "out")

    assert not store.ranges()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is always full")  # noqa: PTH110
def test_a_disk_that_is_full_on_the_way_keeps_what_has_come(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is the disk's; with room again the download goes on."""
    files = store.fill(a=12 * BLOCK)
    full = fills_up_after(5)
    with monkeypatch.context() as patched:
        patched.setattr("phi_azure.azure.transfers.parts.Part.note", full)
        with pytest.raises(PhiAzureError, match="No space left on device"):
            store.download(tmp_path / "out")
    store.download(tmp_path / "out")

    assert found(tmp_path / "out") == files
    assert store.ranges().total() - len(store.ranges()) <= WORKERS


def fills_up_after(blocks: int) -> Callable[..., None]:
    """Returns a way to write that meets the error of a full disk, the system's own, after some blocks."""
    from phi_azure.azure.transfers.parts import Part

    note, left = Part.note, [blocks]

    def noting(part: Part, index: int, md5: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123
                full.write(b"x")
        note(part, index, md5)

    return noting


def test_two_downloads_into_one_folder_are_refused(store: Store, tmp_path: Path) -> None:
    """The second is told so, and spoils nothing."""
    files = store.fill(a=3 * BLOCK)
    second: list[BaseException] = []

    def meanwhile(_: Progress) -> None:
        with contextlib.suppress(StopIteration), pytest.raises(ConflictError) as raised:
            store.download(tmp_path / "out")
        second.append(raised.value)

    store.download(tmp_path / "out", meanwhile)

    assert second
    assert found(tmp_path / "out") == files


# Names


@pytest.mark.parametrize(
    "name",
    ["../secret", "a/../../secret", "..", "a\\b", "..\\secret", "C:/x", "a\nb", "a\x7fb", f"{STAGING}/x"],
)
def test_a_wicked_name_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    """Whatever a blob is called, nothing is written outside of the folder, nor anything at all."""
    store.put("good.bin", b"1")
    store.put(name, b"2")

    with pytest.raises(AzureError, match="nothing was downloaded"):
        store.download(tmp_path / "deep" / "out")

    assert found(tmp_path / "deep") == {}
    assert not store.ranges()


@pytest.mark.parametrize(
    ("names", "windows", "folds", "said"),
    [
        (["/etc/passwd"], False, False, "outside"),
        (["a\x00b"], False, False, "control"),
        (["aux"], True, False, "Windows"),
        (["sub/NUL.txt"], True, False, "Windows"),
        (["com¹"], True, False, "Windows"),
        (["a:b"], True, False, "Windows"),
        (["name."], True, False, "Windows"),
        (["name "], True, False, "Windows"),
        (["A", "a"], False, True, "onto A"),
        (["é", "e\u0301"], False, True, "onto"),
        (["a//b", "a/b"], False, False, "onto"),
        (["a", "a/b"], False, False, "folder where the file a is"),
        (["A/b", "a"], False, True, "folder where the file a is"),
        (["."], False, False, "no name"),
    ],
)
def test_names_that_cannot_be_placed(tmp_path: Path, names: list[str], windows: bool, folds: bool, said: str) -> None:
    """Each kind of name is refused with its reason."""
    with pytest.raises(AzureError, match=said):
        place(names, tmp_path, windows=windows, folds_case=folds)


@pytest.mark.parametrize("name", ["aux", "a:b", "name.", "con.txt", "...", "a b", "ü/ñ", "-rf", "~", "a" * 200])
def test_names_that_are_only_odd_are_taken(tmp_path: Path, name: str) -> None:
    """Where the disk can write a name, it is written."""
    assert place([name], tmp_path, windows=False, folds_case=False) == [tmp_path / name]


def test_all_wicked_names_are_said_at_once(tmp_path: Path) -> None:
    """The error lists them, and counts the rest."""
    with pytest.raises(AzureError) as raised:
        place([f"../{number}" for number in range(14)], tmp_path, windows=False, folds_case=False)

    assert len(re.findall("outside", str(raised.value))) == 10
    assert "and 4 more" in str(raised.value)


@pytest.mark.parametrize("made", ["elsewhere", "nowhere", "file"])
def test_what_is_in_the_folder_is_not_written_through(store: Store, tmp_path: Path, made: str) -> None:
    """A link in the target that leads elsewhere, or a file where a folder must be, ends it before it begins."""
    store.put("sub/file", b"1")
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    sub = tmp_path / "out" / "sub"
    if made == "file":
        sub.touch()
    else:
        sub.symlink_to(tmp_path / made)

    with pytest.raises(AzureError, match=r"link|where the file"):
        store.download(tmp_path / "out")

    assert not list((tmp_path / "elsewhere").iterdir())
    assert not (tmp_path / "nowhere").exists()


def test_a_link_where_a_file_goes_is_replaced(store: Store, tmp_path: Path) -> None:
    """The file that the link leads to stays as it is."""
    files = store.fill(a=BLOCK)
    (tmp_path / "out").mkdir()
    (tmp_path / "precious").write_bytes(b"keep")
    (tmp_path / "out" / "a.bin").symlink_to(tmp_path / "precious")

    store.download(tmp_path / "out")

    assert (tmp_path / "precious").read_bytes() == b"keep"
    assert found(tmp_path / "out") == files


# Weights


def weights(count: int, *, header: bytes | None = None, extra: bytes = b"") -> bytes:
    """Returns a file of weights with one tensor."""
    entry = {"__metadata__": {"format": "pt"}, "w": {"dtype": "U8", "shape": [count], "data_offsets": [0, count]}}
    head = json.dumps(entry).encode() if header is None else header
    return len(head).to_bytes(8, "little") + head + bytes(count) + extra


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (weights(100)[:-1], "99 bytes of weights"),
        (weights(100, extra=b"12"), "102 bytes of weights"),
        (weights(100, header=b"{not json"), "no header"),
        (weights(100, header=b'{"w": {}}'), "no header"),
        (weights(100, header=b'["w"]'), "no header"),
        (weights(4, header=b'{"w": {"data_offsets": [2, 4]}}'), "one behind the other"),
        ((1 << 60).to_bytes(8, "little") + b"{}", "no header"),
        (b"1234", "no header"),
        (b"", "no header"),
    ],
    ids=["short", "long", "no-json", "no-offsets", "list", "gap", "huge", "tiny", "empty"],
)
def test_damaged_weights_are_refused(store: Store, tmp_path: Path, content: bytes, said: str) -> None:
    """A file of weights whose header does not fit its length is not kept."""
    store.put("model.safetensors", content)

    with pytest.raises(AzureError, match=said):
        store.download(tmp_path / "out")

    assert found(tmp_path / "out") == {}


def test_good_weights_are_taken(store: Store, tmp_path: Path) -> None:
    """Weights that are whole come as they are."""
    store.put("model.safetensors", weights(3000))

    store.download(tmp_path / "out")

    assert found(tmp_path / "out") == {"model.safetensors": weights(3000)}


def local_files(folder: Path, **files: int) -> dict[str, bytes]:
    """Writes files of random bytes; returns them."""
    chance = random.Random(7)
    folder.mkdir()
    named = {f"{name}.bin": chance.randbytes(size) for name, size in files.items()}
    for name, content in named.items():
        (folder / name).write_bytes(content)
    return named
