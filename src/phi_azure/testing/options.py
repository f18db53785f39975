"""What `azure()` may be told: wrong words are refused where they stand, before they make a test that tests nothing."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, get_args

from phi_azure.emulator.access import OWNER, Access, Storage, action_of
from phi_azure.emulator.app import ROUTES
from phi_azure.emulator.workspaces import bare, vm_sizes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_RUNNERS = ("scripted", "engine")
_KINDS = ("Default", "Hub", "Project")


def access(
    *, signed_in: bool, tenant: str | None, roles: Sequence[str], denied: Sequence[str], storage: Storage
) -> Access:
    """Returns how the caller stands with Azure.

    Raises:
        ValueError: a role, an action or a way to the blobs that there is not; the message has all of them.
    """
    _refuse([*_one_of("storage", [storage], get_args(Storage)), *_lists(roles=roles, denied=denied)])
    _refuse(_unknown_actions(denied))
    return Access(signed_in, tenant, tuple(roles), tuple(denied), storage)


def require(*, runner: str, quota: Mapping[str, int] | None, workspaces: Mapping[str, str] | None) -> None:
    """Refuses what the emulator does not know.

    Raises:
        ValueError: the message has all of it.
    """
    _refuse(
        [
            *_one_of("runner", [runner], _RUNNERS),
            *_one_of("workspaces", (workspaces or {}).values(), _KINDS),
            *_unknown_families(quota or {}),
        ]
    )


def _refuse(problems: Iterable[str]) -> None:
    if said := "\n".join(problems):
        raise ValueError(said)


def _one_of(option: str, words: Iterable[str], known: Sequence[str]) -> Iterator[str]:
    yield from (f"{option}: {word!r} is none of {', '.join(known)}" for word in words if word not in known)


def _lists(**options: Sequence[str]) -> Iterator[str]:
    yield from (f"{name} takes a list, as in [{word!r}]" for name, word in options.items() if isinstance(word, str))


def _unknown_actions(denied: Sequence[str]) -> Iterator[str]:
    for pattern in denied:
        without = Access(roles=(OWNER,), denied=(pattern,))
        if all(without.allows(action) for action in _actions()):
            listed = "\n  ".join(_actions())
            yield f"denied: no request that the emulator serves needs {pattern!r}; it knows:\n  {listed}"


@cache
def _actions() -> list[str]:
    """Returns what the emulator's requests need, as roles name it."""
    return sorted({action for route in ROUTES if (action := action_of(route.method, route.path))})


def _unknown_families(quota: Mapping[str, int]) -> Iterator[str]:
    known = sorted({size["family"] for size in vm_sizes().values()})
    names = {bare(name) for name in known}
    yield from (f"quota: {name!r} is no family of {', '.join(known)}" for name in quota if bare(name) not in names)
