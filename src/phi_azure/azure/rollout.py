"""Managed online endpoints: a deployment beside the one that is live, asked before it gets traffic, and the way back.

A deployment is called blue or green. The traffic before the last change is kept as a tag of the endpoint, so that going
back is one request. Whatever was interrupted is taken up again by the same call.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from phi_azure import leash
from phi_azure.asking.answers import Question
from phi_azure.asking.pace import Pace
from phi_azure.azure import autoscale, endpoints, verdicts
from phi_azure.azure.client import MANAGEMENT
from phi_azure.azure.endpoints import NAMES, refuse_others, taken_back, there_already, waited_for
from phi_azure.azure.failures import translated
from phi_azure.causes import serving_remedy
from phi_azure.errors import AzureError, ConfigError, ConflictError, NotFoundError, PhiAzureError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phi_azure.azure.client import Connection
    from phi_azure.azure.endpoints import Deployable, Found, Say

BEFORE_TAG = "phi_azure.traffic_before"
_API = "2023-04-01-preview"
_REQUEST_MS = 90_000
_LOOK_S = 10.0
_LOG_LINES = 20
_TELL_S, _STILL_S = 15.0, 60.0  # between two looks at a container's log; between two words that say nothing new
_HEALTH = Question([{"role": "user", "content": "Contoso recovers from a ransomware attack."}], max_tokens=16)


@dataclass(frozen=True)
class Deployment:
    """One deployment behind a managed endpoint."""

    name: str
    model: str
    size: str
    instances: int
    status: str
    """Azure's word: Creating, Updating, Succeeded, Failed, Deleting."""
    traffic: int
    """Percent of the questions."""
    mirrored: int
    """Percent of the questions that it is asked too, without anybody seeing its answers."""
    gate: str = ""
    """What its gate says: `waiting`, `passed`, `refused`; empty where it has none."""


def deploy(connection: Connection, name: str, what: Deployable, traffic: int, say: Say) -> Found:
    """Makes a deployment, and the endpoint if there is none; asks it; then sends it its share. Paid by the hour.

    Raises:
        ConflictError: the endpoint is not ours or not managed, or has two other deployments already.
        AzureError: the deployment did not come up or does not answer; the message holds Azure's reason and the end of
            the container's log. What this call made is deleted.
    """
    there = there_already(connection, name)
    if there is None:
        with taken_back(connection, name, "managed", say):
            _make_endpoint(connection, name, what, say)
            _bring_up(connection, name, NAMES[0], what, say)
            _hand_over(connection, name, NAMES[0], 100, say)
        return endpoints.find(connection, name)
    refuse_others(there, "managed", "", what)
    if str(there.raw.auth_mode).lower() != what.auth:
        raise ConflictError(
            f"endpoint {name} is asked with {there.raw.auth_mode}, not with {what.auth}.",
            remedy="Leave --auth as the endpoint has it, or take another name.",
        )
    _wait_for(connection, _url(connection, name), f"endpoint {name}", say)
    _extend(connection, name, what)
    chosen = _choose(deployments(connection, name), what, name)
    _bring_up(connection, name, chosen, what, say)
    _hand_over(connection, name, chosen, traffic, say)
    return endpoints.find(connection, name)


def deployments(connection: Connection, name: str) -> list[Deployment]:
    """Returns what stands behind a managed endpoint. Raises NotFoundError."""
    with translated():
        endpoint = connection.get(_url(connection, name), {"api-version": _API})
        found = connection.get(f"{_url(connection, name)}/deployments", {"api-version": _API})["value"]
    return [_read(one, endpoint) for one in found]


def shift(connection: Connection, name: str, traffic: Mapping[str, int], say: Say) -> None:
    """Sets how many percent of the questions each deployment gets, and remembers what it was."""
    with waited_for(connection, f"the traffic of {name}"):
        endpoint = connection.ml.online_endpoints.get(name)
        before, after = ({one: s for one, s in given.items() if s} for given in (endpoint.traffic or {}, traffic))
        if before == after:
            return
        endpoint.traffic = after
        endpoint.mirror_traffic = {one: s for one, s in (endpoint.mirror_traffic or {}).items() if one not in after}
        endpoint.tags = {**(endpoint.tags or {}), BEFORE_TAG: json.dumps(before)}
        connection.ml.online_endpoints.begin_create_or_update(endpoint).result()
    say("traffic", ", ".join(f"{one} {share} %" for one, share in after.items()) or "none")


def mirror(connection: Connection, name: str, shares: Mapping[str, int], say: Say) -> None:
    """Lets a deployment be asked a share of the questions too, without anybody seeing its answers."""
    with waited_for(connection, f"the traffic of {name}"):
        endpoint = connection.ml.online_endpoints.get(name)
        endpoint.mirror_traffic = {one: share for one, share in shares.items() if share}
        connection.ml.online_endpoints.begin_create_or_update(endpoint).result()
    say("traffic", ", ".join(f"{one} mirrors {share} %" for one, share in shares.items()))


def before(connection: Connection, name: str) -> dict[str, int]:
    """Returns the traffic before the last change. Raises ConflictError where nothing is known of it."""
    with translated():
        tags = connection.get(_url(connection, name), {"api-version": _API}).get("tags") or {}
    found = json.loads(tags.get(BEFORE_TAG, "{}"))
    if not found:
        raise ConflictError(f"{name} has had no other traffic before this; there is nothing to go back to.")
    return {str(one): int(share) for one, share in found.items()}


def retire(connection: Connection, name: str, say: Say) -> list[str]:
    """Deletes the deployments that get no traffic; returns their names."""
    idle = [one.name for one in deployments(connection, name) if not one.traffic and not one.mirrored]
    for one in idle:
        say("deployment", f"deleting {one}: it has no traffic")
        _delete(connection, name, one)
    return idle


def _make_endpoint(connection: Connection, name: str, what: Deployable, say: Say) -> None:
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    say("endpoint", f"making {name}, managed")
    with waited_for(connection, f"endpoint {name}"):
        endpoint = ManagedOnlineEndpoint(name=name, auth_mode=what.auth, tags=_endpoint_tags(what))
        connection.ml.online_endpoints.begin_create_or_update(endpoint).result()


def _endpoint_tags(what: Deployable) -> dict[str, str]:
    return {**what.tags, **({autoscale.TAG: "1"} if what.most else {})}


def _extend(connection: Connection, name: str, what: Deployable) -> None:
    """Lets an endpoint stay as long as its newest deployment is meant to."""
    with waited_for(connection, f"endpoint {name}"):
        endpoint = connection.ml.online_endpoints.get(name)
        tags = _endpoint_tags(what)
        wanted = {tag: tags[tag] for tag in (leash.EXPIRES_TAG, leash.PURPOSE_TAG, autoscale.TAG) if tag in tags}
        if wanted.items() <= (endpoint.tags or {}).items():
            return
        endpoint.tags = {**(endpoint.tags or {}), **wanted}
        connection.ml.online_endpoints.begin_create_or_update(endpoint).result()


def _choose(found: list[Deployment], what: Deployable, endpoint: str) -> str:
    """Returns the name under which a model goes up: its own where it is there already, else the one that is free."""
    for one in found:
        if _same_model(one.model, what.model_id) and one.size.lower() == what.size.lower():
            return one.name
    taken = {one.name for one in found if one.status != "Failed"}
    free = [name for name in NAMES if name not in taken]
    if not free:
        raise ConflictError(
            f"{endpoint} has two deployments already: {', '.join(sorted(taken))}.",
            remedy=f"`phi-azure traffic {endpoint} --retire` deletes those without traffic.",
        )
    return free[0]


def _same_model(one: str, other: str) -> bool:
    tails = {
        "/".join(name.lower().replace("azureml://registries", "/registries").split("/")[-6:]) for name in (one, other)
    }
    return len(tails) == 1


def _bring_up(connection: Connection, endpoint: str, name: str, what: Deployable, say: Say) -> None:
    """Makes a deployment or goes on with one that is there, until it has answered a question."""
    there = {one.name: one for one in deployments(connection, endpoint)}.get(name)
    began = connection.clock.now()
    with _explained(connection, endpoint, name, say):
        if there is not None and there.status == "Failed":
            _delete(connection, endpoint, name)
            there = None
        if there is None:
            say("deployment", f"starting {name}: {what.instances} x {what.size}; minutes in Azure")
            with waited_for(connection, f"deployment {name} of {endpoint}"):
                made = connection.ml.online_deployments.begin_create_or_update(deployment(endpoint, name, what))
                _narrate(connection, made, endpoint, name, say)
                made.result()
        else:
            say("deployment", f"{name} is there ({there.status}); going on with it")
            _wait_for(connection, f"{_url(connection, endpoint)}/deployments/{name}", f"deployment {name}", say)
        say("deployment", f"{name} is up after {(connection.clock.now() - began) / 60:.0f} min")
        _ask(connection, endpoint, name, say)
        if what.most:
            autoscale.put(connection, endpoint, name, what.instances, what.most)
            say("deployment", f"{name} has {what.instances} to {what.most} machines, as its GPUs are busy")


def _narrate(connection: Connection, made: Any, endpoint: str, name: str, say: Say) -> None:
    """Says what the container writes, while Azure's poller waits; each line once, and each minute that it goes on."""
    began, told = connection.clock.now(), connection.clock.now()
    last = ""
    made.wait(_TELL_S)
    while not made.done():
        line = _log(connection, endpoint, name).rpartition("\n")[2].strip()
        if line and line != last:
            say("container", line)
        elif connection.clock.now() - told >= _STILL_S:
            say("deployment", f"{name} is coming up, {(connection.clock.now() - began) / 60:.0f} min so far")
        else:
            made.wait(_TELL_S)
            continue
        last, told = line or last, connection.clock.now()
        made.wait(_TELL_S)


def deployment(endpoint: str, name: str, what: Deployable) -> Any:
    """Builds the deployment: 90 s for an answer, and ten minutes for a model to load before it counts as dead."""
    from azure.ai.ml.entities import ManagedOnlineDeployment, OnlineRequestSettings, ProbeSettings

    return ManagedOnlineDeployment(
        name=name,
        endpoint_name=endpoint,
        model=what.model_id,
        instance_type=what.size,
        instance_count=what.instances,
        tags=what.tags,
        request_settings=OnlineRequestSettings(request_timeout_ms=_REQUEST_MS),
        liveness_probe=ProbeSettings(initial_delay=600, period=30, timeout=10, failure_threshold=10),
        readiness_probe=ProbeSettings(initial_delay=10, period=10, timeout=10, failure_threshold=30),
    )


def _ask(connection: Connection, endpoint: str, name: str, say: Say) -> None:
    """Asks a deployment a question before it gets any traffic. Raises what a user would have met."""
    from phi_azure.azure.asker import Asker

    uri = endpoints.find(connection, endpoint).scoring_uri
    asker = Asker(connection, endpoint, "managed", uri)
    answer = Pace(connection.clock).ask(lambda: asker.ask(replace(_HEALTH, deployment=name)))
    say("health", f"{name} answers: {answer.text[:60]!r}, {answer.latency_s:.1f} s")


def _hand_over(connection: Connection, name: str, chosen: str, share: int, say: Say) -> None:
    """Gives a deployment its share of the traffic and the rest to the one that had most; `retire` takes the old one."""
    every = deployments(connection, name)
    gate = {one.name: one.gate for one in every}[chosen]
    if gate not in {"", verdicts.PASSED}:
        say("gate", f"{chosen} gets no traffic until it has passed its gate: phi-azure compare {name}/{chosen} ...")
        return
    found = {one.name: one.traffic for one in every}
    others = {one: traffic for one, traffic in found.items() if one != chosen and traffic}
    rest = max(others, key=lambda one: others[one]) if others else None
    if share == 0 and rest is not None:
        return
    shift(connection, name, {chosen: share, rest: 100 - share} if rest else {chosen: 100}, say)
    if rest and share == 100:
        say("deployment", f"{rest} stays, without traffic, and is paid: rollback goes back to it, --retire deletes it")


@contextmanager
def _explained(connection: Connection, endpoint: str, name: str, say: Say) -> Iterator[None]:
    """Adds to an error what the container said and what is known to help, and deletes the deployment."""
    try:
        yield
    except PhiAzureError as error:
        log = _log(connection, endpoint, name)
        say("deployment", f"{name} did not come up; deleting it")
        left = _try_to_delete(connection, endpoint, name)
        whose = f"deployment {name} of {endpoint}"
        said = str(error).removeprefix(f"{whose}: ")
        message = "\n".join([f"{whose}: {said}", *log.splitlines(), *left])
        raise type(error)(message, remedy=serving_remedy(str(error), log) or error.remedy) from error
    except BaseException:
        _try_to_delete(connection, endpoint, name)
        raise


def _log(connection: Connection, endpoint: str, name: str) -> str:
    """Returns the end of what the containers wrote; nothing where there is no log."""
    for container in (None, "storage-initializer"):
        try:
            said = endpoints.logs(connection, endpoint, name, _LOG_LINES, container)
        except PhiAzureError:
            continue
        before, mark, after = said.partition("Container logs:")
        lines = (after if mark else before).strip().splitlines()
        if lines:
            return "\n".join(lines[-_LOG_LINES:])
    return ""


def _try_to_delete(connection: Connection, endpoint: str, name: str) -> list[str]:
    """Deletes a deployment; returns what to say where that fails too."""
    try:
        _delete(connection, endpoint, name)
    except PhiAzureError as error:
        return [f"It is left behind, because deleting it failed too: {error}. It costs money: `phi-azure down`."]
    return []


def _delete(connection: Connection, endpoint: str, name: str) -> None:
    try:
        with waited_for(connection, f"deleting {name} of {endpoint}"):
            connection.ml.online_deployments.begin_delete(name, endpoint).result()
    except NotFoundError:
        return
    if autoscale.TAG in endpoints.find(connection, endpoint).tags:
        autoscale.remove(connection, endpoint, name)


def _wait_for(connection: Connection, url: str, what: str, say: Say) -> None:
    """Waits for something that an interrupted call has left half made. Raises AzureError where it fails."""
    with waited_for(connection, what):
        while True:
            properties = connection.get(url, {"api-version": _API})["properties"]
            state = str(properties.get("provisioningState"))
            if state not in {"Creating", "Updating", "Deleting"}:
                break
            say("endpoint", f"{what} is {state}")
            connection.transport.sleep(_LOOK_S)
    if state != "Succeeded":
        raise AzureError(f"{what} is {state}.")


def checked(shares: Mapping[str, int], found: list[Deployment], *, most: int = 100) -> dict[str, int]:
    """Returns the whole division of the traffic: what is named, and the rest for the one other.

    Raises:
        NotFoundError: a deployment that is not there.
        ConfigError: shares that do not make a hundred, or more than Azure takes.
    """
    names = [one.name for one in found]
    unknown = [one for one in shares if one not in names]
    if unknown:
        raise NotFoundError(
            f"there is no deployment {', '.join(unknown)}; there are: {', '.join(sorted(names)) or 'none'}."
        )
    if any(not 0 <= share <= most for share in shares.values()) or sum(shares.values()) > most:
        raise ConfigError(f"shares are percents from 0 to {most}, together {most} at most: {dict(shares)}.")
    rest = 100 - sum(shares.values())
    others = [one for one in names if one not in shares]
    if most == 100 and rest and len(others) != 1:
        raise ConfigError(
            f"{rest} % are left, and it is not clear for which deployment: {', '.join(others) or 'none'}."
        )
    return {**shares, **({others[0]: rest} if most == 100 and rest else {})}


def _url(connection: Connection, name: str) -> str:
    return f"{MANAGEMENT}{connection.id}/onlineEndpoints/{name}"


def _read(found: dict[str, Any], endpoint: dict[str, Any]) -> Deployment:
    properties, name = found["properties"], found["name"]
    live, mirrored = (endpoint["properties"].get(which) or {} for which in ("traffic", "mirrorTraffic"))
    return Deployment(
        name,
        str(properties.get("model") or ""),
        str(properties.get("instanceType") or ""),
        int((found.get("sku") or {}).get("capacity") or 1),
        str(properties.get("provisioningState") or ""),
        int(live.get(name, 0)),
        int(mirrored.get(name, 0)),
        verdicts.state(endpoint.get("tags") or {}, name, found),
    )
