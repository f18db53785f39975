"""Faults by name: what goes wrong on purpose, on which requests, jobs or deployments, how often or for how long.

`Faults.add` queues one. The emulator asks about each request, runners about each new job, and the endpoints about each
new deployment, whether one is to happen. A fault of the network strikes before a request has taken effect, or after it,
with the answer lost: a client must bear both.
"""

from __future__ import annotations

import fnmatch
import math
import re
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from phi_azure.emulator import identity
from phi_azure.emulator.storage import StorageError
from phi_azure.emulator.wire import STORAGE, Route, WireError, answer, spell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from werkzeug.wrappers import Request, Response

    from phi_azure.emulator.clock import Clock
    from phi_azure.emulator.store import Past, Store

What = Literal["request", "job", "deployment"]
_METHODS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE")
_READS = frozenset({"GET", "HEAD"})
_PAUSE_MS = 1  # of the pause that a refused client is asked to make; without it azure-core waits seconds, for real


class Cut(ConnectionResetError):  # noqa: N818 (what happens to a connection, in one word)
    """The emulator breaks a connection off because a fault says so."""


@dataclass(frozen=True)
class Kind:
    """What a fault is."""

    says: str
    what: What = "request"
    operations: tuple[str, ...] = ()
    """The only ones on which it happens; none: all."""
    methods: tuple[str, ...] = _METHODS


FAULTS: dict[str, Kind] = {
    "throttled": Kind("429 TooManyRequests; storage says 503 ServerBusy. `seconds` is sent as Retry-After"),
    "unavailable": Kind("503 ServiceUnavailable. `seconds` is sent as Retry-After"),
    "never_arrived": Kind("the connection breaks before the request has taken effect"),
    "reset_sending": Kind("the connection breaks in the middle of the request's body; nothing has taken effect"),
    "answer_lost": Kind("the request takes effect, and the connection breaks before the answer"),
    "reset": Kind("the request takes effect, and the connection breaks in the middle of the answer's body"),
    "slow": Kind("the answer takes `seconds` of the emulator's clock, or `real_seconds` of the machine's"),
    "token_expired": Kind("401 with a challenge; 403 for a storage signature"),
    "quota_exceeded": Kind(
        "refused for want of quota", operations=("computes.put_compute", "endpoints.put_deployment")
    ),
    "storage_forbids_keys": Kind("403 KeyBasedAuthenticationNotPermitted", operations=("storage",)),
    "name_taken": Kind(
        "409: the endpoint's name is another's", operations=("endpoints.put_endpoint", "serverless.put_endpoint")
    ),
    "stale_read": Kind(
        "reads after the write that `on` names do not see it yet: `times` of them, or `for_seconds`",
        methods=("PUT", "POST", "PATCH", "DELETE"),
    ),
    "preempted_node": Kind("a node of the fine-tuning step is lost: the step waits and begins again", "job"),
    "not_responding": Kind("the job ends as NotResponding, halfway through", "job"),
    "image_build_failed": Kind("the image of the first step cannot be built", "job"),
    "deployment_unhealthy": Kind(
        "the container starts and never becomes healthy: Failed after 310 s by the emulator's clock", "deployment"
    ),
    "deployment_stuck": Kind(
        "the deployment stays in Creating or Updating, for six hours by the emulator's clock", "deployment"
    ),
    "deployment_without_quota": Kind(
        "no machine is to be had: Failed after 60 s by the emulator's clock", "deployment"
    ),
    "deployment_image_failed": Kind("the image cannot be built or pulled: Failed at once", "deployment"),
    "deployment_role_missing": Kind(
        "the endpoint's identity may not read the model's files: Failed after 30 s by the emulator's clock",
        "deployment",
    ),
    "deployment_out_of_memory": Kind(
        "the container is killed for its memory: Failed after 120 s by the emulator's clock", "deployment"
    ),
}


@dataclass(frozen=True)
class Target:
    """The requests that a fault is for: by method, operation, and a part of the address."""

    text: str
    method: str = ""
    operation: str = ""
    part: str = ""

    def allows(self, route: Route) -> bool:
        """Tells whether a request on this route may be meant."""
        return self.method in {"", route.method} and _is_of(operation_of(route), self.operation)

    def fits(self, request: Request, route: Route) -> bool:
        """Tells whether this very request is meant."""
        address = f"{request.host}{spell(request.path)}?{request.query_string.decode('latin-1')}"
        return self.allows(route) and self.part.lower() in address.lower()


@dataclass
class Fault:
    """A fault that was queued, and how often it has happened."""

    name: str
    on: str
    target: Target
    times: int | None
    for_seconds: float | None
    skip: int
    seconds: float
    real_seconds: float
    share: float
    ends: float
    met: int = 0
    past: Past | None = None
    written: str = ""

    @property
    def kind(self) -> Kind:
        """What it is."""
        return FAULTS[self.name]

    def is_over(self, now: float) -> bool:
        """Tells whether it happens no more."""
        return now >= self.ends or (self.times is not None and self.met >= self.times)

    def is_unmet(self) -> bool:
        """Tells whether it has happened less often than it was queued for."""
        return self.met < (self.times or 1) if self.for_seconds is None else self.met == 0

    def __str__(self) -> str:
        """Says what it is, where, and how often it happened."""
        counted = f"{self.met} of {self.times} times" if self.times else f"{self.met} times"
        return f"{self.name} on {self.on!r} (met {counted})"


class Faults:
    """The faults that are queued, the first of which happens first; any thread may ask."""

    def __init__(self, routes: Sequence[Route], clock: Clock, region: str) -> None:
        self._routes = routes
        self._clock = clock
        self._region = region
        self._queue: list[Fault] = []
        self._lock = threading.Lock()

    def add(
        self,
        name: str,
        on: str = "",
        *,
        times: int | None = None,
        for_seconds: float | None = None,
        skip: int = 0,
        seconds: float = 0.0,
        real_seconds: float = 0.0,
        share: float = 0.5,
    ) -> Fault:
        """Queues a fault.

        Args:
            name: one of `FAULTS`.
            on: for a request a method, an operation, a part of the address, or several of them: "PUT /jobs/",
                "jobs.get_job", "GET storage /MLmodel", "storage comp=block&"; nothing takes every request on which the
                fault makes sense. For a job its name, for a deployment "endpoint/deployment", each with * for any.
            times: how often it happens: once, unless `for_seconds` is given.
            for_seconds: how long it happens, by the emulator's clock, from now on; for stale_read, from the write on.
            skip: how many fitting requests, jobs or deployments it leaves unharmed first.
            seconds: the pause that throttled and unavailable ask for, in whole seconds: azure-core obeys, in real time.
                Without it they ask for a millisecond. For slow, how long the answer takes by the emulator's clock.
            real_seconds: for slow, how long the answer takes by the machine's clock.
            share: how much of a body has passed when a reset cuts it.

        Raises:
            ValueError: there is no such fault, no such operation, or the fault cannot happen there.
        """
        kind = FAULTS.get(name)
        if kind is None:
            known = "\n".join(f"  {each}: {FAULTS[each].says}" for each in FAULTS)
            raise ValueError(f"there is no fault {name!r}; there are:\n{known}")
        _refuse_numbers(name, times=times, skip=skip, share=share)
        for word, given in {"for_seconds": for_seconds, "seconds": seconds, "real_seconds": real_seconds}.items():
            _refuse_seconds(name, word, given)
        if kind.what != "request" and not _MAY_BE_A[kind.what].fullmatch(on):
            raise ValueError(f"{name} happens to a {kind.what}; {on!r} is no name of one: {_NAMED[kind.what]}")
        target = self._target(name, kind, on) if kind.what == "request" else Target(on)
        timed = math.inf if for_seconds is None or name == "stale_read" else self._clock.now() + for_seconds
        counted = times if times or for_seconds is not None else 1
        fault = Fault(name, on or "*", target, counted, for_seconds, skip, seconds, real_seconds, share, timed)
        with self._lock:
            self._queue.append(fault)
        return fault

    def clear(self) -> None:
        """Takes back every fault; none of them counts as unmet."""
        with self._lock:
            self._queue.clear()

    @property
    def queued(self) -> list[Fault]:
        """Every fault that was added, those that are over too."""
        return list(self._queue)

    def unmet(self) -> list[str]:
        """Returns the faults that have not happened as often as they were queued for, in words."""
        return [str(fault) for fault in self._queue if fault.is_unmet()]

    # What the emulator asks

    def take(self, what: What, name: str) -> list[str]:
        """Returns the names of the faults that a new job or deployment shall have; each counts as met once."""
        with self._lock:
            fitting = [one for one in self._queue if one.kind.what == what and _fits_name(name, one.on)]
            return [one.name for one in fitting if self._strikes(one)]

    def meet(self, request: Request, route: Route) -> Fault | None:
        """Returns the fault that happens to a request, and counts it."""
        with self._lock:
            for fault in self._queue:
                if fault.kind.what != "request" or not _concerns(fault, request, route):
                    continue
                if fault.name == "stale_read" and fault.past is None:
                    if self._is_due(fault):
                        return fault  # the write itself: the reads after it are what counts
                elif self._strikes(fault):
                    return fault
        return None

    def _strikes(self, fault: Fault) -> bool:
        if not self._is_due(fault):
            return False
        fault.met += 1
        return True

    def _is_due(self, fault: Fault) -> bool:
        if fault.is_over(self._clock.now()):
            return False
        if fault.skip:
            fault.skip -= 1
            return False
        return True

    def answer(
        self, fault: Fault, request: Request, store: Store, take_effect: Callable[[Request], Response]
    ) -> Response:
        """Answers a request as a fault says; `take_effect` answers it otherwise.

        Raises:
            Cut: the connection is to be reset without an answer.
        """
        if fault.name == "stale_read":
            with self._past(fault, request, store):
                return take_effect(request)
        refused = self._refusal(fault, request)
        if refused is not None:
            return refused
        self._before(fault, request)
        response = take_effect(request)
        if fault.name == "answer_lost":
            raise Cut("the answer is lost")
        if fault.name == "reset":
            _cut_short(response, request, fault.share)
        return response

    def _before(self, fault: Fault, request: Request) -> None:
        if fault.name == "slow":
            self._clock.sleep(fault.seconds)
            time.sleep(fault.real_seconds)
        if fault.name == "reset_sending":
            request.stream.read(int((request.content_length or 0) * fault.share))
        if fault.name in {"never_arrived", "reset_sending"}:
            raise Cut("the request is lost")

    def _past(self, fault: Fault, request: Request, store: Store) -> AbstractContextManager[None]:
        """Remembers how things stood before a write, or has a read see that."""
        if fault.past is not None:
            return store.seeing(fault.past)
        fault.past = store.copied()
        fault.written = _resource(request)
        if fault.for_seconds is not None:
            fault.ends = self._clock.now() + fault.for_seconds
        return nullcontext()

    def _refusal(self, fault: Fault, request: Request) -> Response | None:
        """Returns the answer of a fault that lets nothing take effect, in the form of the service that was asked."""
        refuse = _REFUSALS.get(fault.name)
        if refuse is None:
            return None
        status, code, message, headers = refuse(request)
        if _is_storage(request):
            response = StorageError(status, code, message).response(head=request.method == "HEAD")
        else:
            response = answer(WireError(status, code, message).body(self._region, self._clock.now()), status)
        response.headers.update(headers | (_pause(fault.seconds) if code in _PAUSING else {}))
        return response

    # Where

    def _target(self, name: str, kind: Kind, on: str) -> Target:
        target = _read(on)
        fitting = [route for route in self._routes if target.allows(route)]
        if target.part and not target.operation:
            fitting = [route for route in fitting if _has_word(route, target.part)]
        if not fitting:
            raise ValueError(f"the emulator answers no request {on!r}; {_GRAMMAR}\n{_list(self._routes)}")
        sensible = [route for route in self._routes if _makes_sense(kind, route)]
        if not any(route in sensible for route in fitting):
            raise ValueError(f"{name} cannot happen on {on!r}, only on:\n{_list(sensible)}")
        return target


def _refuse_numbers(name: str, *, times: int | None, skip: int, share: float) -> None:
    if times is not None and (not isinstance(times, int) or times < 1):
        raise ValueError(f"{name}: times must be a whole number of at least 1, not {times!r}")
    if not isinstance(skip, int) or skip < 0:
        raise ValueError(f"{name}: skip must be a whole number of at least 0, not {skip!r}")
    if not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise ValueError(f"{name}: share must be between 0 and 1, not {share!r}")


def _refuse_seconds(name: str, word: str, given: float | None) -> None:
    if given is not None and (not isinstance(given, (int, float)) or given < 0):
        raise ValueError(f"{name}: {word} must be a number of seconds of at least 0, not {given!r}")


_NAMED = {"job": "write its name, or * for any", "deployment": "write endpoint/deployment, each with * for any"}
_MAY_BE_A = {"job": re.compile(r"[^\s/]*"), "deployment": re.compile(r"[^\s/]*(?:/[^\s/]*)?")}
_GRAMMAR = (
    "write a method, an operation, a part of the path, or several of them, as in 'PUT /jobs/', 'jobs.get_job' or "
    "'GET storage'. Operations:"
)


def operation_of(route: Route) -> str:
    """Returns the name of what a route does: jobs.put_job."""
    return f"{route.answer.__module__.rpartition('.')[2]}.{route.answer.__name__}"


def _is_of(operation: str, asked: str) -> bool:
    return asked in {"", operation, operation.partition(".")[0]}


def _makes_sense(kind: Kind, route: Route) -> bool:
    named = not kind.operations or any(_is_of(operation_of(route), one) for one in kind.operations)
    return named and route.method in kind.methods


def _read(on: str) -> Target:
    found: dict[str, str] = {}
    for word in on.split():
        form = "method" if word in _METHODS else "part" if any(sign in word for sign in "/=?") else "operation"
        if form in found:
            raise ValueError(f"{on!r} has two words for the {form}, {found[form]!r} and {word!r}")
        found[form] = word
    return Target(on, **found)


def _has_word(route: Route, part: str) -> bool:
    """Tells whether a part of a path has a word that the route is written with: a name alone could be anything's."""
    path, _, query = part.partition("?")
    words = {word.lower() for word in path.split("/") if word}
    return bool(words & {word.lower() for word in f"{route.host}{route.path}".split("/")}) or (
        not words and bool(query)
    )


def _list(routes: Iterable[Route]) -> str:
    known: dict[str, set[str]] = {}
    for route in routes:
        module, _, name = operation_of(route).partition(".")
        known.setdefault(module, set()).add(name)
    return "\n".join(
        f"  {module}: {', '.join(f'{module}.{name}' for name in sorted(known[module]))}" for module in known
    )


def _concerns(fault: Fault, request: Request, route: Route) -> bool:
    if fault.past is not None:
        return request.method in _READS and _reads(request.path, fault.written)
    return _makes_sense(fault.kind, route) and fault.target.fits(request, route)


def _fits_name(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name.lower(), pattern.lower())


# What is answered instead


def _pause(seconds: float) -> dict[str, str]:
    """Returns the headers that tell a client when to come back; Retry-After is obeyed before those in milliseconds."""
    if seconds:
        return {"Retry-After": str(math.ceil(seconds))}
    return {"retry-after-ms": str(_PAUSE_MS), "x-ms-retry-after-ms": str(_PAUSE_MS)}


Refused = tuple[int, str, str, dict[str, str]]
_PAUSING = frozenset({"TooManyRequests", "ServerBusy", "ServiceUnavailable"})


def _throttled(request: Request) -> Refused:
    if _is_storage(request):
        return 503, "ServerBusy", "The server is busy. Ingress is over the account limit.", {}
    return 429, "TooManyRequests", "The request is being throttled. Try again later.", {}


def _unavailable(request: Request) -> Refused:
    if _is_storage(request):
        return 503, "ServerBusy", "The server is currently unable to receive requests. Please retry your request.", {}
    return 503, "ServiceUnavailable", "The service is temporarily unavailable. Please retry your request.", {}


def _token_expired(request: Request) -> Refused:
    if request.args.get("sig"):
        message = "Server failed to authenticate the request. Signature not valid in the specified time frame."
        return 403, "AuthenticationFailed", message, {}
    message = "The access token expiry UTC time is earlier than current UTC time."
    authority = f"https://login.microsoftonline.com/{identity.TENANT}"
    if _is_storage(request):
        challenge = f"Bearer authorization_uri={authority}/oauth2/authorize resource_id=https://storage.azure.com"
        return 401, "InvalidAuthenticationInfo", message, {"WWW-Authenticate": challenge}
    challenge = f'Bearer authorization_uri="{authority}", error="invalid_token", error_description="{message}"'
    return 401, "ExpiredAuthenticationToken", message, {"WWW-Authenticate": challenge}


def _quota_exceeded(request: Request) -> Refused:
    if "/computes/" in request.path:
        message = "Operation results in exceeding quota limits of the family's cores. Maximum allowed: 0."
        return 400, "ClusterCoreQuotaReached", message, {}
    return 400, "OutOfQuota", "Not enough quota available for the instance type. Current usage/limit: 0/0.", {}


def _keys_forbidden(_: Request) -> Refused:
    message = "Key based authentication is not permitted on this storage account."
    return 403, "KeyBasedAuthenticationNotPermitted", message, {}


def _name_taken(request: Request) -> Refused:
    name = request.path.rpartition("/")[2]
    return 409, "UserError", f"The endpoint name {name} is taken; names are unique per region.", {}


_REFUSALS: dict[str, Callable[[Request], Refused]] = {
    "throttled": _throttled,
    "unavailable": _unavailable,
    "token_expired": _token_expired,
    "quota_exceeded": _quota_exceeded,
    "storage_forbids_keys": _keys_forbidden,
    "name_taken": _name_taken,
}


def _is_storage(request: Request) -> bool:
    return request.host.partition(":")[0].endswith(STORAGE.partition(">")[2])


# What is cut


def _cut_short(response: Response, request: Request, share: float) -> None:
    """Has the body of an answer break off; an answer without a body breaks off before it begins."""
    if response.is_sequence:
        response.content_length = response.calculate_content_length() or 0
    length = response.content_length
    if request.method == "HEAD" or response.status_code in {204, 304} or length == 0:
        raise Cut("the answer is lost")
    response.response = _until(response.response, None if length is None else max(1, int(length * share)))
    response.direct_passthrough = True


def _until(body: Iterable[bytes | str], length: int | None) -> Iterator[bytes]:
    """Yields the first bytes of a body, or its first piece where nobody knows how long it is, and breaks off."""
    try:
        for piece in body:
            data = piece.encode() if isinstance(piece, str) else piece
            if length is None or len(data) >= length:
                yield data[:length]
                break
            length -= len(data)
            yield data
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()
    raise Cut("the connection is reset in the middle of the answer")


# What a read does not see


def _resource(request: Request) -> str:
    """Returns the path of what a request writes: an action's is that of its resource."""
    path = spell(request.path).rstrip("/")
    return (path.rpartition("/")[0] if request.method == "POST" else path).lower()


def _reads(path: str, written: str) -> bool:
    """Tells whether a read would show what was written: the resource, the list of it, or another view of its name."""
    read = spell(path).rstrip("/").lower()
    return written.startswith(f"{read}/") or written.rpartition("/")[2] in read.split("/")
