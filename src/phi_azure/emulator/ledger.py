"""The bill: what costs money by the hour, from when to when, kept apart from the resources that it is for.

Machines of deployments and of clusters, and tuned models on serverless endpoints. Tokens are not billed here. A
deployment is billed from the request that makes it, whether it comes up or not, until it is gone: its machines are
there all that time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phi_azure.emulator import references, runs
from phi_azure.emulator.wire import Scope
from phi_azure.emulator.workspaces import vm_sizes

if TYPE_CHECKING:
    from phi_azure.emulator.app import Emulator
    from phi_azure.emulator.store import Document, Store
    from phi_azure.emulator.wire import Call

SERVERLESS_HOSTING = 0.80  # USD an hour for a tuned Phi, said in a talk of 2024; no page confirms it
_BILL, _OPEN = "bill", "open bill"


@dataclass(frozen=True)
class Entry:
    """One stretch of time in which one resource cost the same by the hour."""

    resource: str
    """subscription/group/workspace/, then endpoint/deployment, endpoint, or cluster/job/step; in small letters."""
    kind: str
    """deployment, serverless, cluster, or job where the machines are the service's own."""
    what: str
    """The machine's size, or the model's hosting."""
    count: int
    since: float
    until: float | None
    usd_per_hour: float | None
    """Of all machines together; None where no price is known."""

    def cost(self, now: float) -> float:
        """Returns the US dollars up to a moment."""
        end = now if self.until is None else min(self.until, now)
        return max(0.0, end - self.since) / 3600 * (self.usd_per_hour or 0.0)


def deployment(call: Call, key: str, size: str, count: int) -> None:
    """Begins to bill a deployment; where its machines have changed, the bill goes on with the new ones."""
    _charge(call, key, "deployment", size, count, _rate(size, count))


def serverless(call: Call, key: str, model: str) -> None:
    """Begins to bill the hosting of a tuned model; a base model on a serverless endpoint is paid by the token alone."""
    if references.registry_entry(model) is None:
        _charge(call, key, "serverless", "hosting of a tuned model", 1, SERVERLESS_HOSTING)


def cluster(call: Call, key: str, size: str, least: int) -> None:
    """Begins to bill the machines that a cluster never gives back; those of its jobs come on top."""
    _charge(call, key, "cluster", size, least, _rate(size, least))


def end(call: Call, key: str) -> None:
    """Ends the bill of a resource that is gone; one that was never billed stays out of it."""
    store = call.emulator.store
    with store.transaction():
        opened = store.get(_OPEN, key)
        if opened:
            store.change(_BILL, opened["name"], lambda bill: bill.update(until=call.now))
            store.delete(_OPEN, key)


def entries(emulator: Emulator) -> list[Entry]:
    """Returns every stretch that was or is billed, oldest first."""
    kept = [Entry(**bill) for bill in emulator.store.find(_BILL)]
    return sorted([*kept, *_trained(emulator.store)], key=lambda entry: (entry.since, entry.resource))


def _charge(call: Call, key: str, kind: str, what: str, count: int, rate: float | None) -> None:
    store, key = call.emulator.store, key.lower()
    with store.transaction():
        opened = store.get(_OPEN, key)
        before = store.get(_BILL, opened["name"]) if opened else None
        if before and (before["what"], before["count"]) == (what, count):
            return
        end(call, key)
        name = f"{key}#{len(store.find(_BILL, key + '#'))}"
        entry = Entry(key, kind, what, count, call.now, None, rate)
        store.put(_BILL, name, dict(vars(entry)))
        store.put(_OPEN, key, {"name": name})


def _trained(store: Store) -> list[Entry]:
    """Returns the machines of jobs: there while a step runs, as its run says."""
    used = [pair for job in store.find("job") for pair in machines(store, job)]
    return [_of_run(run, on) for run, on in used if run["started"] is not None]


def machines(store: Store, job: Document) -> list[tuple[Document, Document]]:
    """Returns the runs of a job that have machines of their own, each with its cluster, size and count."""
    prefix = Scope(*job["scope"]).key
    own, *children = runs.of_job(store, prefix, job["name"])
    if job["plan"].get("machines"):
        return [(own, job["plan"]["machines"])]
    steps = {run["step"]: run for run in children if run["step"]}
    return [(steps[step["name"]], step["machines"]) for step in job["plan"]["steps"] if step.get("machines")]


def _of_run(run: Document, on: Document) -> Entry:
    place = on["cluster"] or "machines of the service"
    resource = f"{run['prefix']}{place}/{run['root']}/{run['step'] or 'job'}".lower()
    rate = _rate(on["size"], on["count"])
    return Entry(
        resource, "cluster" if on["cluster"] else "job", on["size"], on["count"], run["started"], run["ended"], rate
    )


def _rate(size: str, count: int) -> float | None:
    price = vm_sizes().get(size.lower(), {}).get("usd_per_hour")
    return None if price is None else price * count
