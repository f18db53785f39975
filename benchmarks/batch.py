"""Measures a batch on a local endpoint with failures thrown in, beside a plain loop and beside the `openai` client.

python benchmarks/batch.py [--prompts 2000] [--share 0.05] [--concurrency 8 32] [--loop 500]

phi-tiny answers, as a base model on a managed endpoint of `Workspace.local`. In front of the emulator stands a fault
that meets a share of all questions, by a seed: 429 with Retry-After, 503, or a connection that is cut.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi_azure import Workspace
from phi_azure.emulator.network import mount
from phi_azure.engine.headlines import SYSTEM_PROMPT, write_dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import requests

    from phi_azure import Endpoint

RETRY_AFTER_S = 1


class Faults:
    """Meets a share of the questions before the emulator sees them, and counts what passes and what does not."""

    def __init__(self, share: float, seed: int = 5) -> None:
        self.share = share
        self.passed = 0
        self.met = {"429": 0, "503": 0, "reset": 0}
        self._lots = random.Random(seed)
        self._lock = threading.Lock()

    def belongs(self, request: requests.PreparedRequest) -> bool:
        """Draws the lot of a question; those that go on are the emulator's."""
        if request.method != "POST" or ".inference.ml.azure.com/" not in str(request.url):
            return False
        with self._lock:
            unlucky = self._lots.random() < self.share
            self.passed += not unlucky
        return unlucky

    def __call__(self, _: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers with one of the three faults."""
        with self._lock:
            kind = self._lots.choice(list(self.met))
            self.met[kind] += 1
        if kind == "reset":
            raise ConnectionResetError("cut by the benchmark")
        headers = [("Retry-After", str(RETRY_AFTER_S))] if kind == "429" else []
        start_response({"429": "429 Too Many Requests", "503": "503 Service Unavailable"}[kind], headers)
        return [b"{}"]


def prompts(count: int, folder: Path) -> list[str]:
    """Returns headlines, each once."""
    write_dataset(folder, train=count, validation=1, test=1)
    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    return [f"{number}: {row['messages'][-2]['content']}" for number, row in enumerate(rows[:count])]


def by_loop(endpoint: Endpoint, asked: list[str]) -> Iterator[str]:
    """One after another, with the patience of `chat`."""
    return (endpoint.chat(text, system=SYSTEM_PROMPT) for text in asked)


def by_openai(endpoint: Endpoint, asked: list[str], concurrency: int) -> Iterator[str]:
    """By a pool of threads around the `openai` client as it comes; what finds no answer is an empty text."""
    import openai

    client = endpoint.openai()

    def ask(text: str) -> str:
        messages: list[Any] = [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": text}]
        try:
            answer = client.chat.completions.create(model="azureai", messages=messages, temperature=0, max_tokens=256)
        except openai.OpenAIError:
            return ""
        return answer.choices[0].message.content or ""

    with ThreadPoolExecutor(concurrency) as pool:
        return iter(list(pool.map(ask, asked)))


def by_batch(endpoint: Endpoint, asked: list[str], concurrency: int, out: Path) -> Iterator[str]:
    """By `endpoint.batch`; the file is held to what is returned."""
    answers = endpoint.batch(asked, out=out, concurrency=concurrency, system=SYSTEM_PROMPT)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    in_order = [row["index"] for row in rows] == list(range(len(asked)))
    if not in_order or [row["answer"] for row in rows] != [answered.answer for answered in answers]:
        raise SystemExit("the file is not in order, or not what was returned")
    return iter([answered.answer or "" for answered in answers])


def measure(name: str, faults: Faults, ask: Callable[[], Iterator[str]], expected: list[str] | None) -> list[str]:
    """Prints a row: answers, seconds, answers a second, questions that reached the model, faults met."""
    faults.passed, faults.met = 0, dict.fromkeys(faults.met, 0)
    began = time.perf_counter()
    got = list(ask())
    took = time.perf_counter() - began
    same = "" if expected is None else f"{sum(a == b for a, b in zip(got, expected, strict=True)):7,} same"
    answered = sum(bool(text) for text in got)
    met = ", ".join(f"{count} {kind}" for kind, count in faults.met.items())
    print(
        f"{name:28}{answered:7,} answered{took:9.1f} s{answered / took:8.1f}/s{faults.passed:7,} asked  {met}{same}",
        flush=True,
    )
    return got


def main() -> None:
    """Prints a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=2000)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--loop", type=int, default=500, help="Questions of the plain loop, which takes its time.")
    given = parser.parse_args()
    faults = Faults(given.share)
    with tempfile.TemporaryDirectory() as scratch, mount(faults, faults.belongs):
        folder = Path(scratch)
        asked = prompts(given.prompts, folder)
        with Workspace.local(folder / "local") as workspace:
            endpoint = workspace.deploy_base(name="bench")
            try:
                compare(endpoint, faults, asked, given.concurrency, folder)
                measure("a plain loop", faults, partial(by_loop, endpoint, asked[: given.loop]), None)
            finally:
                endpoint.delete()


def compare(endpoint: Endpoint, faults: Faults, asked: list[str], concurrencies: list[int], folder: Path) -> None:
    """Asks the same questions in each way."""
    endpoint.chat("Warm up.")
    expected = None
    for number in concurrencies:
        ask = partial(by_batch, endpoint, asked, number, folder / f"answers-{number}.jsonl")
        expected = measure(f"batch, {number} at once", faults, ask, expected)
        ask = partial(by_openai, endpoint, asked, number)
        measure(f"openai, {number} at once", faults, ask, expected)


if __name__ == "__main__":
    main()
