"""The emulator's memory: shared by processes and threads, and whole after a kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from phi_azure.emulator.app import Emulator
from phi_azure.emulator.blobs import DEFAULT_CONTAINER, Blobs
from phi_azure.emulator.store import Store
from tests.emulator import bodies
from tests.emulator.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT = """
import sys
from pathlib import Path
from phi_azure.emulator.store import Store
store = Store(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    store.change("count", "one", lambda document: document.update(number=document["number"] + 1))
"""
WRITE = """
import sys
from pathlib import Path
from phi_azure.emulator.blobs import Blobs
from phi_azure.emulator.store import Store
store = Store(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    with store.transaction():
        store.put("pair", "left", {"number": number})
        Blobs(store).put_bytes("c", f"blob-{number}", b"x" * number)
        store.put("pair", "right", {"number": number})
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    made = Store(tmp_path)
    yield made
    made.close()


def _python(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)])


def test_document_is_found_in_any_letter_case(store: Store) -> None:
    """Keys are compared as Azure compares names."""
    store.put("compute", "Sub/Group/GPU", {"name": "GPU"})

    assert store.get("compute", "sub/group/gpu") == {"name": "GPU"}
    assert store.get("data", "sub/group/gpu") is None


def test_documents_are_found_newest_first(store: Store) -> None:
    """A change keeps a document's place."""
    for name in ("a/1", "a/2", "b/1"):
        store.put("thing", name, {"name": name})

    store.put("thing", "a/1", {"name": "a/1", "changed": True})

    assert [found["name"] for found in store.find("thing", "A/")] == ["a/2", "a/1"]


def test_prefix_is_no_pattern(store: Store) -> None:
    """Characters that SQL would read as wildcards stand for themselves."""
    store.put("thing", "a_b/1", {"name": "a_b"})
    store.put("thing", "axb/1", {"name": "axb"})

    assert [found["name"] for found in store.find("thing", "a_b/")] == ["a_b"]


def test_change_of_nothing_is_none(store: Store) -> None:
    """What does not exist is neither changed nor deleted."""
    assert store.change("thing", "none", lambda document: document.clear()) is None
    assert not store.delete("thing", "none")


def test_transaction_that_fails_leaves_nothing(store: Store) -> None:
    """An error takes back everything since the beginning."""

    def fail() -> None:
        with store.transaction():
            store.put("thing", "half", {})
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        fail()

    assert store.get("thing", "half") is None


def test_threads_count_together(store: Store) -> None:
    """Read, change and write is one step, from any thread."""
    store.put("count", "one", {"number": 0})

    def count() -> None:
        for _ in range(20):
            store.change("count", "one", lambda document: document.update(number=document["number"] + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert store.get("count", "one") == {"number": 80}


def test_processes_count_together(store: Store) -> None:
    """The same holds between processes."""
    store.put("count", "one", {"number": 0})

    processes = [_python(COUNT, store.folder, 50) for _ in range(2)]

    assert [process.wait(30) for process in processes] == [0, 0]
    assert store.get("count", "one") == {"number": 100}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
def test_killed_writer_leaves_whole_transactions(store: Store) -> None:
    """Whoever is killed in the middle of writing leaves both halves of a change or neither."""
    process = _python(WRITE, store.folder)
    while store.get("pair", "right") is None:
        time.sleep(0.01)
    time.sleep(0.1)

    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)

    left, right = store.get("pair", "left"), store.get("pair", "right")
    assert left is not None
    assert left == right
    blobs = Blobs(store).find("c")
    assert len(blobs) == left["number"]
    assert all(blob.size == int(blob.name.removeprefix("blob-")) for blob in blobs)
    store.put("pair", "left", {"number": 0})


def test_metrics_keep_their_order(store: Store) -> None:
    """Points come back as they were logged, each metric by itself."""
    store.add_metrics("run", [("loss", 2.0, 1, 10), ("accuracy", 0.5, 1, 10), ("loss", 1.0, 2, 20)])

    assert [point["value"] for point in store.metrics("run", "loss")] == [2.0, 1.0]
    assert len(store.metrics("run")) == 3
    assert store.metrics("other") == []


def test_labels_are_set_and_removed(store: Store) -> None:
    """Tags and parameters are apart."""
    store.set_labels("run", "tag", {"a": "1", "b": "2"})
    store.set_labels("run", "param", {"a": "9"})

    store.remove_label("run", "tag", "a")

    assert store.labels("run", "tag") == {"b": "2"}
    assert store.labels("run", "param") == {"a": "9"}


def test_state_is_found_again(tmp_path: Path) -> None:
    """An emulator that is opened again on its folder has what it had."""
    first = Emulator(tmp_path)
    wire = Wire(first)
    bodies.upload(first)
    wire("PUT", "data/chat/versions/1", bodies.DATA_VERSION)
    wire("PUT", "computes/gpu", bodies.COMPUTE)
    first.close()

    second = Emulator(tmp_path)

    again = Wire(second)
    assert again("GET", "data/chat/versions/1").status_code == 200
    assert again("GET", "computes/gpu").status_code == 200
    assert again.blob("GET", f"{DEFAULT_CONTAINER}/up/chat.jsonl").data == b"{}\n"
    second.close()


def test_two_emulators_share_a_folder(tmp_path: Path) -> None:
    """What one process was told, the other knows at once."""
    one, other = Emulator(tmp_path), Emulator(tmp_path)

    Wire(one)("PUT", "computes/gpu", bodies.COMPUTE)

    assert Wire(other)("GET", "computes/gpu").status_code == 200
    one.close()
    other.close()


def test_region_and_weights_are_known_to_helpers(tmp_path: Path) -> None:
    """Another process opens the state with the settings of the first."""
    weights = tmp_path / "weights"
    weights.mkdir()
    first = Emulator(tmp_path / "state", region="westus3", weights={"Phi-4": weights})

    helper = Emulator.of_state(tmp_path / "state")

    assert helper.region == "westus3"
    assert helper.weights_of("phi-4")[0] == weights
    first.close()
    helper.close()
