"""Measures uploads and downloads of a model against azure-ai-ml's own, with time added to each request.

Run it with: python benchmarks/transfers.py [--mb 2048] [--files 8] [--latency-ms 50] [--cuts 20]

The emulator runs in a process of its own; each client runs in a process of its own, whose memory is what is reported.
A cut is a kill -9 of the downloading process at a random byte.

Two cores bound the factor here: 2 GiB cost our client and the emulator 8.4 s of them at least (MD5 2.8 s, TLS 1.1 s,
copies between kernel and process), 4.2 s if both never rested, where azure-ai-ml takes 15 to 21 s. A virtual machine
that lends its free memory to its host adds up to 4 s to either client, for the disk cache that it has to take back.
"""

from __future__ import annotations

import argparse
import contextlib
import filecmp
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi_azure.azure.transfers import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "big"
SEED = 20
RANGES = "ranges.json"


def main() -> int:
    """Prints seconds, memory and what was fetched again; returns 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mb", type=int, default=2048, help="size of the model, in MiB")
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--cuts", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="phi-azure-bench-") as folder:
        return measure(Path(folder), options)


def measure(folder: Path, options: argparse.Namespace) -> int:
    source = make_model(folder / "model", options.mb, options.files)
    latency = options.latency_ms / 1000
    told: dict[str, dict[str, Any]] = {}
    for who in ("theirs", "ours"):  # each into a store of its own: the second upload would find the first
        with server(folder / f"state-{who}", latency) as env:
            told[f"upload {who}"] = client(env, f"upload-{who}", source)
        if who == "theirs":
            shutil.rmtree(folder / "state-theirs")
    with server(folder / "state-ours", latency) as env:
        for who in ("theirs", "ours"):
            target = folder / who
            told[f"download {who}"] = client(env, f"download-{who}", target)
            told[f"download {who}"]["whole"] = same(source, target)
            shutil.rmtree(target)
    for what, figures in told.items():
        print(
            f"{what:<16} {figures['seconds']:7.2f} s   {options.mb / figures['seconds']:6.0f} MiB/s   "
            f"{figures['cpu_seconds']:5.1f} s of processor   {memory(figures)}"
        )
    factors = {
        verb: told[f"{verb} theirs"]["seconds"] / told[f"{verb} ours"]["seconds"] for verb in ("upload", "download")
    }
    print(", ".join(f"{verb} {factor:.1f} times as fast" for verb, factor in factors.items()))
    with server(folder / "state-ours", latency) as env:
        killed = cut_download(env, folder / "cut", options.mb << 20, options.cuts)
    whole = same(source, folder / "cut")
    asked = Counter(map(tuple, json.loads((folder / "state-ours" / RANGES).read_text(encoding="utf-8"))))
    twice, most = sum(asked.values()) - len(asked), killed * Settings().workers
    print(f"{killed} kills: bit-equal: {whole}; {twice} of {len(asked)} blocks fetched again, {most} would be allowed")
    ours = told["download ours"]
    kept = whole and ours["whole"] and twice <= most and ours["peak_mb"] <= 200 and factors["download"] >= 4
    return 0 if kept else 1


def memory(figures: dict[str, Any]) -> str:
    return f"peak {figures['peak_mb']:5.0f} MB, {figures['start_mb']:.0f} MB of it before the first byte"


def make_model(folder: Path, mib: int, files: int) -> Path:
    """Writes files of random bytes with the header of a safetensors file."""
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    for number in range(files):
        size = (mib << 20) // files
        header = json.dumps({"weight": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}}).encode()
        for _ in range(3):  # the header's length depends on the numbers in it
            count = size - 8 - len(header)
            entry = {"dtype": "U8", "shape": [count], "data_offsets": [0, count]}
            header = json.dumps({"weight": entry}).encode()
        with (folder / f"model-{number + 1:05}-of-{files:05}.safetensors").open("wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            while left := size - file.tell():
                file.write(os.urandom(min(left, 8 << 20)))
    return folder


@contextlib.contextmanager
def server(state: Path, latency: float) -> Iterator[dict[str, str]]:
    """Runs the emulator in another process; yields the variables that lead a client there."""
    command = [sys.executable, __file__, "--serve", str(state), str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield json.loads(process.stdout.readline())  # type: ignore[union-attr]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def serve(state: Path, latency: float) -> None:
    """Serves until SIGINT; then writes down what was asked of the storage."""
    from phi_azure.emulator.app import Emulator
    from phi_azure.emulator.network import serve
    from phi_azure.emulator.rough import Rough

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    emulator = Emulator(state)
    with serve(Rough(emulator, latency), ca_dir=state) as running:
        print(json.dumps(running.environment()), flush=True)
        running.serve_until_interrupted()
    ranges = [(r.path, r.headers["X-Ms-Range"]) for r in emulator.requests if "X-Ms-Range" in r.headers]
    (state / RANGES).write_text(json.dumps(ranges), encoding="utf-8")
    emulator.close()


def client(env: dict[str, str], what: str, path: Path) -> dict[str, Any]:
    """Runs one copy in another process; returns its seconds and memory."""
    os.sync()  # what the last copy has left to write is not to be charged to this one
    command = [sys.executable, __file__, "--client", what, str(path)]
    done = subprocess.run(command, env=os.environ | env, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def copy(what: str, path: Path) -> None:
    """Does one copy and prints its figures; what is imported is imported before the clock starts."""
    work = prepared(what, path)
    before, cpu, started = peak_mb(), time.process_time(), time.perf_counter()
    work()
    figures = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps({**figures, "start_mb": before, "peak_mb": peak_mb()}))


def prepared(what: str, path: Path) -> Any:
    from azure.ai.ml.entities import Model

    connection = connected()
    connection.ml.models  # noqa: B018  (imports what it needs)
    from phi_azure.azure import catalogue, models, storage

    if what == "upload-theirs":
        own = Model(name=MODEL, version="1", path=str(path), type="custom_model")
        return lambda: connection.ml.models.create_or_update(own)
    if what == "upload-ours":
        return lambda: catalogue.ensure_own(connection, path, catalogue.read_own(path), lambda *_: None)
    if what == "download-theirs":
        return lambda: connection.ml.models.download(
            "model", models.find(connection, "model", None).version, download_path=str(path)
        )
    return lambda: storage.download(connection, str(models.find(connection, "model", None).path), path)


def connected() -> Any:
    from phi_azure.azure.client import Connection
    from phi_azure.emulator.local import GROUP, SUBSCRIPTION, WORKSPACE, LocalCredential

    return Connection(SUBSCRIPTION, GROUP, WORKSPACE, LocalCredential())


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def cut_download(env: dict[str, str], target: Path, total: int, cuts: int) -> int:
    """Downloads in processes that are killed after random bytes, and once to the end; returns how many were killed."""
    os.environ.update(env)
    from phi_azure.azure import models, storage  # noqa: F401  (imported once, for all that are forked)

    chance, killed = random.Random(SEED), 0
    while True:
        after = chance.randrange(1, total // (cuts + 1)) if killed < cuts else None
        child = os.fork()
        if not child:
            download_until(target, after)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == 0:
            return killed
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            raise SystemExit("a download failed")
        killed += 1


def download_until(target: Path, after: int | None) -> None:
    """Downloads, and dies when this many bytes have come; never returns."""
    from phi_azure.azure.transfers.working import Meter

    came, count, lock = Meter.came, [0], threading.Lock()

    def counted(meter: Meter, fresh: int) -> None:
        came(meter, fresh)
        with lock:
            count[0] += fresh
        if after is not None and count[0] >= after:
            os.kill(os.getpid(), signal.SIGKILL)

    Meter.came = counted  # type: ignore[method-assign]
    try:
        prepared("download-ours", target)()
    except BaseException:  # noqa: BLE001  (a forked process must not go on as its parent)
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def same(source: Path, target: Path) -> bool:
    """Tells whether every file of the source is below the target, bit by bit, and nothing else."""
    wanted = {file.name: file for file in source.iterdir()}
    found = {file.name: file for file in target.rglob("*") if file.is_file()}
    return wanted.keys() == found.keys() and all(
        filecmp.cmp(file, found[name], shallow=False) for name, file in wanted.items()
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]), float(sys.argv[3]))
    elif sys.argv[1:2] == ["--client"]:
        copy(sys.argv[2], Path(sys.argv[3]))
    else:
        sys.exit(main())
